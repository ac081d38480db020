"""The finished dataset on disk: parquet files and a card, there as a whole or not at all."""

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import polars as pl

from metaalign_data.dataset.card import card
from metaalign_data.dataset.configs import CONFIGS, pairs, preferences, sft, told_first
from metaalign_data.dataset.facts import DatasetFacts
from metaalign_data.dataset.front_matter import Sizes
from metaalign_data.dataset.shards import Shards, size_of
from metaalign_data.engine.folder import batches
from metaalign_data.records import SPLITS

Rows = dict[str, dict[str, int]]
"""Number of rows by config and split; splits without rows are left out."""


def write_dataset(files: Sequence[Path], folder: Path, facts: DatasetFacts) -> Rows:
    """Write the rows of `files`, parquet with the columns of PreferencePair, as CONFIG/SPLIT-00000-of-0000N.parquet
    with a README.md. Rows without a split belong to train.

    Takes the place of what is in `folder`. Equal rows and facts give equal bytes. Of the rows, a small part is in
    memory at once.
    """
    scratch, rows = folder.with_name(f".{folder.name}.tmp"), with_split(pl.scan_parquet(list(files)))
    shutil.rmtree(scratch, ignore_errors=True)
    first, told = told_first(rows), preferences(rows)
    splits = rows.select("split").collect()["split"]
    counts: Rows = {
        "pairs": _by_split(splits),
        "sft": _by_split(splits.filter(first)),
        "preferences": _by_split(told["split"]),
    }
    shards = {
        (config, split): Shards(scratch / config, split, n) for config in CONFIGS for split, n in counts[config].items()
    }
    for batch, new in _side_by_side(files, first):
        for split, part in _parts(batch):
            shards["pairs", split].add(pairs(part))
        for split, part in _parts(batch.filter(new)):
            shards["sft", split].add(sft(part))
    for split, part in _parts(told):
        shards["preferences", split].add(part.drop("split"))
    for shard in shards.values():
        shard.close()
    (scratch / "README.md").write_text(card(_sizes(scratch, counts), rows, facts), encoding="utf-8")
    put_in_place(scratch, folder)
    return counts


def _sizes(folder: Path, counts: Rows) -> Sizes:
    return {
        config: {split: size_of(sorted((folder / config).glob(f"{split}-*.parquet"))) for split in splits}
        for config, splits in counts.items()
    }


def with_split(rows: pl.LazyFrame) -> pl.LazyFrame:
    return rows.with_columns(pl.col("split").fill_null("train"))


def _by_split(splits: pl.Series) -> dict[str, int]:
    counts = dict(splits.value_counts().iter_rows())
    return {split: counts[split] for split in SPLITS if split in counts}


def _side_by_side(files: Sequence[Path], marks: pl.Series) -> Iterator[tuple[pl.DataFrame, pl.Series]]:
    """The rows of the files a batch at a time, with their part of the marks."""
    start = 0
    for batch in batches(files):
        yield batch.with_columns(pl.col("split").fill_null("train")), marks[start : start + batch.height]
        start += batch.height


def _parts(rows: pl.DataFrame) -> Iterator[tuple[str, pl.DataFrame]]:
    for (split,), part in rows.partition_by("split", as_dict=True, maintain_order=True).items():
        yield str(split), part


def put_in_place(scratch: Path, folder: Path) -> None:
    """A rename cannot replace a full folder: the old one steps aside first, and RunFolder.opened brings it back."""
    aside = folder.with_name(f".{folder.name}.old")
    shutil.rmtree(aside, ignore_errors=True)
    if folder.exists():
        folder.rename(aside)
    scratch.rename(folder)
    shutil.rmtree(aside, ignore_errors=True)
