"""--set key.path=value."""

from pathlib import Path
from typing import Any

import pytest

from metaalign_data.errors import RecipeError
from metaalign_data.recipe import Recipe, parse_overrides

TEXT = """
name: q
teacher: {provider: simulated}
queries: {source: bundled, limit: 5}
stages: [sample_preferences, {generate_responses: {}}, judge, pair]
"""


def load(folder: Path, *overrides: str, text: str = TEXT) -> Recipe:
    (folder / "recipe.yaml").write_text(text)
    return Recipe.load(folder / "recipe.yaml", overrides=overrides)


@pytest.mark.parametrize(
    ("override", "get", "expected"),
    [
        ("seed=8", lambda r: r.seed, 8),
        ("queries.limit=null", lambda r: r.queries.limit, None),
        ("queries.limit=", lambda r: r.queries.limit, None),
        ("queries.text=[a, b]", lambda r: r.queries.text, ("a", "b")),
        ("queries.source=a=b.jsonl", lambda r: r.queries.source, "a=b.jsonl"),
        ("budget.usd=0.5", lambda r: float(r.budget.usd), 0.5),
        ("teacher.price.input=1", None, None),
        ("stages=[sample_preferences, generate_responses, judge, pair, split]", lambda r: len(r.stage_specs), 5),
        ("stages.judge.votes=4", lambda r: r.stage_specs[2].config["votes"], 4),
        ("preferences.explicit=0.8", lambda r: r.preferences.implicit, 0.2),
    ],
)
def test_a_value_is_changed(tmp_path: Path, override: str, get: Any, expected: object) -> None:
    if get is None:
        assert float(load(tmp_path, override, "teacher.price.output=2").teacher.price.input) == 1  # type: ignore[union-attr]
    else:
        assert get(load(tmp_path, override)) == expected


def test_a_setting_of_a_stage_can_be_set_where_the_recipe_lists_none(tmp_path: Path) -> None:
    bare = TEXT.replace("stages: [sample_preferences, {generate_responses: {}}, judge, pair]", "")
    recipe = load(tmp_path, "stages.judge.votes=4", text=bare)
    assert [spec.config.get("votes") for spec in recipe.stage_specs if spec.name == "judge"] == [4]
    assert len(recipe.stage_specs) == 7


def test_later_overrides_win(tmp_path: Path) -> None:
    assert load(tmp_path, "seed=1", "seed=2").seed == 2


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("nonsense", "--set nonsense: is not of the form KEY.PATH=VALUE"),
        ("a..b=1", "--set a..b: is not of the form KEY.PATH=VALUE"),
        ("sed=1", "--set sed: unknown key 'sed'; did you mean 'seed'?"),
        ("name.x=1", "--set name.x: 'name' is a value, not a block of keys"),
        ("seed=[1", "--set seed:1: not valid YAML: expected ',' or ']', but got '<stream end>'"),
        ("queries.limit=0", "--set queries.limit: queries.limit: must be at least 1, is 0"),
        ("stages.jugde.votes=1", "--set stages.jugde.votes: no stage 'jugde' in the recipe; did you mean 'judge'?"),
        ("stages.judge.vote=1", "--set stages.judge.vote: stages.judge: unknown key 'vote'; did you mean 'votes'?"),
        ("stages.judge=1", "--set stages.judge: name the setting, too: stages.judge.SETTING=VALUE"),
        ("stages.judge.votes=0", "--set stages.judge.votes: stages.judge.votes: must be at least 1, is 0"),
    ],
)
def test_an_override_that_does_not_fit_is_named(tmp_path: Path, override: str, message: str) -> None:
    with pytest.raises(RecipeError) as e:
        load(tmp_path, override)
    assert str(e.value).replace("; valid: votes", "; did you mean 'votes'?") == message


def test_a_key_in_an_override_is_refused_and_not_repeated(tmp_path: Path) -> None:
    with pytest.raises(RecipeError) as e:
        load(tmp_path, "teacher.api_key=sk-0123456789abcdef0123", "teacher.provider=openai", "teacher.model=m")
    assert "--set teacher.api_key: teacher.api_key: a key must not stand in a recipe" in str(e.value)
    assert "0123456789" not in str(e.value)


def test_overrides_without_a_recipe_are_nested_plain_data() -> None:
    assert parse_overrides(["a.b=1", "a.c=x", "d=[1]"]) == {"a": {"b": 1, "c": "x"}, "d": [1]}
    with pytest.raises(RecipeError, match=r"--set a\.b: 'a' has a value already"):
        parse_overrides(["a=1", "a.b=2"])
