"""A dataset in figures: how many rows of what."""

from typing import Any

import polars as pl

COUNTED = ("subset", "preference_kind", "preference_form", "placement", "split", "rejected_because")


def dataset_figures(pairs: pl.DataFrame | pl.LazyFrame) -> dict[str, Any]:
    """Figures of a table of preference pairs, its `split` column with it. Shares are 0 to 1, None of no rows.

    rows, queries, users       how many; queries by the source that they came from
    subset, preference_kind, preference_form, placement, split, rejected_because
                               value -> rows, the most frequent first; rows without a split are "train"
    flip_share, twin_share     rows that share their responses, or their preference, with another row
    harmful_share              rows whose query came from the file of harmful ones
    preferences                distinct ones
    largest_preference_share   rows of the preference that has most
    """
    rows = pairs.lazy().with_columns(pl.col("split").fill_null("train"))
    told = rows.select(
        rows=pl.len(),
        queries=pl.col("query_id").n_unique(),
        users=pl.col("user_id").drop_nulls().n_unique(),
        flip_share=pl.col("flip_id").is_not_null().mean(),
        twin_share=pl.col("twin_id").is_not_null().mean(),
        harmful_share=pl.col("harmful").mean(),
    )
    first, *counts = pl.collect_all([told, *(_counts(rows, name) for name in (*COUNTED, "preference_id"))])
    found = first.row(0, named=True)
    by_column = {name: dict(count.iter_rows()) for name, count in zip(COUNTED, counts, strict=False)}
    preferences = counts[-1]["rows"]
    return {
        **{name: found[name] for name in ("rows", "queries", "users")},
        **by_column,
        **{name: found[name] for name in ("flip_share", "twin_share", "harmful_share")},
        "preferences": preferences.len(),
        "largest_preference_share": preferences[0] / found["rows"] if found["rows"] else None,
    }


def _counts(rows: pl.LazyFrame, column: str) -> pl.LazyFrame:
    return rows.group_by(column).agg(rows=pl.len()).sort(["rows", column], descending=[True, False])
