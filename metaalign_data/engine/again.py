"""Having asked anew what gave no usable answer, and nothing else."""

from collections.abc import Iterator
from pathlib import Path

import polars as pl

from metaalign_data.engine.folder import RunFolder
from metaalign_data.stages.asking import USELESS
from metaalign_data.teacher.ledger_care import set_aside


def spoiled_rows(folder: RunFolder) -> pl.DataFrame:
    """stage, row_id and reason of each row that failed, or was rejected for want of a usable answer."""
    files = [folder.failures, *sorted(folder.rejects.glob("*.parquet"))]
    there = [file for file in files if file.exists()]
    none = pl.DataFrame(schema={"stage": pl.String, "row_id": pl.String, "reason": pl.String})
    ended = pl.concat([none, *(pl.read_parquet(file, columns=none.columns).select(none.columns) for file in there)])
    failed = pl.read_parquet(folder.failures, columns=["stage", "row_id"]) if folder.failures.exists() else none
    useless = ended.filter(pl.col("reason").is_in(list(USELESS)))
    return pl.concat([useless, ended.join(failed, on=["stage", "row_id"], how="semi")]).unique(maintain_order=True)


def forget_unusable(folder: RunFolder, ledger: Path) -> int:
    """Set the answers aside that were of no use to those rows; the next run asks for them again. Returns how many.

    What had no answer at all, such as a time-out, is asked again by any run.
    """
    return set_aside(ledger, _unusable(folder)) if ledger.exists() else 0


def _unusable(folder: RunFolder) -> Iterator[str]:
    rows = spoiled_rows(folder).lazy()
    if parts := sorted(folder.asked.glob("part-*.parquet")):
        asked = pl.scan_parquet(parts).filter(pl.col("unusable") != "")
        yield from asked.join(rows, on=["stage", "row_id"], how="semi").select("key").unique().collect()["key"]
