"""Blocks of a recipe that nothing but the recipe defines."""

import re
from typing import Annotated

from pydantic import AfterValidator, BaseModel, Field

from metaalign_data.chat import FROZEN
from metaalign_data.records import SUBSETS, Subset
from metaalign_data.stages.sampling.settings import TOLERANCE, Share

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


def _file_name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError("must be at most 100 letters, digits, '.', '_' and '-', and start with a letter or digit")
    return name


def _whole(shares: dict[Subset, float]) -> dict[Subset, float]:
    if abs(sum(shares.values()) - 1) > TOLERANCE:
        raise ValueError(f"the shares must sum to 1, they sum to {sum(shares.values()):g}")
    return shares


Name = Annotated[str, AfterValidator(_file_name)]
Shares = Annotated[dict[Subset, Share], AfterValidator(_whole)]


def _language_code(code: str) -> str:
    if not re.fullmatch("[a-z]{2,3}|code|multilingual", code):
        raise ValueError(f"'{code}' is no code of ISO 639: two or three small letters, such as en")
    return code


def even_shares() -> dict[Subset, float]:
    return dict.fromkeys(SUBSETS, 1 / len(SUBSETS))


class DatasetSettings(BaseModel):
    """What the dataset's card says of it."""

    model_config = FROZEN
    license: str | None = Field(
        default=None, description="of the dataset: a name that the Hub knows, such as cc-by-4.0, or one of your own"
    )
    language: tuple[Annotated[str, AfterValidator(_language_code)], ...] = Field(
        default=("en",), description="codes of ISO 639"
    )
    pretty_name: str | None = Field(default=None, description="title; null takes the recipe's name")
    target: int | None = Field(default=None, ge=1, description="pairs to make, in the subsets' shares; null: one pass")
    max_candidates: int | None = Field(
        default=None, ge=1, description="scenarios at most on the way to the target; null: five for each pair"
    )


class RunSettings(BaseModel):
    """How a run behaves. Nothing here changes a row."""

    model_config = FROZEN
    max_failure_rate: float = Field(
        default=0.5, gt=0.0, le=1.0, description="share of a stage's rows without a usable answer that stops the run"
    )
    grace_s: float = Field(default=30.0, ge=0.0, description="how long Ctrl-C waits for answers in flight")
    stall_after_s: float = Field(default=60.0, gt=0.0, description="silence after which a run says what it waits for")
