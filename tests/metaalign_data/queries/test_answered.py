"""Queries that come with responses: columns of texts, lists, labelled pairs, whole conversations."""

import csv
import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from pydantic import ValidationError

from metaalign_data.errors import UserError
from metaalign_data.queries import BadRow, QuerySettings, check_source, read_queries
from metaalign_data.records import AnsweredQuery

AB: dict[str, Any] = {"responses": ["a", "b"], "text": "q", "user_info": "who"}
ROW = {"q": "How?", "a": "Like this.", "b": "Like that.", "who": "I am new."}


def jsonl(folder: Path, *rows: dict[str, Any]) -> Path:
    path = folder / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def read(path: Path, **settings: Any) -> list[Any]:
    return list(read_queries(QuerySettings(source=path.name, **settings), path.parent))


def conversation(prompt: str, answer: str, *, system: str = "", more: int = 0) -> list[dict[str, str]]:
    turns = [{"role": "user", "content": "Hello."}, {"role": "assistant", "content": "Hello!"}] * more
    opening = [{"role": "system", "content": system}] if system else []
    return [*opening, *turns, {"role": "user", "content": prompt}, {"role": "assistant", "content": answer}]


def test_columns_of_responses_and_of_the_meta_prompt_come_along(tmp_path: Path) -> None:
    (row,) = read(jsonl(tmp_path, ROW | {"by": "m7"}), **AB, model="by")
    assert isinstance(row, AnsweredQuery)
    assert (row.query.text, row.responses) == ("How?", ("Like this.", "Like that."))
    assert (row.system_info, row.user_info, row.model) == ("", "I am new.", "m7")


def test_csv_and_parquet_hold_the_same_rows_as_jsonl(tmp_path: Path) -> None:
    expected = read(jsonl(tmp_path, ROW), **AB)
    with (tmp_path / "rows.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, ROW)
        writer.writeheader()
        writer.writerow(ROW)
    pl.DataFrame([ROW]).write_parquet(tmp_path / "rows.parquet")
    for name in ("rows.csv", "rows.parquet"):
        (row,) = read(tmp_path / name, **AB)
        assert row.responses == expected[0].responses
        assert row.user_info == expected[0].user_info


def test_one_column_may_hold_a_list_of_responses(tmp_path: Path) -> None:
    rows = [{"q": "How?", "all": ["one", "two", "three"]}]
    pl.DataFrame(rows).write_parquet(tmp_path / "rows.parquet")
    for path in (jsonl(tmp_path, *rows), tmp_path / "rows.parquet"):
        (row,) = read(path, text="q", responses="all")
        assert row.responses == ("one", "two", "three")


@pytest.mark.parametrize("suffix", ["jsonl", "parquet"])
def test_a_labelled_pair_of_conversations_holds_its_prompt_itself(tmp_path: Path, suffix: str) -> None:
    pair = {"chosen": conversation("How?", "Well.", system="Be kind."), "rejected": conversation("How?", "Badly.")}
    path = jsonl(tmp_path, pair)
    if suffix == "parquet":
        path = tmp_path / "rows.parquet"
        pl.DataFrame([pair]).write_parquet(path)
    (row,) = read(path, chosen="chosen", rejected="rejected")
    assert (row.query.text, row.responses) == ("How?", ("Well.", "Badly."))


def test_a_labelled_pair_may_be_plain_texts_beside_a_prompt_of_messages(tmp_path: Path) -> None:
    row = {"prompt": [{"role": "user", "content": "How?"}], "chosen": "Well.", "rejected": "Badly."}
    (made,) = read(jsonl(tmp_path, row), text="prompt", chosen="chosen", rejected="rejected")
    assert (made.query.text, made.responses) == ("How?", ("Well.", "Badly."))


def test_the_same_query_may_come_with_other_responses_but_not_with_the_same(tmp_path: Path) -> None:
    first, other, again = read(jsonl(tmp_path, ROW, ROW | {"a": "Or so."}, ROW), **AB)
    assert first.query == other.query
    assert isinstance(again, BadRow)
    assert again.reason == "duplicate_text"


PAIR = {"chosen": "chosen", "rejected": "rejected"}


@pytest.mark.parametrize(
    ("row", "settings", "reason"),
    [
        (ROW | {"b": " "}, AB, "missing_response"),
        (ROW | {"b": None}, AB, "missing_response"),
        (ROW | {"b": "Like this. "}, AB, "identical_responses"),
        (ROW | {"a": 7}, AB, "wrong_type"),
        (ROW | {"q": ""}, AB, "empty_text"),
        ({"q": "How?", "all": ["one"]}, {"text": "q", "responses": "all"}, "missing_response"),
        ({"q": "How?", "all": ["one", {"content": "x"}]}, {"text": "q", "responses": "all"}, "wrong_type"),
        ({"chosen": conversation("How?", "Well.", more=1), "rejected": "No."}, PAIR, "several_turns"),
        ({"chosen": conversation("How?", "Well.")[:1], "rejected": "No."}, PAIR, "several_turns"),
        ({"chosen": conversation("How?", "Well."), "rejected": conversation("How?", "x")[:1]}, PAIR, "wrong_type"),
        ({"chosen": "Well.", "rejected": "No."}, PAIR, "missing_column"),
        ({"chosen": ["Well."], "rejected": "No."}, PAIR, "wrong_type"),
    ],
)
def test_a_row_that_cannot_be_judged_is_rejected_with_its_place_and_reason(
    tmp_path: Path, row: dict[str, Any], settings: dict[str, Any], reason: str
) -> None:
    good = ROW if settings is AB else None
    path = jsonl(tmp_path, *([good] if good else []), row)
    bad = read(path, **settings)[-1]
    assert isinstance(bad, BadRow)
    assert (bad.reason, bad.where) == (reason, f"rows.jsonl:{2 if good else 1}")


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"chosen": "c"}, "chosen and rejected go together"),
        ({"rejected": "r"}, "chosen and rejected go together"),
        ({"chosen": "c", "rejected": "r", "responses": ["a", "b"]}, "give either responses, or chosen and rejected"),
        ({"user_info": "who"}, "column 'who' belongs to responses"),
        ({"responses": ["a", "b"], "harmful": "x.jsonl"}, "harmful queries are for recipes that write"),
    ],
)
def test_settings_that_make_no_sense_together_are_refused(settings: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValidationError, match=problem):
        QuerySettings(source="x.jsonl", **settings)


def test_a_column_that_is_not_there_is_told_with_the_nearest_one(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no column 'c' \(queries.responses\)"):
        read(jsonl(tmp_path, ROW), text="q", responses=["a", "c"])


def harmful(folder: Path, n: int) -> Path:
    path = folder / "harm.jsonl"
    path.write_text("".join(json.dumps({"text": f"harm {i}"}) + "\n" for i in range(n)), encoding="utf-8")
    return path


def test_harmful_queries_come_spread_among_the_others(tmp_path: Path) -> None:
    harmful(tmp_path, 3)
    rows = read(jsonl(tmp_path, *({"text": f"q {i}"} for i in range(7))), harmful="harm.jsonl")
    assert [row.harmful for row in rows] == [False] * 3 + [True] + [False] * 3 + [True] + [False] + [True]
    assert rows == read(tmp_path / "rows.jsonl", harmful="harm.jsonl")


def test_under_a_limit_no_harmful_query_comes_beyond_the_others(tmp_path: Path) -> None:
    harmful(tmp_path, 9)
    rows = read(jsonl(tmp_path, *({"text": f"q {i}"} for i in range(9))), harmful="harm.jsonl", limit=3)
    assert [row.harmful for row in rows] == [False, False, False, True]


def test_a_missing_file_of_harmful_queries_is_told_before_the_run(tmp_path: Path) -> None:
    jsonl(tmp_path, {"text": "q"})
    with pytest.raises(UserError, match="there is no such file"):
        check_source(QuerySettings(source="rows.jsonl", harmful="nope.jsonl"), tmp_path)


def test_bundled_files_go_by_their_names() -> None:
    for name in ("everyday", "harmful", "preferences"):
        assert read_queries(QuerySettings(source=f"bundled:{name}"), Path())
    with pytest.raises(UserError, match=r"no bundled file 'harmfull'; did you mean 'harmful'\?"):
        list(read_queries(QuerySettings(source="bundled:harmfull"), Path()))
