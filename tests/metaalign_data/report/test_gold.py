"""Gold files: what people labelled, each row used or told with its place."""

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from metaalign_data.errors import UserError
from metaalign_data.report.gold import BadPair, GoldPair, columns_of, read_gold

ROW = {"system_info": "Be kind.", "user_info": "I read fast.", "query": "Why?", "a": "Because.", "b": "Who knows.",
       "label": "a"}  # fmt: skip
SAME = columns_of({})


def written(folder: Path, *rows: dict[str, Any] | str, name: str = "gold.jsonl") -> Path:
    path = folder / name
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
    return path


def test_a_row_becomes_two_responses_nobody_knows_for_what(tmp_path: Path) -> None:
    (pair,) = read_gold(written(tmp_path, ROW), SAME)
    assert isinstance(pair, GoldPair)
    (side,) = pair.responses.scenario.sides
    assert (side.system_info, side.user_info, pair.responses.scenario.question) == ("Be kind.", "I read fast.", "Why?")
    assert [(r.text, r.side, r.source) for r in pair.responses.responses] == [
        ("Because.", None, "given"),
        ("Who knows.", None, "given"),
    ]
    assert (pair.label, pair.where) == ("a", "gold.jsonl:1")


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (ROW | {"label": "tie"}, "bad_label"),
        (ROW | {"label": ""}, "empty_text"),
        (ROW | {"label": 1}, "wrong_type"),
        (ROW | {"query": " "}, "empty_text"),
        (ROW | {"a": None}, "empty_text"),
        (ROW | {"b": "Because. "}, "identical_responses"),
        ({key: ROW[key] for key in ("query", "a", "b", "system_info", "user_info")}, "empty_text"),
        ('{"query": ', "invalid_json"),
        ('{"query": "\\ud800", "a": "1", "b": "2", "label": "a", "system_info": "", "user_info": ""}', "invalid_utf8"),
    ],
)
def test_a_row_of_no_use_is_told_with_its_place(tmp_path: Path, row: dict[str, Any] | str, reason: str) -> None:
    first, bad, last = read_gold(written(tmp_path, ROW, row, ROW | {"label": "B"}), SAME)
    assert isinstance(bad, BadPair)
    assert (bad.reason, bad.where) == (reason, "gold.jsonl:2")
    assert isinstance(first, GoldPair)
    assert isinstance(last, GoldPair)
    assert last.label == "b"


@pytest.mark.parametrize("name", ["gold.jsonl", "gold.csv", "gold.parquet"])
def test_columns_can_have_other_names_or_be_absent(tmp_path: Path, name: str) -> None:
    row = {"meta": "Be kind.", "prompt": "Why?", "one": "Because.", "two": "Who knows.", "label": "b"}
    path, frame = tmp_path / name, pl.DataFrame([row])
    {"gold.jsonl": frame.write_ndjson, "gold.csv": frame.write_csv, "gold.parquet": frame.write_parquet}[name](path)
    given = {"system_info": "meta", "user_info": "", "query": "prompt", "a": "one", "b": "two"}
    (pair,) = read_gold(path, columns_of(given))
    assert isinstance(pair, GoldPair)
    assert pair.responses.scenario.sides[0].user_info == ""
    assert (pair.responses.scenario.question, pair.responses.responses[1].text, pair.label) == (
        "Why?",
        "Who knows.",
        "b",
    )
    with pytest.raises(UserError, match=r"there is no column 'prmpt'; did you mean 'prompt'\?; name your columns with"):
        list(read_gold(path, columns_of(given | {"query": "prmpt"})))


@pytest.mark.parametrize(
    ("columns", "problem"),
    [
        ({"qery": "x"}, "'qery' is no field of a gold file; did you mean 'query'?"),
        ({"query": ""}, "query needs a column"),
    ],
)
def test_a_mapping_that_makes_no_sense_is_refused(columns: dict[str, str], problem: str) -> None:
    with pytest.raises(UserError) as e:
        columns_of(columns)
    assert problem in str(e.value)


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [("gold.txt", "x", "is no .jsonl"), ("gold.jsonl", None, "no such file"), ("gold.jsonl", "\n", "holds no rows")],
)
def test_a_file_that_is_none_is_refused(tmp_path: Path, name: str, text: str | None, problem: str) -> None:
    if text:
        (tmp_path / name).write_text(text)
    with pytest.raises(UserError, match=problem):
        list(read_gold(tmp_path / name, SAME))
