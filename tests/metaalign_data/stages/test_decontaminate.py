import json
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from pydantic import ValidationError

from metaalign_data.embed import EmbedderName, Vectors
from metaalign_data.engine.embedding import Embedding
from metaalign_data.errors import UserError
from metaalign_data.records import PreferencePair, to_frame
from metaalign_data.stages.decontaminate import Decontaminate
from metaalign_data.testing import check_stage, context
from rows import flip, pair

PUZZLE = "A farmer has seventeen sheep and all but nine of them run away; how many sheep does he still have?"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rows = [{"question": "What is the capital of the country of Peru?"}, {"question": PUZZLE, "answer": "nine"}]
    (tmp_path / "bench.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    (tmp_path / "other.csv").write_text("prompt\nName three rivers that flow into the Black Sea\n", encoding="utf-8")
    return tmp_path


def cleaned(rows: Sequence[PreferencePair], folder: Path, **config: Any) -> pl.DataFrame:
    stage = Decontaminate(Decontaminate.Config(**{"against": ["bench.jsonl"], **config}))
    return stage.transform(to_frame(rows, PreferencePair).lazy(), context(folder=folder)).collect()


def endings(rows: Sequence[PreferencePair], folder: Path, **config: Any) -> list[tuple[str | None, str | None]]:
    return cleaned(rows, folder, **config).select("reject_reason", "reject_detail").rows()


def test_a_run_of_words_in_common_is_told_with_the_row_of_the_benchmark(folder: Path) -> None:
    query = "My riddle: a farmer has seventeen sheep, and all but nine of them RUN AWAY - how odd, is it not?"
    run = "a farmer has seventeen sheep and all but nine of them run away"
    assert endings([pair(query=query), pair(query="Why is it so?")], folder) == [
        ("benchmark_ngram", f"query is in bench.jsonl:2, 13 words: {run}"),
        (None, None),
    ]
    assert endings([pair(query=query)], folder, ngram=15) == [(None, None)]


def test_a_similar_text_without_a_common_run_is_told_with_its_cosine(folder: Path) -> None:
    query = PUZZLE.replace("seventeen", "seventy").replace("still have", "still own").replace("run", "ran")
    ((reason, detail),) = endings([pair(query=query)], folder, threshold=0.8)
    assert reason == "benchmark_similar"
    assert detail.startswith("query is in bench.jsonl:2, cosine 0.8")
    assert endings([pair(query=query)], folder, threshold=None) == [(None, None)]
    assert endings([pair(query=query)], folder, threshold=0.99) == [(None, None)]


def test_every_benchmark_and_every_column_is_compared(folder: Path) -> None:
    rows = [
        pair(query="Tell me: what is the capital of the country of Peru? I forgot."),
        pair(query="Anything else", chosen=f"You may like this riddle. {PUZZLE}"),
        pair(query="name three rivers that flow into the black sea"),
    ]
    found = endings(rows, folder, against=["bench.jsonl", {"source": "other.csv"}], on=["query", "chosen"])
    assert [detail.split(",")[0] for _, detail in found] == [
        "query is in bench.jsonl:1",
        "chosen is in bench.jsonl:2",
        "query is in other.csv:2",
    ]
    assert [reason for reason, _ in endings(rows, folder)] == ["benchmark_ngram", None, None]


def test_what_was_found_of_each_benchmark_is_said_even_if_it_is_nothing(folder: Path) -> None:
    near = PUZZLE.replace("seventeen", "seventy").replace("still have", "still own").replace("run", "ran")
    rows = [pair(query=query) for query in (PUZZLE, PUZZLE + " Well?", near, "Why?")]
    ctx = context(folder=folder)
    stage = Decontaminate(Decontaminate.Config(against=["bench.jsonl", "other.csv"], threshold=0.8))
    stage.transform(to_frame(rows, PreferencePair).lazy(), ctx).collect()
    assert sorted(ctx.notes) == [
        "test: bench.jsonl, 2 texts: 2 rows share words with it, 1 more are near to it",
        "test: other.csv, 1 texts: 0 rows share words with it, 0 more are near to it",
    ]


def test_shared_words_are_told_before_mere_likeness(folder: Path) -> None:
    near = PUZZLE.replace("seventeen", "seventy").replace("still have", "still own").replace("run", "ran")
    ((reason, detail),) = endings([pair(query=near, chosen=PUZZLE)], folder, on=["query", "chosen"], threshold=0.8)
    assert reason == "benchmark_ngram"
    assert detail.startswith("chosen is in")


def test_an_equal_text_without_words_is_as_close_as_can_be(folder: Path) -> None:
    (folder / "signs.jsonl").write_text(json.dumps({"text": "🙂 → 🙃 ?!"}))
    ((reason, _),) = endings([pair(query="🙂 →  🙃 ?!")], folder, against=["signs.jsonl"], threshold=1.0)
    assert reason == "benchmark_similar"


@pytest.mark.parametrize(("broken", "named"), [("Why", "'Why is it so?'"), ("What", "bench.jsonl:1")])
def test_a_vector_that_is_no_number_is_told_and_does_not_pass(folder: Path, broken: str, named: str) -> None:
    class Broken(Embedding):
        def embed(self, name: EmbedderName, texts: Sequence[str]) -> Vectors:
            bad = [[text.startswith(broken)] for text in texts]
            return np.where(bad, np.float32(np.nan), super().embed(name, texts))

    table = to_frame([pair(query="Why is it so?")], PreferencePair).lazy()
    stage = Decontaminate(Decontaminate.Config(against=["bench.jsonl"]))
    with pytest.raises(UserError, match=re.escape(f"the vector of row {named} has length nan")):
        stage.transform(table, replace(context(folder=folder), embedding=Broken()))


def test_another_column_of_the_benchmark_may_be_named(folder: Path) -> None:
    (folder / "answers.jsonl").write_text(json.dumps({"question": "?", "answer": PUZZLE}))
    against = [{"source": "answers.jsonl", "text": "answer"}]
    assert endings([pair(query=PUZZLE)], folder, against=against)[0][0] == "benchmark_ngram"


@pytest.mark.parametrize("partner", ["flip_id", "twin_id"])
def test_half_a_flip_or_twin_is_none(folder: Path, partner: str) -> None:
    rows = [
        each.model_copy(update={"flip_id": None, partner: f"{i}"})
        for i, first in enumerate([PUZZLE, "Like this."])
        for each in flip(first, "So.", f"{i}")
    ]
    table = cleaned([*rows, pair(chosen="Else.")], folder, on=["chosen"])
    assert table.select("reject_reason", partner).rows() == [
        ("benchmark_ngram", "0"),
        (None, None),
        (None, "1"),
        (None, "1"),
        (None, None),
    ]


def test_of_nothing_but_flips_the_other_half_goes_too(folder: Path) -> None:
    rows = [*flip(PUZZLE, "So.", "0"), *flip("Like this.", "So.", "1")]
    assert cleaned(rows, folder, on=["chosen"])["reject_reason"].to_list() == ["benchmark_ngram", "no_flip", None, None]


@pytest.mark.parametrize("query", ["", " ", "?", "x"])
def test_short_texts_pass(folder: Path, query: str) -> None:
    assert endings([pair(query=query)], folder) == [(None, None)]


def test_an_empty_table_passes(folder: Path) -> None:
    assert cleaned([], folder).height == 0


def test_a_benchmark_that_is_not_there_is_told(folder: Path) -> None:
    with pytest.raises(UserError, match="there is no such file"):
        cleaned([pair()], folder, against=["gone.jsonl"])


def test_a_benchmark_is_needed() -> None:
    with pytest.raises(ValidationError):
        Decontaminate.Config(against=[])


async def test_decontaminate_keeps_the_laws_of_a_stage(folder: Path) -> None:
    rows = [pair(query=PUZZLE), pair(query="Why?"), *flip("yes", "no", "f", query="How?")]
    await check_stage(Decontaminate(Decontaminate.Config(against=["bench.jsonl"])), rows, context(folder=folder))
