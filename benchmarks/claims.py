"""What `make reproduce` expects, and how it shows what it measured."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SETS = ("seen preferences", "unseen preferences", "unseen combinations", "conflicts", "all flips")
WITHOUT_CONFLICTS = ("seen, no conflict", "unseen, no conflict")
"""Parts of the first two sets, for the eye: what is expected is asked of the whole ones."""
STATIC_SFT, STATIC_DPO, ONE_STAGE = "static SFT", "static SFT + DPO", "MetaAlign SFT"
LONGER, TWO_STAGE, SAMPLED = "MetaAlign SFT, longer", "MetaAlign SFT + DPO", "MetaAlign SFT + DPO, sampled"
COLOURS = {
    STATIC_SFT: "tab:gray",
    STATIC_DPO: "silver",
    ONE_STAGE: "tab:blue",
    LONGER: "lightsteelblue",
    TWO_STAGE: "tab:green",
    SAMPLED: "tab:olive",
}
MODELS = tuple(COLOURS)
SEEN_BAR, UNSEEN_BAR, STATIC_BAR = 0.9, 0.8, 0.05
Table = Mapping[str, Mapping[str, Mapping[str, Any]]]


def flip(table: Table, model: str, rows: str) -> float:
    return float(table[model][rows]["flip_accuracy"]["mean"])


@dataclass(frozen=True)
class Bar:
    told: str
    holds: Callable[[Table], bool]


BARS = (
    Bar(
        f"flip accuracy of MetaAlign is at least {SEEN_BAR:.0%} on seen preferences",
        lambda table: max(flip(table, name, SETS[0]) for name in (ONE_STAGE, TWO_STAGE)) >= SEEN_BAR,
    ),
    Bar(
        f"flip accuracy of MetaAlign is at least {UNSEEN_BAR:.0%} on unseen preferences",
        lambda table: max(flip(table, name, SETS[1]) for name in (ONE_STAGE, TWO_STAGE)) >= UNSEEN_BAR,
    ),
    Bar(
        f"flip accuracy of the static models is at most {STATIC_BAR:.0%}",
        lambda table: max(flip(table, name, SETS[-1]) for name in (STATIC_SFT, STATIC_DPO)) <= STATIC_BAR,
    ),
    Bar(
        "two stages are above one",
        lambda table: flip(table, TWO_STAGE, SETS[-1]) > flip(table, ONE_STAGE, SETS[-1]),
    ),
)


def print_table(table: Table) -> None:
    from rich.console import Console
    from rich.table import Table as Shown

    for measure, title in (
        ("flip_accuracy", "Flip accuracy: both orders right (mean, least to most of the seeds)"),
        ("pair_accuracy", "Pair accuracy: the chosen answer is the likelier one"),
        ("leaning", "Leaning: the meta-prompts move the two answers of a flip the right way"),
    ):
        shown_sets = (*SETS, *WITHOUT_CONFLICTS)
        first = next(iter(table.values()))
        shown = Shown("", *(f"{name}\n{first[name]['flips']} flips" for name in shown_sets), title=title)
        for model, by_set in table.items():
            cells = [by_set[name][measure] for name in shown_sets]
            shown.add_row(model, *(f"{c['mean']:.1%} ({c['least']:.0%} to {c['most']:.0%})" for c in cells))
        Console(width=180).print(shown)


def plot(table: Table, path: Path) -> None:
    """Flip accuracy by set and model, the range of the seeds as whiskers."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(9, 4.6), layout="constrained")
    width = 0.8 / len(table)
    for i, (model, by_set) in enumerate(table.items()):
        cells = [by_set[name]["flip_accuracy"] for name in SETS]
        places = [x + (i - (len(table) - 1) / 2) * width for x in range(len(SETS))]
        means = [cell["mean"] for cell in cells]
        whiskers = [[c["mean"] - c["least"] for c in cells], [c["most"] - c["mean"] for c in cells]]
        bars = axes.bar(places, means, width * 0.95, yerr=whiskers, label=model, color=COLOURS[model], capsize=2)
        axes.bar_label(bars, [f"{mean:.0%}" for mean in means], padding=2, fontsize=8)
    axes.plot([-0.45, 0.45], [SEEN_BAR] * 2, color="black", linestyle=":", linewidth=1)
    axes.plot([0.55, 1.45], [UNSEEN_BAR] * 2, color="black", linestyle=":", linewidth=1, label="expected")
    axes.set_xticks(range(len(SETS)), SETS)
    axes.set(ylabel="flips with both orders right", ylim=(0, 1.12))
    axes.set_yticks([0, 0.25, 0.5, 0.75, 1], ["0 %", "25 %", "50 %", "75 %", "100 %"])
    axes.set_title("Flips of which a model gets both orders right: means and ranges over the seeds")
    axes.legend(loc="upper right", fontsize=8, ncols=2)
    figure.savefig(path, dpi=140)
    plt.close(figure)
