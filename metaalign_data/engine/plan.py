"""From a chain of stages to the segments in which it runs."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from metaalign_data.recipe import StageSpec
from metaalign_data.records import Record
from metaalign_data.registry import stage_types
from metaalign_data.stage import RowStage, TableStage


@dataclass(frozen=True)
class RowStep:
    """A row stage and the type of the records that it gives."""

    name: str
    stage: RowStage[Any, Any]
    gives: type[Record]


@dataclass(frozen=True)
class TableStep:
    """A stage that needs all rows of the stage before it, and gives rows of the same type."""

    name: str
    stage: TableStage


Segment = tuple[RowStep, ...] | TableStep
"""Consecutive row stages, through which rows flow with no barrier in between; or one table stage."""


def segments(specs: Sequence[StageSpec]) -> list[Segment]:
    """The chain, cut at its table stages."""
    plan: list[Segment] = []
    steps: list[RowStep] = []
    for spec in specs:
        types = stage_types(type(spec.stage))
        if isinstance(spec.stage, RowStage) and types:
            steps.append(RowStep(spec.name, spec.stage, types[1]))
        elif isinstance(spec.stage, TableStage):
            plan += [tuple(steps)] if steps else []
            plan.append(TableStep(spec.name, spec.stage))
            steps = []
    return [*plan, tuple(steps)] if steps else plan
