"""The context that stages get, in runs and in tests alike."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from random import Random

import polars as pl

from metaalign_data.chat import ChatRequest
from metaalign_data.embed import EmbedderName, Vectors
from metaalign_data.engine.embedding import Embedding
from metaalign_data.engine.folder import RunFolder
from metaalign_data.errors import UserError
from metaalign_data.preference_book import PreferenceBook
from metaalign_data.priorities import PriorityMatrix
from metaalign_data.prompting import Library
from metaalign_data.queries import find_file, read_texts
from metaalign_data.records import Record, digest
from metaalign_data.rubrics import Rubric
from metaalign_data.stage import OutsideText, RunSource, TextSource
from metaalign_data.taxonomy import Taxonomy
from metaalign_data.teacher.base import Teacher


@cache
def book_at(source: str, folder: Path) -> PreferenceBook:
    """The preferences that `source` names, read once. Raises UserError as `PreferenceBook.load` does."""
    path = find_file(source, folder, "preferences.source")
    if path is None:
        raise UserError(f"'{source}' is no .jsonl file", where="preferences.source")
    return PreferenceBook.load(path)


@dataclass(frozen=True)
class StageContext:
    """Implements stage.Context for the stage of the name `stage`; relative paths count from `folder`.

    Notes are gathered in `notes`, with the name of the stage.
    """

    library: Library
    teacher: Teacher
    judges: tuple[Teacher, ...]
    seed: int
    stage: str
    weak_teacher: Teacher | None = None
    folder: Path = Path()
    notes: set[str] = field(default_factory=set)
    embedding: Embedding = field(default_factory=Embedding)

    @property
    def judge(self) -> Teacher:
        return self.judges[0]

    def render(self, prompt: str, /, **inputs: object) -> ChatRequest:
        return self.library.prompt(prompt).render(**inputs)

    def taxonomy(self, name: str) -> Taxonomy:
        return self.library.taxonomy(name)

    def priorities(self, name: str) -> PriorityMatrix:
        return self.library.priorities(name)

    def rubric(self, name: str) -> Rubric:
        return self.library.rubric(name)

    def preference_book(self, source: str) -> PreferenceBook:
        return book_at(source, self.folder)

    def meta_prompt(self, system_info: str, user_info: str) -> str:
        return self.library.meta_prompt(system_info, user_info)

    def texts(self, source: TextSource) -> Sequence[OutsideText]:
        return list(read_texts(source, self.folder))

    def pairs(self, source: RunSource) -> pl.DataFrame:
        return RunFolder(self.folder / source.run).pairs()

    def note(self, sentence: str) -> None:
        self.notes.add(f"{self.stage}: {sentence}")

    def embed(self, embedder: EmbedderName, texts: Sequence[str]) -> Vectors:
        return self.embedding.embed(embedder, texts)

    def rng(self, row: Record) -> Random:
        return Random(digest(str(self.seed), self.stage, row.id))
