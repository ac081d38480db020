"""Every column of the dataset, told once: the card, the docs and `metaalign-data stages` take it from here."""

from collections.abc import Mapping

import polars as pl

from metaalign_data.dataset.configs import MESSAGES, OF_THE_CHOSEN, PROVENANCE
from metaalign_data.records import PreferencePair, column_descriptions

_PAIR = {"id": "hash of the row's content", **column_descriptions(PreferencePair)}

COLUMNS: Mapping[str, Mapping[str, str]] = {
    "pairs": {name: _PAIR[name] for name in (*MESSAGES, "id", *PROVENANCE)},
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
