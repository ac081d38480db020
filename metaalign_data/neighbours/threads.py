"""Small products side by side: one thread of ours for each core, and one of BLAS in each."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TypeVar

from threadpoolctl import ThreadpoolController

T = TypeVar("T")
R = TypeVar("R")

CORES = os.cpu_count() or 1


@cache
def _blas() -> ThreadpoolController:
    return ThreadpoolController()


def side_by_side(work: Callable[[T], R], tasks: Sequence[T]) -> list[R]:
    """`work` of each task, in their order.

    BLAS has threads of its own, but for products of some hundred rows they wait for each other longer than they work:
    on a busy machine ten times as long.
    """
    with _blas().limit(limits=1, user_api="blas"):
        if CORES == 1 or len(tasks) < 2:
            return [work(task) for task in tasks]
        with ThreadPoolExecutor(CORES) as pool:
            return list(pool.map(work, tasks))
