"""Which rows of the dataset each stage learns from."""

import hashlib
import random
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from metaalign_trainer.config import Config
from metaalign_trainer.data import Example, load_rows
from metaalign_trainer.errors import DataError

if TYPE_CHECKING:
    from datasets import Dataset

SIMULATED = "simulated"
"""What the simulated teacher of metaalign-data calls itself in the columns that name a model."""


def read_rows(config: Config, split: str) -> "Dataset":
    """The rows of a split that the configuration asks for. Raises DataError where there are none."""
    data = config.data
    rows = load_rows(data.source, data.config, split)
    for column, value in data.where.items():
        if column not in rows.column_names:
            raise DataError(
                f"{data.source}: has no column '{column}' (data.where); it has {', '.join(rows.column_names)}"
            )
        rows = rows.select([i for i, each in enumerate(rows[column]) if each == value])
    if data.limit:
        rows = rows.select(range(min(data.limit, len(rows))))
    if not len(rows):
        raise DataError(
            f"{data.source}: no row in split '{split}' of '{data.config}' {dict(data.where) or ''}".rstrip()
        )
    return rows


def halves(rows: "Dataset", share: float, seed: int) -> tuple["Dataset", "Dataset"]:
    """Rows for the first and for the second stage. All rows of one query, flips among them, stay on one side."""
    queries = [row["prompt"][-1]["content"] for row in rows]
    distinct = sorted(set(queries))
    random.Random(seed).shuffle(distinct)
    first = set(distinct[: round(share * len(distinct))])
    parts = [[i for i, query in enumerate(queries) if (query in first) == side] for side in (True, False)]
    if not all(parts):
        raise DataError(f"{len(distinct)} queries are too few to divide them into two stages")
    return rows.select(parts[0]), rows.select(parts[1])


def is_simulated(rows: "Dataset") -> bool:
    """Whether any model that wrote or judged these rows is the simulated one."""
    named = [column for column in ("chosen_model", "rejected_model", "judge_model") if column in rows.column_names]
    return any(SIMULATED in str(model) for column in named for model in set(rows[column]))


def texts(rows: "Dataset") -> list[str]:
    """All that a tokenizer of its own has to spell."""
    columns = [column for column in ("prompt", "chosen", "rejected", "messages") if column in rows.column_names]
    return [message["content"] for row in rows for column in columns for message in row[column]]


def fingerprint(examples: Sequence[Example]) -> str:
    """Of what a stage learns from, to the last token."""
    digest = hashlib.sha256()
    for example in examples:
        digest.update(repr((example.id, example.prompt, example.answers)).encode())
    return digest.hexdigest()[:16]


def with_answers(rows: "Dataset", pairs: Mapping[str, tuple[str, str]]) -> "Dataset":
    """The rows whose ids have a pair, with its texts as chosen and rejected."""

    def told(row: Mapping[str, Any]) -> dict[str, Any]:
        chosen, rejected = pairs[row["id"]]
        return {
            "chosen": [{"role": "assistant", "content": chosen}],
            "rejected": [{"role": "assistant", "content": rejected}],
        }

    kept = rows.select([i for i, row_id in enumerate(rows["id"]) if row_id in pairs])
    return kept.map(told, load_from_cache_file=False, keep_in_memory=True)
