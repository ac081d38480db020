"""How near the whole stack comes to what the server's latency allows, beside bare loops over aiohttp and openai.

    python benchmarks/bench_throughput.py [--small] [--rounds 3]

A loopback server answers every request after 200 ms, in a process of its own. Ideal is N x latency / concurrency. Ours
are all layers between a stage and the server: JSON checks, ledger on disk, budget in USD, retries, adaptive limits.
Each client runs in a process of its own; its time leaves imports out and connecting in.
"""

import argparse
import asyncio
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from loopback_server import loopback
from machine import machine

RESULTS = Path(__file__).parent / "results" / "bench_throughput.json"
LATENCY_MS = 200
REQUESTS_PER_SLOT = 40
CLIENTS = ("aiohttp", "openai", "ours")
NAMES = {"aiohttp": "bare aiohttp loop", "openai": "bare openai loop", "ours": "metaalign-data"}

Ask = Callable[[str], Awaitable[str]]


def question(number: int) -> str:
    return f"Question {number}: explain in two sentences why item {number} matters to a careful reader."


@asynccontextmanager
async def aiohttp_loop(base_url: str, concurrency: int) -> AsyncIterator[Ask]:
    import aiohttp

    connector = aiohttp.TCPConnector(limit=concurrency)
    async with aiohttp.ClientSession(connector=connector, headers={"Authorization": "Bearer x"}) as session:

        async def ask(text: str) -> str:
            body = {"model": "loopback", "messages": [{"role": "user", "content": text}]}
            async with session.post(f"{base_url}/chat/completions", json=body) as response:
                return str((await response.json())["choices"][0]["message"]["content"])

        yield ask


@asynccontextmanager
async def openai_loop(base_url: str, concurrency: int) -> AsyncIterator[Ask]:
    from openai import AsyncOpenAI

    async with AsyncOpenAI(api_key="x", base_url=base_url) as client:

        async def ask(text: str) -> str:
            reply = await client.chat.completions.create(model="loopback", messages=[{"role": "user", "content": text}])
            return reply.choices[0].message.content or ""

        yield ask


@asynccontextmanager
async def whole_stack(base_url: str, concurrency: int) -> AsyncIterator[Ask]:
    import aiohttp  # noqa: F401  the stack imports it with the first request

    from metaalign_data.chat import ChatRequest, Message
    from metaalign_data.prompting import Library
    from metaalign_data.teacher.budget import Budget
    from metaalign_data.teacher.ledger import Ledger
    from metaalign_data.teacher.meter import Meter
    from metaalign_data.teacher.openai import OpenAITeacher
    from metaalign_data.teacher.settings import BudgetSettings, TeacherSettings
    from metaalign_data.teacher.stack import build_stack

    settings = TeacherSettings.model_validate(
        {"max_concurrency": concurrency, "price": {"input": "0.15", "output": "0.60"}}
    )
    client = OpenAITeacher(OpenAITeacher.Config(model="loopback", base_url=base_url))
    with tempfile.TemporaryDirectory() as folder:
        ledger = Ledger.open(Path(folder) / "ledger.sqlite")
        budget = Budget(BudgetSettings.model_validate({"usd": 1000}), ledger.totals())
        stack = build_stack(client, settings, ledger=ledger, budget=budget, meter=Meter(), library=Library())

        async def ask(text: str) -> str:
            return (await stack.complete(ChatRequest(messages=(Message(role="user", content=text),)))).text

        yield ask
        await client.aclose()
        await ledger.close()


async def measure(name: str, base_url: str, concurrency: int, requests: int) -> dict[str, float]:
    """Seconds, processor seconds and memory of one client. Ours gets twice as many askers as it may ask at once."""
    opened = {"aiohttp": aiohttp_loop, "openai": openai_loop, "ours": whole_stack}[name]
    numbers = iter(range(requests))
    async with opened(base_url, concurrency) as ask:

        async def asker() -> int:
            return sum([bool(await ask(question(number))) for number in numbers])

        start_s, cpu_start_s = time.perf_counter(), time.process_time()
        answered = await asyncio.gather(*(asker() for _ in range(concurrency * (2 if name == "ours" else 1))))
        seconds, cpu_s = time.perf_counter() - start_s, time.process_time() - cpu_start_s
    assert sum(answered) == requests
    return {"seconds": seconds, "cpu_ms": 1000 * cpu_s / requests, "peak_mb": _peak_mb()}


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def in_a_process(name: str, base_url: str, concurrency: int, requests: int) -> dict[str, Any]:
    options = ["--client", name, "--base-url", base_url, "--concurrency", str(concurrency), "--requests", str(requests)]
    done = subprocess.run([sys.executable, __file__, *options], stdout=subprocess.PIPE, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def compare(concurrency: int, requests: int, rounds: int) -> list[dict[str, Any]]:
    """Medians of all clients at this concurrency, each over the same number of rounds, in turn."""
    runs: dict[str, list[dict[str, Any]]] = {name: [] for name in CLIENTS}
    for _ in range(rounds):
        for name in CLIENTS:
            with loopback(latency_ms=LATENCY_MS) as server:
                runs[name].append(in_a_process(name, server.base_url, concurrency, requests))
    ideal_s = requests * LATENCY_MS / 1000 / concurrency
    rows = []
    for name in CLIENTS:
        found = {key: statistics.median(run[key] for run in runs[name]) for key in runs[name][0]}
        rows.append({"client": name, "concurrency": concurrency, "of_ideal": ideal_s / found["seconds"], **found})
    for row in rows:
        row["of_aiohttp"] = rows[0]["seconds"] / row["seconds"]
        row["cpu_of_openai"] = row["cpu_ms"] / rows[1]["cpu_ms"]
        row["cpu_of_aiohttp"] = row["cpu_ms"] / rows[0]["cpu_ms"]
    return rows


def show(rows: list[dict[str, Any]]) -> None:
    print("at once  client              of ideal  over aiohttp  CPU ms/request  of openai's  of aiohttp's  peak MB")
    for r in rows:
        print(
            f"{r['concurrency']:7}  {NAMES[r['client']]:18}  {r['of_ideal']:8.3f}  {r['of_aiohttp']:12.3f}  "
            f"{r['cpu_ms']:14.3f}  {r['cpu_of_openai']:11.2f}  {r['cpu_of_aiohttp']:12.2f}  {r['peak_mb']:7.0f}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--small", action="store_true", help="16 requests a slot, one round, no results file")
    parser.add_argument("--rounds", type=int, default=3)
    for name in ("--client", "--base-url"):
        parser.add_argument(name, help=argparse.SUPPRESS)
    for name in ("--concurrency", "--requests"):
        parser.add_argument(name, type=int, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.client:
        print(json.dumps(asyncio.run(measure(args.client, args.base_url, args.concurrency, args.requests))))
        return
    per_slot, rounds = (16, 1) if args.small else (REQUESTS_PER_SLOT, args.rounds)
    rows = [row for concurrency in (64, 256) for row in compare(concurrency, per_slot * concurrency, rounds)]
    show(rows)
    if not args.small:
        found = {"latency_ms": LATENCY_MS, "requests_per_slot": per_slot, "rounds": rounds, "clients": rows}
        RESULTS.write_text(json.dumps({"machine": machine("aiohttp", "openai"), **found}, indent=2) + "\n")


if __name__ == "__main__":
    main()
