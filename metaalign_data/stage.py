"""All that a stage needs to know: the two protocols, the context, the reject.

A stage is any class with one of the two methods, and, where it has settings, a nested frozen `Config`:

    class DropShort:
        class Config(BaseModel, frozen=True, extra="forbid"):
            min_chars: int = 20

        def __init__(self, config: Config) -> None:
            self.config = config

        async def process(self, row: PreferencePair, ctx: Context) -> Sequence[PreferencePair | Reject]:
            text = row.chosen[0].content
            return [row] if len(text) >= self.config.min_chars else [Reject("too_short", f"{len(text)} characters")]

The type hints of `process` (of `transform`: the class attribute `record`) say what the stage takes and gives, so that a
chain that does not fit is refused before anything is asked.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, NamedTuple, Protocol, TypeVar, runtime_checkable

import polars as pl
from pydantic import BaseModel, ConfigDict, Field

from metaalign_data.chat import ChatRequest
from metaalign_data.embed import EmbedderName, Vectors
from metaalign_data.preference_book import PreferenceBook
from metaalign_data.priorities import PriorityMatrix
from metaalign_data.records import Record
from metaalign_data.rubrics import Rubric
from metaalign_data.taxonomy import Taxonomy
from metaalign_data.teacher.base import Teacher

In = TypeVar("In", bound=Record, contravariant=True)
Out = TypeVar("Out", bound=Record, covariant=True)


@dataclass(frozen=True, slots=True)
class Reject:
    """An expected ending of a row. `reason` is snake_case, from a small set that the stage documents."""

    reason: str
    detail: str = ""


class TextSource(BaseModel):
    """Texts from outside of the pipeline that a stage wants to compare rows with, such as a benchmark.

    A stage lists its sources as `reads: Sequence[TextSource | RunSource]`: a missing one is told before anything is
    asked.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    source: str = Field(min_length=1, description="a .jsonl, .csv or .parquet file, or a Hub dataset id")
    text: str | None = Field(default=None, description="column of the text; null takes the first known name")
    split: str = Field(default="test", description="split of a Hub dataset")
    config: str | None = Field(default=None, description="configuration of a Hub dataset")
    revision: str | None = Field(default=None, description="branch, tag or commit of a Hub dataset")


class RunSource(NamedTuple):
    """The directory of an earlier run whose dataset a stage wants to see."""

    run: str


class OutsideText(NamedTuple):
    """`where` is "file:line", of a file without lines its row number from 1."""

    where: str
    text: str


class Context(Protocol):
    """All that a stage may reach."""

    @property
    def seed(self) -> int:
        """The recipe's seed, for table stages; a row stage draws from `rng`."""
        ...

    @property
    def teacher(self) -> Teacher:
        """Writes preferences and responses."""
        ...

    @property
    def judge(self) -> Teacher:
        """Compares responses; the first one where there are several."""
        ...

    @property
    def judges(self) -> Sequence[Teacher]:
        """All that the recipe names, one at least."""
        ...

    @property
    def weak_teacher(self) -> Teacher | None:
        """Writes what is to lose against the teacher; None where the recipe names no such model."""
        ...

    def render(self, prompt: str, /, **inputs: object) -> ChatRequest:
        """The request that `prompt` makes of `inputs`. Raises UserError when they do not fit its front matter."""
        ...

    def taxonomy(self, name: str) -> Taxonomy:
        """prompts/taxonomies/NAME.yaml."""
        ...

    def priorities(self, name: str) -> PriorityMatrix:
        """prompts/priorities/NAME.yaml."""
        ...

    def rubric(self, name: str) -> Rubric:
        """prompts/rubrics/NAME.yaml."""
        ...

    def preference_book(self, source: str) -> PreferenceBook:
        """The preferences in a .jsonl file; a relative path counts from the recipe's folder."""
        ...

    def meta_prompt(self, system_info: str, user_info: str) -> str:
        """System Info and User Info in the layout of prompts/meta_prompt.md: the content of the system message."""
        ...

    def texts(self, source: TextSource) -> Sequence[OutsideText]:
        """All texts of the source; a relative path counts from the recipe's folder. Raises UserError on a bad row."""
        ...

    def pairs(self, source: RunSource) -> pl.DataFrame:
        """All pairs of the run's dataset, with a `split` column; relative paths count as those of texts."""
        ...

    def note(self, sentence: str) -> None:
        """Tell the people who run this something that they should know; it is shown at the end and in the manifest."""
        ...

    def embed(self, embedder: EmbedderName, texts: Sequence[str]) -> Vectors:
        """Unit vectors of the texts, for table stages. Those of a model are kept: asked again, they cost nothing.

        Raises UserError, and TeacherUnusable and BudgetReached where a server is asked.
        """
        ...

    def rng(self, row: Record) -> Random:
        """Seeded by the recipe's seed, the stage's name and the row's id: the order of execution never matters."""
        ...


@runtime_checkable
class RowStage(Protocol[In, Out]):
    """One row in, one or more records or rejects out. Holds no state, opens no file, reads no clock."""

    async def process(self, row: In, ctx: Context) -> Sequence[Out | Reject]: ...


@runtime_checkable
class TableStage(Protocol):
    """Needs all rows. A row is dropped by a non-null `reject_reason` (String) column, explained by `reject_detail`.

    The returned table has the columns of `record`, in any order of rows, and those two.
    `columns` are the columns of `record` that it reads, checked before the run.
    """

    @property
    def columns(self) -> Sequence[str]: ...

    def transform(self, table: pl.LazyFrame, ctx: Context) -> pl.LazyFrame: ...


Stage = RowStage[Any, Any] | TableStage
