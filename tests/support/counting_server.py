"""The simulated teacher behind its real HTTP server, in a thread, with a count of what it was asked."""

import asyncio
import contextlib
import json
import sqlite3
import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from metaalign_data.chat import ChatRequest, Completion
from metaalign_data.teacher.simulated import SimulatedTeacher, server

JSON_WANTED = "Answer with one JSON value that is valid"


def messages(asked: Sequence[Mapping[str, str]]) -> str:
    """A question as it is counted: by its messages, without the words that prompts/answer_json.md puts into them."""
    told = [(each["role"], each["content"].split(JSON_WANTED)[0].strip()) for each in asked]
    return json.dumps([each for each in told if each[1]])


class Count:
    """How often each question was asked; a client may ask one several times over, for independent answers."""

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        self.base_url = ""


def on_disk(run: Path) -> Counter[str]:
    """How many answers to each question the ledger of a run holds."""
    if not (run / "ledger.sqlite").exists():
        return Counter()
    with contextlib.closing(sqlite3.connect(run / "ledger.sqlite")) as ledger:
        kept = ledger.execute("SELECT request FROM completions").fetchall()
    return Counter(messages(json.loads(request)["messages"]) for (request,) in kept)


@contextlib.contextmanager
def counting_server(latency_s: float = 0.0) -> Iterator[Count]:
    """Serves for as long as the body runs; an answer takes `latency_s` seconds."""
    count, ready = Count(), threading.Event()
    loop, stop = asyncio.new_event_loop(), asyncio.Event()

    class Counting(SimulatedTeacher):
        async def complete(self, request: ChatRequest) -> Completion:
            count.asked[messages(request.model_dump()["messages"])] += 1
            await asyncio.sleep(latency_s)
            return await super().complete(request)

    def on_ready(port: int) -> None:
        count.base_url = f"http://127.0.0.1:{port}/v1"
        ready.set()

    async def serving() -> None:
        served = asyncio.create_task(server.serve(SimulatedTeacher.Config(), on_ready=on_ready))
        await stop.wait()
        served.cancel()

    def run() -> None:
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            runner.run(serving())

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(server, "SimulatedTeacher", Counting)
        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        assert ready.wait(10), "the server did not start"
        try:
            yield count
        finally:
            loop.call_soon_threadsafe(stop.set)
            thread.join(10)
