"""From a chain of stages to the segments in which it runs."""

from collections.abc import Sequence
from dataclasses import dataclass

from metaalign_data.recipe import StageSpec
from metaalign_data.stage import RowStage, TableStage


@dataclass(frozen=True)
class RowSegment:
    """Consecutive row stages: rows flow through them with no barrier in between."""

    specs: tuple[StageSpec, ...]


@dataclass(frozen=True)
class TableSegment:
    """A stage that needs all rows of the stage before it."""

    spec: StageSpec
    stage: TableStage


def segments(specs: Sequence[StageSpec]) -> list[RowSegment | TableSegment]:
    """The chain, cut at its table stages."""
    plan: list[RowSegment | TableSegment] = []
    rows: list[StageSpec] = []
    for spec in specs:
        if isinstance(spec.stage, RowStage):
            rows.append(spec)
            continue
        if rows:
            plan.append(RowSegment(tuple(rows)))
            rows = []
        plan.append(TableSegment(spec, spec.stage))
    if rows:
        plan.append(RowSegment(tuple(rows)))
    return plan
