"""Run directories of hand-made rows, as far as those who read a finished run look at them."""

import json
from collections.abc import Sequence
from pathlib import Path

import polars as pl

from metaalign_data.dataset.configs import pairs
from metaalign_data.records import PreferencePair, to_frame
from metaalign_data.report.rows import derived

RECIPE = "name: made\nteacher: {provider: simulated}\nqueries: {source: bundled}\n"
MANIFEST = {
    "state": "done",
    "verdict": "some pairs",
    "updated_at": "2026-01-01T00:00:00+00:00",
    "name": "made",
    "seed": 0,
    "teacher": "simulated",
    "judge": "simulated",
    "simulated": True,
    "counts": {
        "queries": {"in": 4, "passed": 3, "rejected": 1, "failed": 0, "out": 3, "reasons": {"rejected: empty": 1}},
        "judge": {"in": 3, "passed": 1, "rejected": 1, "failed": 1, "out": 2, "reasons": {"failed: timeout": 1}},
    },
    "cost": {"calls": 5, "prompt_tokens": 1000, "completion_tokens": 200, "usd": "0.5"},
    "dataset": {"pairs": {"train": 1}},
    "sources": {"bundled (comes with metaalign-data)": ["Apache-2.0"]},
    "versions": {"metaalign-data": "0"},
}


def frame(rows: Sequence[PreferencePair]) -> pl.DataFrame:
    """The rows as an audit has them."""
    return derived(to_frame(rows, PreferencePair))


def made_run(root: Path, rows: Sequence[PreferencePair], recipe: str = RECIPE) -> Path:
    """A run directory with these rows as its dataset."""
    made = to_frame(rows, PreferencePair).with_columns(pl.col("split").fill_null("train"))
    for (split,), table in made.partition_by("split", as_dict=True).items():
        path = root / f"dataset/pairs/{split}-00000-of-00001.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        pairs(table).write_parquet(path)
    (root / "manifest.json").write_text(json.dumps(MANIFEST), encoding="utf-8")
    (root / "recipe.yaml").write_text(recipe, encoding="utf-8")
    return root
