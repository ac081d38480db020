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
    rows = pairs.lazy().with_columns(pl.col("split").fill_null("train")).collect()
    preferences = rows["preference_id"].value_counts()["count"]
    return {
        "rows": rows.height,
        "queries": rows["query_id"].n_unique(),
        "users": rows["user_id"].drop_nulls().n_unique(),
        **{name: _counts(rows[name]) for name in COUNTED},
        "flip_share": rows["flip_id"].is_not_null().mean(),
        "twin_share": rows["twin_id"].is_not_null().mean(),
        "harmful_share": rows["harmful"].mean(),
        "preferences": preferences.len(),
        "largest_preference_share": preferences.max() / rows.height if rows.height else None,  # type: ignore[operator]
    }


def _counts(column: pl.Series) -> dict[str, int]:
    counts = column.value_counts(name="rows").sort(["rows", column.name], descending=[True, False])
    return dict(counts.iter_rows())
