"""How many requests a server is given at once: more while that gains something, fewer when it only makes them wait."""

START = 32
CUT = 0.5
"""What is left of the window when the server says that it has too much to do, or answers not at all."""
QUEUEING = 2.0
"""So many times the best time per token, without more tokens a second: requests wait in the server's queue."""
EASE = 0.8
GAIN = 1.1


class Window:
    """Starts with a few, doubles with each round of answers until something is wrong, then adds one a round.

    A round is as many answers as the window holds. `ceiling` is what the recipe allows.
    """

    def __init__(self, ceiling: int) -> None:
        self.ceiling = ceiling
        self.size = float(min(ceiling, START))
        self.mean_s = 0.0
        self._doubling = True
        self._cut_at = -1.0
        self._round_at = -1.0
        self._round = self.size
        self._answers = self._tokens = 0
        self._waited_s = 0.0
        self._best: tuple[float, float] | None = None  # seconds a token, tokens a second
        self._eased_from = 0.0  # seconds a token before the last ease

    def answered(self, sent_at: float, now: float, tokens: int, *, full: bool) -> None:
        """An answer of so many tokens came. `full`: the window was all in use."""
        took_s = now - sent_at
        self.mean_s = took_s if not self.mean_s else 0.95 * self.mean_s + 0.05 * took_s
        if not self._answers and self._round_at < 0:
            self._round_at = sent_at
        self._answers, self._tokens = self._answers + 1, self._tokens + max(tokens, 1)
        self._waited_s += took_s
        if full:
            self._grow(1.0 if self._doubling else 1.0 / self.size)
        if self._answers >= max(START, int(self._round)):
            self._close(now)

    def overloaded(self, sent_at: float, now: float) -> None:
        """A request of that time found the server unable. Those sent before the last cut tell nothing new."""
        if sent_at >= self._cut_at:
            self._shrink(CUT, now)

    def _close(self, now: float) -> None:
        """Compare a round with the best one. Where easing did not help, the server has become slower by itself."""
        pace, flow = self._waited_s / self._tokens, self._tokens / max(now - self._round_at, 1e-9)
        self._round_at, self._answers, self._tokens, self._waited_s = now, 0, 0, 0.0
        if self._best is None or pace < self._best[0] or flow > GAIN * self._best[1]:
            self._best, self._eased_from = (pace, flow), 0.0
        elif pace > QUEUEING * self._best[0]:
            if self._eased_from and pace > GAIN * EASE * self._eased_from:
                self._best, self._eased_from = (pace, flow), 0.0
            else:
                self._eased_from, self.size = pace, min(self.size, self._round)  # it may have grown meanwhile
                self._shrink(EASE, now)
        self._round = self.size

    def _grow(self, by: float) -> None:
        self.size = min(float(self.ceiling), self.size + by)

    def _shrink(self, to: float, now: float) -> None:
        self.size = max(1.0, self.size * to)
        self._doubling, self._cut_at = False, now
