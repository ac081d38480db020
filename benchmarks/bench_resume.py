"""How fast a finished run is replayed from its ledger: the price of resuming.

    python benchmarks/bench_resume.py [--small]

100,000 completions, each a response of some 300 characters to a question of some 600, are written to a ledger, then all
are asked for again through the whole stack (JSON checks, ledger, budget) by 64 at once. Nothing reaches the client.
"""

import argparse
import asyncio
import json
import tempfile
import time
from pathlib import Path

from cheap_teacher import CheapTeacher
from machine import machine

from metaalign_data.chat import ChatRequest, Message
from metaalign_data.prompting import Library
from metaalign_data.teacher.budget import Budget
from metaalign_data.teacher.ledger import Ledger
from metaalign_data.teacher.meter import Meter
from metaalign_data.teacher.settings import FREE, BudgetSettings, TeacherSettings
from metaalign_data.teacher.stack import build_stack

RESULTS = Path(__file__).parent / "results" / "bench_resume.json"
AT_ONCE = 64
QUESTION = "Explain in two sentences why this matters to a careful reader, and what they would lose without it. " * 6


async def ask_all(path: Path, completions: int) -> tuple[float, Meter]:
    """Seconds for all questions, asked through a stack over the ledger at `path`."""
    ledger, meter = Ledger.open(path), Meter()
    settings = TeacherSettings(provider="simulated", max_concurrency=AT_ONCE, price=FREE)
    budget = Budget(BudgetSettings(calls=10 * completions), ledger.totals())
    stack = build_stack(CheapTeacher(), settings, ledger=ledger, budget=budget, meter=meter, library=Library())
    numbers = iter(range(completions))

    async def asker() -> None:
        for number in numbers:
            await stack.complete(ChatRequest(messages=(Message(role="user", content=f"{number}: {QUESTION}"),)))

    start_s = time.perf_counter()
    await asyncio.gather(*(asker() for _ in range(AT_ONCE)))
    seconds = time.perf_counter() - start_s
    await ledger.close()
    return seconds, meter


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--small", action="store_true", help="5,000 completions, no results file")
    small = parser.parse_args().small
    completions = 5_000 if small else 100_000
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ledger.sqlite"
        written_s, _ = asyncio.run(ask_all(path, completions))
        replayed_s, meter = asyncio.run(ask_all(path, completions))
    assert (meter.replayed, meter.asked) == (completions, 0)
    found = {"completions": completions, "written_s": written_s, "replayed_s": replayed_s}
    written, replayed = completions / written_s, completions / replayed_s
    print(f"{completions:,} completions  written {written:,.0f}/s  replayed {replayed:,.0f}/s")
    if not small:
        RESULTS.write_text(json.dumps({"machine": machine(), **found}, indent=2) + "\n")


if __name__ == "__main__":
    main()
