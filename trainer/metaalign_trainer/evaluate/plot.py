"""Models side by side as bars with intervals."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

COLOURS = ("#33658a", "#f6ae2d", "#86bbd8", "#c8553d", "#758e4f", "#8e7dbe")
NOTHING = {"value": math.nan, "low": math.nan, "high": math.nan, "n": 0}
"""Of a set without such rows: no bar, which is not a bar of 0."""


def plot(models: Mapping[str, Any], path: Path) -> None:
    """Flip and pair accuracy of each model by split and on conflicts, as a PNG. `models` is of `evaluated`."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    first = next(iter(models.values()))["figures"]
    sets = {"all": ("all", "all")} | {name: ("split", name) for name in first.get("split", {})}
    sets |= {"conflicts": ("conflicts", "conflicts")} if "conflicts" in first else {}
    figure = Figure(figsize=(2.2 + 1.5 * len(sets), 5.4), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    for axes, (measure, title) in zip(
        figure.subplots(2, 1, sharex=True), (("flips", "flips: both orders right"), ("pairs", "pairs")), strict=True
    ):
        width = 0.8 / len(models)
        for number, (name, told) in enumerate(models.items()):
            shares = [
                told["figures"].get(column, {}).get(value, {}).get(measure) or NOTHING
                for column, value in sets.values()
            ]
            heights = [share["value"] for share in shares]
            below = [share["value"] - share["low"] for share in shares]
            above = [share["high"] - share["value"] for share in shares]
            places = [place + (number - (len(models) - 1) / 2) * width for place in range(len(sets))]
            colour = COLOURS[number % len(COLOURS)]
            axes.bar(places, heights, 0.92 * width, yerr=[below, above], label=name, color=colour, capsize=2)
        axes.set_ylim(0, 1)
        axes.set_ylabel(title)
        axes.spines[["top", "right"]].set_visible(False)
    axes.axhline(0.5, color="grey", linewidth=0.8, linestyle=":")
    axes.set_xticks(range(len(sets)), [name.replace("_", "\n") for name in sets], fontsize="small")
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=3, frameon=False, fontsize="small")
    figure.savefig(path, format="png", metadata={"Software": None})


def plot_benchmark(models: Mapping[str, Any], title: str, path: Path) -> None:
    """What each model reaches on a benchmark, with intervals, and the matrix where it has one, as a PNG.

    `models` is as evaluation.json holds it: "contexts" and "questions" between 0 and 1, or "score" from 1 to 5.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    matrices = {name: told["matrix"] for name, told in models.items() if told.get("matrix")}
    figure = Figure(figsize=(4.2 + 3 * len(matrices), 4), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    bars, *maps = figure.subplots(1, 1 + len(matrices), squeeze=False)[0]
    _bars(bars, models)
    bars.set_title(title, fontsize="medium")
    for axes, (name, matrix) in zip(maps, matrices.items(), strict=True):
        axes.imshow(matrix, vmin=0, vmax=1, cmap="Blues")
        for i, row in enumerate(matrix):
            for j, each in enumerate(row):
                axes.text(j, i, f"{each:.0%}", ha="center", va="center", color="white" if each > 0.5 else "black")
        axes.set_xticks(range(len(matrix)), range(1, len(matrix) + 1))
        axes.set_yticks(range(len(matrix)), range(1, len(matrix) + 1))
        axes.set(title=name, xlabel="likeliest answer", ylabel="context")
    figure.savefig(path, format="png", metadata={"Software": None})


def _bars(axes: Any, models: Mapping[str, Any]) -> None:
    first = next(iter(models.values()))
    shown = [figure for figure in ("contexts", "questions", "score") if figure in first]
    width = 0.8 / len(models)
    for number, (name, told) in enumerate(models.items()):
        shares = [told[figure] or NOTHING for figure in shown]
        places = [place + (number - (len(models) - 1) / 2) * width for place in range(len(shown))]
        errors = [[s["value"] - s["low"] for s in shares], [s["high"] - s["value"] for s in shares]]
        heights = [share["value"] for share in shares]
        axes.bar(
            places, heights, 0.92 * width, yerr=errors, label=name, color=COLOURS[number % len(COLOURS)], capsize=2
        )
    axes.set_ylim(*((1, 5) if shown == ["score"] else (0, 1)))
    labels = {"contexts": "contexts\nright", "questions": "questions\nright", "score": "mean score"}
    axes.set_xticks(range(len(shown)), [labels[figure] for figure in shown])
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize="small")
