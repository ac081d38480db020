"""What each stage learns from: rows of the dataset as tokens, and what was left out of them."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

from metaalign_trainer.config import Config, Stage
from metaalign_trainer.data import Example, Rejected, encode
from metaalign_trainer.errors import DataError, TrainerError
from metaalign_trainer.files import write_atomically
from metaalign_trainer.output import Output
from metaalign_trainer.rows import fingerprint, halves, is_simulated, read_rows
from metaalign_trainer.template import Renderer

if TYPE_CHECKING:
    from datasets import Dataset


@dataclass(frozen=True)
class Lesson:
    """Rows of one stage, as tokens. `simulated`: the simulated teacher had a hand in them."""

    rows: Sequence[Example]
    held_out: Sequence[Example]
    left_out: Sequence[Rejected]
    held_out_rejected: Sequence[Rejected]
    simulated: bool

    @property
    def facts(self) -> dict[str, Any]:
        """Figures of the rows, for summary.json; the most frequent reason first."""
        return {
            "rows": len(self.rows),
            "held_out_rows": len(self.held_out),
            "held_out_rejected": len(self.held_out_rejected),
            "rejected": dict(Counter(each.reason for each in self.left_out).most_common()),
            "fingerprint": fingerprint(self.rows),
            "simulated": self.simulated,
        }


def rows_of(stage: Stage, config: Config) -> "Dataset":
    """The rows that a stage is to learn: all, or in two stages its own share of the queries."""
    rows = read_rows(config, config.data.split)
    if config.two_stage is None:
        return rows
    first, second = halves(rows, config.two_stage.sft_share, config.seed)
    return first if stage == "sft" else second


def lesson(
    stage: Stage, config: Config, rows: "Dataset", renderer: Renderer, left_out: Sequence[Rejected] = ()
) -> Lesson:
    """`rows` and the held-out split as tokens. `left_out` are rows that were lost on the way here.

    Raises DataError where no row is left, with the reasons.
    """
    data = config.data

    def encoded(part: "Dataset", answers: Literal["chosen", "both"]) -> tuple[list[Example], list[Rejected]]:
        return encode(part, renderer, max_length=data.max_length, answers=answers, prompts=data.prompts)

    examples, rejected = encoded(rows, "chosen" if stage == "sft" else "both")
    rejected = [*left_out, *rejected]
    if not examples:
        reasons = ", ".join(f"{reason} {n}" for reason, n in Counter(each.reason for each in rejected).most_common())
        first = f"; the first: row {rejected[0].id}: {rejected[0].detail!r}" if rejected else ""
        raise DataError(f"{data.source}: no row is left to learn from in {stage}: {reasons}{first}")
    if len({example.id for example in examples}) < len(examples):
        raise DataError(f"{data.source}: row ids repeat, so that no row can be told from another")
    held_out: list[Example] = []
    unfit: list[Rejected] = []
    if data.held_out:
        held_out, unfit = encoded(read_rows(config, data.held_out), "chosen" if data.config == "sft" else "both")
    return Lesson(examples, held_out, rejected, unfit, is_simulated(rows))


def note(learnt: Lesson, stage: Stage, config: Config, output: Output) -> None:
    """Write down what a stage learns from and what was rejected.

    Raises TrainerError where an earlier start of this stage learnt from other rows.
    """
    facts = output.facts(stage)
    if facts.exists() and (was := json.loads(facts.read_text("utf-8"))["fingerprint"]) != learnt.facts["fingerprint"]:
        raise TrainerError(
            f"{output.root}: the rows of {stage} have changed since it began (fingerprint {was}, now "
            f"{learnt.facts['fingerprint']}); give another directory with --out, or bring back the data"
        )
    parts = {config.data.split: learnt.left_out, str(config.data.held_out): learnt.held_out_rejected}
    left_out = [{"split": split, **asdict(each)} for split, rejected in parts.items() for each in rejected]
    facts.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(output.rejects(stage), "".join(json.dumps(row) + "\n" for row in left_out))
    write_atomically(facts, json.dumps(learnt.facts, indent=2) + "\n")
