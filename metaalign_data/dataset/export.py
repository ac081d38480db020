"""The finished dataset on disk: parquet files and a card, there as a whole or not at all."""

import os
import shutil
from pathlib import Path

import polars as pl

from metaalign_data.dataset.card import card
from metaalign_data.dataset.configs import tables
from metaalign_data.dataset.facts import DatasetFacts

ROWS_PER_FILE = 100_000
ROWS_PER_GROUP = 10_000


def write_dataset(rows: pl.DataFrame, folder: Path, facts: DatasetFacts) -> dict[str, dict[str, int]]:
    """Write `rows` (columns of PreferencePair) as CONFIG/SPLIT-00000-of-0000N.parquet with a README.md.

    Takes the place of what is in `folder`. Equal rows and facts give equal bytes. Returns the number of rows by config
    and split.
    """
    scratch = folder.with_name(f".{folder.name}.tmp")
    shutil.rmtree(scratch, ignore_errors=True)
    made = tables(rows)
    for config, splits in made.items():
        (scratch / config).mkdir(parents=True)
        for split, table in splits.items():
            _write(table, scratch / config, split)
    (scratch / "README.md").write_text(card(made, facts), encoding="utf-8")
    _put_in_place(scratch, folder)
    return {config: {split: table.height for split, table in splits.items()} for config, splits in made.items()}


def _write(table: pl.DataFrame, folder: Path, split: str) -> None:
    shards = list(table.iter_slices(ROWS_PER_FILE))
    for i, shard in enumerate(shards):
        path = folder / f"{split}-{i:05d}-of-{len(shards):05d}.parquet"
        with path.open("wb") as file:
            shard.write_parquet(file, row_group_size=ROWS_PER_GROUP)
            file.flush()
            os.fsync(file.fileno())


def _put_in_place(scratch: Path, folder: Path) -> None:
    """A rename cannot replace a full folder: the old one steps aside first."""
    aside = folder.with_name(f".{folder.name}.old")
    shutil.rmtree(aside, ignore_errors=True)
    if folder.exists():
        folder.rename(aside)
    scratch.rename(folder)
    shutil.rmtree(aside, ignore_errors=True)
