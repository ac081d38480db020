"""What a recipe holds once it is loaded, and how it is written back."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from metaalign_data.errors import RecipeError
from metaalign_data.recipe import Recipe
from metaalign_data.records import SUBSETS

BARE: dict[str, Any] = {"name": "q", "teacher": {"provider": "simulated"}, "queries": {"source": "bundled"}}
OPENAI = {"provider": "openai", "model": "small", "price": {"input": 0.15, "output": 0.6}}


def load(folder: Path, dump: str) -> Recipe:
    (folder / "recipe.yaml").write_text(dump, encoding="utf-8")
    return Recipe.load(folder / "recipe.yaml")


def test_the_defaults_are_those_of_the_design() -> None:
    recipe = Recipe.from_dict(BARE)
    assert recipe.seed == 0
    assert recipe.judge == recipe.teacher
    assert recipe.subsets == dict.fromkeys(SUBSETS, 0.25)
    chain = ["sample_preferences", "check_preferences", "generate_responses", "judge", "pair", "dedup", "split"]
    assert [spec.name for spec in recipe.stage_specs] == chain
    assert recipe.preferences.model_dump() == {
        "per_query": 3, "explicit": 0.5, "implicit": 0.5, "composed": 0.2, "twins": 0.1, "people": 100, "profiled": 0.3,
        "placements": {"system_info": 0.25, "user_info": 0.45, "both": 0.1, "history": 0.2},
        "variants": None, "questions": 3, "source": None, "taxonomy": "default", "priorities": "default",
    }  # fmt: skip
    assert recipe.dataset.model_dump() == {
        "license": None, "language": ("en",), "pretty_name": None, "target": None, "max_candidates": None,
    }  # fmt: skip


def test_keys_of_the_provider_are_options_with_their_defaults_filled_in() -> None:
    teacher = Recipe.from_dict(BARE | {"teacher": OPENAI}).teacher
    assert teacher.price is not None
    assert teacher.price.input == Decimal("0.15")
    assert teacher.options["model"] == "small"
    assert teacher.options["api_key_env"] == "OPENAI_API_KEY"


@pytest.mark.parametrize(
    ("teacher", "judge", "expected"),
    [
        ({}, {"max_concurrency": 4}, {"model": "small", "price": 0.15, "timeout_s": 9.0, "api_key_env": "KEY_A"}),
        ({}, {"model": "small"}, {"model": "small", "price": 0.15, "timeout_s": 9.0, "api_key_env": "KEY_A"}),
        ({}, {"model": "big"}, {"model": "big", "price": None, "timeout_s": 9.0, "api_key_env": "KEY_A"}),
        ({}, {"base_url": "http://b"},
         {"model": "small", "price": None, "timeout_s": 9.0, "api_key_env": "OPENAI_API_KEY"}),
        ({}, {"provider": "simulated"}, {"model": None, "price": None, "timeout_s": 9.0, "api_key_env": None}),
        ({"provider": "simulated"}, {"provider": "openai", "model": "big"},
         {"model": "big", "price": None, "timeout_s": 9.0, "api_key_env": "OPENAI_API_KEY"}),
    ],
)  # fmt: skip
def test_a_judge_takes_from_the_teacher_what_still_holds_for_it(
    teacher: dict[str, Any], judge: dict[str, Any], expected: dict[str, Any]
) -> None:
    base = {"provider": "simulated", "timeout_s": 9} if teacher else OPENAI | {"timeout_s": 9, "api_key_env": "KEY_A"}
    found = Recipe.from_dict(BARE | {"teacher": base, "judge": judge}).judge
    assert {
        "model": found.options.get("model"),
        "price": found.price and float(found.price.input),
        "timeout_s": found.timeout_s,
        "api_key_env": found.options.get("api_key_env"),
    } == expected


def test_each_of_several_judges_takes_the_teachers_keys(tmp_path: Path) -> None:
    recipe = Recipe.from_dict(BARE | {
        "teacher": OPENAI | {"timeout_s": 9},
        "judge": [{"model": "big"}, {"provider": "simulated"}, {}],
    })  # fmt: skip
    assert [judge.options.get("model") for judge in recipe.judges] == ["big", None, OPENAI["model"]]
    assert [judge.timeout_s for judge in recipe.judges] == [9, 9, 9]
    assert recipe.judge == recipe.judges[0]
    assert load(tmp_path, recipe.dump()).judges == recipe.judges
    assert load(tmp_path, recipe.dump()).dump() == recipe.dump()


def test_a_list_of_one_judge_is_that_judge(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OUR_MODEL", "big")
    listed, bare = (
        Recipe.from_dict(BARE | {"teacher": OPENAI, "judge": judge})
        for judge in ([{"model": "${OUR_MODEL}"}], {"model": "${OUR_MODEL}"})
    )
    assert listed == bare
    assert listed.dump() == bare.dump()
    assert "${OUR_MODEL}" in listed.dump()


@pytest.mark.parametrize(
    ("judges", "mistakes"),
    [
        ([], ["judge: must have at least one judge"]),
        ([{"model": "x"}, {"model": "x"}],
         ["judge: is the same judge as one before; for more of its verdicts raise the stage's votes"]),
        ([{"modle": "x"}, {"provider": "simulated"}, 3],
         ["judge: unknown key 'modle'; did you mean 'model'?", "judge: must be a block of keys, is 3"]),
        ([{"max_attempts": 0}, {}], ["judge.max_attempts: must be at least 1, is 0"]),
    ],
)  # fmt: skip
def test_every_mistake_in_a_list_of_judges_is_told(judges: list[Any], mistakes: list[str]) -> None:
    with pytest.raises(RecipeError) as e:
        Recipe.from_dict(BARE | {"teacher": OPENAI, "judge": judges})
    assert [f"{m.path}: {m.what}" for m in e.value.mistakes] == mistakes


def test_judges_that_stand_in_for_several_are_not_the_same_judge() -> None:
    recipe = Recipe.from_dict(BARE | {"teacher": OPENAI, "judge": [{"model": "x"}, {"model": "y"}]}).simulated()
    first, second = recipe.judges
    assert first == recipe.teacher
    assert second != first
    assert second.is_simulated


def test_one_share_of_explicit_and_implicit_gives_the_other() -> None:
    assert Recipe.from_dict(BARE | {"preferences": {"explicit": 0.9}}).preferences.implicit == 0.1
    assert Recipe.from_dict(BARE | {"preferences": {"implicit": 1}}).preferences.explicit == 0


@pytest.mark.parametrize(
    "data",
    [
        {"preferences": {"per_query": 5, "taxonomy": "mine"}, "subsets": {"helpful": 1}},
        {"stages": [{"sample_preferences": {"per_query": 5, "taxonomy": "mine", "subsets": {"helpful": 1}}},
                    "check_preferences", "generate_responses", "judge", "pair", "dedup", "split"]},
    ],
)  # fmt: skip
def test_preferences_mean_the_same_at_the_top_and_in_their_stage(data: dict[str, Any]) -> None:
    recipe = Recipe.from_dict(BARE | data)
    config: Any = recipe.stage_specs[0].stage
    assert (config.config.per_query, config.config.taxonomy) == (5, "mine")
    assert {name: share for name, share in config.config.subsets.items() if share} == {"helpful": 1}
    assert (recipe.preferences.per_query, recipe.preferences.taxonomy) == (5, "mine")
    assert recipe.subsets == {"helpful": 1}
    assert recipe.dump() == Recipe.from_dict(BARE | {
        "preferences": {"per_query": 5, "taxonomy": "mine"}, "subsets": {"helpful": 1.0}
    }).dump()  # fmt: skip


def test_limited_never_takes_more_queries_than_the_recipe() -> None:
    recipe = Recipe.from_dict(BARE | {"queries": {"source": "bundled", "limit": 5}})
    assert recipe.limited(3).queries.limit == 3
    assert Recipe.from_dict(BARE | {"dataset": {"target": 9}}).limited(3).dataset.target is None
    assert recipe.limited(9).queries.limit == 5
    assert Recipe.from_dict(BARE).limited(9).queries.limit == 9
    assert recipe.queries.limit == 5


def test_simulated_takes_the_place_of_a_real_teacher_and_leaves_a_simulated_one(tmp_path: Path) -> None:
    rehearsal = Recipe.from_dict(BARE | {"teacher": OPENAI, "judge": {"model": "big"}}).simulated()
    assert (rehearsal.teacher.provider, rehearsal.judge.provider) == ("simulated", "simulated")
    assert rehearsal.teacher.price is None
    assert load(tmp_path, rehearsal.dump()).dump() == rehearsal.dump()
    faulty = Recipe.from_dict(BARE | {"teacher": {"provider": "simulated", "faults": {"judge_error": 0.5}}})
    assert faulty.simulated() == faulty


def test_variables_are_filled_in_for_use_and_kept_as_they_were_in_the_dump(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OUR_SERVER", "http://10.0.0.7:8000/v1/")
    monkeypatch.setenv("OUR_LIMIT", "77")
    recipe = Recipe.from_dict(BARE | {
        "teacher": OPENAI | {"base_url": "${OUR_SERVER}"},
        "queries": {"source": "./${OUR_LIMIT}.jsonl", "limit": "${OUR_LIMIT}"},
        "dataset": {"pretty_name": "${OUR_LIMIT}"},
    })  # fmt: skip
    assert recipe.teacher.options["base_url"] == "http://10.0.0.7:8000/v1"
    assert (recipe.queries.source, recipe.queries.limit) == ("./77.jsonl", 77)
    assert recipe.judge == recipe.teacher
    dump = recipe.dump()
    assert "10.0.0.7" not in dump
    assert "77" not in dump
    assert "source: ./${OUR_LIMIT}.jsonl" in dump
    assert load(tmp_path, dump).queries == recipe.queries
    assert "limit: 3\n" in recipe.limited(3).dump()
    assert "base_url" not in recipe.simulated().dump()


def test_from_dict_tells_every_mistake_and_leaves_the_data_as_it_was() -> None:
    data = BARE | {"seed": "x", "stages": [{"sample_preferences": {"per_query": 2}}, "jugde"]}
    with pytest.raises(RecipeError) as e:
        Recipe.from_dict(data)
    assert [m.what for m in e.value.mistakes] == [
        "must be a whole number, is 'x'", "unknown stage 'jugde'; did you mean 'judge'?",
    ]  # fmt: skip
    assert data["stages"] == [{"sample_preferences": {"per_query": 2}}, "jugde"]


def test_the_constructor_takes_the_same_keys() -> None:
    assert Recipe(**BARE, judge={"timeout_s": 5}).dump() == Recipe.from_dict(BARE | {"judge": {"timeout_s": 5}}).dump()
    with pytest.raises(ValidationError, match="unknown stage 'jugde'"):
        Recipe(**BARE, stages=["jugde"])


def test_a_recipe_does_not_change() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Recipe.from_dict(BARE).seed = 2  # type: ignore[misc]


SHARES = st.lists(st.integers(0, 20), min_size=4, max_size=4).filter(any)
RECIPES = st.fixed_dictionaries(
    {
        "name": st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,9}", fullmatch=True),
        "seed": st.integers(-(2**70), 2**70),
        "teacher": st.fixed_dictionaries(
            {"model": st.text(min_size=1)},
            optional={"max_concurrency": st.integers(1, 10**9), "timeout_s": st.floats(1e-9, 1e9), "price": st.none()},
        ),
        "queries": st.fixed_dictionaries(
            {"source": st.text(min_size=1)},
            optional={"text": st.text() | st.lists(st.text(), min_size=1), "id": st.none() | st.text()},
        ),
        "budget": st.fixed_dictionaries({}, optional={"usd": st.decimals(0, 10**9, places=6) | st.floats(0, 1e9)}),
        "subsets": SHARES.map(lambda n: {s: k / sum(n) for s, k in zip(SUBSETS, n, strict=True)}),
        "preferences": st.fixed_dictionaries({"explicit": st.floats(0, 1)}, optional={"taxonomy": st.text()}),
        "dataset": st.fixed_dictionaries(
            {}, optional={"language": st.lists(st.from_regex("[a-z]{2,3}", fullmatch=True)), "license": st.text()}
        ),
    }
)


def test_rare_line_breaks_survive_the_dump(tmp_path: Path) -> None:
    recipe = Recipe.from_dict(BARE | {"dataset": {"pretty_name": "a\x85b\u2028 é", "license": "1e5"}})
    assert load(tmp_path, recipe.dump()).dataset == recipe.dataset
    assert "é" in recipe.dump()


def has_variable(value: object) -> bool:
    """Text that a recipe would take for ${VAR}."""
    return "${" in str(value)


@settings(deadline=None, max_examples=60)
@given(RECIPES.filter(lambda data: not has_variable(data)))
def test_what_a_recipe_dumps_loads_as_the_same_recipe(
    tmp_path_factory: pytest.TempPathFactory, data: dict[str, Any]
) -> None:
    recipe = Recipe.from_dict(data)
    again = load(tmp_path_factory.mktemp("r"), recipe.dump())
    assert again.model_dump(exclude={"stage_specs"}) == recipe.model_dump(exclude={"stage_specs"})
    assert again.stage_specs == recipe.stage_specs
    assert again.dump() == recipe.dump()


def test_several_teachers_share_the_requests_and_judge_where_no_judge_is_named(tmp_path: Path) -> None:
    recipe = Recipe.from_dict(BARE | {"teacher": [OPENAI | {"weight": 2}, OPENAI | {"model": "big"}]})
    assert [(each.options["model"], each.weight) for each in recipe.teachers] == [("small", 2.0), ("big", 1.0)]
    assert recipe.judges == recipe.teachers
    assert load(tmp_path, recipe.dump()).dump() == recipe.dump()
    assert [each.is_simulated for each in recipe.simulated().teachers] == [True, True]


def test_a_judge_takes_over_keys_of_the_first_teacher_but_not_its_weight() -> None:
    teachers = [OPENAI | {"weight": 2, "timeout_s": 9}, OPENAI | {"model": "big"}]
    (judge,) = Recipe.from_dict(BARE | {"teacher": teachers, "judge": {"max_concurrency": 4}}).judges
    assert (judge.options["model"], judge.timeout_s, judge.weight) == ("small", 9.0, 1.0)


@pytest.mark.parametrize(
    ("teachers", "mistakes"),
    [
        ([], ["teacher: must have at least one teacher"]),
        ([OPENAI, OPENAI], ["teacher: is the same teacher as one before; give one of them more weight instead"]),
        ([OPENAI | {"weight": 0}, {"modle": "x"}],
         ["teacher.weight: must be more than 0, is 0", "teacher: unknown key 'modle'; did you mean 'model'?",
          "teacher.model: is missing"]),
    ],
)  # fmt: skip
def test_every_mistake_in_a_list_of_teachers_is_told(teachers: list[Any], mistakes: list[str]) -> None:
    with pytest.raises(RecipeError) as e:
        Recipe.from_dict(BARE | {"teacher": teachers, "judge": {"provider": "simulated"}})
    assert sorted(f"{m.path}: {m.what}" for m in e.value.mistakes) == sorted(mistakes)
