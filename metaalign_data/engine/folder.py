"""The run directory: where everything lies, and files that are there whole or not at all."""

import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Generic, TypeVar

import polars as pl
from filelock import FileLock, Timeout

from metaalign_data.errors import UserError

Row = TypeVar("Row")

REJECTS = pl.Schema(
    {"row_id": pl.String(), "stage": pl.String(), "reason": pl.String(), "detail": pl.String(), "row": pl.String()}
)
FAILURES = pl.Schema(
    {"row_id": pl.String(), "stage": pl.String(), "reason": pl.String(), "error": pl.String(), "row": pl.String()}
)
ASKED = pl.Schema({"stage": pl.String(), "row_id": pl.String(), "key": pl.String(), "unusable": pl.String()})
"""The answers of the ledger that each row was made with; `unusable` says why one was of no use, "" where it was."""

LINEAGE = pl.Schema({"stage": pl.String(), "row_id": pl.String(), "made": pl.String()})
"""What each row stage made of which row, by their ids."""
ROWS_PER_PART = 400
"""A judgement, which holds all that was written for it, takes some 50 KB while its part is gathered."""
SHORT_ROWS_PER_PART = 20_000
"""For tables of ids and keys."""


class RunFolder:
    """Paths of one run."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.recipe = root / "recipe.yaml"
        self.manifest = root / "manifest.json"
        self.ledger = root / "ledger.sqlite"
        self.vectors = root / "vectors.sqlite"
        self.tables = root / "tables"
        self.asked = root / "asked"
        self.lineage = root / "lineage"
        self.rejects = root / "rejects"
        self.failures = root / "failures.parquet"
        self.dataset = root / "dataset"
        self.partial = root / "partial"

    @contextmanager
    def opened(self) -> Iterator[None]:
        """Hold the directory, and clear away the tables of an earlier run: they follow from the ledger, and are made
        anew. Raises what `held` raises.
        """
        with self.held():
            aside = self.root / ".dataset.old"
            if aside.exists() and not self.dataset.exists():  # killed in between two renames
                aside.rename(self.dataset)
            for derived in (self.tables, self.rejects, self.asked, self.lineage, self.partial):
                shutil.rmtree(derived, ignore_errors=True)
            self.failures.unlink(missing_ok=True)
            yield

    @contextmanager
    def held(self) -> Iterator[None]:
        """Make the directory and hold it for this process alone; the end of the process, however it comes, lets go.

        Raises UserError where the directory cannot be written, or another run is at work in it.
        """
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            lock = FileLock(self.root / ".lock", timeout=0)
            lock.acquire()
        except Timeout as e:
            what = "another run is at work in this directory"
            raise UserError(what, where=str(self.root), fix="wait for it, or give another one with --out") from e
        except OSError as e:
            raise UserError(f"cannot write the run directory: {e.strerror}", where=str(self.root)) from e
        try:
            yield
        finally:
            lock.release()

    def is_held(self) -> bool:
        """Whether a run is at work here. Makes nothing where nothing is."""
        path = self.root / ".lock"
        if not path.exists():
            return False
        lock = FileLock(path, timeout=0)
        try:
            with lock:
                return False
        except Timeout:
            return True
        except OSError:  # where nothing can be written, no run is at work
            return False

    def table(self, stage: str) -> pl.LazyFrame:
        """All rows that `stage` made, in order."""
        return pl.scan_parquet(self.parts(stage))

    def parts(self, stage: str) -> list[Path]:
        """The files of that table, in order."""
        return sorted((self.tables / stage).glob("part-*.parquet"))

    def keys(self) -> Iterator[str]:
        """The ledger's keys of all answers that the rows were made with, some of them more than once."""
        for batch in batches(sorted(self.asked.glob("part-*.parquet"))):
            yield from batch["key"]

    def pairs(self) -> pl.DataFrame:
        """The pairs of the run's dataset, with a `split` column. Raises UserError where there is none."""
        files = sorted((self.dataset / "pairs").glob("*.parquet"))
        if not files:
            raise UserError("there is no dataset", where=str(self.root), fix="name a run that has made one")
        return pl.concat(pl.read_parquet(file).with_columns(split=pl.lit(file.name.split("-", 1)[0])) for file in files)


def write_atomically(path: Path, data: bytes) -> None:
    """The file is either as it was or as it should be, also after a crash."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.tmp")
    with temporary.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


class Parts(Generic[Row]):
    """A growing table as parquet parts of at most `rows_per_part` rows, each written atomically.

    `frame` makes a frame with the columns of `schema` of some of the rows, where these are no dicts of them.
    """

    def __init__(
        self,
        folder: Path,
        schema: pl.Schema,
        rows_per_part: int = ROWS_PER_PART,
        frame: Callable[[Sequence[Row]], pl.DataFrame] | None = None,
    ) -> None:
        self.folder, self.schema, self.rows_per_part = folder, schema, rows_per_part
        self._frame = frame or partial(pl.DataFrame, schema=schema)
        self._rows: list[Row] = []
        self._written = 0
        folder.mkdir(parents=True, exist_ok=True)

    def extend(self, rows: Iterable[Row]) -> None:
        self._rows.extend(rows)
        while len(self._rows) >= self.rows_per_part:
            head, self._rows = self._rows[: self.rows_per_part], self._rows[self.rows_per_part :]
            self._write(self._frame(head))

    def extend_frame(self, frame: pl.DataFrame) -> None:
        """All rows of a frame that has the columns of the schema."""
        for part in frame.iter_slices(self.rows_per_part):
            self._write(part.cast(self.schema))

    def close(self) -> None:
        """Write what is left; an empty table gets one empty part, so that it has its columns."""
        if self._rows or not self._written:
            self._write(self._frame(self._rows))
            self._rows = []

    def close_as(self, path: Path) -> None:
        """Close, and gather the parts in the single file `path`; no file where there is no row."""
        empty = not self._rows and not self._written
        self.close()
        if not empty:
            temporary = path.with_name(f".{path.name}.tmp")
            pl.scan_parquet(self._parts()).sink_parquet(temporary, row_group_size=self.rows_per_part)
            temporary.replace(path)
        for part in self._parts():
            part.unlink()
        self.folder.rmdir()

    def _parts(self) -> list[Path]:
        return sorted(self.folder.glob("part-*.parquet"))

    def _write(self, frame: pl.DataFrame) -> None:
        path = self.folder / f"part-{self._written:05d}.parquet"
        temporary = path.with_suffix(".tmp")
        frame.write_parquet(temporary)
        temporary.replace(path)
        self._written += 1


def batches(files: Iterable[Path], size: int = 1_000) -> Iterator[pl.DataFrame]:
    """The rows of the files in order, at most `size` at a time, without reading all of them at once."""
    for file in files:
        offset = 0
        while (batch := pl.scan_parquet(file).slice(offset, size).collect()).height:
            yield batch
            offset += size
