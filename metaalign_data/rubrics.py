"""What a judge scores, where one overall score is not enough."""

from collections.abc import Mapping
from typing import Annotated, Self

from pydantic import BaseModel, Field, StringConstraints, model_validator

from metaalign_data.chat import FROZEN

Line = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, pattern=r"^[^\r\n]*$")]


class Criterion(BaseModel):
    """One thing to score from 1 to 10. `asks` is the question that the judge answers with the score."""

    model_config = FROZEN
    name: str = Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")
    asks: Line
    weight: float = Field(default=1.0, gt=0)


class Rubric(BaseModel):
    """Criteria and what each counts for, relative to the others."""

    model_config = FROZEN
    id: str
    criteria: tuple[Criterion, ...] = Field(min_length=1, max_length=8)

    @model_validator(mode="after")
    def _criteria_are_told_apart(self) -> Self:
        if twice := {name for name in self.names if self.names.count(name) > 1}:
            raise ValueError(f"criteria: {', '.join(sorted(twice))} stands there twice")
        return self

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(criterion.name for criterion in self.criteria)

    @property
    def text(self) -> str:
        """The criteria as the judge reads them, a line each."""
        return "\n".join(f"- {criterion.name}: {criterion.asks}" for criterion in self.criteria)

    def mean(self, scores: Mapping[str, float]) -> float:
        """Weighted mean of the scores by criterion. Raises KeyError where one is missing."""
        weight = sum(criterion.weight for criterion in self.criteria)
        return sum(criterion.weight * scores[criterion.name] for criterion in self.criteria) / weight
