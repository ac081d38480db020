"""Which rows go, by the rules that are in use: how many are kept, and how many that went have no kept row near them.

    python benchmarks/bench_rules.py [--small]

Every rule gets the same pairs and the same order of rows. `greedy` is ours: a row goes if it is near a row that was
kept before it. `connected components` keeps the first of each component (text-dedup, datatrove); `any earlier row`
drops what is near an earlier row, kept or not (SemDeDup, NeMo Curator). Both are written anew here from their
descriptions. An uncovered row is content that is lost: it went, and nothing near it stayed.

The data: a chain of 1,000 rows, each near the next alone, in order and shuffled; planted vectors.

Writes results/bench_rules.json, but for --small. The bar: no uncovered row by `greedy`; the exit code is 1 if there is
one.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from duplicates_corpus import Vectors, planted_vectors
from machine import machine
from rich.console import Console
from rich.table import Table

from metaalign_data.neighbours import clusters, greedy_cover, pairs_above

RESULTS = Path(__file__).parent / "results"
THRESHOLD = 0.9

Flags = npt.NDArray[np.bool_]
Pairs = npt.NDArray[np.intp]


def chain(n: int, cosine: float = 0.92, dimensions: int = 2_048) -> Vectors:
    """A random walk: each row at this cosine to the next, and to the one after at its square."""
    rng = np.random.default_rng(0)
    rows = np.empty((n, dimensions), dtype=np.float32)
    here = rng.standard_normal(dimensions)
    for row in rows:
        here /= np.linalg.norm(here)
        row[:] = here
        aside = rng.standard_normal(dimensions)
        aside -= (aside @ here) * here
        here = cosine * here + np.sqrt(1 - cosine**2) * aside / np.linalg.norm(aside)
    return rows


def greedy(vectors: Vectors, pairs: Pairs) -> Flags:
    return np.array([verdict is None for verdict in greedy_cover([vectors], THRESHOLD, [None] * len(vectors))])


def connected_components(vectors: Vectors, pairs: Pairs) -> Flags:
    root = clusters(len(vectors), [(pairs[:, 0], pairs[:, 1])])
    return np.asarray(root == np.arange(len(vectors)))


def any_earlier_row(vectors: Vectors, pairs: Pairs) -> Flags:
    kept = np.ones(len(vectors), dtype=bool)
    kept[pairs[:, 1]] = False
    return kept


RULES = {"greedy": greedy, "connected components": connected_components, "any earlier row": any_earlier_row}


def counts(vectors: Vectors) -> dict[str, dict[str, int]]:
    """By rule: rows kept, and rows that went and have no kept row near them, earlier or later."""
    pairs = np.concatenate([np.stack([i, j], axis=1) for i, j in pairs_above(vectors, THRESHOLD)])
    found = {}
    for name, rule in RULES.items():
        kept = rule(vectors, pairs)
        covered = kept.copy()
        covered[pairs[kept[pairs[:, 0]], 1]] = True
        covered[pairs[kept[pairs[:, 1]], 0]] = True
        found[name] = {"kept": int(kept.sum()), "uncovered": int((~covered).sum())}
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--small", action="store_true", help="10 k planted vectors instead of 100 k")
    args = parser.parse_args()
    links = chain(1_000)
    n = 10_000 if args.small else 100_000
    results: dict[str, Any] = {
        "chain": counts(links),
        "chain, shuffled": counts(np.random.default_rng(1).permutation(links)),
        f"{n:,} planted vectors": counts(planted_vectors(n)),
    }
    table = Table("data", "rule", "kept", "uncovered")
    for data, rules in results.items():
        for rule, found in rules.items():
            table.add_row(data, rule, f"{found['kept']:,}", f"{found['uncovered']:,}")
    Console().print(table)
    worst = max(rules["greedy"]["uncovered"] for rules in results.values())
    print(f"uncovered by our rule: {worst} (bar: 0)")
    if not args.small:
        RESULTS.mkdir(exist_ok=True)
        text = json.dumps({"machine": machine("numpy"), **results}, indent=1)
        (RESULTS / "bench_rules.json").write_text(text + "\n", encoding="utf-8")
    return int(worst > 0)


if __name__ == "__main__":
    sys.exit(main())
