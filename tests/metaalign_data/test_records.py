"""Ids follow from content alone; rows survive JSON and tables."""

import json
import os
import subprocess
import sys

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from handmade import compared, judgement, query, responses, scenario, side
from metaalign_data.records import (
    Judgement,
    Preference,
    PreferencePair,
    Query,
    Record,
    ResponseSet,
    Scenario,
    Side,
    Slot,
    column_descriptions,
    digest,
    from_frame,
    merged,
    schema,
    to_frame,
)
from metaalign_data.stages.pair import Pair
from metaalign_data.testing import context

TYPES = (Query, Preference, Scenario, ResponseSet, Judgement, PreferencePair)
text = st.text(min_size=1)
texts = st.text()


def sides() -> st.SearchStrategy[Side]:
    preferences = st.builds(Preference, text=text, dimension=texts, value=texts)
    return st.builds(Side, system_info=texts, user_info=texts, preference=preferences, target=texts)


queries = st.builds(Query, key=texts, text=text, source=texts)
scenarios = st.builds(
    Scenario,
    query=queries,
    question=text,
    sides=st.tuples(sides(), sides()),
    prompt_versions=st.lists(texts, max_size=2).map(tuple),
)


async def pairs() -> list[PreferencePair]:
    results = await Pair(Pair.Config()).process(judgement(compared(0, "a"), compared(1, "b")), context())
    return [each for each in results if isinstance(each, PreferencePair)]


async def one_of_each() -> list[Record]:
    made = judgement(compared(0, "a"), compared(1, "tie", 0.0))
    return [query(), side(0).preference, scenario(), responses(), made, (await pairs())[0]]


async def test_every_record_survives_json_with_its_id() -> None:
    for row in await one_of_each():
        copy = type(row).model_validate_json(row.model_dump_json())
        assert (copy, copy.id) == (row, row.id)


async def test_every_record_survives_a_table_with_its_id() -> None:
    for row in await one_of_each():
        frame = to_frame([row, row], type(row))
        assert frame.schema == schema(type(row))
        assert frame["id"].to_list() == [row.id, row.id]
        assert frame["parents"].to_list() == [list(row.parents)] * 2
        assert from_frame(frame, type(row)) == [row, row]


@pytest.mark.parametrize("record", TYPES)
def test_an_empty_table_has_the_same_types(record: type[Record]) -> None:
    frame = to_frame([], record)
    assert frame.schema == schema(record)
    assert pl.Null not in frame.schema.dtypes()
    assert from_frame(frame, record) == []


@given(scenarios)
def test_any_scenario_survives_json_and_a_table(row: Scenario) -> None:
    copy = Scenario.model_validate_json(row.model_dump_json())
    (back,) = from_frame(to_frame([row], Scenario), Scenario)
    assert copy == back == row
    assert copy.id == back.id == row.id


@given(scenarios, scenarios)
def test_ids_are_equal_exactly_where_the_content_is(one: Scenario, other: Scenario) -> None:
    assert (one.id == other.id) == (one == other)


def test_records_of_two_types_with_the_same_fields_differ() -> None:
    class One(Record):
        key: str

    class Other(Record):
        key: str

    assert One(key="x").id != Other(key="x").id


def test_a_query_stays_itself_whatever_is_planned_for_it() -> None:
    planned = query().model_copy(update={"slots": (Slot(subset="helpful", ordinal=3),), "kind": "health"})
    assert planned.id == query().id
    assert query(text="Another?").id != query().id


def test_ids_are_the_same_in_every_process() -> None:
    code = (
        "from handmade import *\n"
        "from metaalign_data.testing import context\n"
        "row = judgement(compared(0, 'a'), compared(1, 'b'))\n"
        "print(row.id, row.responses.scenario.id, context(7, stage='judge').rng(row).random())"
    )
    support = os.path.join(os.path.dirname(__file__), "..", "support")
    told = {
        subprocess.run(
            [sys.executable, "-c", code],
            env=os.environ
            | {"PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join([support, *filter(None, sys.path)])},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("0", "4711")
    }
    row = judgement(compared(0, "a"), compared(1, "b"))
    drawn = context(7, stage="judge").rng(row).random()
    assert told == {f"{row.id} {row.responses.scenario.id} {drawn}\n"}


async def test_a_pair_stays_itself_when_split_and_flip_change() -> None:
    (pair, _) = await pairs()
    assert pair.model_copy(update={"split": "test", "flip_id": None}).id == pair.id
    assert pair.model_copy(update={"query": "?"}).id != pair.id


async def test_each_row_names_the_one_it_came_from() -> None:
    made = judgement(compared(0, "a"))
    assert made.parents == (made.responses.id,)
    assert made.responses.parents == (made.responses.scenario.id,)
    assert made.responses.scenario.parents == (query().id,)
    assert {pair.parents for pair in await pairs()} == {(judgement(compared(0, "a"), compared(1, "b")).id,)}


def test_a_row_cannot_be_changed() -> None:
    with pytest.raises(ValidationError):
        query().text = "other"  # type: ignore[misc]


@pytest.mark.parametrize(
    "data",
    [
        {"key": "k", "text": "", "source": "s"},
        {"key": "k", "text": "t"},
        {"key": "k", "text": "t", "source": "s", "x": 1},
    ],
)
def test_a_row_with_missing_empty_or_unknown_fields_is_refused(data: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Query.model_validate(data)


def test_a_foreign_table_is_refused() -> None:
    foreign = to_frame([query()], Query).with_columns(text=pl.lit(""))
    with pytest.raises(ValidationError):
        from_frame(foreign, Query)


def test_a_field_without_a_table_form_is_refused_with_what_would_do() -> None:
    class Bad(Record):
        facts: dict[str, str]

    with pytest.raises(TypeError, match=r"no polars type for dict\[str, str\]; use str"):
        schema(Bad)


@given(st.lists(st.text(max_size=3), max_size=4), st.lists(st.text(max_size=3), max_size=4))
def test_digests_are_equal_exactly_where_the_parts_are(one: list[str], other: list[str]) -> None:
    assert (digest(*one) == digest(*other)) == (one == other)


def test_every_column_of_the_dataset_is_described() -> None:
    assert all(column_descriptions(PreferencePair).values())


def test_prompt_versions_are_merged_once_each_in_order() -> None:
    assert merged(("b@1", "a@1"), (), ["a@1", "a@2"]) == ("a@1", "a@2", "b@1")


def test_the_json_schema_of_a_pair_is_plain_json() -> None:
    model: type[BaseModel] = PreferencePair
    assert json.loads(json.dumps(model.model_json_schema()))["additionalProperties"] is False
