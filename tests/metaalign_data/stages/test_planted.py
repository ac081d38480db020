"""The rates that docs/dedup.md states, on the corpus that they were measured with."""

import runpy
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from metaalign_data.stages.dedup import Dedup
from metaalign_data.testing import context

CORPUS = Path(__file__).parents[3] / "benchmarks" / "duplicates_corpus.py"


@pytest.fixture(scope="module")
def planted() -> list[Any]:
    made: list[Any] = runpy.run_path(str(CORPUS))["planted_texts"](2_000)
    return made


@pytest.mark.parametrize(
    ("settings", "least", "most"),
    [
        ({}, {"exact": 1.0, "case and punctuation": 1.0, "sentences reordered": 1.0}, {"one word in ten": 0.2}),
        ({"threshold": 0.8}, {"one word in ten": 0.99}, {}),
        (
            {"rules": ("exact", "lexical")},
            {"exact": 1.0, "case and punctuation": 1.0},
            {"sentences reordered": 0.6, "one word in ten": 0.05},
        ),
    ],
)
def test_planted_duplicates_go_at_the_stated_rates_and_nothing_else_does(
    settings: dict[str, Any], least: dict[str, float], most: dict[str, float], planted: list[Any]
) -> None:
    table = pl.DataFrame({"id": [f"{i:04}" for i in range(len(planted))], "text": [each.text for each in planted]})
    table = table.with_columns(kind=pl.Series([each.kind for each in planted]))
    stage = Dedup(Dedup.Config(on=("text",), per=None, keep=None, **settings))
    found = stage.compared(table, context())
    shares = found.group_by("kind").agg(pl.col("rule").is_not_null().mean())
    rates = dict(shares.iter_rows())
    assert {kind: rates[kind] for kind in least if rates[kind] < least[kind]} == {}
    assert {kind: rates[kind] for kind in most if rates[kind] > most[kind]} == {}
    origins = [each.origin for each in planted]
    dropped = found.filter(pl.col("rule").is_not_null()).select("id", "duplicate_of").cast(pl.Int64)
    assert all(origins[row] == origins[of] for row, of in dropped.iter_rows())
