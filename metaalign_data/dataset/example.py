"""A row of a dataset to look at, beside its flip where it has one."""

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from metaalign_data.dataset.markdown import lines, table

EXCERPT_CHARS = 1_000
SHOWN = ("prompt", "chosen", "rejected", "system_info", "user_info", "query", "flip_id", "rejected_because")
PREFERENCE = ("preference_kind", "preference_form", "dimension", "value")

Row = Mapping[str, Any]


def example(pairs: pl.LazyFrame) -> str:
    """A table with a column for each row: the first flip of the pairs, or their first row."""
    told = pairs.select(*SHOWN, *PREFERENCE)
    flips = told.filter(pl.col("flip_id").is_not_null()).head(1).collect()
    if not flips.height:
        return _beside(told.head(1).collect().to_dicts())
    both = told.filter(pl.col("flip_id") == flips["flip_id"][0]).collect().to_dicts()
    return f"Two rows that are a flip: the same two responses, in opposite order.\n\n{_beside(both)}"


def _beside(rows: Sequence[Row]) -> str:
    parts = [_parts(row) for row in rows]
    names = [name for name in parts[0] if any(part[name] for part in parts)]
    cells = [[f"**{name}**", *(lines(_excerpt(part[name])) or "–" for part in parts)] for name in names]
    return table(["", *(f"row {number}" for number, _ in enumerate(rows, 1))], cells)


def _parts(row: Row) -> dict[str, str]:
    earlier = [turn for turn in row["prompt"][:-1] if turn["role"] != "system"]
    kind, form, dimension, value = (row[name] for name in PREFERENCE)
    return {
        "System Info": row["system_info"],
        "User Info": row["user_info"],
        "earlier turns": "\n".join(f"{turn['role']}: {turn['content']}" for turn in earlier),
        "Query": row["query"],
        "Chosen": row["chosen"][0]["content"],
        "Rejected": row["rejected"][0]["content"],
        "preference": f"{kind}, {form}: {dimension} = {value}",
        "rejected because": row["rejected_because"],
    }


def _excerpt(text: str) -> str:
    return text if len(text) <= EXCERPT_CHARS else text[:EXCERPT_CHARS] + " …"
