"""similar: the rows of a run that are nearest to a text."""

import argparse
import json
from functools import partial
from pathlib import Path

import numpy as np
import polars as pl
import yaml
from rich.table import Table
from rich.text import Text

from metaalign_data.api import RunResult
from metaalign_data.commands.catalog import wide_console
from metaalign_data.embed import HASHED_NGRAMS, Embed, EmbedderName, EmbeddingServer
from metaalign_data.engine.embedding import Embedding, ask_alone
from metaalign_data.engine.folder import RunFolder
from metaalign_data.engine.manifest import read_manifest
from metaalign_data.errors import UserError
from metaalign_data.stages.columns import texts

EXCERPT_CHARS = 100


def similar(args: argparse.Namespace) -> int:
    folder = RunFolder(Path(args.run))
    manifest = read_manifest(folder.manifest)
    embedder = embedder_of(folder.recipe)
    name = embedder if isinstance(embedder, str) else embedder.model
    pairs = RunResult(folder.root, manifest["state"], manifest["verdict"], manifest).pairs()
    found = nearest(pairs, args.text, args.on, args.k, partial(Embedding(folder.vectors, ask_alone).embed, embedder))
    if args.json:
        print(json.dumps({"on": args.on, "embedder": name, "rows": found.to_dicts()}, ensure_ascii=False))
        return 0
    table = Table("cosine", "split", "subset", "id", args.on, title=f"nearest by {name}", title_justify="left")
    for row in found.iter_rows(named=True):
        excerpt = Text(_excerpt(row["text"]))
        table.add_row(f"{row['similarity']:.3f}", row["split"], row["subset"], row["id"], excerpt)
    wide_console().print(table)
    return 0


def nearest(pairs: pl.DataFrame, text: str, on: str, k: int, embed: Embed) -> pl.DataFrame:
    """The `k` rows whose column `on` is nearest to the text: id, split, subset, similarity (cosine), text.

    The nearest first, ties by id.
    """
    column = texts(pairs[on])
    distinct, place = np.unique(np.array(column, dtype=object), return_inverse=True)
    cosines = embed(distinct.tolist()) @ embed([text])[0]
    found = pairs.select(
        "id", "split", "subset", similarity=pl.Series(cosines[place], dtype=pl.Float64), text=pl.Series(column)
    )
    return found.sort("similarity", "id", descending=[True, False]).head(k)


def embedder_of(recipe: Path) -> EmbedderName:
    """The embedder of the run's first `dedup`, as its recipe was written down; hashed-ngrams where it has none."""
    try:
        stages = yaml.safe_load(recipe.read_text(encoding="utf-8"))["stages"]
    except (OSError, ValueError, yaml.YAMLError, KeyError, TypeError) as e:
        raise UserError(f"cannot be read: {e}", where=str(recipe)) from e
    for entry in stages:
        match entry:
            case {"dedup": {"embedder": str(name)}}:
                return name
            case {"dedup": {"embedder": dict(server)}}:
                return EmbeddingServer.model_validate(server)
    return HASHED_NGRAMS


def _excerpt(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= EXCERPT_CHARS else f"{line[: EXCERPT_CHARS - 1]}…"
