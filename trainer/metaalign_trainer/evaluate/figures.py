"""From leads of single rows to shares with intervals."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

RESAMPLES = 1_000
GROUPS = ("split", "subset", "preference_kind", "dimension", "matrix_cell")
"""Columns by which figures are told apart."""

Row = Mapping[str, Any]
Leads = Mapping[str, float]


@dataclass(frozen=True)
class Share:
    """A share between 0 and 1 of `n` cases, with a 95 % bootstrap interval over clusters of rows."""

    value: float
    low: float
    high: float
    n: int


@dataclass(frozen=True)
class Figures:
    """Of one set of rows.

    pairs   the chosen answer is ahead (a tie is half)
    ties    neither is
    flips   in both rows of a flip the chosen answer is ahead: the same two answers, under meta-prompts that disagree
    twins   in all rows of a twin: the same preference, stated in one pair of rows and implied in the other
    Shares of no cases are None.
    """

    pairs: Share
    ties: float
    flips: Share | None
    twins: Share | None


def figures(rows: Sequence[Row], leads: Leads, seed: int = 0) -> Figures | None:
    """Figures of the rows that have a lead; None where none has."""
    scored = [row for row in rows if row["id"] in leads]
    if not scored:
        return None
    lead = np.array([leads[row["id"]] for row in scored])
    right = (lead > 0) + (lead == 0) / 2
    return Figures(
        pairs=share(right, clusters(scored), seed),
        ties=float((lead == 0).mean()),
        flips=_whole(scored, leads, "flip_id", seed),
        twins=_whole(scored, leads, "twin_id", seed),
    )


def _whole(rows: Sequence[Row], leads: Leads, column: str, seed: int) -> Share | None:
    """How many groups of rows that share a value of `column` are right in every row. Groups of one are left out."""
    groups: dict[str, list[Row]] = {}
    for row in rows:
        if row.get(column) is not None:
            groups.setdefault(row[column], []).append(row)
    whole = [group for group in groups.values() if len(group) > 1]
    if not whole:
        return None
    right = np.array([all(leads[row["id"]] > 0 for row in group) for group in whole], dtype=float)
    return share(right, [group[0].get("query_id") or number for number, group in enumerate(whole)], seed)


def clusters(rows: Sequence[Row]) -> list[object]:
    """What goes together when rows are drawn: those of one query, whose answers and wishes are alike."""
    return [row.get("query_id") or row.get("flip_id") or row["id"] for row in rows]


def share(right: npt.NDArray[np.float64], of: Sequence[object], seed: int) -> Share:
    """The mean of `right`, and percentiles of the means of RESAMPLES draws of whole clusters (cluster bootstrap)."""
    low, high = interval(lambda weights: weights @ right / weights.sum(), of, seed)
    return Share(float(right.mean()), low, high, len(right))


def interval(mean: Callable[[npt.NDArray[np.float64]], float], of: Sequence[object], seed: int) -> tuple[float, float]:
    """2.5th and 97.5th percentile of `mean` over weights of cases, as drawing whole clusters with replacement gives."""
    numbers = {name: number for number, name in enumerate(dict.fromkeys(of))}
    cluster = np.array([numbers[name] for name in of])
    rng = np.random.default_rng(seed)
    drawn = [
        mean(np.bincount(rng.integers(len(numbers), size=len(numbers)), minlength=len(numbers))[cluster].astype(float))
        for _ in range(RESAMPLES)
    ]
    low, high = np.percentile(drawn, [2.5, 97.5])
    return float(low), float(high)


@dataclass(frozen=True)
class Difference:
    """How much more of the rows a model has right than another, over the rows that both have, with its interval."""

    value: float
    low: float
    high: float
    n: int


def difference(rows: Sequence[Row], leads: Leads, other: Leads, seed: int = 0) -> Difference | None:
    """Paired by row: what the two have in common, such as rows that are easy, does not widen the interval."""
    both = [row for row in rows if row["id"] in leads and row["id"] in other]
    if not both:
        return None
    ours, theirs = (np.array([(of[row["id"]] > 0) + (of[row["id"]] == 0) / 2 for row in both]) for of in (leads, other))
    gain = (ours - theirs).astype(float)
    low, high = interval(lambda weights: weights @ gain / weights.sum(), clusters(both), seed)
    return Difference(float(gain.mean()), low, high, len(both))


def by_group(rows: Sequence[Row], leads: Leads, seed: int = 0) -> dict[str, dict[str, dict[str, Any]]]:
    """Column -> value -> figures as plain values; "conflicts" are all cells of the priority matrix that end so."""
    found: dict[str, dict[str, dict[str, Any]]] = {"all": _told({"all": rows}, leads, seed)}
    for column in GROUPS:
        groups: dict[str, list[Row]] = {}
        for row in rows:
            if row.get(column) is not None:
                groups.setdefault(str(row[column]), []).append(row)
        if groups:
            found[column] = _told(dict(sorted(groups.items())), leads, seed)
    conflicts = [row for row in rows if str(row.get("matrix_cell")).endswith("/conflicts")]
    if conflicts:
        found["conflicts"] = _told({"conflicts": conflicts}, leads, seed)
    return found


def _told(groups: Mapping[str, Sequence[Row]], leads: Leads, seed: int) -> dict[str, dict[str, Any]]:
    made = {name: figures(rows, leads, seed) for name, rows in groups.items()}
    return {name: asdict(found) for name, found in made.items() if found}


def unseen_combinations(rows: Iterable[Row], train: Iterable[Row]) -> list[Row]:
    """Rows that compose wishes which no row of `train` composes."""
    seen = {(row["dimension"], row["value"]) for row in train}
    return [row for row in rows if " + " in row["dimension"] and (row["dimension"], row["value"]) not in seen]
