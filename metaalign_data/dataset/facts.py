"""What a run tells of itself, for the card."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any


@dataclass(frozen=True)
class DatasetFacts:
    """`counts` is the manifest's: by stage the rows in, passed, rejected, failed, out, and the reasons; `stages` tells
    what each does. `judging` are the figures of report/judging.py.

    `sources` are the files or datasets that the queries came from, each with its licences as far as they are known.
    `cost_usd` covers every answer that the dataset took, over all resumes; None where a price is unknown.
    """

    name: str
    recipe_yaml: str
    seed: int
    license: str | None
    language: Sequence[str]
    pretty_name: str | None
    teacher_model: str
    judge_model: str
    simulated: bool
    versions: Mapping[str, str]
    stages: Mapping[str, str]
    counts: Mapping[str, Mapping[str, Any]]
    judging: Mapping[str, Any]
    sources: Mapping[str, Sequence[str]]
    cost_usd: Decimal | None
    tokens: int
