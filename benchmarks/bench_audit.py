"""Does the audit pass a good set and catch a bad one?

    python benchmarks/bench_audit.py [--run RUN] [--small]

Audits the run in RUN (without --run: one that it makes with the simulated teacher) and the same rows with two leaks
planted. `length`: of each two rows of a flip, and of the rows outside flips, only those stay whose chosen response is
the longer one. `refusal`: every third row's rejected response declines. Then `shuffled`: chosen and rejected of each
row exchanged by a coin, where no classifier may find anything.

Writes results/bench_audit.json (--small: bench_audit_small.json). The bars: context-free accuracy 45 to 55 % on flips,
response-only classifiers under 60 %, swap consistency over 90 %; each planted leak has its check out of the bar.
"""

import argparse
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from random import Random

import polars as pl
from machine import machine

from metaalign_data.api import run
from metaalign_data.commands.audit import checks_table
from metaalign_data.recipe import Recipe
from metaalign_data.records import digest
from metaalign_data.report.audit import Audit, audit_run
from metaalign_data.report.rows import COLUMNS, RunRows, read_run

RESULTS = Path(__file__).parent / "results"
SAMPLE = 300
REFUSAL = "I'm sorry, but I can't help with that."
CLASSIFIERS = {"response alone", "length alone", "refusal alone"}
BARS = [
    ("guessed without the meta-prompt", "flips"),
    ("swap consistency", "all comparisons"),
    *((name, "all rows") for name in sorted(CLASSIFIERS)),
]
CAUGHT_BY = {"length": "length alone", "refusal": "refusal alone"}


def make_run(folder: Path, *, small: bool) -> Path:
    """A finished run of the quickstart with more rows of each query."""
    overrides = [f"preferences.per_query={4 if small else 30}", "queries.limit=60"]
    return run(Recipe.load("quickstart", overrides=overrides), out=folder / "run").folder


def leaking_length(pairs: pl.DataFrame) -> pl.DataFrame:
    return pairs.filter(pl.col("chosen_text").str.len_chars() > pl.col("rejected_text").str.len_chars())


def leaking_refusal(pairs: pl.DataFrame) -> pl.DataFrame:
    third = pl.Series([int(digest("third", row), 16) % 3 == 0 for row in pairs["id"]])
    declined = pl.lit([{"role": "assistant", "content": REFUSAL}], dtype=pairs.schema["rejected"])
    return pairs.with_columns(rejected=pl.when(third).then(declined).otherwise("rejected"))


def shuffled(pairs: pl.DataFrame) -> pl.DataFrame:
    rng = Random(0)
    coin = pl.Series([rng.random() < 0.5 for _ in range(pairs.height)])
    sides = ("chosen", "rejected")
    return pairs.with_columns(
        pl.when(coin).then(other).otherwise(side).alias(side) for side, other in zip(sides, sides[::-1], strict=True)
    )


PLANTED: dict[str, Callable[[pl.DataFrame], pl.DataFrame]] = {
    "length": leaking_length,
    "refusal": leaking_refusal,
    "shuffled": shuffled,
}


def copy_with(source: RunRows, pairs: pl.DataFrame, folder: Path) -> Path:
    """A run directory of these rows; it has no tables, so it has no votes."""
    (folder / "dataset/pairs").mkdir(parents=True)
    pairs.select(name for name in COLUMNS if name != "split").write_parquet(
        folder / "dataset/pairs/train-00000-of-00001.parquet"
    )
    for name in ("manifest.json", "recipe.yaml"):
        shutil.copy(source.folder.root / name, folder / name)
    return folder


def timed_audit(folder: Path) -> Audit:
    start = time.monotonic()
    found = audit_run(folder, sample=SAMPLE, ask_judge=True)
    return found | {"seconds": time.monotonic() - start}


def out_of_bar(audit: Audit) -> set[tuple[str, str]]:
    """Names and scopes of the checks that are not right."""
    return {(check["name"], check["scope"]) for check in audit["checks"] if check["status"] == "look at this"}


def missed_bars(audits: dict[str, Audit]) -> list[str]:
    """What of the bars is missed, as sentences."""
    good = {(check["name"], check["scope"]): check["status"] for check in audits["as made"]["checks"]}
    missed = [f"as made: {' of '.join(bar)}: {good.get(bar, 'not measured')}" for bar in BARS if good.get(bar) != "ok"]
    for leak, name in CAUGHT_BY.items():
        if (name, "all rows") not in out_of_bar(audits[leak]):
            missed.append(f"{leak}: the leak was not caught by {name}")
    found = sorted({name for name, _ in out_of_bar(audits["shuffled"])} & CLASSIFIERS)
    return missed + [f"shuffled: {name} finds what is not there" for name in found]


def print_audit(name: str, audit: Audit) -> None:
    from rich.console import Console

    print(f"\n{name}: {audit['figures']['rows']:,} rows, audited in {audit['seconds']:.1f} s")
    Console(width=150).print(checks_table(audit["checks"]))


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--run", type=Path, help="a run directory; the audit is written into it")
    parser.add_argument("--small", action="store_true", help="without --run: a small one")
    args = parser.parse_args()
    print(", ".join(f"{name} {value}" for name, value in machine("polars", "scikit-learn").items()))
    with tempfile.TemporaryDirectory() as scratch:
        source = read_run(args.run or make_run(Path(scratch), small=args.small))
        audits = {"as made": timed_audit(source.folder.root)}
        for name, plant in PLANTED.items():
            audits[name] = timed_audit(copy_with(source, plant(source.pairs), Path(scratch) / name))
    for name, audit in audits.items():
        print_audit(name, audit)
    missed = missed_bars(audits)
    for name, scope in sorted(out_of_bar(audits["as made"]) - set(BARS)):
        print(f"as made, to look at: {name} of {scope}")
    print("\n" + ("; ".join(missed) if missed else "every bar is met, and every planted leak is caught"))
    RESULTS.mkdir(exist_ok=True)
    kept = {
        name: {"rows": audit["figures"]["rows"], "seconds": round(audit["seconds"], 1), "checks": audit["checks"]}
        for name, audit in audits.items()
    }
    written = {"machine": machine("polars", "scikit-learn"), "sample": SAMPLE, "audits": kept, "missed": missed}
    name = "bench_audit_small" if args.small else "bench_audit"
    (RESULTS / f"{name}.json").write_text(json.dumps(written, indent=2) + "\n")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
