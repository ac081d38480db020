"""The three configs of a dataset, each a table made of the preference pairs."""

import polars as pl

from metaalign_data.records import PreferencePair

CONFIGS = ("pairs", "sft", "preferences")
NOT_PUBLISHED = ("split", "judgement_id")
"""`split` is the file a row stands in; `judgement_id` leads into the run's own tables."""

MESSAGES = ("prompt", "chosen", "rejected")
PROVENANCE = [name for name in PreferencePair.model_fields if name not in (*MESSAGES, *NOT_PUBLISHED)]
COLUMNS = [*MESSAGES, "id", *PROVENANCE]
"""Of the config `pairs`."""
OF_THE_CHOSEN = [
    name
    for name in PROVENANCE
    if name not in ("rejected_because", "rejected_score", "rejected_model", "margin", "flip_id")
]


def pairs(rows: pl.DataFrame) -> pl.DataFrame:
    """Rows for preference optimisation."""
    return rows.select(COLUMNS)


def sft(rows: pl.DataFrame) -> pl.DataFrame:
    """Conversations that end in the chosen response."""
    return rows.select(pl.concat_list("prompt", "chosen").alias("messages"), "id", *OF_THE_CHOSEN)


def told_first(rows: pl.LazyFrame) -> pl.Series:
    """Whether a row's conversation has not stood in its split before: sft holds each once.

    Conversations are compared by 128 bits of hash, so that all of them need not be in memory.
    """
    messages = pl.concat_list("prompt", "chosen")
    hashes = rows.select("split", one=messages.hash(1), other=messages.hash(2)).collect(engine="streaming")
    return hashes.select(pl.struct(pl.all()).is_first_distinct()).to_series()


def preferences(rows: pl.LazyFrame) -> pl.DataFrame:
    """Each distinct preference of a split once, with the number of pairs that it decides, and its `split`."""
    first = [pl.col(name).first() for name in ("preference", "preference_kind", "dimension", "value")]
    subsets = pl.col("subset").unique().sort().alias("subsets")
    by_preference = rows.group_by("split", "preference_id", maintain_order=True)
    return by_preference.agg(*first, subsets, pairs=pl.len().cast(pl.Int64)).collect()
