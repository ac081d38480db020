"""How fast a server lets itself be asked: as it says, as the recipe says, or as its 429s teach."""

import math

HOLD_BACK = 0.97
"""Of a limit that was found: a little below it the server's bucket fills up again."""
BLIND_CUT = 0.7
"""Where two 429s are too near to each other to measure between them."""
FIRST_PER_S = 10.0
"""After the first 429, at least."""
FEWEST = 8
"""Requests between two 429s, to tell a rate from."""
GROWTH, DOUBLING_S, MOST_GROWTH = 0.01, 2.0, 1.0
"""Growth of the rate in a second, and how soon it doubles: careful near a limit just found, bold when none shows up."""
STEP, DOUBLING, MOST_STEP = 0.0001, 50, 0.01
"""The same for each request: at hundreds a second a limit shows up sooner."""
STORM, RECENT, STORM_S = 0.2, 50, 300.0
"""When this share of the last RECENT requests or so got a 429, they are no noise, and that stands for so long."""


class Bucket:
    """Fills with `per_s` a second, up to `burst`; taking leaves it below zero where more is needed than it can hold."""

    def __init__(self, per_s: float, burst: float, now: float, level: float | None = None) -> None:
        self.per_s, self.burst = per_s, burst
        self.level, self._at = burst if level is None else level, now

    def delay_s(self, needed: float, now: float) -> float:
        """How long until `needed` can be taken, or as much of it as the bucket ever holds."""
        self.level = min(self.burst, self.level + (now - self._at) * self.per_s)
        self._at = now
        lacking = min(needed, self.burst) - self.level
        return lacking / self.per_s if lacking > 1e-6 else 0.0

    def take(self, n: float) -> None:
        self.level -= n


class LearntRate:
    """Requests a second that a server takes, from its 429s: None until the first.

    Between two 429s the server has let through exactly what it allows in that time, whatever its burst. Just below that
    rate the next seconds are spent; then it is tried again whether there is more, faster and faster. A few
    429s that come at any rate would slow it down for ever; `floor` is what it stays above unless they become many.
    """

    def __init__(self) -> None:
        self.bucket: Bucket | None = None
        self._sent = 0  # since `_since`, those that were answered 429 left out
        self._since: float | None = None
        self.floor = 0.0
        self._limited_at = self._grown_at = self._storm_at = -math.inf
        self._share = 0.0  # of 429s, among the last RECENT or so

    def delay_s(self, now: float) -> float:
        if self.bucket is None:
            return 0.0
        delay_s = self.bucket.delay_s(1.0, now)
        if delay_s:
            self._grow(self.bucket, now)
        return delay_s

    def sent(self, now: float) -> None:
        if self._since is None:
            self._since = now
        self._sent += 1
        self._share -= self._share / RECENT
        if self.bucket is not None:
            self.bucket.take(1.0)

    def limited(self, sent_at: float, now: float) -> None:
        """A request of that time was answered 429."""
        self._sent -= 1
        self._share += 1 / RECENT
        if self._share > STORM:
            self._storm_at = now
        # Those that were sent before the last 429 was heard of tell nothing new.
        if sent_at >= self._limited_at:
            rate = self._slower(now)
            if now - self._storm_at > STORM_S:
                rate = max(rate, self.floor)
            self.bucket = Bucket(rate, max(1.0, rate / 10), now, level=0.0)
            self._sent, self._since, self._limited_at, self._grown_at = 0, now, now, now

    def _slower(self, now: float) -> float:
        """What to ask after a 429, in requests a second."""
        span_s = now - (now if self._since is None else self._since)
        if self.bucket is None:  # all that was sent may have been the server's burst: taken for half a second's worth
            return max(FIRST_PER_S, self._sent / max(0.5, span_s))
        asked = self.bucket.per_s
        if self._sent < FEWEST:
            return BLIND_CUT * asked
        return HOLD_BACK * min(asked, self._sent / span_s)

    def _grow(self, bucket: Bucket, now: float) -> None:
        """Only while requests wait for it: a rate that nobody tries proves nothing."""
        growth = min(MOST_GROWTH, GROWTH * 2 ** min((now - self._limited_at) / DOUBLING_S, 16))
        step = min(MOST_STEP, STEP * 2 ** min(self._sent / DOUBLING, 16))
        bucket.per_s *= math.exp(growth * min(now - self._grown_at, 1.0) + step)
        bucket.burst = max(1.0, bucket.per_s / 10)
        self._grown_at = now
