"""Rows of the dataset: confirmed by the judge, flips where both directions are."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from handmade import compared, judgement, responses, saying, scenario, side, twin, vote
from metaalign_data.chat import Message
from metaalign_data.records import Comparison, Judgement, PreferencePair, Response, ResponseSet
from metaalign_data.stage import Reject
from metaalign_data.stages.judge import Judge
from metaalign_data.stages.pair import Pair
from metaalign_data.testing import check_stage, context

Ended = list[PreferencePair | Reject]
FLIP = judgement(compared(0, "a", 4.0), compared(1, "b", 3.0))


async def ended(row: Judgement, **config: object) -> Ended:
    return list(await Pair(Pair.Config.model_validate({"min_margin": 1.0} | config)).process(row, context()))


async def rows_and_reasons(row: Judgement, **config: object) -> tuple[list[str], list[str]]:
    """Values of the rows that came out, reasons of the rejects."""
    results = await ended(row, **config)
    return (
        [each.value for each in results if isinstance(each, PreferencePair)],
        [each.reason for each in results if isinstance(each, Reject)],
    )


@pytest.mark.parametrize("flips", [True, False, "only"])
async def test_the_laws_of_a_stage_hold(flips: object) -> None:
    rows = [FLIP, judgement(compared(0, "a"), compared(1, "tie")), judgement(compared(0, "b"), compared(1, "a"))]
    await check_stage(Pair(Pair.Config.model_validate({"flips": flips})), rows)


@pytest.mark.parametrize(
    ("under_0", "under_1", "flips", "rows", "reasons"),
    [
        (("a", 4), ("b", 3), True, ["brief", "thorough"], []),
        (("a", 4), ("tie", 0), True, ["brief"], ["tie"]),
        (("a", 4), ("a", 3), True, ["brief"], ["wrong_winner"]),
        (("a", 4), ("b", 0.5), True, ["brief"], ["low_margin"]),
        (("tie", 0), ("b", 3), True, ["thorough"], ["tie"]),
        (("b", 4), ("a", 3), True, [], ["wrong_winner", "wrong_winner"]),
        (("b", 4), ("tie", 3), True, [], ["wrong_winner", "tie"]),
        (("a", 4), ("b", 3), False, ["brief"], []),
        (("a", 2), ("b", 3), False, ["thorough"], []),
        (("tie", 2), ("b", 3), False, ["thorough"], ["tie"]),
        (("a", 4), ("b", 3), "only", ["brief", "thorough"], []),
        (("a", 4), ("tie", 0), "only", [], ["no_flip"]),
        (("tie", 0), ("tie", 0), "only", [], ["no_flip"]),
    ],
)
async def test_what_becomes_of_one_pair_of_responses(
    under_0: tuple[str, float], under_1: tuple[str, float], flips: object, rows: list[str], reasons: list[str]
) -> None:
    row = judgement(compared(0, *under_0), compared(1, *under_1))
    assert await rows_and_reasons(row, flips=flips) == (rows, reasons)


@pytest.mark.parametrize(("margin", "min_margin", "kept"), [(1, 1, 2), (1, 1.01, 0), (0.5, 0, 2), (9, 9, 2)])
async def test_the_margin_has_to_be_reached(margin: float, min_margin: float, kept: int) -> None:
    row = judgement(compared(0, "a", margin), compared(1, "b", margin))
    rows, _ = await rows_and_reasons(row, min_margin=min_margin)
    assert len(rows) == kept


async def test_a_flip_holds_the_same_two_responses_in_opposite_order() -> None:
    first, second = await ended(FLIP)
    assert isinstance(first, PreferencePair)
    assert isinstance(second, PreferencePair)
    assert (first.chosen, first.rejected) == (second.rejected, second.chosen)
    assert first.flip_id == second.flip_id is not None
    assert first.id != second.id
    assert first.prompt != second.prompt


async def test_a_row_without_its_flip_has_no_flip_id() -> None:
    for row, flips in ((judgement(compared(0, "a"), compared(1, "tie")), True), (FLIP, False)):
        (made, *_) = await ended(row, flips=flips)
        assert isinstance(made, PreferencePair)
        assert made.flip_id is None


async def test_one_direction_of_equal_margins_is_not_always_the_same_side() -> None:
    even = [judgement(compared(0, "a"), compared(1, "b"), of=responses(key=str(i))) for i in range(40)]
    values = Counter([(await rows_and_reasons(row, flips=False))[0][0] for row in even])
    assert min(values["brief"], values["thorough"]) > 8


async def test_a_row_tells_where_everything_came_from() -> None:
    of = responses()
    votes = (vote("a", 4.0, "j2"), vote("a", 2.0, "j1"))
    first = Comparison(side=0, a=0, b=1, votes=votes, winner="a")
    row = judgement(first, compared(1, "tie"), of=of)
    (made, _) = await ended(row)
    assert isinstance(made, PreferencePair)
    told = of.scenario.sides[0]
    assert made.prompt == (
        Message(role="system", content=context().meta_prompt(told.system_info, told.user_info)),
        Message(role="user", content=of.scenario.question),
    )
    assert (made.chosen, made.rejected) == tuple((Message(role="assistant", content=r.text),) for r in of.responses)
    assert (made.chosen_score, made.rejected_score, made.margin) == (8.0, 5.0, 3.0)
    assert (made.agreement, made.votes, made.judge_model) == (1.0, 2, "j1, j2")
    assert (made.chosen_model, made.rejected_model) == ("m0", "m1")
    assert (made.preference, made.preference_id) == (told.preference.text, told.preference.id)
    assert (made.query, made.query_id) == (of.scenario.question, of.scenario.query.id)
    assert set(made.prompt_versions) >= {"write_explicit_preference@1", "generate_response@1", "judge_pairwise@1"}
    assert (made.judgement_id, made.split) == (row.id, None)


async def test_an_empty_meta_prompt_is_no_system_message() -> None:
    bare = scenario(sides=(side(0, user_info="", system_info=""), side(1)))
    row = judgement(compared(0, "a"), compared(1, "b"), of=responses().model_copy(update={"scenario": bare}))
    first, second = await ended(row)
    assert isinstance(first, PreferencePair)
    assert isinstance(second, PreferencePair)
    assert [[m.role for m in made.prompt] for made in (first, second)] == [["user"], ["system", "user"]]


async def test_equal_texts_are_never_chosen_and_rejected() -> None:
    row = judgement(compared(0, "a"), compared(1, "b"), of=responses(("Same.",), ("Same.",)))
    assert await rows_and_reasons(row) == ([], ["identical"])


CANDIDATES = responses(("s1", "s2"), ("l1", "l2"))


def several(margins: dict[tuple[int, int], tuple[float, float]]) -> Judgement:
    """Comparisons of responses 0 and 1 with 2 and 3; a margin of 0 is a tie."""
    return judgement(
        *(
            compared(s, ("tie", "ab"[s])[margin > 0], margin, a, b)
            for (a, b), of in margins.items()
            for s, margin in enumerate(of)
        ),
        of=CANDIDATES,
    )


def texts(results: Ended) -> list[tuple[str, str]]:
    return [(r.chosen[0].content, r.rejected[0].content) for r in results if isinstance(r, PreferencePair)]


@pytest.mark.parametrize(
    ("margins", "expected"),
    [
        ({(0, 2): (5, 5), (0, 3): (4, 4), (1, 2): (4, 4), (1, 3): (1, 1)},
         [("s1", "l1"), ("l1", "s1"), ("s2", "l2"), ("l2", "s2")]),
        ({(0, 2): (2, 2), (0, 3): (5, 4), (1, 2): (4, 5), (1, 3): (2, 2)},
         [("s1", "l2"), ("l2", "s1"), ("s2", "l1"), ("l1", "s2")]),
        # A flip comes before a clearer pair that is none.
        ({(0, 2): (5, 0), (0, 3): (1, 1), (1, 2): (0, 0), (1, 3): (0, 0)}, [("s1", "l2"), ("l2", "s1")]),
        ({(0, 2): (0, 0), (0, 3): (0, 0), (1, 2): (0, 3), (1, 3): (0, 4)}, [("l2", "s2")]),
    ],
)  # fmt: skip
async def test_of_several_candidates_each_response_stands_in_the_clearest_pair(
    margins: dict[tuple[int, int], tuple[float, float]], expected: list[tuple[str, str]]
) -> None:
    assert sorted(texts(await ended(several(margins)))) == sorted(expected)


margin = st.sampled_from([0.0, 0.5, 1.0, 2.0, 4.0])


@given(
    st.fixed_dictionaries({(a, b): st.tuples(margin, margin) for a in (0, 1) for b in (2, 3)}),
    st.sampled_from([True, False, "only"]),
)
async def test_rows_are_confirmed_distinct_and_flips_are_whole(
    margins: dict[tuple[int, int], tuple[float, float]], flips: object
) -> None:
    results = await ended(several(margins), flips=flips)
    rows = [each for each in results if isinstance(each, PreferencePair)]
    assert results
    assert all(row.margin >= 1 and row.agreement == 1 and row.chosen != row.rejected for row in rows)
    assert all(row.chosen_score - row.rejected_score == row.margin for row in rows)
    by_flip = Counter(row.flip_id for row in rows if row.flip_id)
    assert set(by_flip.values()) <= {2}
    for row in rows:
        assert row.flip_id is None or any((o.chosen, o.rejected) == (row.rejected, row.chosen) for o in rows)
    assert flips != "only" or all(row.flip_id for row in rows)
    assert flips is not False or not by_flip
    used = Counter((row.value, end[0].content) for row in rows for end in (row.chosen, row.rejected))
    assert set(used.values()) <= {1}


@given(st.integers(0, 10_000), st.sampled_from([2, 4]), st.permutations(range(1, 5)))
async def test_the_order_of_presentation_never_changes_what_a_consistent_judge_lets_through(
    seed: int, votes: int, scores: list[int]
) -> None:
    worth = dict(zip(("s1", "s2", "l1", "l2"), scores, strict=True))

    def reply(request: object) -> str:
        text = request.messages[-1].content  # type: ignore[attr-defined]
        sign = 1 if "brief" in text else -1
        a, b = (5 + sign * worth[text.partition(f"<response_{n}>")[2].partition("<")[0]] for n in "ab")
        return f'{{"reason": "r", "winner": "{"a" if a > b else "b"}", "score_a": {a}, "score_b": {b}}}'

    async def emitted(seed: int, votes: int) -> list[tuple[object, ...]]:
        ctx = context(seed, judge=saying(reply))
        judged = await Judge(Judge.Config(votes=votes)).process(CANDIDATES, ctx)
        assert isinstance(judged[0], Judgement)
        made = await Pair(Pair.Config(min_margin=0)).process(judged[0], ctx)
        return [(r.chosen, r.rejected, r.margin) if isinstance(r, PreferencePair) else (r.reason,) for r in made]

    assert await emitted(seed, votes) == await emitted(0, 2)


@pytest.mark.parametrize("config", [{"flips": "some"}, {"min_margin": -1}, {"min_margin": 10}, {"flip": True}])
def test_settings_that_make_no_sense_are_refused(config: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Pair.Config.model_validate(config)


TOLD_TWICE = responses().model_copy(update={"scenario": scenario(twins=(twin(0), twin(1)))})


def pairs(results: Ended) -> list[PreferencePair]:
    return [each for each in results if isinstance(each, PreferencePair)]


async def test_twins_hold_the_same_pair_under_the_same_wish_told_the_other_way() -> None:
    row = judgement(*(compared(s, "ab"[s % 2]) for s in range(4)), of=TOLD_TWICE)  # type: ignore[arg-type]
    rows = pairs(await ended(row))
    assert [(r.value, r.preference_kind) for r in rows] == [
        ("brief", "explicit"),
        ("thorough", "explicit"),
        ("brief", "implicit"),
        ("thorough", "implicit"),
    ]
    by_twin = {(r.value, r.twin_id) for r in rows}
    assert len(by_twin) == len({r.twin_id for r in rows}) == 2
    assert len({r.flip_id for r in rows}) == 2
    for first, second in ((rows[0], rows[2]), (rows[1], rows[3])):
        assert (first.chosen, first.rejected, first.query) == (second.chosen, second.rejected, second.query)
        assert first.flip_id != second.flip_id


async def test_a_twin_that_is_not_confirmed_leaves_no_twin_id() -> None:
    row = judgement(compared(0, "a"), compared(1, "b"), compared(2, "tie"), compared(3, "b"), of=TOLD_TWICE)
    rows = pairs(await ended(row))
    assert [(r.value, r.flip_id is not None, r.twin_id is not None) for r in rows] == [
        ("brief", True, False),
        ("thorough", True, True),
        ("thorough", False, True),
    ]


@pytest.mark.parametrize(
    ("source", "because"),
    [("generic", "generic_answer"), ("ignores", "ignores_preference"), ("weaker", "weaker_model")],
)
async def test_a_rival_is_rejected_under_its_own_name_and_makes_no_flip(source: str, because: str) -> None:
    rival = Response(side=1, source=source, text="Whatever.", model="weak")  # type: ignore[arg-type]
    of = responses().model_copy(update={"responses": (*responses().responses, rival)})
    against = Comparison(side=1, a=1, b=2, votes=(vote("a"), vote("a")), winner="a")
    row = judgement(compared(0, "a"), compared(1, "b"), against, of=of)
    *flipped, made = pairs(await ended(row))
    assert {r.rejected_because for r in flipped} == {"contrasting_preference"}
    assert (made.rejected_because, made.flip_id, made.rejected_model) == (because, None, "weak")
    assert (made.chosen[0].content, made.rejected[0].content) == ("Long, very.", "Whatever.")
    assert made.preference == of.scenario.sides[1].preference.text


async def test_a_rival_that_wins_is_no_row() -> None:
    rival = Response(side=0, source="generic", text="Whatever.", model="m")
    of = responses().model_copy(update={"responses": (*responses().responses, rival)})
    lost = Comparison(side=0, a=0, b=2, votes=(vote("b"), vote("b")), winner="b")
    results = await ended(judgement(compared(0, "a"), compared(1, "b"), lost, of=of))
    assert len(pairs(results)) == 2
    assert [r.reason for r in results if isinstance(r, Reject)] == ["wrong_winner"]


async def test_of_responses_that_were_brought_in_whichever_the_judge_prefers_is_chosen() -> None:
    told = side(0).model_copy(update={"rejected_because": "judged_worse"})
    brought = tuple(Response(side=None, source="given", text=t, model="m") for t in ("First.", "Second."))
    of = ResponseSet(scenario=scenario(sides=(told,)), responses=brought)
    lost = Comparison(side=0, a=0, b=1, votes=(vote("b"), vote("b")), winner="b")
    (made,) = pairs(await ended(judgement(lost, of=of)))
    assert (made.chosen[0].content, made.rejected[0].content) == ("Second.", "First.")
    assert (made.rejected_because, made.flip_id, made.margin) == ("judged_worse", None, 4.0)


async def test_earlier_turns_stand_between_the_meta_prompt_and_the_query() -> None:
    turns = (Message(role="user", content="Hello."), Message(role="assistant", content="Hello!"))
    sides = (side(0).model_copy(update={"history": turns}), side(1))
    row = judgement(compared(0, "a"), of=responses().model_copy(update={"scenario": scenario(sides=sides)}))
    (made,) = pairs(await ended(row))
    assert [m.role for m in made.prompt] == ["system", "user", "assistant", "user"]
    assert made.prompt[1:3] == turns
