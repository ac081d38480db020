"""The rehearsal at the paper's scale: as many pairs and distinct preferences as asked for, evenly drawn?

    python benchmarks/bench_preferences.py [--run RUN] [--small]

Runs recipes/metaalign.yaml with the simulated teacher (or looks at a finished run of it) and holds it to the bars: the
target and the subsets' shares to within a point, 12,000 distinct preferences after near-duplicate removal, at least
95 % of the taxonomy's cells, no preference in more than 1 % of the rows, under 20 minutes. Then the sampler against
drawing uniformly: distinct pairs of value and subset, of value and kind of query, and combinations of all three after
the same number of scenarios.

Writes results/bench_preferences.json (--small: bench_preferences_small.json, a tenth of the rows and no bar on number).
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path
from random import Random
from typing import Any

from machine import machine
from rich.console import Console
from rich.table import Table

from metaalign_data.api import run
from metaalign_data.dataset.figures import dataset_figures
from metaalign_data.engine.wiring import library_of
from metaalign_data.prompting import Library
from metaalign_data.queries import read_queries
from metaalign_data.queries.settings import QuerySettings
from metaalign_data.recipe import Recipe
from metaalign_data.records import Query, Subset
from metaalign_data.report.audit import preferences_apart
from metaalign_data.report.coverage import coverage
from metaalign_data.report.rows import RunRows, read_run
from metaalign_data.stages.sampling.coverage import CoverageSampler, cells_for

RESULTS = Path(__file__).parent / "results"
COMBINED = ("value x subset", "value x kind", "value x kind x subset")
DRAWN: tuple[Subset, ...] = ("priority", "helpful")
SCENARIOS = (120, 240, 480, 960)


def rehearse(folder: Path, *, small: bool) -> Path:
    overrides = ["dataset.target=3890", "preferences.variants=2"] if small else []
    recipe = Recipe.load("metaalign", overrides=overrides).simulated()
    result = run(recipe, out=folder / "run", progress=True)
    if result.state != "done":
        sys.exit(f"the rehearsal ended as {result.state}: {result.verdict}")
    return result.folder


def figures_of(source: RunRows) -> dict[str, Any]:
    recipe, manifest = source.recipe(), source.manifest
    rows = dataset_figures(source.pairs)
    covered = coverage(source.pairs, library_of(recipe).taxonomy(recipe.preferences.taxonomy))
    off = {s: rows["subset"].get(s, 0) / rows["rows"] - share for s, share in recipe.subsets.items()}
    return {
        "pairs": rows["rows"],
        "target": recipe.dataset.target,
        "candidates": (manifest["target"] or {}).get("candidates"),
        "answers": manifest["cost"]["calls"],
        "seconds": manifest["this_time"]["seconds"],
        "asked": manifest["this_time"]["asked"],
        "off_share": max(map(abs, off.values())),
        "preferences": rows["preferences"],
        "preferences_apart": preferences_apart(source.pairs),
        "largest_preference_share": rows["largest_preference_share"],
        "cells": covered["cells"],
        "cells_by_subset": covered["cells_by_subset"],
        "cells_by_kind": covered["cells_by_kind"],
        "flip_share": rows["flip_share"],
        "twin_share": rows["twin_share"],
        "users": rows["users"],
    }


def bars(found: dict[str, Any], *, small: bool) -> list[tuple[str, str, str, bool]]:
    """Name, figure, bar, and whether it is met."""
    apart, seconds = found["preferences_apart"], found["seconds"]
    held = [
        ("pairs", f"{found['pairs']:,}", f"{found['target']:,}", found["pairs"] == found["target"]),
        ("furthest subset from its share", f"{found['off_share']:.2%}", "1 point", found["off_share"] <= 0.01),
        ("cells of the taxonomy", f"{found['cells']['share']:.1%}", "95 %", found["cells"]["share"] >= 0.95),
        (
            "rows of one preference",
            f"{found['largest_preference_share']:.2%}",
            "at most 1 %",
            found["largest_preference_share"] <= 0.01,
        ),
    ]
    if not small:
        held.append(("distinct preferences, near-duplicates out", f"{apart:,}", "12,000", apart >= 12_000))
    if found["asked"]:
        held.append(("minutes", f"{seconds / 60:.1f}", "under 20", seconds < 1200))
    return held


def combinations(scenarios: int) -> dict[str, tuple[int, int]]:
    """Distinct pairs and triples that so many scenarios of the bundled queries reach: sampled, and drawn uniformly."""
    taxonomy, rng = Library().taxonomy("default"), Random(0)
    sampler = CoverageSampler(taxonomy, seed=0)
    asked = [q for q in read_queries(QuerySettings(source="bundled"), Path()) if isinstance(q, Query)]
    reached: dict[str, tuple[set[Any], set[Any]]] = {name: (set(), set()) for name in COMBINED}
    for i in range(scenarios):
        kind, subset = taxonomy.kind_of(asked[i % len(asked)].text), rng.choice(DRAWN)
        cells = sampler.draw(kind, subset), rng.choice(cells_for(taxonomy, kind))
        for found, cell in zip(zip(*reached.values(), strict=True), cells, strict=True):
            for together, beside in zip(found, ((subset,), (kind,), (kind, subset)), strict=True):
                together.add((*cell, *beside))
    return {name: (len(sampled), len(uniform)) for name, (sampled, uniform) in reached.items()}


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--run", type=Path, help="a finished run of the recipe, instead of a new one")
    parser.add_argument("--small", action="store_true", help="a tenth of the rows")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        found = figures_of(read_run(args.run or rehearse(Path(scratch), small=args.small)))
    held = bars(found, small=args.small)
    console = Console(width=120)
    console.print(", ".join(f"{name} {value}" for name, value in machine("polars", "pydantic").items()))
    table = Table("figure", "measured", "bar", "")
    for name, figure, bar, met in held:
        table.add_row(name, figure, bar, "met" if met else "MISSED")
    console.print(table)
    reached = {str(n): combinations(n) for n in SCENARIOS}
    table = Table("scenarios", *COMBINED, title="Distinct combinations: sampled, drawn uniformly")
    for n, found_by in reached.items():
        table.add_row(n, *(f"{sampled:,}, {uniform:,}" for sampled, uniform in found_by.values()))
    console.print(table)
    RESULTS.mkdir(exist_ok=True)
    written = {"machine": machine("polars", "pydantic"), "figures": found, "combinations": reached}
    name = "bench_preferences_small" if args.small else "bench_preferences"
    (RESULTS / f"{name}.json").write_text(json.dumps(written, indent=2) + "\n")
    return 0 if all(met for *_, met in held) else 1


if __name__ == "__main__":
    sys.exit(main())
