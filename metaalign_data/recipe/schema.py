"""The JSON Schema of a recipe, so that editors complete and check it."""

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from metaalign_data.queries import QuerySettings
from metaalign_data.recipe.settings import DatasetSettings, RunSettings
from metaalign_data.records import SUBSETS
from metaalign_data.registry import config_of, stage_class, stage_names, teacher_class, teacher_names
from metaalign_data.stages.sampling.settings import PreferenceSettings
from metaalign_data.teacher.settings import BudgetSettings, TeacherSettings

Schema = dict[str, Any]

BLOCKS: dict[str, type[BaseModel]] = {
    "budget": BudgetSettings,
    "run": RunSettings,
    "queries": QuerySettings,
    "preferences": PreferenceSettings,
    "dataset": DatasetSettings,
}


def recipe_schema() -> Schema:
    """JSON Schema (draft 2020-12) of everything that a recipe may say, plug-ins that are installed with it.

    What one key demands of another, such as stages that fit, is for `validate`.
    """
    stages = {name: config_of(stage_class(name)) for name in stage_names()}
    providers = [config_of(teacher_class(name)) for name in teacher_names()]
    models: list[type[BaseModel]] = [TeacherSettings, *providers, *BLOCKS.values(), *stages.values()]
    refs, definitions = models_json_schema([(model, "validation") for model in dict.fromkeys(models)])
    of: dict[object, Schema] = {model: ref for (model, _), ref in refs.items()}
    block = _teacher_block(definitions["$defs"], [of[model] for model in (TeacherSettings, *providers)])
    share = {"type": "number", "minimum": 0, "maximum": 1}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A recipe of metaalign-data",
        "type": "object",
        "additionalProperties": False,
        "required": ["name", "teacher", "queries"],
        "properties": {
            "name": {"type": "string", "description": "the run directory is runs/NAME"},
            "seed": {"type": "integer", "default": 0, "description": "the same one gives the same dataset"},
            "teacher": block,
            "judge": {"anyOf": [block, {"type": "array", "items": block, "minItems": 1}]},
            "weak_teacher": {"anyOf": [block, {"type": "null"}]},
            "subsets": {"type": "object", "additionalProperties": False, "properties": dict.fromkeys(SUBSETS, share)},
            **{name: of[model] for name, model in BLOCKS.items()},
            "stages": {"type": "array", "minItems": 1, "items": _entry({name: of[c] for name, c in stages.items()})},
        },
        **definitions,
    }


def _teacher_block(definitions: Schema, refs: Sequence[Schema]) -> Schema:
    """The keys that all providers share and those of each provider, flat in one object."""
    keys: Schema = {}
    for ref in refs:
        keys |= definitions[ref["$ref"].rpartition("/")[2]].get("properties", {})
    keys.pop("options", None)
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": {**keys, "provider": {"enum": [*teacher_names()]}},
    }


def _entry(settings: Schema) -> Schema:
    """A stage by its name alone, or with its settings; or a class of the recipe's own."""
    one = {"type": "object", "additionalProperties": False, "minProperties": 1, "maxProperties": 1}
    own = {"use": {"type": "string", "description": "module:Class"}, "with": {"type": "object"}}
    return {
        "anyOf": [
            {"enum": [*settings]},
            {**one, "properties": settings},
            {"type": "object", "additionalProperties": False, "required": ["use"], "properties": own},
        ]
    }
