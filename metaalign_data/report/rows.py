"""The rows of a finished run, as the audit and the report read them."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import yaml

from metaalign_data.dataset.configs import COLUMNS as PUBLISHED
from metaalign_data.engine.folder import RunFolder
from metaalign_data.engine.manifest import read_manifest
from metaalign_data.errors import UserError
from metaalign_data.neighbours import Indices, clusters
from metaalign_data.recipe import Recipe
from metaalign_data.records import digest

COLUMNS = [*PUBLISHED, "split"]


@dataclass(frozen=True)
class RunRows:
    """A run directory and the pairs of its dataset: the published columns, `split`, and what `_derived` adds."""

    folder: RunFolder
    manifest: dict[str, Any]
    pairs: pl.DataFrame

    @cached_property
    def fingerprint(self) -> str:
        """Hash of the rows, whatever their order."""
        return digest(*sorted(self.pairs["id"]))

    def recipe(self) -> Recipe:
        """The run's recipe but for its stages, which may be code that it is not for an audit to run.

        Raises UserError when it cannot be read, or a variable of the environment that it names is not set.
        """
        try:
            data = yaml.safe_load(self.folder.recipe.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as e:
            raise UserError(f"cannot be read: {e}", where=str(self.folder.recipe)) from e
        if not isinstance(data, dict):
            raise UserError("is not a recipe", where=str(self.folder.recipe))
        data.pop("stages", None)
        return Recipe.from_dict(data, folder=self.folder.root)


def read_run(root: Path) -> RunRows:
    """Raises UserError when `root` is no run directory, or one without a dataset of this version's columns."""
    folder, manifest = RunFolder(root), read_manifest(root / "manifest.json")
    files = sorted((folder.dataset / "pairs").glob("*.parquet"))
    if not files:
        what = f"the run has made no dataset ({manifest['state']}: {manifest.get('verdict', '')})"
        raise UserError(what, where=str(root), fix="run its recipe to the end")
    try:
        rows = pl.concat(pl.read_parquet(file).with_columns(split=pl.lit(file.name.split("-", 1)[0])) for file in files)
    except (OSError, pl.exceptions.PolarsError) as e:
        raise UserError(f"cannot be read: {e}", where=str(folder.dataset / "pairs")) from e
    if missing := [name for name in COLUMNS if name not in rows.columns]:
        what = f"its pairs have no column {', '.join(missing)}"
        raise UserError(what, where=str(folder.dataset), fix="run its recipe again with this version")
    return RunRows(folder, manifest, derived(rows))


def derived(pairs: pl.DataFrame) -> pl.DataFrame:
    """The pairs and, of each row:

    chosen_text, rejected_text
    in_flip       whether exactly one other row of its flip_id holds the same responses in opposite order
    group         number of its group: rows of one query, flip or twin, and what these connect
    without_meta  whether it has no meta-prompt: no System Info, no User Info, no earlier turns
    """
    texts = {f"{name}_text": pl.col(name).list.last().struct.field("content") for name in ("chosen", "rejected")}
    turns = pl.col("prompt").list.eval(pl.element().struct.field("role") != "system").list.sum()
    rows = pairs.with_columns(**texts).with_columns(
        without_meta=(pl.col("system_info") == "") & (pl.col("user_info") == "") & (turns <= 1)
    )
    mirrored = (
        (pl.len() == 2)
        & (pl.col("chosen_text").first() == pl.col("rejected_text").last())
        & (pl.col("rejected_text").first() == pl.col("chosen_text").last())
    )
    in_flip = pl.col("flip_id").is_not_null() & mirrored.over("flip_id")
    return rows.with_columns(in_flip=in_flip, group=pl.Series(_groups(rows)))


def _groups(rows: pl.DataFrame) -> Indices:
    """For each row the first row of its group."""
    ties = []
    for name in ("query_id", "flip_id", "twin_id"):
        column = rows.select(name).with_row_index("row").drop_nulls()
        first = column.select(pl.col("row").first().over(name), other="row")
        ties.append((first["row"].to_numpy().astype(np.intp), first["other"].to_numpy().astype(np.intp)))
    return clusters(rows.height, ties)
