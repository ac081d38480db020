"""The simulated teacher behind its real HTTP server, in a thread, with a count of what it was asked."""

import asyncio
import contextlib
import threading
from collections import Counter
from collections.abc import Iterator

import pytest

from metaalign_data.chat import ChatRequest, Completion
from metaalign_data.teacher.simulated import SimulatedTeacher, server


class Count:
    """How often each question was asked; a client may ask one several times over, for independent answers."""

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        self.base_url = ""


@contextlib.contextmanager
def counting_server(latency_s: float = 0.0) -> Iterator[Count]:
    """Serves for as long as the body runs; an answer takes `latency_s` seconds."""
    count, ready, loop = Count(), threading.Event(), asyncio.new_event_loop()

    class Counting(SimulatedTeacher):
        async def complete(self, request: ChatRequest) -> Completion:
            count.asked[f"{request.model_dump_json()} {request.json_schema()}"] += 1
            await asyncio.sleep(latency_s)
            return await super().complete(request)

    def on_ready(port: int) -> None:
        count.base_url = f"http://127.0.0.1:{port}/v1"
        ready.set()

    def run() -> None:
        with contextlib.suppress(asyncio.CancelledError):
            loop.run_until_complete(serving)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(server, "SimulatedTeacher", Counting)
        serving = loop.create_task(server.serve(SimulatedTeacher.Config(), on_ready=on_ready))
        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        assert ready.wait(10), "the server did not start"
        try:
            yield count
        finally:
            loop.call_soon_threadsafe(serving.cancel)
            thread.join(10)
