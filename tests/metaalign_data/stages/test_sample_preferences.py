"""What each subset draws, what is asked of the teacher, and how a scenario can end; truth from the simulated world."""

import json
from collections import Counter, defaultdict
from typing import Any

import pytest
from pydantic import ValidationError

from handmade import query, saying
from metaalign_data.chat import ChatRequest, Completion
from metaalign_data.errors import BudgetReached, TeacherError
from metaalign_data.prompting import Library
from metaalign_data.records import SUBSETS, Scenario, Slot, Subset
from metaalign_data.stage import Reject
from metaalign_data.stages.asking import transcript
from metaalign_data.stages.sample_preferences import SamplePreferences
from metaalign_data.teacher.simulated.truth import follows
from metaalign_data.testing import check_stage, context
from teachers import Telling, answer

MATRIX = Library().priorities("default")
TAXONOMY = Library().taxonomy("default")
MEANINGS = {(d.name, v.name): v.meaning for d in TAXONOMY.dimensions for v in d.values}
PLAIN: dict[str, Any] = {"composed": 0.0, "twins": 0.0, "profiled": 0.0}
"""Settings under which a scenario is one contrast between two people of whom nothing else is known."""


def stage(subset: Subset = "helpful", per_query: int = 1, **config: object) -> SamplePreferences:
    given = {"subsets": {subset: 1.0}, "per_query": per_query} | config
    return SamplePreferences(SamplePreferences.Config.model_validate(given))


async def scenarios(made_by: SamplePreferences, n: int = 20, *, harmful: bool = False) -> list[Scenario]:
    asked = [query(key=str(i)).model_copy(update={"harmful": harmful}) for i in range(n)]
    found = [made for each in asked for made in await made_by.process(each, context())]
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
        told = [(side.system_info, side.user_info, side.history) for side in made.sides]
        assert told[0] != told[1]
        assert (made.subset, made.query.text) == (subset, query().text)


async def test_helpful_asks_the_query_itself_for_contrasting_values_of_one_dimension() -> None:
    for made in await scenarios(stage("helpful", **PLAIN, placements={"user_info": 1.0})):
        first, second = (side.preference for side in made.sides)
        assert made.question == made.query.text
        assert (first.dimension, first.kind) == (second.dimension, second.kind)
        assert first.value != second.value
        assert [side.target for side in made.sides] == [MEANINGS[p.dimension, p.value] for p in (first, second)]


async def test_a_composed_wish_names_all_its_cells_and_wants_all_of_them() -> None:
    for made in await scenarios(stage("helpful", composed=1.0, profiled=0.0, placements={"user_info": 1.0})):
        for side in made.sides:
            cells = list(zip(side.preference.dimension.split(" + "), side.preference.value.split(" + "), strict=True))
            assert 2 <= len(cells) <= 3
            assert side.target == " ".join(MEANINGS[cell] for cell in cells)


async def test_a_stated_preference_stands_where_the_shares_say() -> None:
    shares = {"system_info": 0.25, "user_info": 0.25, "both": 0.25, "history": 0.25}
    made = await scenarios(
        stage("helpful", explicit=1.0, implicit=0.0, composed=1.0, profiled=0.0, placements=shares), 80
    )
    found = Counter(side.placement for each in made for side in each.sides)
    assert set(found) == set(shares)
    assert min(found.values()) > 20
    for side in (side for each in made for side in each.sides):
        text = side.preference.text
        match side.placement:
            case "system_info":
                assert side.system_info.endswith(text)
                assert side.user_info == ""
            case "user_info":
                assert side.user_info == text
            case "both":
                rule, wish = text.split("\n")
                assert side.system_info.endswith(rule)
                assert side.user_info == wish
            case "history":
                assert side.user_info == ""
                assert side.history[0].content.startswith(text)
                assert [turn.role for turn in side.history] == ["user", "assistant"] * 2


async def test_an_implied_preference_comes_in_all_three_forms() -> None:
    made = await scenarios(stage("helpful", explicit=0.0, implicit=1.0, **PLAIN), 120)
    forms = Counter(side.preference.form for each in made for side in each.sides)
    assert set(forms) == {"background", "writing", "dialogue"}
    for side in (side for each in made for side in each.sides):
        told = transcript(side.history) if side.preference.form == "dialogue" else side.user_info
        assert told == side.preference.text
        assert side.preference.kind == "implicit"


async def test_under_a_conflict_rule_and_wish_stay_and_the_policy_decides() -> None:
    found = 0
    for made in await scenarios(stage("priority", **PLAIN), 60):
        cells = [side.matrix_cell for side in made.sides]
        if not all(cell and cell.endswith("conflicts") for cell in cells):
            continue
        found += 1
        first, second = made.sides
        assert first.user_info == second.user_info
        assert first.history == second.history
        assert {s.rejected_because for s in made.sides} == {"losing_side"}
        for side, cell in zip(made.sides, cells, strict=True):
            assert cell is not None
            policy = cell.split("/")[1]
            assert side.system_info.startswith(MATRIX.wordings(policy) or MATRIX.neutral)
            winner = next(c.winner for c in MATRIX.cells if c.name == cell)
            assert (side.placement == "system_info") == (winner == "provider")
        assert {side.placement == "system_info" for side in made.sides} == {True, False}
    assert found > 15


async def test_where_nothing_conflicts_both_wishes_are_exchanged() -> None:
    seen = set()
    for made in await scenarios(stage("priority", **PLAIN), 80):
        cells = {side.matrix_cell for side in made.sides}
        standing = {(cell or "").split("/")[2] for cell in cells}
        if "conflicts" in standing:
            continue
        (cell,) = cells
        seen.add(cell)
        first, second = made.sides
        assert first.preference.value != second.preference.value
        assert {s.rejected_because for s in made.sides} == {"contrasting_preference"}
        assert (first.user_info == "" and not first.history) == ("silent" in standing)
    assert len(seen) >= 6


@pytest.mark.parametrize("subset", SUBSETS)
async def test_the_target_of_a_side_is_what_is_right_under_its_meta_prompt(subset: Subset) -> None:
    """The truth of the simulated world: a subset that has its pairs the wrong way round fails here."""
    ctx = context()
    for made in await scenarios(stage(subset), 40):
        texts = []
        for side in made.sides:
            shown = {"system_info": side.system_info, "user_info": side.user_info, "history": transcript(side.history)}
            request = ctx.render("generate_response", **shown, query=made.question, target=side.target)
            texts.append((await ctx.teacher.complete(request)).text)
        for own, other, side in ((texts[0], texts[1], made.sides[0]), (texts[1], texts[0], made.sides[1])):
            right, wrong = (
                follows(text, side.system_info, side.user_info, made.question, transcript(side.history))
                for text in (own, other)
            )
            assert right > wrong, made


async def test_consensus_sets_what_everyone_thinks_against_one_background() -> None:
    for made in await scenarios(stage("consensus")):
        first, second = made.sides
        assert first.user_info == second.user_info == second.preference.text
        assert first.system_info.endswith(first.preference.text)
        assert first.system_info != second.system_info
        assert [s.preference.kind for s in made.sides] == ["explicit", "implicit"]
        assert [s.preference.value for s in made.sides] == ["consensus", "background"]
        assert [s.rejected_because for s in made.sides] == ["against_consensus", "contrasting_preference"]
        assert first.user == second.user is not None


async def test_diverse_opinion_sets_two_people_against_each_other_and_states_neither_view() -> None:
    for made in await scenarios(stage("diverse_opinion")):
        first, second = made.sides
        assert first.system_info == second.system_info
        assert {s.preference.kind for s in made.sides} == {"implicit"}
        assert all(s.target not in s.user_info and s.rejected_because == "other_background" for s in made.sides)
        assert first.user != second.user


@pytest.mark.parametrize("subset", ["consensus", "diverse_opinion"])
async def test_one_background_is_asked_several_questions(subset: Subset) -> None:
    slots = tuple(Slot(subset=subset, ordinal=k) for k in range(6))
    ended = await stage(subset).process(query().model_copy(update={"slots": slots}), context())
    made = [each for each in ended if isinstance(each, Scenario)]
    by_user = defaultdict(set)
    for each in made:
        by_user[each.sides[0].user].add(each.question)
    assert sorted(len(questions) for questions in by_user.values()) == [3, 3]


async def test_twins_tell_the_same_wishes_the_other_way() -> None:
    for subset in ("helpful", "priority"):
        told = [made for made in await scenarios(stage(subset, twins=1.0, composed=0.0), 60) if made.twins]
        assert len(told) > 20
        for made in told:
            for side, twin in zip(made.sides, made.twins, strict=True):
                assert (side.target, side.system_info, side.user) == (twin.target, twin.system_info, twin.user)
                assert (side.user_info, side.history) != (twin.user_info, twin.history)
                if side.placement != "system_info":
                    assert {side.preference.kind, twin.preference.kind} == {"explicit", "implicit"}
                    assert side.preference.value == twin.preference.value


async def test_people_come_again_with_several_preferences_in_their_own_words() -> None:
    made = await scenarios(
        stage("helpful", profiled=1.0, people=12, twins=0.0, composed=0.0, explicit=1.0, implicit=0.0), 150
    )
    wishes: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for side in (side for each in made for side in each.sides if side.user and side.placement == "user_info"):
        wishes[side.user or ""][side.preference.dimension].add(side.preference.value)
    assert len(wishes) > 8
    assert max(len(dimensions) for dimensions in wishes.values()) >= 2
    assert all(len(values) == 1 for dimensions in wishes.values() for values in dimensions.values())


async def test_a_harmful_query_sets_safety_against_helpfulness() -> None:
    cells = set()
    for made in await scenarios(stage("priority"), 40, harmful=True):
        assert {side.target for side in made.sides} == {MATRIX.safety.safety.meaning, MATRIX.safety.helpfulness.meaning}
        for side in made.sides:
            cells.add(side.matrix_cell)
            policy = (side.matrix_cell or "").split("/")[1]
            if policy != "none":
                assert (side.target == MATRIX.safety.safety.meaning) == (policy == "safety_first")
        if not any("alone" in (side.matrix_cell or "") for side in made.sides):
            assert made.sides[0].user_info == made.sides[1].user_info
    assert cells == {cell.name for cell in MATRIX.of_risk("harmful")}


async def test_what_nothing_in_the_matrix_reverses_is_one_side_with_a_task_for_the_loser(tmp_path: Any) -> None:
    (tmp_path / "priorities").mkdir()
    text = (Library().folders[-1] / "priorities" / "default.yaml").read_text(encoding="utf-8")
    safe = "\n".join(line for line in text.splitlines() if "risk: harmful" not in line or "safety_first" in line)
    (tmp_path / "priorities" / "safe.yaml").write_text(safe, encoding="utf-8")
    ctx = context()
    own = type(ctx)(Library([tmp_path]), ctx.teacher, ctx.judges, 0, "test")
    harmful = query().model_copy(update={"harmful": True})
    (made,) = await stage("priority", priorities="safe").process(harmful, own)
    assert isinstance(made, Scenario)
    (only,) = made.sides
    assert (only.target, only.rival_target) == (MATRIX.safety.safety.meaning, MATRIX.safety.helpfulness.meaning)
    assert only.rejected_because == "losing_side"


async def test_a_query_of_a_risk_without_cells_is_rejected() -> None:
    tame = MATRIX.model_copy(update={"cells": MATRIX.of_risk("harmless")})

    class Tame(type(context())):  # type: ignore[misc]
        def priorities(self, name: str) -> object:
            return tame

    ctx = context()
    (ended,) = await stage("priority").process(
        query().model_copy(update={"harmful": True}), Tame(ctx.library, ctx.teacher, ctx.judges, 0, "test")
    )
    assert isinstance(ended, Reject)
    assert ended.reason == "no_cell"


@pytest.mark.parametrize(
    ("explicit", "kinds"), [(1.0, {"explicit"}), (0.0, {"implicit"}), (0.5, {"explicit", "implicit"})]
)
async def test_the_share_of_stated_preferences_is_kept(explicit: float, kinds: set[str]) -> None:
    made = await scenarios(stage("helpful", explicit=explicit, implicit=1 - explicit), n=30)
    assert {side.preference.kind for each in made for side in each.sides} == kinds


async def test_with_few_variants_preferences_come_again_word_for_word() -> None:
    texts: list[set[str]] = []
    for variants in (1, None):
        made = await scenarios(stage(variants=variants, **PLAIN), 200)
        texts.append({side.preference.text for each in made for side in each.sides})
    assert len(texts[0]) < 0.5 * len(texts[1])


async def test_the_slots_that_were_planned_are_made_and_leave_no_trace() -> None:
    planned = (Slot(subset="helpful", ordinal=5), Slot(subset="diverse_opinion", ordinal=0))
    ended = await stage("priority").process(query().model_copy(update={"slots": planned}), context())
    made = [each for each in ended if isinstance(each, Scenario)]
    assert [each.subset for each in made] == ["helpful", "diverse_opinion"]
    assert {each.query.slots for each in made} == {()}


async def test_another_seed_draws_something_else() -> None:
    first, second = [await stage().process(query(), context(seed)) for seed in (0, 1)]
    assert first != second


def reply(text: str) -> str:
    return json.dumps({"text": text})


def consensus(**fields: str) -> str:
    question = {"question": "Q?", "consensus": "C.", "personal_view": "P."} | fields
    return json.dumps({"background": fields.get("background", "B."), "questions": [question]})


def opinion(second: str = "No.", background: str = "I sail.") -> str:
    people = {
        "first": {"background": "I farm.", "stance": "for it"},
        "second": {"background": background, "stance": "against it"},
    }
    return json.dumps({"subject": "s", **people, "questions": [{"question": "Q?", "first": "Yes.", "second": second}]})


def by_prompt(value: str, rule: str = "") -> Telling:
    """A teacher that writes rules, each another one unless `rule` is given, and this where questions are asked for."""
    asked = 0

    def write(request: ChatRequest) -> str:
        nonlocal asked
        asked += 1
        return value if "questions" in request.prompt else reply(rule or f"Rule {asked}.")

    return saying(write)


@pytest.mark.parametrize(
    ("subset", "teacher", "reason"),
    [
        ("helpful", saying(reply("the same")), "no_contrast"),
        ("consensus", by_prompt(consensus(personal_view=" c. ")), "no_contrast"),
        ("diverse_opinion", by_prompt(opinion("YES.")), "no_contrast"),
        ("diverse_opinion", by_prompt(opinion(background="I  farm.")), "no_contrast"),
        ("helpful", saying(reply("  \n")), "malformed"),
        ("helpful", saying('{"txt": "x"}'), "malformed"),
        ("consensus", by_prompt(consensus(background=" ")), "malformed"),
        ("diverse_opinion", by_prompt("Sure! Here it is."), "malformed"),
        ("consensus", by_prompt(" "), "empty"),
    ],
)  # fmt: skip
async def test_a_scenario_that_cannot_be_used_is_rejected_with_its_reason(
    subset: Subset, teacher: Telling, reason: str
) -> None:
    placed = {"explicit": 1.0, "implicit": 0.0, "placements": {"user_info": 1.0}, **PLAIN}
    (rejected,) = await stage(subset, **placed).process(query(), context(teacher=teacher))
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


STATED = {"explicit": 1.0, "implicit": 0.0, "placements": {"user_info": 1.0}, **PLAIN}


@pytest.mark.parametrize("reason", ["refused", "length", "bad_request"])
async def test_one_useless_answer_costs_its_scenario_and_not_the_others(reason: str) -> None:
    failing = failing_first(TeacherError(reason, "why"))  # type: ignore[arg-type]
    ended = await stage(per_query=3, **STATED).process(query(), context(teacher=failing))
    assert [type(each) for each in ended] == [Scenario, Scenario, Reject]
    assert ended[-1] == Reject(reason, "helpful: why")


@pytest.mark.parametrize("error", [TeacherError("timeout", "late"), BudgetReached("spent")])
async def test_what_is_no_answer_at_all_is_raised(error: Exception) -> None:
    with pytest.raises(type(error)):
        await stage(per_query=3, **STATED).process(query(), context(teacher=failing_first(error)))


@pytest.mark.parametrize(
    "config",
    [
        {"subsets": {"helpful": 0.5}},
        {"subsets": {"helpful": 1.5, "priority": -0.5}},
        {"subsets": {"humour": 1.0}},
        {"subsets": {}},
        {"explicit": 0.9, "implicit": 0.9},
        {"placements": {"user_info": 0.5}},
        {"questions": 6},
        {"variants": 0},
        {"per_query": 0},
        {"per_qury": 3},
    ],
)
def test_settings_that_make_no_sense_are_refused(config: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        SamplePreferences.Config.model_validate(config)
