"""Looking for garbage cycles less often while rows are made."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

THRESHOLDS = (20_000, 20, 100)


@contextmanager
def rare_collections() -> Iterator[None]:
    """Python's collector walks all that is alive again and again: a sixth of a run's time, and rows hold no cycles.

    What is there at the start is left out of the walks. Cycles are still found, later.
    """
    before = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()
