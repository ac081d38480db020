"""A table of many rows as parquet files, written as the rows come."""

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import polars as pl

if TYPE_CHECKING:
    import pyarrow as pa
    from pyarrow.parquet import ParquetWriter

ROWS_PER_FILE = 100_000
ROWS_PER_GROUP = 5_000


class Shards:
    """SPLIT-00000-of-0000N.parquet in `folder` for `rows` rows: what is in memory is never more than a row group.

    Equal rows give equal bytes, however they are cut into frames.
    """

    def __init__(self, folder: Path, split: str, rows: int) -> None:
        self.folder, self.split = folder, split
        self._files = -(-rows // ROWS_PER_FILE)
        self._written = 0
        self._waiting: list[pl.DataFrame] = []
        self._waiting_rows = 0
        self._open = ExitStack()
        self._writer: ParquetWriter | None = None
        folder.mkdir(parents=True, exist_ok=True)

    def add(self, frame: pl.DataFrame) -> None:
        self._waiting.append(frame)
        self._waiting_rows += frame.height
        while self._waiting_rows >= ROWS_PER_GROUP:
            self._write_group()

    def close(self) -> None:
        """Write what is left. The files are on disk then, whatever happens to the machine."""
        while self._waiting_rows:
            self._write_group()
        self._open.close()

    def _write_group(self) -> None:
        waiting = pl.concat(self._waiting)
        group, rest = waiting.head(ROWS_PER_GROUP), waiting.tail(-ROWS_PER_GROUP)
        self._waiting, self._waiting_rows = [rest], rest.height
        table = group.to_arrow()
        if self._writer is None or self._written % ROWS_PER_FILE == 0:
            self._open.close()
            self._writer = self._open.enter_context(_writer(self._path(), table.schema))
        self._writer.write_table(table)
        self._written += group.height

    def _path(self) -> Path:
        return self.folder / f"{self.split}-{self._written // ROWS_PER_FILE:05d}-of-{self._files:05d}.parquet"


@contextmanager
def _writer(path: Path, schema: "pa.Schema") -> Iterator["ParquetWriter"]:
    from pyarrow.parquet import ParquetWriter

    with path.open("wb") as file:
        with ParquetWriter(file, schema, compression="zstd", store_schema=False) as writer:
            yield writer
        file.flush()
        os.fsync(file.fileno())


class SplitSize(NamedTuple):
    """Of one split of one config: its rows, their bytes as Arrow holds them in memory, and the bytes of its files."""

    rows: int
    memory_bytes: int
    file_bytes: int


def size_of(files: Sequence[Path]) -> SplitSize:
    """Of the parquet files, of which a row group is in memory at a time."""
    from pyarrow.parquet import ParquetFile

    rows = memory_bytes = 0
    for file in files:
        with ParquetFile(file) as parquet:
            rows += parquet.metadata.num_rows
            memory_bytes += sum(parquet.read_row_group(group).nbytes for group in range(parquet.num_row_groups))
    return SplitSize(rows, memory_bytes, sum(file.stat().st_size for file in files))
