"""Teacher calls a second, memory and cost per row of the whole default pipeline, with a teacher that costs nothing.

    python benchmarks/bench_engine.py [--small]

The default chain of stages over numbered questions: ledger, budget, checks, parts, dedup, split and the dataset on disk
included. Every size runs in a process of its own, with a fresh run directory.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from machine import machine

RESULTS = Path(__file__).parent / "results" / "bench_engine.json"
SIZES = (1_000, 10_000, 100_000)


def measure(queries: int) -> dict[str, float]:
    """One run over so many queries."""
    import cheap_teacher

    from metaalign_data import Recipe, registry, run

    registry.BUILT_IN["teacher"]["cheap"] = "cheap_teacher:CheapTeacher"  # type: ignore[index]
    assert cheap_teacher
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "queries.jsonl"
        with source.open("w") as file:
            for number in range(queries):
                file.write(
                    json.dumps({"instruction": f"Case {number}: what should somebody like me do about it?"}) + "\n"
                )
        recipe = Recipe.from_dict(
            {
                "name": "bench",
                "teacher": {"provider": "cheap", "max_concurrency": 64, "price": {"input": 0.15, "output": 0.6}},
                "budget": {"usd": 1_000_000},
                "queries": {"source": str(source), "text": "instruction"},
            }
        )
        start_s, cpu_start_s = time.perf_counter(), time.process_time()
        result = run(recipe, out=Path(folder) / "run")
        seconds, cpu_s = time.perf_counter() - start_s, time.process_time() - cpu_start_s
        assert result.state == "done", result.verdict
        calls, pairs = result.manifest["this_time"]["asked"], result.pairs().height
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"queries": queries, "seconds": seconds, "cpu_s": cpu_s, "calls": calls, "pairs": pairs, "peak_mb": peak_mb}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--small", action="store_true", help="100 and 400 queries, no results file")
    parser.add_argument("--queries", type=int, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.queries:
        print(json.dumps(measure(args.queries)))
        return
    rows: list[dict[str, Any]] = []
    print("queries     seconds     CPU s     calls   calls/s   ms/query  of first   pairs   peak MB")
    for size in (100, 400) if args.small else SIZES:
        done = subprocess.run([sys.executable, __file__, "--queries", str(size)], stdout=subprocess.PIPE, check=True)
        row = json.loads(done.stdout.splitlines()[-1])
        row["ms_per_query"] = 1000 * row["seconds"] / size
        row["calls_per_s"] = row["calls"] / row["seconds"]
        rows.append(row)
        print(
            f"{size:7,}  "
            f"{row['seconds']:10.1f}  {row['cpu_s']:8.1f}  {row['calls']:8,}  {row['calls_per_s']:8,.0f}  "
            f"{row['ms_per_query']:9.2f}  {row['ms_per_query'] / rows[0]['ms_per_query']:8.2f}  "
            f"{row['pairs']:6,}  {row['peak_mb']:8.0f}"
        )
    if not args.small:
        RESULTS.write_text(json.dumps({"machine": machine("polars"), "runs": rows}, indent=2) + "\n")


if __name__ == "__main__":
    main()
