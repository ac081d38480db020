"""Blocks of a recipe that nothing but the recipe defines."""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, Field, model_validator

from metaalign_data.chat import FROZEN
from metaalign_data.records import SUBSETS, Subset

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_TOLERANCE = 1e-6

Share = Annotated[float, Field(ge=0.0, le=1.0)]


def _file_name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError("must be at most 100 letters, digits, '.', '_' and '-', and start with a letter or digit")
    return name


def _whole(shares: dict[Subset, float]) -> dict[Subset, float]:
    if abs(sum(shares.values()) - 1) > _TOLERANCE:
        raise ValueError(f"the shares must sum to 1, they sum to {sum(shares.values()):g}")
    return shares


Name = Annotated[str, AfterValidator(_file_name)]
Shares = Annotated[dict[Subset, Share], AfterValidator(_whole)]


def even_shares() -> dict[Subset, float]:
    return dict.fromkeys(SUBSETS, 1 / len(SUBSETS))


class PreferenceSettings(BaseModel):
    """What `sample_preferences` draws. Of `explicit` and `implicit` one is enough: they sum to 1."""

    model_config = FROZEN
    per_query: int = Field(default=3, ge=1, description="scenarios for each query")
    explicit: Share = Field(default=0.5, description="share of preferences that are stated")
    implicit: Share = Field(default=0.5, description="share of preferences that have to be inferred")
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
        if abs(self.explicit + self.implicit - 1) > _TOLERANCE:
            raise ValueError(f"explicit and implicit must sum to 1, they sum to {self.explicit + self.implicit:g}")
        return self


class DatasetSettings(BaseModel):
    """What the dataset's card says of it."""

    model_config = FROZEN
    license: str | None = Field(default=None, description="identifier as the Hub spells it, such as cc-by-4.0")
    language: tuple[str, ...] = Field(default=("en",), description="language codes")
    pretty_name: str | None = Field(default=None, description="title; null takes the recipe's name")
