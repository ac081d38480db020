"""What of the taxonomy and of the priority matrix the rows of a dataset cover."""

from collections.abc import Sequence
from itertools import product
from typing import Any

import polars as pl

from metaalign_data.priorities import PriorityMatrix
from metaalign_data.records import SUBSETS
from metaalign_data.taxonomy import Taxonomy

JOINED = " + "
CELL = ["dimension", "value"]
SHOWN = 10
STANDINGS = {"agrees": "aligned", "conflicts": "conflicting", "silent": "silent", "alone": "no rule"}


def cells_of(pairs: pl.DataFrame, taxonomy: Taxonomy) -> pl.DataFrame:
    """A row for each cell of each pair, with its `subset` and the `kind` of its query; composed ones have several."""
    kinds = {query: taxonomy.kind_of(query) for query in pairs["query"].unique()}
    parts = {name: pl.col(name).str.split(JOINED) for name in CELL}
    lengths = [part.list.len() for part in parts.values()]
    whole = {
        name: pl.when(lengths[0] == lengths[1]).then(part).otherwise(pl.concat_list(name))
        for name, part in parts.items()
    }
    return pairs.select(
        "id", "subset", kind=pl.col("query").replace_strict(kinds, return_dtype=pl.String), **whole
    ).explode(CELL)


def coverage(pairs: pl.DataFrame, taxonomy: Taxonomy) -> dict[str, Any]:
    """How many rows each cell of the taxonomy has.

    cells, cells_by_subset, cells_by_kind
             `possible` cells, or pairs with a subset or a kind of query that are in the rows and that the cell suits;
             `covered`, how many of these have a row; `share`
    rows     for each cell in the taxonomy's order its dimension and value, its rows, and those by subset
    least, most
             the cells with the fewest and the most rows, as `rows` has them
    elsewhere
             rows by dimension of those that the taxonomy does not know: axes, subjects of opinion
    """
    known = pl.DataFrame(taxonomy.cells, schema=dict.fromkeys(CELL, pl.String), orient="row")
    found = cells_of(pairs, taxonomy)
    of_taxonomy = found.join(known, on=CELL, how="semi")
    counts = known.join(
        of_taxonomy.group_by(CELL).agg(rows=pl.len(), **{name: (pl.col("subset") == name).sum() for name in SUBSETS}),
        on=CELL,
        how="left",
        maintain_order="left",
    ).fill_null(0)
    by_cell = [
        {**{name: row.pop(name) for name in (*CELL, "rows")}, "by_subset": row} for row in counts.iter_rows(named=True)
    ]
    ranked = sorted(by_cell, key=lambda row: row["rows"])
    elsewhere = found.join(known, on=CELL, how="anti").group_by("dimension").agg(rows=pl.col("id").n_unique())
    return {
        "taxonomy": taxonomy.id,
        "cells": _covered([(*cell, "") for cell in taxonomy.cells], of_taxonomy.with_columns(all=pl.lit("")), "all"),
        "cells_by_subset": _covered(
            [(*cell, subset) for cell, subset in product(taxonomy.cells, _present(of_taxonomy, "subset"))],
            of_taxonomy,
            "subset",
        ),
        "cells_by_kind": _covered(
            [
                (*cell, kind)
                for cell, kind in product(taxonomy.cells, _present(of_taxonomy, "kind"))
                if taxonomy.dimension[cell.dimension].suits(kind)
            ],
            of_taxonomy,
            "kind",
        ),
        "rows": by_cell,
        "least": ranked[:SHOWN],
        "most": ranked[: -SHOWN - 1 : -1],
        "elsewhere": dict(elsewhere.sort(["rows", "dimension"], descending=[True, False]).iter_rows()),
    }


def _present(found: pl.DataFrame, column: str) -> list[str]:
    return sorted(found[column].unique())


def _covered(possible: Sequence[tuple[str, str, str]], found: pl.DataFrame, column: str) -> dict[str, Any]:
    covered = len(set(possible) & set(found.select(*CELL, column).unique().iter_rows()))
    return {"possible": len(possible), "covered": covered, "share": covered / len(possible) if possible else None}


def standings(pairs: pl.DataFrame) -> dict[str, int]:
    """Rows by what the user's wish is to the provider's rule, as the priority matrix has it; and those without either.

    aligned, conflicting, silent (no wish) and "no rule" (a wish alone) of the rows that have a cell of the matrix and
    a meta-prompt; no_meta_prompt of all rows.
    """
    user = pairs.filter(~pl.col("without_meta"))["matrix_cell"].drop_nulls().str.split("/").list.last()
    counts = {name: int((user == standing).sum()) for standing, name in STANDINGS.items()}
    return {**counts, "no_meta_prompt": int(pairs["without_meta"].sum())}


def matrix_coverage(pairs: pl.DataFrame, matrix: PriorityMatrix) -> list[dict[str, Any]]:
    """For each cell of the matrix, and each other one that a row names: its `cell`, `standing` and `rows`.

    `rows` leaves out the `no_meta_prompt` ones of the cell.
    """
    cells = (
        pairs.filter(pl.col("matrix_cell").is_not_null())
        .group_by("matrix_cell")
        .agg(rows=(~pl.col("without_meta")).sum(), no_meta_prompt=pl.col("without_meta").sum())
    )
    counts = {name: (rows, none) for name, rows, none in cells.iter_rows()}
    names = [*(cell.name for cell in matrix.cells), *sorted(counts.keys() - {cell.name for cell in matrix.cells})]
    return [
        {
            "cell": name,
            "standing": STANDINGS.get(name.rpartition("/")[2], "unknown"),
            "rows": counts.get(name, (0, 0))[0],
            "no_meta_prompt": counts.get(name, (0, 0))[1],
        }
        for name in names
    ]
