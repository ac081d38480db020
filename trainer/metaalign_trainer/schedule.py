"""The learning rate of each step."""

import math
from typing import Literal


def learning_rate(
    step: int, total: int, *, peak: float, warmup: float, shape: Literal["cosine", "linear", "constant"]
) -> float:
    """Of step `step` (counted from 0) of `total`: up in a line over the share `warmup` of the steps, then down to 0.

    The first step is never at 0, and the step after the last one would be.
    """
    rising = math.ceil(warmup * total)
    if step < rising:
        return peak * (step + 1) / rising
    done = (step - rising) / (total - rising)
    match shape:
        case "cosine":
            return peak * (1 + math.cos(math.pi * done)) / 2
        case "linear":
            return peak * (1 - done)
        case "constant":
            return peak
