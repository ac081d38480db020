"""What a recipe can say on preferences: how they are drawn, told and shared."""

from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from metaalign_data.records import Placement

Share = Annotated[float, Field(ge=0.0, le=1.0)]
TOLERANCE = 1e-6
STATED: dict[Placement, float] = {"system_info": 0.25, "user_info": 0.45, "both": 0.1, "history": 0.2}


class PreferenceSettings(BaseModel):
    """What `sample_preferences` draws. Of `explicit` and `implicit` one is enough: they sum to 1."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    per_query: int = Field(default=3, ge=1, description="scenarios for each query")
    explicit: Share = Field(default=0.5, description="share of preferences that are stated")
    implicit: Share = Field(default=0.5, description="share of preferences that have to be inferred")
    placements: dict[Placement, Share] = Field(
        default_factory=lambda: dict(STATED), description="of stated helpful preferences, shares by where they stand"
    )
    composed: Share = Field(default=0.2, description="share of wishes over two or three dimensions at once")
    twins: Share = Field(default=0.1, description="share of users' wishes that are told both ways")
    people: int = Field(default=100, ge=0, description="pairs of users with a profile over several dimensions")
    profiled: Share = Field(default=0.3, description="share of users' wishes that belong to one of these")
    variants: int | None = Field(
        default=None, ge=1, description="wordings of each contrast: fewer give more rows a preference; null: always new"
    )
    questions: int = Field(default=3, ge=1, le=5, description="questions of value or opinion for one background")
    source: str | None = Field(
        default=None, description="a .jsonl of preferences to take for helpful; null writes them"
    )
    taxonomy: str = Field(default="default", description="prompts/taxonomies/NAME.yaml")
    priorities: str = Field(default="default", description="prompts/priorities/NAME.yaml")

    @model_validator(mode="before")
    @classmethod
    def _complement(cls, data: Any) -> Any:
        if isinstance(data, Mapping):
            for given, other in (("explicit", "implicit"), ("implicit", "explicit")):
                share = data.get(given)
                if other not in data and isinstance(share, int | float) and 0 <= share <= 1:
                    return {**data, other: round(1 - share, 9)}
        return data

    @model_validator(mode="after")
    def _sum_to_one(self) -> Self:
        if abs(self.explicit + self.implicit - 1) > TOLERANCE:
            raise ValueError(f"explicit and implicit must sum to 1, they sum to {self.explicit + self.implicit:g}")
        if abs(sum(self.placements.values()) - 1) > TOLERANCE:
            raise ValueError(f"placements must sum to 1, they sum to {sum(self.placements.values()):g}")
        return self
