"""Every column of the dataset, told once: the card, the docs and `metaalign-data stages` take it from here."""

from collections.abc import Mapping

import polars as pl

from metaalign_data.dataset.configs import OF_THE_CHOSEN, PAIR_COLUMNS, pairs, preferences, sft
from metaalign_data.dataset.markdown import table
from metaalign_data.records import PreferencePair, Split, Subset, column_descriptions, schema

_PAIR = {"id": "hash of the row's content", **column_descriptions(PreferencePair)}

COLUMNS: Mapping[str, Mapping[str, str]] = {
    "pairs": {name: _PAIR[name] for name in PAIR_COLUMNS},
    "sft": {
        "messages": "the conversation: system message (the meta-prompt), earlier turns, the query, the chosen response",
        "id": "id of the first pair with this conversation",
        **{name: _PAIR[name] for name in OF_THE_CHOSEN},
    },
    "preferences": {
        "preference_id": _PAIR["preference_id"],
        "preference": "the preference, as it was first written",
        **{name: _PAIR[name] for name in ("preference_kind", "dimension", "value")},
        "subsets": "subsets in which it decides rows",
        "pairs": "number of pairs in this split that it decides",
    },
}
"""Config -> column -> what it holds, in the order of the files."""

SUBSETS_TOLD: Mapping[Subset, str] = {
    "priority": "who wins when provider and user disagree",
    "helpful": "different ideas of a good answer",
    "consensus": "what nearly everyone shares, against one person's background",
    "diverse_opinion": "no single right answer: the person's background decides",
}

SPLITS_TOLD: Mapping[Split, str] = {
    "train": "to train on",
    "test": "its queries are not in train, its preferences are",
    "test_unseen_preferences": "its preferences are not in train, its queries are",
    "test_unseen_queries_and_preferences": "neither its queries nor its preferences are in train",
}


def columns_told() -> str:
    """Every column of each config as Markdown; what a config has from `pairs` is told there and only named again."""
    parts = []
    for config, names in COLUMNS.items():
        shared = [] if config == "pairs" else [name for name, told in names.items() if _PAIR.get(name) == told]
        rows = [[f"`{name}`", told] for name, told in names.items() if name not in shared]
        again = f"\n\nAs in `pairs`: {', '.join(f'`{name}`' for name in shared)}." if shared else ""
        parts.append(f"### `{config}`\n\n{table(['column', 'what it holds'], rows)}{again}")
    return "\n\n".join(parts)


_EMPTY = pl.DataFrame(schema=schema(PreferencePair))

SCHEMAS: Mapping[str, pl.Schema] = {
    "pairs": pairs(_EMPTY).schema,
    "sft": sft(_EMPTY).schema,
    "preferences": preferences(_EMPTY.lazy()).drop("split").schema,
}
"""Config -> types of its columns."""

Feature = dict[str, object]

_SCALARS: Mapping[type[pl.DataType], str] = {
    pl.String: "string",
    pl.Int64: "int64",
    pl.Float64: "float64",
    pl.Boolean: "bool",
}


def features(schema: Mapping[str, object]) -> list[Feature]:
    """The columns of a polars schema as the front matter of a card types them (`datasets.Features` in YAML)."""
    return [{"name": name, **_typed(dtype)} for name, dtype in schema.items()]


def _typed(dtype: object) -> Feature:
    if not isinstance(dtype, pl.List):
        return {"dtype": _scalar(dtype)}
    inner = dtype.inner
    return {"list": features(inner.to_schema()) if isinstance(inner, pl.Struct) else _scalar(inner)}


def _scalar(dtype: object) -> str:
    return _SCALARS[type(dtype)]  # type: ignore[index]
