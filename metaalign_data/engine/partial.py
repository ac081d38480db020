"""What a run that had to stop early can give all the same: the rows that were whole by then."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import polars as pl

from metaalign_data.engine.folder import RunFolder
from metaalign_data.engine.plan import Segment, TableStep
from metaalign_data.engine.table_step import ROWS_PER_GROUP, transform
from metaalign_data.stage import Context
from metaalign_data.stages.columns import MARKS


async def whole_rows(
    plan: Sequence[Segment], folder: RunFolder, contexts: Mapping[str, Context], scratch: Path
) -> Path | None:
    """A parquet file in `scratch` with the rows that had come through every row stage, as the table stages after these
    leave them; None where there are none.

    Raises what a table stage raises, such as one that would have to ask a server for vectors.
    """
    last = max(i for i, segment in enumerate(plan) if isinstance(segment, tuple))
    made = folder.parts(plan[last][-1].name)  # type: ignore[index]
    later = [segment for segment in plan[last + 1 :] if isinstance(segment, TableStep)]
    for i, step in enumerate(later):
        if not (rows := _height(made)):
            return None
        marked, kept = scratch / f"{i}-marked.parquet", scratch / f"{i}.parquet"
        await transform(step, pl.scan_parquet(made), contexts[step.name], marked, rows)
        pl.scan_parquet(marked).filter(pl.col("reject_reason").is_null()).drop(MARKS).sink_parquet(
            kept, row_group_size=ROWS_PER_GROUP
        )
        made = [kept]
    if not _height(made):
        return None
    whole = scratch / "whole.parquet"
    pl.scan_parquet(made).sink_parquet(whole, row_group_size=ROWS_PER_GROUP)
    return whole


def _height(files: Sequence[Path]) -> int:
    return int(pl.scan_parquet(list(files)).select(pl.len()).collect().item()) if files else 0
