"""The `queries:` block of a recipe."""

from typing import Annotated

from pydantic import BaseModel, BeforeValidator, Field, PlainSerializer

from metaalign_data.chat import FROZEN


def _listed(value: object) -> object:
    return (value,) if isinstance(value, str) else value


def _single(names: tuple[str, ...]) -> str | list[str]:
    return names[0] if len(names) == 1 else list(names)


Columns = Annotated[tuple[str, ...], Field(min_length=1), BeforeValidator(_listed), PlainSerializer(_single)]


class QuerySettings(BaseModel):
    """Where queries come from and which columns hold them."""

    model_config = FROZEN
    source: str = Field(min_length=1, description="'bundled', a .jsonl, .csv or .parquet file, or a Hub dataset id")
    text: Columns = Field(default=("text",), description="column of the text, or several, joined by a blank line")
    id: str | None = Field(default=None, description="column of the row's id; null takes a hash of the text")
    limit: int | None = Field(default=None, ge=1, description="number of usable rows at most")
    split: str = Field(default="train", description="split of a Hub dataset")
    config: str | None = Field(default=None, description="configuration of a Hub dataset")
    revision: str | None = Field(default=None, description="branch, tag or commit of a Hub dataset")
