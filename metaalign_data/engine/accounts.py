"""Whether every row that went in is somewhere on disk: as output, as a reject or as a failure."""

from collections.abc import Iterator
from pathlib import Path

import polars as pl

from metaalign_data.engine.counts import Counts, unbalanced
from metaalign_data.engine.folder import RunFolder

SOURCE = "queries"


def unaccounted(counts: Counts, folder: RunFolder, *, ended: bool = True) -> list[str]:
    """What does not add up in the counts, or between these and the files, as sentences; empty where all is well.

    Of a run that had to stop, `ended` false, rows are on their way and only what each stage took has to have ended.
    Raises OSError and polars' errors for a file that cannot be read.
    """
    if not ended:
        return [f"{name}: rows have vanished" for name, c in counts.items() if not c.closes]
    return [*unbalanced(counts), *_not_on_disk(counts, folder)]


def _not_on_disk(counts: Counts, folder: RunFolder) -> Iterator[str]:
    failed = _by_stage(folder.failures)
    for name, c in counts.items():
        rejects = sum(n for reason, n in c.reasons.items() if reason.startswith("rejected: "))
        expected = {
            f"rejects/{name}.parquet": (rejects, _height([folder.rejects / f"{name}.parquet"])),
            "failures.parquet": (c.failed, failed.get(name, 0)),
        }
        if name != SOURCE:
            expected[f"tables/{name}"] = (c.made, _height(folder.parts(name)))
        for file, (counted, there) in expected.items():
            if counted != there:
                yield f"{name}: {counted} rows were counted for {file}, which holds {there}"


def _height(files: list[Path]) -> int:
    there = [file for file in files if file.exists()]
    return int(pl.scan_parquet(there).select(pl.len()).collect().item()) if there else 0


def _by_stage(failures: Path) -> dict[str, int]:
    if not failures.exists():
        return {}
    return dict(pl.scan_parquet(failures).group_by("stage").len().collect().iter_rows())
