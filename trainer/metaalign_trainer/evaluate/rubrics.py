"""Benchmarks of generated answers: a query, a context, and rubrics by which somebody scores what the model says.

As in Multifaceted Bench (Lee et al. 2024, arXiv 2405.17977): `rubrics` is a list of texts, or of blocks with
`criteria` and, in `score_descriptions`, what each score from 1 to 5 means.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from metaalign_trainer.evaluate.shapes import Mapped, each_row, query_of, texts_of

WORST, BEST = 1, 5


@dataclass(frozen=True)
class Task:
    """One question and what its answer is scored on."""

    id: str
    query: str
    context: str
    rubrics: tuple[str, ...]
    reference: str


def tasks(rows: Iterable[Mapping[str, Any]], mapped: Mapped, source: str) -> list[Task]:
    """The rows of a benchmark of shape "rubrics". Raises DataError as `shapes.each_row` does."""
    return each_row(rows, mapped, source, _task)


def _task(row: Mapping[str, Any], mapped: Mapped, name: str) -> Task:
    contexts = [text for column in mapped.contexts for text in texts_of(row[column])]
    if len(contexts) > 1:
        raise ValueError(f"{len(contexts)} contexts, where 'rubrics' takes one")
    rubrics = tuple(_rubric(each) for each in row[str(mapped.rubrics)] or ())
    if not rubrics or not all(rubrics):
        raise ValueError("a rubric is needed, none of them empty")
    reference = "\n".join(texts_of(row[mapped.reference])) if mapped.reference else ""
    return Task(name, query_of(row[mapped.query]), "".join(contexts), rubrics, reference)


def _rubric(value: object) -> str:
    if isinstance(value, Mapping):
        told: Mapping[str, Any] = value.get("score_descriptions") or {}
        levels = [f"{score}: {text}" for score, text in sorted(told.items()) if text]
        return "\n".join([str(value["criteria"]).strip(), *levels])
    if isinstance(value, str):
        return value.strip()
    raise ValueError(f"{value!r} is no rubric")


def mean_scores(tasks: Sequence[Task], scores: Mapping[tuple[str, int], float | None]) -> dict[str, float]:
    """Task -> the mean of its scores, by task and place of the rubric; tasks without any are left out."""
    found = {}
    for task in tasks:
        given = [scores.get((task.id, place)) for place in range(len(task.rubrics))]
        known = [score for score in given if score is not None]
        if known:
            found[task.id] = sum(known) / len(known)
    return found
