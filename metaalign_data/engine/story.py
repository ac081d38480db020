"""One row of a run from its query on: what each stage made of it, what was asked for it, and what that cost."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl

from metaalign_data.engine.folder import RunFolder
from metaalign_data.errors import UserError
from metaalign_data.teacher.ledger_care import Answer, answers

SHOWN_IDS = 5


@dataclass(frozen=True)
class Question:
    """An answer that went into a row; `unusable` says why it was of no use, "" where it was."""

    answer: Answer
    unusable: str


@dataclass(frozen=True)
class Step:
    """What one stage made of row `row_id`: `made` is the record that leads to the row which the story is of.

    Of the stage in which the row ended `made` is None.
    """

    stage: str
    row_id: str
    made: Mapping[str, Any] | None
    asked: Sequence[Question]


@dataclass(frozen=True)
class Story:
    """A row and how it came about. `endings` are the rejects and failures of it (stage, reason, detail, row)."""

    row_id: str
    stage: str
    steps: Sequence[Step]
    endings: Sequence[Mapping[str, Any]]

    @property
    def cost_usd(self) -> Decimal | None:
        """Of all answers that went into it, also where other rows came of them; None where a price is unknown."""
        costs = [question.answer.cost_usd for step in self.steps for question in step.asked]
        known = [cost for cost in costs if cost is not None]
        return sum(known, Decimal(0)) if len(known) == len(costs) else None


def story(folder: RunFolder, ledger: Path, stages: Sequence[str], prefix: str) -> Story:
    """The story of the row whose id begins with `prefix`; `stages` are those of the run, in order.

    Raises UserError where no row of the run has such an id, or several have.
    """
    return _Reader(folder, ledger, stages).story(prefix)


class _Reader:
    def __init__(self, folder: RunFolder, ledger: Path, stages: Sequence[str]) -> None:
        self.folder, self.ledger, self.stages = folder, ledger, stages
        self.asked = _scan(folder.asked)
        self.lineage = _scan(folder.lineage)

    def story(self, prefix: str) -> Story:
        row_id = self._only(prefix)
        last = next((stage for stage in reversed(self.stages) if self._record(stage, row_id)), "queries")
        endings = self._endings(row_id)
        steps = self._back(last, row_id)
        for stage in dict.fromkeys(ending["stage"] for ending in endings):
            steps.append(Step(stage, row_id, None, self._questions(stage, row_id)))
        return Story(row_id, last, steps, endings)

    def _only(self, prefix: str) -> str:
        """The one id that begins so."""
        places = [pl.scan_parquet(parts).select("id") for stage in self.stages if (parts := self.folder.parts(stage))]
        ended = [pl.scan_parquet(file).select(id="row_id") for file in self._ended()]
        queries = [table.select(id="row_id") for table in (self.asked, self.lineage) if table is not None]
        found = [place.filter(pl.col("id").str.starts_with(prefix)) for place in (*places, *ended, *queries)]
        ids = pl.concat(found).unique().sort("id").collect()["id"].to_list() if found else []
        if not ids:
            raise UserError(f"no row has an id that begins with '{prefix}'", where=str(self.folder.root))
        if len(ids) > 1:
            shown = ", ".join(ids[:SHOWN_IDS]) + (", ..." if len(ids) > SHOWN_IDS else "")
            raise UserError(f"{len(ids)} rows have ids that begin with '{prefix}': {shown}", fix="give more digits")
        return str(ids[0])

    def _back(self, stage: str, row_id: str) -> list[Step]:
        """The steps that led to the row, the first one first."""
        steps: list[Step] = []
        for name in reversed(self.stages[: self.stages.index(stage) + 1] if stage in self.stages else ()):
            made, before = self._record(name, row_id), self._made_of(name, row_id)
            steps.append(Step(name, before, made, self._questions(name, before)))
            row_id = before
        return steps[::-1]

    def _made_of(self, stage: str, row_id: str) -> str:
        """The row that the stage made this one of: of a table stage the same."""
        if self.lineage is None:
            return row_id
        found = self.lineage.filter(pl.col("stage") == stage, pl.col("made") == row_id).head(1).collect()
        return str(found["row_id"][0]) if found.height else row_id

    def _record(self, stage: str, row_id: str) -> dict[str, Any] | None:
        if not (parts := self.folder.parts(stage)):
            return None
        found = pl.scan_parquet(parts).filter(pl.col("id") == row_id).head(1).collect()
        return found.row(0, named=True) if found.height else None

    def _questions(self, stage: str, row_id: str) -> list[Question]:
        if self.asked is None:
            return []
        of_row = self.asked.filter(pl.col("stage") == stage, pl.col("row_id") == row_id).collect()
        unusable = dict(of_row.select("key", "unusable").iter_rows())
        return [Question(answer, unusable[answer.key]) for answer in answers(self.ledger, unusable)]

    def _endings(self, row_id: str) -> list[dict[str, Any]]:
        found = [pl.scan_parquet(file).filter(pl.col("row_id") == row_id).collect() for file in self._ended()]
        return [row for table in found for row in table.iter_rows(named=True)]

    def _ended(self) -> list[Path]:
        files = [*sorted(self.folder.rejects.glob("*.parquet")), self.folder.failures]
        return [file for file in files if file.exists()]


def _scan(folder: Path) -> pl.LazyFrame | None:
    parts = sorted(folder.glob("part-*.parquet"))
    return pl.scan_parquet(parts) if parts else None
