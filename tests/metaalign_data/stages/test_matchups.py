"""Who faces whom: `a` is the response that was written for the side, and no side judges what was made for another."""

import pytest

from handmade import query, side
from metaalign_data.records import Response, ResponseSet, Scenario, Source
from metaalign_data.stages.matchups import matchups

Given = tuple[int | None, Source]


def faced(*given: Given, sides: int = 2, twins: int = 0, texts: tuple[str, ...] | None = None) -> list[tuple[int, ...]]:
    """Side, a and b of each matchup among responses of these sides and sources."""
    all_sides = (side(0), side(1))
    scenario = Scenario(
        subset="helpful", query=query(), question="Why?", sides=all_sides[:sides], twins=all_sides[:twins]
    )
    made = [
        Response(side=of, source=source, text=texts[i] if texts else f"text {i}", model="m")
        for i, (of, source) in enumerate(given)
    ]
    return [tuple(pair) for pair in matchups(ResponseSet(scenario=scenario, responses=tuple(made)))]


def test_under_each_side_its_own_response_is_a() -> None:
    assert faced((0, "side"), (1, "side")) == [(0, 0, 1), (1, 1, 0)]


def test_the_order_of_the_responses_says_nothing() -> None:
    assert faced((1, "side"), (0, "side")) == [(0, 1, 0), (1, 0, 1)]


def test_each_response_of_a_side_faces_each_of_the_other() -> None:
    found = faced((0, "side"), (0, "side"), (1, "side"), (1, "side"))
    assert found == [(0, a, b) for a in (0, 1) for b in (2, 3)] + [(1, a, b) for a in (2, 3) for b in (0, 1)]


def test_a_twin_wants_what_its_side_wants() -> None:
    assert faced((0, "side"), (1, "side"), twins=2) == [(0, 0, 1), (1, 1, 0), (2, 0, 1), (3, 1, 0)]


@pytest.mark.parametrize("source", ["generic", "ignores", "weaker"])
def test_a_rival_faces_the_side_that_it_was_made_for(source: Source) -> None:
    written: list[Given] = [(0, "side"), (1, "side")]
    both = [(0, 0, 1), (1, 1, 0)]
    assert sorted(faced(*written, (0, source))) == sorted([*both, (0, 0, 2)])
    assert sorted(faced(*written, (1, source))) == sorted([*both, (1, 1, 2)])
    assert sorted(faced(*written, (None, source))) == sorted([*both, (0, 0, 2), (1, 1, 2)])


def test_a_twin_meets_no_rivals() -> None:
    assert (2, 0, 2) not in faced((0, "side"), (1, "side"), (None, "generic"), twins=2)
    assert {each[0] for each in faced((0, "side"), (None, "generic"), twins=2)} == {0, 1} - {1}


def test_a_given_pair_is_judged_under_both_explanations() -> None:
    assert faced((0, "given"), (1, "given")) == [(0, 0, 1), (1, 1, 0)]


def test_responses_written_for_nobody_face_each_other_once_a_side() -> None:
    given: list[Given] = [(None, "given")] * 3
    assert faced(*given, sides=1) == [(0, 0, 1), (0, 0, 2), (0, 1, 2)]
    assert faced(*given, sides=2) == [(s, a, b) for s in (0, 1) for a, b in ((0, 1), (0, 2), (1, 2))]


def test_a_lone_side_faces_what_was_written_for_the_absent_one() -> None:
    assert faced((0, "side"), (1, "side"), (0, "weaker"), sides=1) == [(0, 0, 1), (0, 0, 2)]


def test_equal_texts_need_no_judge() -> None:
    assert faced((0, "side"), (1, "side"), (1, "side"), texts=("x", "x", "y")) == [(0, 0, 2), (1, 2, 0)]
