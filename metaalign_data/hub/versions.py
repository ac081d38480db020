"""Two versions of a dataset: rows added, removed and changed, and figures side by side."""

import re
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import polars as pl
from huggingface_hub import HfApi

from metaalign_data.dataset.figures import dataset_figures
from metaalign_data.engine.folder import RunFolder
from metaalign_data.errors import UserError
from metaalign_data.hub.asking import in_words, patiently
from metaalign_data.hub.push import MAIN, REPO_ID

_OF_THE_HUB = re.compile(rf"({REPO_ID.pattern})(?:@(.+))?")
Change = Mapping[str, int]
"""added, removed, changed, same -> number of rows."""


def read_version(name: str, *, api: HfApi | None = None) -> pl.DataFrame:
    """The pairs, with a `split` column, of a run directory, of the folder of a dataset, or of USER/NAME[@REVISION].

    What is on disk comes first. Raises UserError where there are none.
    """
    path = Path(name)
    if path.is_dir():
        return RunFolder(path).pairs() if (path / "dataset").is_dir() else _pairs(path, name)
    found = _OF_THE_HUB.fullmatch(name)
    if not found:
        raise UserError("is neither a directory nor USER/NAME[@REVISION]", where=name)
    with TemporaryDirectory() as scratch, in_words(name):
        folder = patiently(
            lambda: (api or HfApi()).snapshot_download(
                found[1],
                repo_type="dataset",
                revision=found[2] or MAIN,
                allow_patterns=["pairs/*.parquet"],
                local_dir=scratch,
            )
        )
        return _pairs(Path(folder), name)


def diff(a: pl.DataFrame, b: pl.DataFrame) -> dict[str, Any]:
    """What became of the rows of `a` in `b`. A row is known by its id, a hash of its texts and scores.

    rows      subset -> added, removed, changed, same; "all" for all of them
    columns   column -> rows in which it changed: split, flip_id and twin_id may, as other rows come and go
    figures   figure -> its value in a and b, as report figures have them; those of several values as "subset.helpful"
    """
    columns = [name for name in a.columns if name in b.columns and name != "id"]
    both = a.select("id", *columns).join(b.select("id", *columns), on="id", suffix="_b")
    differs = both.select(~pl.col(name).eq_missing(pl.col(f"{name}_b")) for name in columns)
    changed = differs.select(pl.any_horizontal(pl.all())).to_series()
    return {
        "rows": _counted(a, b, both.filter(changed), both.filter(~changed)),
        "columns": {name: n for name in columns if (n := int(differs[name].sum()))},
        "figures": _figures(a, b),
    }


def _counted(a: pl.DataFrame, b: pl.DataFrame, changed: pl.DataFrame, same: pl.DataFrame) -> dict[str, Change]:
    endings = {
        "added": b.join(a, on="id", how="anti"),
        "removed": a.join(b, on="id", how="anti"),
        "changed": changed,
        "same": same,
    }
    counts = {ending: dict(rows["subset"].value_counts().iter_rows()) for ending, rows in endings.items()}
    subsets = sorted({subset for count in counts.values() for subset in count})
    told = {subset: {ending: count.get(subset, 0) for ending, count in counts.items()} for subset in subsets}
    return {**told, "all": {ending: rows.height for ending, rows in endings.items()}}


def _figures(a: pl.DataFrame, b: pl.DataFrame) -> dict[str, tuple[Any, Any]]:
    before, after = _flat(dataset_figures(a)), _flat(dataset_figures(b))
    return {name: (before.get(name), after.get(name)) for name in dict.fromkeys((*before, *after))}


def _flat(figures: Mapping[str, Any], start: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in figures.items():
        flat |= _flat(value, f"{start}{name}.") if isinstance(value, Mapping) else {f"{start}{name}": value}
    return flat


def _pairs(folder: Path, name: str) -> pl.DataFrame:
    """Of the folder of a dataset."""
    files = sorted((folder / "pairs").glob("*.parquet"))
    if not files:
        raise UserError("holds no pairs/*.parquet", where=name)
    try:
        return pl.concat(pl.read_parquet(file).with_columns(split=pl.lit(file.name.split("-", 1)[0])) for file in files)
    except (OSError, pl.exceptions.PolarsError) as e:
        raise UserError(f"its pairs cannot be read: {e}", where=name) from e
