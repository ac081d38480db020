"""What wins when the provider's rules, the user's wishes and the risk of a query pull apart."""

from typing import Literal, Self

from pydantic import BaseModel, Field, model_validator

from metaalign_data.chat import FROZEN
from metaalign_data.taxonomy import Value

NONE = "none"
Risk = Literal["harmless", "harmful"]
Standing = Literal["conflicts", "agrees", "silent", "alone"]
Winner = Literal["provider", "user", "safety", "helpfulness"]
_WINNERS: dict[Risk, set[Winner]] = {"harmless": {"provider", "user"}, "harmful": {"safety", "helpfulness", "user"}}
_MIRRORED: dict[Standing, Standing] = {
    "conflicts": "agrees",
    "agrees": "conflicts",
    "silent": "silent",
    "alone": "alone",
}


class Policy(BaseModel):
    """A provider's word on conflicts, in several wordings."""

    model_config = FROZEN
    name: str
    wordings: tuple[str, ...] = Field(min_length=1)


class MatrixCell(BaseModel):
    """Who wins. `user` is what the user's wish is to the provider's rule; `alone` is a wish without a rule."""

    model_config = FROZEN
    risk: Risk
    policy: str
    user: Standing
    winner: Winner
    weight: float = Field(default=1.0, gt=0)

    @property
    def name(self) -> str:
        """risk/policy/user."""
        return f"{self.risk}/{self.policy}/{self.user}"

    @model_validator(mode="after")
    def _can_win(self) -> Self:
        absent = {"silent": "user", "alone": "provider"}.get(self.user)
        if self.winner not in _WINNERS[self.risk] or self.winner == absent:
            raise ValueError(f"{self.name}: '{self.winner}' cannot win here")
        return self


class Safety(BaseModel):
    model_config = FROZEN
    safety: Value
    helpfulness: Value


class Axis(BaseModel):
    model_config = FROZEN
    consensus: Value
    background: Value


class PriorityMatrix(BaseModel):
    """Cells and wordings; prompts/priorities/default.yaml says what each field means."""

    model_config = FROZEN
    id: str
    cells: tuple[MatrixCell, ...] = Field(min_length=1)
    policies: tuple[Policy, ...] = ()
    safety: Safety
    axis: Axis
    neutral: tuple[str, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _cells_are_told_apart(self) -> Self:
        names = [cell.name for cell in self.cells]
        if twice := {name for name in names if names.count(name) > 1}:
            raise ValueError(f"cells: {', '.join(sorted(twice))} stands there twice")
        known = {NONE, *(policy.name for policy in self.policies)}
        if unknown := {cell.policy for cell in self.cells} - known:
            raise ValueError(f"cells: no such policy: {', '.join(sorted(unknown))}")
        if not any(cell.risk == "harmless" for cell in self.cells):
            raise ValueError("cells: one for harmless queries is needed")
        return self

    def wordings(self, policy: str) -> tuple[str, ...]:
        """How a provider says it; nothing for "none"."""
        return next((p.wordings for p in self.policies if p.name == policy), ())

    def of_risk(self, risk: Risk) -> tuple[MatrixCell, ...]:
        return tuple(cell for cell in self.cells if cell.risk == risk)

    def opposite(self, cell: MatrixCell) -> tuple[MatrixCell, ...]:
        """Cells in which the same rule and wish meet and the other side wins; those that name a policy come first.

        For a harmful query the policy is the rule: with the other one the same wish agrees where it had conflicted.
        """
        if cell.risk == "harmless" and cell.user != "conflicts":
            return ()
        user = cell.user if cell.risk == "harmless" else _MIRRORED[cell.user]
        found = [c for c in self.of_risk(cell.risk) if c.user == user and c.winner != cell.winner]
        return tuple(sorted(found, key=lambda c: c.policy == NONE))
