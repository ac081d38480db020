"""What was measured, step by step: metrics.jsonl grows as training goes on; metrics.csv is the same as a table."""

import csv
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from metaalign_trainer.files import write_atomically

Row = Mapping[str, Any]
"""A `stage`, a `step` (counted from 1) and figures: losses in nats, rewards in nats, times in seconds."""

COLUMNS = (
    "stage",
    "step",
    "epoch",
    "loss",
    "accuracy",
    "ties",
    "margin",
    "chosen_reward",
    "rejected_reward",
    "held_out_loss",
    "held_out_accuracy",
    "held_out_margin",
    "learning_rate",
    "grad_norm",
    "rows",
    "tokens",
    "seconds",
)


class Metrics:
    """The figures of one run, in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.jsonl, self.csv = folder / "metrics.jsonl", folder / "metrics.csv"

    def rows(self) -> list[Row]:
        """All rows so far. A last line that a crash has cut short does not count."""
        if not self.jsonl.exists():
            return []
        lines = self.jsonl.read_text(encoding="utf-8").splitlines(keepends=True)
        return [json.loads(line) for line in lines if line.endswith("\n")]

    def go_back_to(self, stage: str, step: int) -> None:
        """Forget what came after this step of this stage: it is done again."""
        kept = [row for row in self.rows() if row["stage"] != stage or row["step"] <= step]
        write_atomically(self.jsonl, "".join(_line(row) for row in kept))

    def add(self, row: Row) -> None:
        with self.jsonl.open("a", encoding="utf-8") as file:
            file.write(_line(row))

    def write_table(self) -> None:
        temporary = self.csv.with_name(f".{self.csv.name}.tmp")
        with temporary.open("w", encoding="utf-8", newline="") as file:
            table = csv.DictWriter(file, COLUMNS, extrasaction="raise")
            table.writeheader()
            table.writerows(self.rows())
        temporary.replace(self.csv)


def _line(row: Row) -> str:
    return json.dumps(row) + "\n"
