"""curves.png: loss and accuracy over the steps of each stage. Needs matplotlib."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from metaalign_trainer.metrics import Row

PANELS = (("loss", "loss (nats)"), ("accuracy", "accuracy"))
TRAINING, HELD_OUT = "#33658a", "#c8553d"


def plot_curves(rows: Sequence[Row], path: Path) -> bool:
    """Draw what was measured at each step, and on held-out rows where that was. False where matplotlib is missing."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        return False
    stages = list(dict.fromkeys(row["stage"] for row in rows))
    figure = Figure(figsize=(5 * len(stages), 6), layout="constrained")
    axes = figure.subplots(len(PANELS), len(stages), squeeze=False)
    for column, stage in enumerate(stages):
        own = [row for row in rows if row["stage"] == stage]
        for (name, label), ax in zip(PANELS, axes[:, column], strict=True):
            _curve(ax, own, name, "training", TRAINING)
            _curve(ax, own, f"held_out_{name}", "held out", HELD_OUT)
            ax.set(title=stage if name == "loss" else None, xlabel="step", ylabel=label)
            ax.set_xlim(0, own[-1]["step"] + 1)  # all panels of a stage alike
            if name == "accuracy":
                ax.set_ylim(-0.02, 1.02)
                ax.axhline(0.5, color="grey", linewidth=0.8, linestyle=":")
            ax.grid(alpha=0.3)
            shown = ax.get_legend_handles_labels()[0]
            ax.legend() if shown else ax.set_visible(False)
    figure.savefig(path, dpi=120)
    return True


def _curve(ax: Any, rows: Sequence[Row], name: str, label: str, colour: str) -> None:
    points = [(row["step"], row[name]) for row in rows if row.get(name) is not None]
    if points:
        ax.plot(
            *zip(*points, strict=True),
            label=label,
            color=colour,
            marker="o" if len(points) < 40 else None,
            markersize=3,
        )
