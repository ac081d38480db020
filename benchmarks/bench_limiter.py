"""Whether the limiter finds the pace of a server that allows R requests a second, and follows when R changes.

    python benchmarks/bench_limiter.py [--small]

A loopback server answers after 200 ms and refuses with 429 what is beyond R (a token bucket). After 20 s R doubles,
after another 20 s it is what it was. The recipe allows 128 requests at once, and nothing tells R. Shares are
answers in five seconds over what R allows; "reached" is when five seconds first gave 95% of it.
"""

import argparse
import asyncio
import json
import time
from pathlib import Path
from typing import Any

from loopback_server import Loopback, loopback
from machine import machine

from metaalign_data.chat import ChatRequest, Message
from metaalign_data.teacher.limiter import Limited
from metaalign_data.teacher.meter import Meter
from metaalign_data.teacher.openai import OpenAITeacher
from metaalign_data.teacher.pace import Paces
from metaalign_data.teacher.retry import PATIENCE_S, Retrying
from metaalign_data.teacher.settings import TeacherSettings
from metaalign_data.teacher.stack import paced

RESULTS = Path(__file__).parent / "results" / "bench_limiter.json"
AT_ONCE = 128
SPAN_S = 5
REACHED = 0.95


async def ask_for(seconds: float, changes: dict[float, float], server: Loopback) -> list[float]:
    """When answers came, in seconds from the start; `changes` are new rates by the time at which they begin."""
    client = OpenAITeacher(OpenAITeacher.Config(model="loopback", base_url=server.base_url))
    pace = paced(client, TeacherSettings(max_concurrency=AT_ONCE), AT_ONCE, Paces())
    limited = Limited(client, AT_ONCE, 60.0, Meter(), PATIENCE_S, pace)
    teacher = Retrying(limited, 6, Meter())
    start_s, answers = time.monotonic(), []

    async def asker() -> None:
        while (now := time.monotonic() - start_s) < seconds:
            await teacher.complete(ChatRequest(messages=(Message(role="user", content=f"at {now}"),)))
            answers.append(time.monotonic() - start_s)

    async def change() -> None:
        for at, rps in sorted(changes.items()):
            await asyncio.sleep(at - (time.monotonic() - start_s))
            await asyncio.to_thread(server.set_rps, rps)

    changing = asyncio.create_task(change())
    await asyncio.gather(*(asyncio.wait_for(asker(), seconds + 30) for _ in range(2 * AT_ONCE)))
    changing.cancel()
    await client.aclose()
    return answers


def measure(rps: float, span: float) -> dict[str, Any]:
    """One server through three spans of so many seconds: R, twice R, R."""
    phases = [(0.0, rps), (span, 2 * rps), (2 * span, rps)]
    with loopback(latency_ms=200, rps=rps) as server:
        answers = asyncio.run(ask_for(3 * span, {at: r for at, r in phases if at}, server))
        stats = server.stats()
    found = {"rps": rps, "refused": stats["refused"] / (stats["refused"] + stats["answered"]), "phases": []}
    for at, allowed in phases:
        shares = {s: _share(answers, at + s, allowed) for s in _steps(span)}
        reached = next((s + SPAN_S for s, share in shares.items() if share >= REACHED), None)
        found["phases"].append(
            {"rps": allowed, "reached_s": reached, "last": _share(answers, at + span - 10, allowed, 10)}
        )
    return found


def _steps(span: float) -> list[float]:
    return [step / 2 for step in range(int(2 * (span - SPAN_S)) + 1)]


def _share(answers: list[float], since: float, rps: float, seconds: float = SPAN_S) -> float:
    return sum(since <= at < since + seconds for at in answers) / (rps * seconds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--small", action="store_true", help="one rate, no results file")
    small = parser.parse_args().small
    rows = [measure(rps, 20.0) for rps in ((50.0,) if small else (20.0, 50.0, 200.0))]
    print("    R   429s   R: reached after  last 10 s   2R: reached  last 10 s   R again: reached  last 10 s")
    for row in rows:
        cells = "   ".join(f"{p['reached_s'] or '-':>12} s  {p['last']:8.3f}" for p in row["phases"])
        print(f"{row['rps']:5.0f}  {row['refused']:5.2%}   {cells}")
    if not small:
        RESULTS.write_text(
            json.dumps({"machine": machine("aiohttp"), "at_once": AT_ONCE, "runs": rows}, indent=2) + "\n"
        )


if __name__ == "__main__":
    main()
