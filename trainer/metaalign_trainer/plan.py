"""Which rows a step takes, and in how many passes. Everything follows from seed and step: resuming needs no state."""

import heapq
import math
from collections.abc import Sequence

import numpy as np


def steps_in_all(rows: int, rows_per_step: int, epochs: int, max_steps: int | None) -> int:
    """Optimiser steps of a stage; the last step of an epoch may have fewer rows."""
    steps = epochs * math.ceil(rows / rows_per_step)
    return min(steps, max_steps) if max_steps else steps


def together(flips: Sequence[str | None]) -> list[list[int]]:
    """Indexes of rows, those of one flip side by side; a row without a flip is alone.

    In one step, what makes one of their two answers likelier under any meta-prompt cancels out of the gradient, and
    what is left is the preference.
    """
    groups: dict[str | int, list[int]] = {}
    for i, flip in enumerate(flips):
        groups.setdefault(i if flip is None else flip, []).append(i)
    return list(groups.values())


class Order:
    """Which rows each step takes. Each epoch takes every row once, in an order of its own.

    The rows of a group follow each other: only the edge of a step divides them.
    """

    def __init__(self, groups: Sequence[Sequence[int]], rows_per_step: int, seed: int) -> None:
        self.groups, self.rows_per_step, self.seed = groups, rows_per_step, seed
        self._steps = math.ceil(sum(map(len, groups)) / rows_per_step)
        self._epoch, self._rows = -1, list[int]()

    def of_step(self, step: int) -> list[int]:
        """Indexes of the rows of step `step`, counted from 0."""
        epoch, at = divmod(step, self._steps)
        if epoch != self._epoch:
            order = np.random.default_rng([self.seed, epoch]).permutation(len(self.groups))
            self._epoch, self._rows = epoch, [row for group in order for row in self.groups[group]]
        return self._rows[at * self.rows_per_step : (at + 1) * self.rows_per_step]


def passes(lengths: Sequence[int], tokens_at_once: int, processes: int = 1) -> list[list[int]]:
    """Indexes of rows, divided into forward passes of at most `tokens_at_once` tokens (one row alone may have more).

    As many passes for each process as for the others, about equal in tokens; with fewer rows than processes, some
    are empty.
    """
    one_each = math.ceil(len(lengths) / processes)
    rounds = min(math.ceil(sum(lengths) / (tokens_at_once * processes)), one_each)
    while True:
        divided = _balanced(lengths, rounds * processes)
        if all(len(rows) <= 1 or sum(lengths[i] for i in rows) <= tokens_at_once for rows in divided):
            return divided
        rounds += 1


def _balanced(lengths: Sequence[int], parts: int) -> list[list[int]]:
    """The longest first, each to where the least is so far."""
    loads = [(0, part) for part in range(parts)]
    divided: list[list[int]] = [[] for _ in range(parts)]
    for i in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        load, part = heapq.heappop(loads)
        divided[part].append(i)
        heapq.heappush(loads, (load + lengths[i], part))
    return divided
