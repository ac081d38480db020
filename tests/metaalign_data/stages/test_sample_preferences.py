"""What each subset draws, what is asked of the teacher, and how a scenario can end."""

import json
from collections import Counter
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from handmade import query, saying
from metaalign_data.chat import ChatRequest, Completion
from metaalign_data.errors import BudgetReached, TeacherError
from metaalign_data.prompting import Library
from metaalign_data.records import SUBSETS, Scenario, Subset
from metaalign_data.stage import Reject
from metaalign_data.stages.sample_preferences import SamplePreferences, allotted
from metaalign_data.teacher.simulated.truth import follows
from metaalign_data.testing import check_stage, context
from teachers import Telling, answer

MATRIX = Library().priorities("default")
MEANINGS = {(d.name, v.name): v.meaning for d in Library().taxonomy("default").dimensions for v in d.values}


def stage(subset: Subset = "helpful", per_query: int = 1, **config: object) -> SamplePreferences:
    return SamplePreferences(SamplePreferences.Config(subsets={subset: 1.0}, per_query=per_query, **config))


async def scenarios(made_by: SamplePreferences, n: int = 20) -> list[Scenario]:
    found = [made for i in range(n) for made in await made_by.process(query(key=str(i)), context())]
    made = [each for each in found if isinstance(each, Scenario)]
    assert len(made) > n // 2, "a test over no scenarios proves nothing"
    return made


@pytest.mark.parametrize("subset", SUBSETS)
async def test_the_laws_of_a_stage_hold(subset: Subset) -> None:
    await check_stage(stage(subset, per_query=3), [query(key=str(i)) for i in range(5)])


@pytest.mark.parametrize("subset", SUBSETS)
async def test_both_sides_contrast_under_the_same_question(subset: Subset) -> None:
    for made in await scenarios(stage(subset)):
        first, second = made.sides
        assert first.target != second.target
        assert (first.system_info, first.user_info) != (second.system_info, second.user_info)
        assert (made.subset, made.query.text) == (subset, query().text)


async def test_helpful_asks_the_query_itself_for_contrasting_values_of_one_dimension() -> None:
    for made in await scenarios(stage("helpful")):
        first, second = (side.preference for side in made.sides)
        assert made.question == made.query.text
        assert (first.dimension, first.kind) == (second.dimension, second.kind)
        assert first.value != second.value
        assert [side.target for side in made.sides] == [MEANINGS[p.dimension, p.value] for p in (first, second)]


async def test_a_helpful_preference_stands_in_one_tier_and_an_implicit_one_with_the_user() -> None:
    tiers = Counter()
    for made in await scenarios(stage("helpful"), n=60):
        for side in made.sides:
            by_provider = side.preference.text in side.system_info
            assert by_provider != (side.user_info == side.preference.text)
            tiers[side.preference.kind, by_provider] += 1
    assert tiers.keys() == {("explicit", True), ("explicit", False), ("implicit", False)}


async def test_priority_holds_rule_and_wish_alike_on_both_sides_and_only_the_policy_decides() -> None:
    wordings = {
        winner: {w for p in MATRIX.policies if p.winner == winner for w in p.wordings}
        for winner in ("provider", "user")
    }
    for made in await scenarios(stage("priority")):
        first, second = made.sides
        rule, wish = first.preference, second.preference
        assert (rule.kind, rule.dimension) == ("explicit", wish.dimension)
        assert first.user_info == second.user_info == wish.text
        policies = [side.system_info.removesuffix(rule.text).strip() for side in made.sides]
        assert policies[0] in wordings["provider"]
        assert policies[1] in wordings["user"]
        assert [s.target for s in made.sides] == [MEANINGS[p.dimension, p.value] for p in (rule, wish)]
        assert {s.rejected_because for s in made.sides} == {"losing_side"}


async def test_consensus_sets_what_everyone_thinks_against_one_background() -> None:
    for made in await scenarios(stage("consensus")):
        first, second = made.sides
        assert first.user_info == second.user_info == second.preference.text
        assert first.system_info in MATRIX.consensus_first
        assert second.system_info in MATRIX.background_first
        assert [s.preference.kind for s in made.sides] == ["explicit", "implicit"]
        assert [s.rejected_because for s in made.sides] == ["against_consensus", "contrasting_preference"]


async def test_diverse_opinion_sets_two_people_against_each_other_and_states_neither_view() -> None:
    for made in await scenarios(stage("diverse_opinion")):
        first, second = made.sides
        assert first.system_info == second.system_info
        assert {s.preference.kind for s in made.sides} == {"implicit"}
        assert all(s.target not in s.user_info and s.rejected_because == "other_background" for s in made.sides)


@pytest.mark.parametrize("subset", ["consensus", "diverse_opinion"])
async def test_the_target_of_a_side_is_what_is_right_under_its_meta_prompt(subset: str) -> None:
    for made in await scenarios(stage(subset)):
        for own, other in (made.sides, made.sides[::-1]):
            right, wrong = (
                follows(text, own.system_info, own.user_info, made.question) for text in (own.target, other.target)
            )
            assert right > wrong, made


@pytest.mark.parametrize(
    ("explicit", "kinds"), [(1.0, {"explicit"}), (0.0, {"implicit"}), (0.5, {"explicit", "implicit"})]
)
async def test_the_share_of_stated_preferences_is_kept(explicit: float, kinds: set[str]) -> None:
    made = await scenarios(stage("helpful", explicit=explicit, implicit=1 - explicit), n=30)
    assert {side.preference.kind for each in made for side in each.sides} == kinds


@given(
    shares=st.lists(st.integers(0, 10), min_size=4, max_size=4).filter(any),
    n=st.integers(1, 40),
    seed=st.integers(0, 1000),
)
def test_each_subset_comes_up_its_share_of_times_but_for_rounding(shares: list[int], n: int, seed: int) -> None:
    of = {subset: share / sum(shares) for subset, share in zip(SUBSETS, shares, strict=True)}
    drawn = Counter(allotted(of, n, Random(seed)))
    assert drawn.total() == n
    for subset, share in of.items():
        assert abs(drawn[subset] - share * n) < 1 + 1e-6
        assert share > 0 or drawn[subset] == 0


async def test_another_seed_draws_something_else() -> None:
    first, second = [await stage().process(query(), context(seed)) for seed in (0, 1)]
    assert first != second


def reply(text: str) -> str:
    return json.dumps({"text": text})


def consensus(**fields: str) -> str:
    return json.dumps({"question": "Q?", "consensus": "C.", "background": "B.", "personal_view": "P."} | fields)


def opinion(**second: str) -> str:
    person = {"background": "I farm.", "stance": "for it", "answer": "Yes."}
    other = {"background": "I sail.", "stance": "against it", "answer": "No."} | second
    return json.dumps({"subject": "s", "question": "Q?", "first": person, "second": other})


@pytest.mark.parametrize(
    ("subset", "text", "reason"),
    [
        ("helpful", reply("the same"), "no_contrast"),
        ("priority", reply("the same"), "no_contrast"),
        ("consensus", consensus(personal_view=" c. "), "no_contrast"),
        ("diverse_opinion", opinion(answer="YES."), "no_contrast"),
        ("diverse_opinion", opinion(background="I  farm."), "no_contrast"),
        ("helpful", reply("  \n"), "malformed"),
        ("helpful", '{"txt": "x"}', "malformed"),
        ("consensus", consensus(background=" "), "malformed"),
        ("diverse_opinion", "Sure! Here it is.", "malformed"),
        ("consensus", " ", "empty"),
    ],
)  # fmt: skip
async def test_a_scenario_that_cannot_be_used_is_rejected_with_its_reason(
    subset: Subset, text: str, reason: str
) -> None:
    (rejected,) = await stage(subset).process(query(), context(teacher=saying(text)))
    assert isinstance(rejected, Reject)
    assert (rejected.reason, rejected.detail.partition(":")[0]) == (reason, subset)


async def test_a_scenario_that_comes_again_is_rejected_as_repeated() -> None:
    ended = await stage("diverse_opinion", per_query=10).process(query(), context(teacher=saying(opinion())))
    kept = [each for each in ended if isinstance(each, Scenario)]
    assert len(ended) == 10
    assert 1 <= len(kept) <= len(MATRIX.neutral)
    assert {each.reason for each in ended if isinstance(each, Reject)} == {"repeated"}


def failing_first(error: Exception) -> Telling:
    """Raises at the first request, then writes something new each time."""
    asked = 0

    def by(request: ChatRequest) -> Completion:
        nonlocal asked
        asked += 1
        if asked == 1:
            raise error
        return answer(reply(f"text {asked}"))

    return Telling(by=by)


@pytest.mark.parametrize("reason", ["refused", "length", "bad_request"])
async def test_one_useless_answer_costs_its_scenario_and_not_the_others(reason: str) -> None:
    ended = await stage(per_query=3).process(query(), context(teacher=failing_first(TeacherError(reason, "why"))))
    assert [type(each) for each in ended] == [Scenario, Scenario, Reject]
    assert ended[-1] == Reject(reason, "helpful: why")


@pytest.mark.parametrize("error", [TeacherError("timeout", "late"), BudgetReached("spent")])
async def test_what_is_no_answer_at_all_is_raised(error: Exception) -> None:
    with pytest.raises(type(error)):
        await stage(per_query=3).process(query(), context(teacher=failing_first(error)))


@pytest.mark.parametrize(
    "config",
    [
        {"subsets": {"helpful": 0.5}},
        {"subsets": {"helpful": 1.5, "priority": -0.5}},
        {"subsets": {"humour": 1.0}},
        {"subsets": {}},
        {"explicit": 0.9},
        {"per_query": 0},
        {"per_qury": 3},
    ],
)
def test_settings_that_make_no_sense_are_refused(config: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        SamplePreferences.Config.model_validate(config)
