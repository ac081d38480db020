"""Pictures of a dataset for its card. They need matplotlib (the extra `report`)."""

import re
from collections.abc import Callable
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from metaalign_data.records import SPLITS, SUBSETS
from metaalign_data.stages.sampling.wishes import JOINT

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WIDTH_INCH = 8.0
MOST_DIMENSIONS = 30
DRAWN = ["subset", "margin", "dimension"]
"""Columns that the pictures need."""
THOUSANDS = "{x:,.0f}"
MARGIN_BINS = 36
SUBSET_COLOURS = ("#33658a", "#f6ae2d", "#86bbd8", "#c8553d")
SPLIT_COLOURS = ("#4a5b6b", "#7fa99b", "#c9a66b", "#b56576")

CAPTIONS = {
    "splits": "Rows by subset and split.",
    "margins": "How far the judge sees the chosen response above the rejected one (difference of mean scores).",
    "dimensions": f"Rows by dimension of the preference that decides them, at most {MOST_DIMENSIONS}. "
    "A composed preference counts in each of its dimensions.",
}
"""Name of the picture -> what it shows."""


FOLDER = "plots"
BEGIN, END = "<!-- plots -->", "<!-- end of plots -->"
"""Where the pictures stand in a card."""


def illustrate(dataset: Path) -> list[Path]:
    """Draw the pictures of the dataset in this folder into plots/, and name them in its README.md, at BEGIN.

    Returns the files; none, and nothing changes, where matplotlib is not installed.
    """
    shards = sorted((dataset / "pairs").glob("*.parquet"))
    pairs = pl.concat(
        pl.read_parquet(s, columns=DRAWN).with_columns(split=pl.lit(s.name.partition("-")[0])) for s in shards
    )
    drawn = draw_plots(pairs)
    if not drawn:
        return []
    (dataset / FOLDER).mkdir(exist_ok=True)
    files = [dataset / FOLDER / f"{name}.png" for name in drawn]
    for file, png in zip(files, drawn.values(), strict=True):
        file.write_bytes(png)
    shown = "\n\n".join(f"{CAPTIONS[name]}\n\n![{CAPTIONS[name]}]({FOLDER}/{name}.png)" for name in drawn)
    readme = dataset / "README.md"
    marked = re.compile(f"{re.escape(BEGIN)}.*{re.escape(END)}", re.DOTALL)
    text = readme.read_text(encoding="utf-8")
    readme.write_text(marked.sub(lambda _: f"{BEGIN}\n\n{shown}\n\n{END}", text, count=1), encoding="utf-8")
    return files


def _drawn(shard: Path) -> pl.DataFrame:
    split = shard.name.partition("-")[0]
    return pl.read_parquet(shard, columns=DRAWN).with_columns(split=pl.lit(split))


def draw_plots(pairs: pl.DataFrame) -> dict[str, bytes]:
    """The pictures of CAPTIONS as PNG; none where matplotlib is not installed. `pairs` has a column `split`."""
    if find_spec("matplotlib") is None:
        return {}
    dimensions = min(_by_dimension(pairs)["dimension"].n_unique(), MOST_DIMENSIONS)
    return {
        "splits": _png(_splits, pairs, 0.4 * pairs["subset"].n_unique() + 1.2),
        "margins": _png(_margins, pairs, 2.8),
        "dimensions": _png(_dimensions, pairs, 0.2 * dimensions + 1.2),
    }


def _png(draw: "Callable[[Axes, pl.DataFrame], None]", pairs: pl.DataFrame, height_inch: float) -> bytes:
    """Equal rows give equal bytes: no time and no version stands in the file."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH_INCH, height_inch), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    draw(axes, pairs)
    axes.spines[["top", "right"]].set_visible(False)
    file = BytesIO()
    figure.savefig(file, format="png", metadata={"Software": None})
    return file.getvalue()


def _splits(axes: "Axes", pairs: pl.DataFrame) -> None:
    counts = {(subset, split): n for subset, split, n in pairs.group_by("subset", "split").len().iter_rows()}
    subsets = [name for name in SUBSETS if any(subset == name for subset, _ in counts)][::-1]
    left = np.zeros(len(subsets))
    for split, colour in zip(SPLITS, SPLIT_COLOURS, strict=True):
        widths = np.array([counts.get((subset, split), 0) for subset in subsets])
        if widths.any():
            axes.barh(subsets, widths, left=left, label=split, color=colour)
            left += widths
    axes.set_xlabel("rows")
    axes.xaxis.set_major_formatter(THOUSANDS)
    axes.legend(frameon=False, fontsize="small", loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=len(SPLITS))


def _margins(axes: "Axes", pairs: pl.DataFrame) -> None:
    subsets = [name for name in SUBSETS if name in set(pairs["subset"])]
    margins = [pairs.filter(pl.col("subset") == subset)["margin"].to_numpy() for subset in subsets]
    colours = [SUBSET_COLOURS[SUBSETS.index(subset)] for subset in subsets]
    axes.hist(margins, bins=list(np.linspace(0.0, 9.0, MARGIN_BINS + 1)), stacked=True, label=subsets, color=colours)
    axes.set_xlabel("margin")
    axes.set_ylabel("rows")
    axes.yaxis.set_major_formatter(THOUSANDS)
    axes.legend(frameon=False, fontsize="small")


def _by_dimension(pairs: pl.DataFrame) -> pl.DataFrame:
    """Each row once for each of its dimensions."""
    return pairs.select("subset", dimension=pl.col("dimension").str.split(JOINT)).explode("dimension")


def _dimensions(axes: "Axes", pairs: pl.DataFrame) -> None:
    rows = _by_dimension(pairs)
    counts = rows["dimension"].value_counts(name="rows").sort(["rows", "dimension"], descending=[True, False])
    names = counts["dimension"].head(MOST_DIMENSIONS).to_list()[::-1]
    by_subset = {(subset, name): n for subset, name, n in rows.group_by("subset", "dimension").len().iter_rows()}
    left = np.zeros(len(names))
    for subset, colour in zip(SUBSETS, SUBSET_COLOURS, strict=True):
        widths = np.array([by_subset.get((subset, name), 0) for name in names])
        if widths.any():
            axes.barh(names, widths, left=left, label=subset, color=colour)
            left += widths
    axes.tick_params(axis="y", labelsize="small")
    axes.margins(y=0.01)
    axes.set_xlabel("rows")
    axes.xaxis.set_major_formatter(THOUSANDS)
    axes.legend(frameon=False, fontsize="small", loc="lower right")
