"""The rows that flow through a pipeline, and their polars form.

    Query -> Scenario -> ResponseSet -> Judgement -> PreferencePair

Each record is frozen, holds the record it came from, and has an `id` that is a hash of its content: the same
inputs give the same ids on every machine and in any order.
"""

import hashlib
import json
import types
import typing
from collections.abc import Iterable, Mapping, Sequence
from functools import cache, cached_property
from typing import Any, Literal, Self, TypeVar

import polars as pl
from pydantic import BaseModel, Field

from metaalign_data.chat import FROZEN, Message

Subset = Literal["priority", "helpful", "consensus", "diverse_opinion"]
SUBSETS: tuple[Subset, ...] = typing.get_args(Subset)
Kind = Literal["explicit", "implicit"]
Form = Literal["statement", "background", "writing", "dialogue"]
"""How a preference is told: stated, or to be inferred from who the user is, how they write, or earlier turns."""
Placement = Literal["system_info", "user_info", "both", "history"]
Source = Literal["side", "generic", "ignores", "weaker", "given"]
"""How a response came about: for a side, without the meta-prompt, heedless of it, by a weaker model; or brought in."""
RejectedBecause = Literal[
    "contrasting_preference",
    "ignores_preference",
    "losing_side",
    "generic_answer",
    "weaker_model",
    "against_consensus",
    "other_background",
    "judged_worse",
]
Split = Literal["train", "test", "test_unseen_preferences", "test_unseen_queries_and_preferences"]
SPLITS: tuple[Split, ...] = typing.get_args(Split)


def digest(*parts: str, size: int = 8) -> str:
    """Hex BLAKE2b of the parts, each length-prefixed so that ("ab", "c") differs from ("a", "bc").

    `size` is in bytes: 8 for row ids (a collision among a hundred million rows has odds of 0.03 %).
    """
    pieces: list[bytes] = []
    for part in parts:
        raw = part.encode()
        pieces += (len(raw).to_bytes(8, "big"), raw)
    return hashlib.blake2b(b"".join(pieces), digest_size=size).hexdigest()


class Record(BaseModel):
    """A frozen row. Subclasses add fields; a field may hold another record."""

    model_config = FROZEN

    @cached_property
    def id(self) -> str:
        """16 hex digits, a hash of the type and the content."""
        return digest(type(self).__name__, self.model_dump_json())

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """A copy with an id of its own: pydantic would take over the one that is cached here."""
        copy = super().model_copy(update=update, deep=deep)
        copy.__dict__.pop("id", None)
        return copy

    @property
    def parents(self) -> tuple[str, ...]:
        """Ids of the records that this one was made from."""
        return tuple(value.id for name in type(self).model_fields if isinstance(value := getattr(self, name), Record))


class Slot(BaseModel):
    """A scenario that is to be made of a query: the `ordinal`-th of its subset, counted where the engine plans it.

    `cell` names dimension and value of the taxonomy that its wish is to have, None where nobody planned them.
    """

    model_config = FROZEN
    subset: Subset
    ordinal: int = Field(ge=0)
    cell: tuple[str, str] | None = None


class Query(Record):
    """A user's question. `key` is the source's own id of the row, or the hash of its text.

    `kind` is the kind of query by the taxonomy; `slots` are the scenarios that this pass over it is to make, none where
    the stage is to draw them. Neither is part of its id.
    """

    key: str
    text: str = Field(min_length=1)
    source: str
    harmful: bool = False
    kind: str = "general"
    slots: tuple[Slot, ...] = ()

    @cached_property
    def id(self) -> str:
        return digest(type(self).__name__, self.key, self.text, self.source)


class AnsweredQuery(Record):
    """A query that comes with responses, and perhaps with a meta-prompt. Of a labelled pair the chosen one is first."""

    query: Query
    responses: tuple[str, ...] = Field(min_length=2)
    system_info: str = ""
    user_info: str = ""
    model: str = "unknown"


class Preference(Record):
    """One preference as it was written. `dimension` and `value` name its cell of the taxonomy, several joined by +."""

    text: str = Field(min_length=1)
    kind: Kind
    form: Form
    dimension: str
    value: str


class Side(BaseModel):
    """One meta-prompt of a scenario and what should win under it.

    `history` are turns before the query. `target` tells the writer of this side's response what it has to do. No judge
    and no reader of the dataset sees it; `rival_target` is the task of the one that loses here, where no other side
    wants it. `rejected_because` says why it loses. `user` is the profile of the one who speaks in User Info,
    `matrix_cell` the cell of the priority matrix, as risk/policy/user.
    """

    model_config = FROZEN
    system_info: str
    user_info: str
    history: tuple[Message, ...] = ()
    preference: Preference
    placement: Placement
    target: str
    rival_target: str = ""
    rejected_because: RejectedBecause
    user: str | None = None
    matrix_cell: str | None = None


class Scenario(Record):
    """A query under contrasting meta-prompts; the responses change order between them.

    Of two sides each wants what the other does not. `twins` are the same two wishes told the other way, stated or
    implied. There is one side where nothing reverses it, or the meta-prompt came with the responses.
    """

    subset: Subset
    query: Query
    question: str = Field(min_length=1)
    """What is asked: the query's own text, or a question on its subject that suits the subset."""
    sides: tuple[Side, ...] = Field(min_length=1, max_length=2)
    twins: tuple[Side, ...] = Field(default=(), max_length=2)
    prompt_versions: tuple[str, ...] = ()

    @property
    def all_sides(self) -> tuple[Side, ...]:
        """The sides, then their twins: side i wants what the response written for side i % 2 does."""
        return (*self.sides, *self.twins)


class Response(BaseModel):
    """An answer. `side` (0 or 1) is the one that it was written for, None where it was written for none."""

    model_config = FROZEN
    side: int | None = Field(ge=0, le=1)
    source: Source = "side"
    text: str = Field(min_length=1)
    model: str


class ResponseSet(Record):
    scenario: Scenario
    responses: tuple[Response, ...] = Field(min_length=2)
    prompt_versions: tuple[str, ...] = ()


class Vote(BaseModel):
    """One verdict. Scores, 1 to 10, belong to responses `a` and `b` of the comparison, whatever was shown first.

    `swapped`: b was shown first. `judge` is the place of the judge among those of the recipe, from 0.
    """

    model_config = FROZEN
    winner: Literal["a", "b", "tie"]
    score_a: float
    score_b: float
    swapped: bool
    reason: str
    model: str
    judge: int = Field(default=0, ge=0)


class Comparison(BaseModel):
    """Responses `a` and `b` (indexes into the set) judged under the meta-prompt of side `side` of `all_sides`.

    `a` was written for that side where any of the two was. `winner` is what enough of the votes say.
    """

    model_config = FROZEN
    side: int = Field(ge=0, le=3)
    a: int
    b: int
    votes: tuple[Vote, ...] = Field(min_length=1)
    winner: Literal["a", "b", "tie"]

    @property
    def agreement(self) -> float:
        """Share of the votes that name the winner, 0 to 1."""
        return sum(vote.winner == self.winner for vote in self.votes) / len(self.votes)

    @property
    def scores(self) -> tuple[float, float]:
        """Mean scores of `a` and `b` over the votes, 1 to 10."""
        n = len(self.votes)
        return sum(v.score_a for v in self.votes) / n, sum(v.score_b for v in self.votes) / n

    @property
    def margin(self) -> float:
        """Mean score of `a` less that of `b`, -9 to 9."""
        a, b = self.scores
        return a - b


class Judgement(Record):
    responses: ResponseSet
    comparisons: tuple[Comparison, ...] = Field(min_length=1)
    prompt_versions: tuple[str, ...] = ()


class PreferencePair(Record):
    """One row of the published dataset."""

    prompt: tuple[Message, ...] = Field(
        description="system message (the meta-prompt), turns before the query where there are any, then the query"
    )
    chosen: tuple[Message, ...] = Field(description="the assistant message that follows the meta-prompt")
    rejected: tuple[Message, ...] = Field(description="the assistant message that does not")
    subset: Subset = Field(description="what the row teaches: priority, helpful, consensus or diverse_opinion")
    system_info: str = Field(description="the provider's part of the meta-prompt; may be empty")
    user_info: str = Field(description="the user's part of the meta-prompt; may be empty")
    query: str = Field(description="what the user asks now")
    query_id: str = Field(description="id of the source query; rows of one query share it")
    preference: str = Field(description="the preference that decides this row, as it was written")
    preference_id: str = Field(description="id of that preference")
    preference_kind: Kind = Field(description="explicit (stated) or implicit (to be inferred)")
    preference_form: Form = Field(
        description="statement, or what it is to be inferred from: background, a way of writing, an earlier dialogue"
    )
    placement: Placement = Field(
        description="where it stands: system_info, user_info, both, or history (earlier turns)"
    )
    dimension: str = Field(description="taxonomy dimension of the preference; several are joined by ' + '")
    value: str = Field(description="its value on that dimension; several are joined by ' + '")
    rejected_because: RejectedBecause = Field(description="what the rejected response does instead")
    chosen_score: float = Field(description="mean judge score of the chosen response, 1 to 10")
    rejected_score: float = Field(description="mean judge score of the rejected response, 1 to 10")
    margin: float = Field(description="chosen_score - rejected_score")
    agreement: float = Field(description="share of the judge's votes that name the chosen response, 0 to 1")
    votes: int = Field(description="number of verdicts, both orders together")
    chosen_model: str = Field(description="model that wrote the chosen response")
    rejected_model: str = Field(description="model that wrote the rejected response")
    judge_model: str = Field(description="model that judged; several are joined by a comma")
    flip_id: str | None = Field(description="shared by the two rows that hold the same responses in opposite order")
    twin_id: str | None = Field(
        description="shared by two equal pairs whose preference is stated in one and implied in the other"
    )
    user_id: str | None = Field(
        description="profile of the user who speaks in the meta-prompt; null where there is none"
    )
    matrix_cell: str | None = Field(
        description="cell of the priority matrix, as risk/policy/user: harmless/user_first/conflicts"
    )
    harmful: bool = Field(description="whether the query came from the file of harmful ones")
    prompt_versions: tuple[str, ...] = Field(description="prompt files that made the row, as name@hash")
    split: Split | None = Field(default=None, description="train, test or one of the unseen test sets")
    judgement_id: str = Field(description="id of the judgement that the row came from")

    @cached_property
    def id(self) -> str:
        """Without `split`, `flip_id`, `twin_id`: these may change when other rows come or go, the row stays itself."""
        return digest(type(self).__name__, self.model_dump_json(exclude={"split", "flip_id", "twin_id"}))

    @property
    def parents(self) -> tuple[str, ...]:
        return (self.judgement_id,)


R = TypeVar("R", bound=Record)

_SCALARS: dict[object, pl.DataType] = {
    str: pl.String(),
    int: pl.Int64(),
    float: pl.Float64(),
    bool: pl.Boolean(),
    types.NoneType: pl.Null(),
}


def _dtype(annotation: Any) -> pl.DataType:
    """Polars type of a field: scalars, literals of one type, optionals, tuples and lists of these, nested models."""
    if annotation in _SCALARS:
        return _SCALARS[annotation]
    origin, args = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is Literal:
        return _dtype(type(args[0]))
    if origin in (typing.Union, types.UnionType):
        (kept,) = {_dtype(arg) for arg in args} - {pl.Null()}
        return kept
    if origin in (tuple, list):
        return pl.List(_dtype(args[0]))
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return pl.Struct(_fields(annotation))
    raise TypeError(
        f"no polars type for {annotation!r}; use str, int, float, bool, Literal, tuple[...] or a pydantic model"
    )


def _fields(model: type[BaseModel]) -> dict[str, pl.DataType]:
    return {name: _dtype(info.annotation) for name, info in model.model_fields.items()}


@cache
def schema(record: type[Record]) -> pl.Schema:
    """Columns of a table of `record`: `id`, its fields in order, `parents`."""
    return pl.Schema({"id": pl.String(), **_fields(record), "parents": pl.List(pl.String())})


def to_line(row: Record) -> str:
    """The row as JSON, for `lines_to_frame`: small while it waits, and soon read."""
    return f'{{"id":{json.dumps(row.id)},"row":{row.model_dump_json()},"parents":{json.dumps(row.parents)}}}'


def lines_to_frame(lines: Sequence[str], record: type[Record]) -> pl.DataFrame:
    """A typed table of rows that `to_line` wrote; an empty one has the same types."""
    line = pl.Struct({"id": pl.String, "row": pl.Struct(_fields(record)), "parents": pl.List(pl.String)})
    read = pl.Series("line", lines, dtype=pl.String).str.json_decode(line).struct.unnest()
    return read.select("id", pl.col("row").struct.unnest(), "parents")


def to_frame(rows: Iterable[Record], record: type[Record]) -> pl.DataFrame:
    """A typed table of the rows; an empty one has the same types."""
    return lines_to_frame([to_line(row) for row in rows], record)


def from_frame(frame: pl.DataFrame, record: type[R]) -> list[R]:
    """The rows of a table that `to_frame` made. Raises pydantic.ValidationError on a foreign one."""
    fields = list(record.model_fields)
    return [record.model_validate(row) for row in frame.select(fields).iter_rows(named=True)]


def column_descriptions(record: type[Record]) -> Mapping[str, str]:
    """Column name -> what it holds, for cards and help."""
    return {name: info.description or "" for name, info in record.model_fields.items()}


def merged(*versions: Sequence[str]) -> tuple[str, ...]:
    """Prompt versions of several records, each once, sorted."""
    return tuple(sorted({v for group in versions for v in group}))
