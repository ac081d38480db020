"""A file of preferences: read whole or refused with the line, and what contrasts with what."""

import json
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

import pytest

from handmade import query
from metaalign_data.errors import UserError
from metaalign_data.preference_book import PreferenceBook
from metaalign_data.prompting import Library
from metaalign_data.resources import bundled
from metaalign_data.stages.subsets.given import scenario
from metaalign_data.teacher.simulated.read import read_wishes

MATERIAL = (Library().priorities("default"), Library().taxonomy("default"))


def book(folder: Path, *rows: Any) -> PreferenceBook:
    path = folder / "prefs.jsonl"
    path.write_text("".join((r if isinstance(r, str) else json.dumps(r)) + "\n" for r in rows), encoding="utf-8")
    return PreferenceBook.load(path)


def drawn(of: PreferenceBook) -> Counter[tuple[str, str]]:
    rng = Random(0)
    return Counter((first.text, second.text) for first, second in (of.contrasting(rng) for _ in range(200)))


def test_an_opposite_is_what_a_preference_contrasts_with_on_either_side(tmp_path: Path) -> None:
    found = drawn(book(tmp_path, {"text": "short", "opposite": "long"}))
    assert set(found) == {("short", "long"), ("long", "short")}
    assert min(found.values()) > 60


def test_within_a_dimension_other_values_contrast(tmp_path: Path) -> None:
    rows = [{"text": t, "dimension": d, "value": v} for t, d, v in ("ald", "bls", "clo") for d in [d]]
    found = drawn(book(tmp_path, *rows, {"text": "x", "dimension": "l", "value": "d"}))
    assert {frozenset(pair) for pair in found} == {
        frozenset(pair) for pair in (("a", "b"), ("a", "c"), ("b", "c"), ("x", "b"), ("x", "c"))
    }


def test_without_a_dimension_any_other_text_contrasts(tmp_path: Path) -> None:
    found = drawn(book(tmp_path, {"text": "a"}, {"text": "b"}, {"text": "c"}))
    assert {frozenset(pair) for pair in found} == {frozenset("ab"), frozenset("ac"), frozenset("bc")}


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        ([{"text": "a"}, "{nope"], "prefs.jsonl:2: is not valid JSON"),
        ([{"text": "a"}, {"txt": "b"}], "prefs.jsonl:2"),
        ([{"text": ""}], "prefs.jsonl:1: text"),
        ([{"text": "a", "kind": "implicit", "form": "statement"}], "form 'statement' is not implicit"),
        ([{"text": "a", "kind": "implicit", "form": "dialogue"}], "a dialogue cannot stand in a file"),
        ([], "holds no preferences"),
        ([{"text": "a"}], "no preference contrasts with another"),
        ([{"text": t, "dimension": "d", "value": "v"} for t in "ab"], "no preference contrasts"),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_used_is_refused_with_its_line(tmp_path: Path, rows: list[Any], problem: str) -> None:
    with pytest.raises(UserError, match=problem):
        book(tmp_path, *rows)


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="there is no such file"):
        PreferenceBook.load(tmp_path / "nope.jsonl")


def test_a_scenario_sets_two_of_them_against_each_other_in_their_own_words(tmp_path: Path) -> None:
    own = book(tmp_path, {"text": "I skim.", "opposite": "I read all.", "dimension": "length", "kind": "implicit"})
    made = scenario(query(), own, *MATERIAL, Random(0))
    assert {side.user_info for side in made.sides} == {"I skim.", "I read all."}
    for side in made.sides:
        assert side.user_info == side.target == side.preference.text
        assert (side.preference.kind, side.preference.form, side.preference.dimension) == (
            "implicit",
            "background",
            "length",
        )


@pytest.mark.parametrize(
    ("own", "values"),
    [
        ({"opposite": "I read all.", "value": "brief"}, {"I skim.": "brief", "I read all.": "thorough"}),
        ({"opposite": "I read all.", "value": "curt"}, {"I skim.": None, "I read all.": None}),
        ({"opposite": "Prose!", "dimension": "format", "value": "bullets"}, {"I skim.": "bullets", "Prose!": None}),
    ],
)
def test_what_an_answer_has_to_do_says_the_taxonomy_where_it_has_the_value(
    tmp_path: Path, own: dict[str, str], values: dict[str, str | None]
) -> None:
    """The opposite of one of two values is the other one; of three, it is not known which."""
    row = {"text": "I skim.", "dimension": "length"} | own
    made = scenario(query(), book(tmp_path, row), *MATERIAL, Random(0))
    meanings = {value.name: value.meaning for value in MATERIAL[1].dimension[row["dimension"]].values}
    for side in made.sides:
        value = values[side.user_info]
        assert side.target == (meanings[value] if value else side.user_info)
        if value:
            assert side.preference.value == value


def test_every_preference_that_is_bundled_is_a_cell_of_the_taxonomy_and_says_so_in_words() -> None:
    """Else the simulated world could not follow it."""
    own = PreferenceBook.load(bundled("recipes") / "queries/preferences.jsonl")
    for seed in range(200):
        for side in scenario(query(), own, *MATERIAL, Random(seed)).sides:
            assert read_wishes(side.target).values.items() <= read_wishes(side.user_info).values.items(), side
