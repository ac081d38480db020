"""${VAR}, and keys that must not stand in a recipe."""

from typing import Any

import pytest

from metaalign_data.errors import RecipeError
from metaalign_data.recipe import Recipe
from metaalign_data.recipe.environment import expand, plaintext_keys

BARE: dict[str, Any] = {"name": "q", "teacher": {"provider": "simulated"}, "queries": {"source": "bundled"}}
SECRET = "sk-proj-0123456789abcdefABCDEF"


def message(data: dict[str, Any]) -> str:
    with pytest.raises(RecipeError) as e:
        Recipe.from_dict(BARE | data)
    return str(e.value)


def test_every_variable_of_a_text_is_filled_in() -> None:
    result = expand({"a": ["x ${A}-${B_2}", "$A", 3]}, {"A": "1", "B_2": "${A}"})
    assert result.data == {"a": ["x 1-${A}", "$A", 3]}
    assert {path: text.template for path, text in result.templates.items()} == {("a", 0): "x ${A}-${B_2}"}


def test_a_missing_variable_is_named_once_though_the_judge_takes_it_from_the_teacher() -> None:
    text = message({"teacher": {"model": "m", "base_url": "${NO_SUCH_VARIABLE}"}})
    assert text == "recipe: teacher.base_url: the environment variable NO_SUCH_VARIABLE is not set"


@pytest.mark.parametrize("text", ["${}", "${A-B}", "${a b}"])
def test_what_cannot_be_a_variable_is_refused(text: str) -> None:
    assert "is not the name of an environment variable" in message({"queries": {"source": text}})


def test_the_value_of_a_variable_is_not_shown_in_a_mistake(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OUR_LIMIT", "hunter2")
    text = message({"seed": "${OUR_LIMIT}", "queries": {"source": "bundled", "limit": "${OUR_LIMIT}"}})
    assert text.splitlines() == [
        "recipe: queries.limit: must be a whole number, is '${OUR_LIMIT}'",
        "recipe: seed: must be a whole number, is '${OUR_LIMIT}'",
    ]


@pytest.mark.parametrize(
    ("name", "value"), [("AWS_SECRET_ACCESS_KEY", "x"), ("HF_TOKEN", "x"), ("DB_PASSWORD", "x"), ("INNOCENT", SECRET)]
)
def test_a_variable_that_looks_like_a_key_goes_nowhere(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    text = message({"teacher": {"model": "m", "extra_body": {"user": f"${{{name}}}"}}})
    assert text.startswith(f"recipe: teacher.extra_body.user: {name} looks like a key")
    assert SECRET not in text


@pytest.mark.parametrize(
    "data",
    [
        {"teacher": {"model": "m", "api_key": SECRET}},
        {"teacher": {"model": "m", "api_key": "short"}},
        {"teacher": {"model": "m", "api_key": "${OPENAI_API_KEY}"}},
        {"teacher": {"model": "m", "api_key_env": SECRET}},
        {"teacher": {"model": "m", "extra_body": {"Authorization": "Bearer x"}}},
        {"teacher": {"model": "m", "base_url": "https://me:hunter2@example.org/v1"}},
        {"dataset": {"pretty_name": "hf_0123456789abcdefABCDEF"}},
        {"token": "x"},
    ],
)
def test_a_key_in_a_recipe_is_refused_and_not_repeated(data: dict[str, Any]) -> None:
    text = message(data)
    assert "a key must not stand in a recipe; put it into an environment variable and name that" in text
    assert not any(word in text for word in ("0123456789", "short", "hunter2", "Bearer"))
    assert len(text.splitlines()) == 1


@pytest.mark.parametrize(
    "data", [{"api_key_env": "OPENAI_API_KEY"}, {"max_tokens": "5"}, {"eos_token": "</s>"}, {"tokens": 9}]
)
def test_what_only_looks_like_a_key_is_left_alone(data: dict[str, Any]) -> None:
    assert list(plaintext_keys(data)) == []
