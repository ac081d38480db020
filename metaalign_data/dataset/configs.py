"""The three configs of a dataset, each a table made of the preference pairs."""

from collections.abc import Callable

import polars as pl

from metaalign_data.records import SPLITS, PreferencePair

NOT_PUBLISHED = ("split", "judgement_id")
"""`split` is the file a row stands in; `judgement_id` leads into the run's own tables."""

MESSAGES = ("prompt", "chosen", "rejected")
PROVENANCE = [name for name in PreferencePair.model_fields if name not in (*MESSAGES, *NOT_PUBLISHED)]
OF_THE_CHOSEN = [
    name
    for name in PROVENANCE
    if name not in ("rejected_because", "rejected_score", "rejected_model", "margin", "flip_id")
]


def pairs(rows: pl.DataFrame) -> pl.DataFrame:
    """Rows for preference optimisation."""
    return rows.select(*MESSAGES, "id", *PROVENANCE)


def sft(rows: pl.DataFrame) -> pl.DataFrame:
    """Conversations that end in the chosen response, each once."""
    told = rows.with_columns(messages=pl.concat_list("prompt", "chosen"))
    return told.unique("messages", keep="first", maintain_order=True).select("messages", "id", *OF_THE_CHOSEN)


def preferences(rows: pl.DataFrame) -> pl.DataFrame:
    """Each distinct preference once, with the number of pairs that it decides."""
    first = [pl.col(name).first() for name in ("preference", "preference_kind", "dimension", "value")]
    subsets = pl.col("subset").unique().sort().alias("subsets")
    return rows.group_by("preference_id", maintain_order=True).agg(*first, subsets, pairs=pl.len().cast(pl.Int64))


CONFIGS: dict[str, Callable[[pl.DataFrame], pl.DataFrame]] = {"pairs": pairs, "sft": sft, "preferences": preferences}


def tables(rows: pl.DataFrame) -> dict[str, dict[str, pl.DataFrame]]:
    """Config -> split -> table; splits without rows are left out. Rows without a split belong to train."""
    rows = rows.with_columns(pl.col("split").fill_null("train"))
    by_split = {name: part for name in SPLITS if (part := rows.filter(pl.col("split") == name)).height}
    return {config: {split: make(part) for split, part in by_split.items()} for config, make in CONFIGS.items()}
