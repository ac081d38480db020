"""Measured shares, how exactly they are known, and the bars that they are held to."""

from dataclasses import asdict, dataclass
from math import sqrt
from statistics import NormalDist
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

Z_95 = NormalDist().inv_cdf(0.975)
"""The normal quantile of a two-sided 95 % interval."""

Status = Literal["ok", "look at this", "too few to tell"]


@dataclass(frozen=True)
class Share:
    """A share of `n` cases, 0 to 1, and its 95 % confidence interval."""

    value: float
    low: float
    high: float
    n: int


def wilson(right: float, n: int) -> tuple[float, float]:
    """The 95 % interval of a share by Wilson (1927): holds near 0 and 1 and for few cases. (0, 1) of none."""
    if n == 0:
        return 0.0, 1.0
    share, z2 = right / n, Z_95**2 / n
    centre = (share + z2 / 2) / (1 + z2)
    half = Z_95 / (1 + z2) * sqrt(share * (1 - share) / n + z2 / (4 * n))
    return max(0.0, centre - half), min(1.0, centre + half)


def counted(hits: float, n: int) -> Share:
    """The share of independent cases. `n` is 1 or more."""
    return Share(hits / n, *wilson(hits, n), n)


def clustered(hit: npt.NDArray[np.float64], groups: npt.NDArray[np.intp]) -> Share:
    """The share of cases that go together in groups: the normal interval with the variance between groups.

    A hit is 0 to 1, `groups` numbers each case's group. Linearised ratio estimator, Cochran, Sampling Techniques, 1977.
    """
    p, n = float(hit.mean()), len(hit)
    residuals = np.bincount(groups, weights=hit - p)
    count = len(np.unique(groups))
    reach = Z_95 * sqrt(count / max(count - 1, 1) * float(residuals @ residuals)) / n
    return Share(p, max(0.0, p - reach), min(1.0, p + reach), n)


@dataclass(frozen=True)
class Check:
    """A share that is right between `at_least` and `at_most`, of the rows that `scope` names."""

    name: str
    scope: str
    share: Share
    at_least: float
    at_most: float
    meaning: str

    @property
    def status(self) -> Status:
        """Whether the share is right; "too few to tell" where it is not, but the interval reaches what is."""
        if self.at_least <= self.share.value <= self.at_most:
            return "ok"
        reaches = self.share.low <= self.at_most and self.share.high >= self.at_least
        return "too few to tell" if reaches else "look at this"

    def as_dict(self) -> dict[str, Any]:
        fields = asdict(self)
        share = fields.pop("share")
        return {**fields, **share, "status": self.status}
