"""Models side by side as bars with intervals."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

COLOURS = ("#33658a", "#f6ae2d", "#86bbd8", "#c8553d", "#758e4f", "#8e7dbe")
NOTHING = {"value": 0.0, "low": 0.0, "high": 0.0, "n": 0}


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
