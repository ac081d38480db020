"""The `queries:` block of a recipe."""

from typing import Annotated, Self

from pydantic import BaseModel, BeforeValidator, Field, PlainSerializer, model_validator

from metaalign_data.chat import FROZEN


def _listed(value: object) -> object:
    return (value,) if isinstance(value, str) else value


def _single(names: tuple[str, ...]) -> str | list[str]:
    return names[0] if len(names) == 1 else list(names)


Names = Annotated[tuple[str, ...], Field(min_length=1), BeforeValidator(_listed), PlainSerializer(_single)]


class QuerySettings(BaseModel):
    """Where queries come from and which columns hold them, and what comes with them."""

    model_config = FROZEN
    source: str = Field(min_length=1, description="'bundled', a .jsonl, .csv or .parquet file, or a Hub dataset id")
    text: Names = Field(default=("text",), description="column of the text, or several, joined by a blank line")
    id: str | None = Field(default=None, description="column of the row's id; null takes a hash of the text")
    limit: int | None = Field(default=None, ge=1, description="number of usable rows at most")
    split: str = Field(default="train", description="split of a Hub dataset")
    config: str | None = Field(default=None, description="configuration of a Hub dataset")
    revision: str | None = Field(default=None, description="branch, tag or commit of a Hub dataset")
    harmful: str | None = Field(default=None, description="a file of harmful queries, with the same columns")
    responses: Names | None = Field(default=None, description="column of a list of responses, or a column for each")
    chosen: str | None = Field(default=None, description="column of the preferred response, as text or messages")
    rejected: str | None = Field(default=None, description="column of the other one")
    system_info: str | None = Field(default=None, description="column of the provider's part of a meta-prompt")
    user_info: str | None = Field(default=None, description="column of the user's part")
    model: str | None = Field(default=None, description="column of the model that wrote the responses")
    license: Names | None = Field(
        default=None, description="licence of the source, such as cc-by-4.0, or a list: push compares the dataset's"
    )

    @property
    def answered(self) -> bool:
        """Whether responses come with the queries."""
        return self.responses is not None or self.chosen is not None

    @property
    def extra_columns(self) -> tuple[tuple[str, str], ...]:
        """Key and column of all that comes with a query."""
        named = [(key, getattr(self, key)) for key in ("chosen", "rejected", "system_info", "user_info", "model")]
        return (*(("responses", name) for name in self.responses or ()), *((key, name) for key, name in named if name))

    @model_validator(mode="after")
    def _make_sense_together(self) -> Self:
        if (self.chosen is None) != (self.rejected is None):
            raise ValueError("chosen and rejected go together")
        if self.responses is not None and self.chosen is not None:
            raise ValueError("give either responses, or chosen and rejected")
        if not self.answered and (alone := self.system_info or self.user_info or self.model):
            raise ValueError(f"column '{alone}' belongs to responses, and none are named")
        if self.answered and self.harmful:
            raise ValueError("harmful queries are for recipes that write their own responses")
        return self
