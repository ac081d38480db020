"""Stages of a recipe: by name, by `use`, as objects."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from metaalign_data.errors import RecipeError
from metaalign_data.recipe import Recipe
from metaalign_data.records import PreferencePair, Record
from metaalign_data.registry import stage_class
from metaalign_data.stage import Context, Reject

CHAIN = ["sample_preferences", "generate_responses", "judge", "pair"]
BARE: dict[str, Any] = {"name": "q", "teacher": {"provider": "simulated"}, "queries": {"source": "bundled"}}

OWN = """
from collections.abc import Sequence
from pydantic import BaseModel
from metaalign_data.records import PreferencePair
from metaalign_data.stage import Context, Reject

class KeepLong:
    class Config(BaseModel, frozen=True, extra="forbid"):
        min_chars: int = 20
    def __init__(self, config: Config) -> None:
        self.config = config
    async def process(self, row: PreferencePair, ctx: Context) -> Sequence[PreferencePair | Reject]:
        return [row]
"""


class KeepAll:
    async def process(self, row: PreferencePair, ctx: Context) -> Sequence[PreferencePair | Reject]:
        return [row]


class KeepSome:
    class Config(BaseModel, frozen=True, extra="forbid"):
        share: float = 0.5

    def __init__(self, config: Config) -> None:
        self.config = config

    async def process(self, row: Record, ctx: Context) -> Sequence[PreferencePair | Reject]:
        return [Reject("unlucky")]


def recipe(*stages: object, folder: Path | None = None, trust: bool = False) -> Recipe:
    return Recipe.from_dict(BARE | {"stages": [*CHAIN, *stages]}, folder=folder, trust=trust)


def mistake(*stages: object, folder: Path | None = None) -> str:
    with pytest.raises(RecipeError) as e:
        recipe(*stages, folder=folder, trust=True)
    return str(e.value)


def test_a_stage_of_the_users_own_runs_from_a_file_beside_the_recipe_when_trusted(tmp_path: Path) -> None:
    (tmp_path / "keep_long.py").write_text(OWN)
    spec = recipe({"use": "keep_long:KeepLong", "with": {"min_chars": 3}}, folder=tmp_path, trust=True).stage_specs[-1]
    assert (spec.name, spec.config) == ("keep_long", {"min_chars": 3})
    assert type(spec.stage).__name__ == "KeepLong"


def test_no_code_of_an_untrusted_recipe_runs(tmp_path: Path) -> None:
    (tmp_path / "evil.py").write_text("from pathlib import Path\nPath(__file__).with_name('ran').touch()\n")
    with pytest.raises(RecipeError, match="--trust-recipe"):
        recipe({"use": "evil:Stage"}, folder=tmp_path)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"use": "keep_a:KeepLon"}, "module 'keep_a' has no class 'KeepLon'; did you mean 'KeepLong'?"),
        ({"use": "keep_b:KeepLong", "min_chars": 3},
         "unknown key 'min_chars'; settings of a stage that is named by 'use' stand under 'with'"),
        ({"use": "keep_c:KeepLong", "with": {"min_char": 3}},
         "stages.with: unknown key 'min_char'; did you mean 'min_chars'?"),
        ({"use": "keep_d:BaseModel"}, "BaseModel is not a stage"),
        ({"use": "x y:KeepLong"}, "'x y:KeepLong' is not of the form module:Class"),
    ],
)  # fmt: skip
def test_a_mistake_in_a_used_stage_is_told(tmp_path: Path, entry: dict[str, Any], message: str) -> None:
    module = entry["use"].partition(":")[0]
    (tmp_path / f"{module}.py").write_text(OWN)
    assert message in mistake(entry, folder=tmp_path)


def test_a_stage_may_be_an_object_and_is_dumped_as_its_class_and_config() -> None:
    made = recipe(KeepAll(), KeepSome(KeepSome.Config(share=0.25)))
    assert [spec.name for spec in made.stage_specs[-2:]] == ["keep_all", "keep_some"]
    dump = made.dump()
    assert f"- use: {KeepAll.__module__}:KeepAll\n" in dump
    assert f"- use: {KeepSome.__module__}:KeepSome\n  with:\n    share: 0.25\n" in dump


def test_an_object_of_a_built_in_class_is_dumped_under_its_name() -> None:
    cls: Any = stage_class("judge")
    by_object = Recipe.from_dict(BARE | {"stages": [*CHAIN[:2], cls(cls.Config()), "pair"]})
    assert by_object.dump() == recipe().dump()


def test_a_sampler_made_in_python_sets_the_preferences_of_the_recipe() -> None:
    cls: Any = stage_class("sample_preferences")
    made = Recipe.from_dict(BARE | {"stages": [cls(cls.Config(per_query=7)), *CHAIN[1:]]})
    assert made.preferences.per_query == 7
    assert made.dump() == Recipe.from_dict(BARE | {"preferences": {"per_query": 7}, "stages": CHAIN}).dump()


def test_an_object_that_is_no_stage_is_refused() -> None:
    assert "stages: object is not a stage" in mistake(object())


def test_stages_of_one_name_are_told_apart_and_addressed(tmp_path: Path) -> None:
    assert [spec.name for spec in recipe("dedup", "dedup").stage_specs[-2:]] == ["dedup", "dedup-2"]
    text = "name: q\nteacher: {provider: simulated}\nqueries: {source: bundled}\n"
    text += f"stages: [{', '.join(CHAIN)}, dedup, dedup]\n"
    (tmp_path / "recipe.yaml").write_text(text)
    made = Recipe.load(tmp_path / "recipe.yaml", overrides=["stages.dedup-2.threshold=0.5"])
    assert made.stage_specs[-2].config["threshold"] != made.stage_specs[-1].config["threshold"] == 0.5


def test_a_stage_takes_records_of_a_subclass_of_what_it_says() -> None:
    assert recipe(KeepSome(KeepSome.Config())).stage_specs[-1].name == "keep_some"


def test_each_link_that_does_not_fit_is_told() -> None:
    with pytest.raises(RecipeError) as e:
        Recipe.from_dict(BARE | {"stages": ["generate_responses", "pair"]})
    assert [m.what for m in e.value.mistakes] == [
        "generate_responses takes Scenario, but the queries give Query; put sample_preferences between",
        "pair takes Judgement, but generate_responses gives ResponseSet; put judge between",
    ]
