"""A server that allows so many requests a second, in simulated time."""

import heapq
from collections.abc import Callable
from random import Random

import pytest

from metaalign_data.teacher.rate import Bucket, LearntRate


class Simulated:
    """Asks as fast as the learnt rate lets it, `at_once` at most; a token bucket answers, each after 0.2 s."""

    def __init__(
        self, allowed: Callable[[float], float], *, burst_s: float = 1.0, noise: float = 0.0, at_once: int = 64
    ) -> None:
        self.allowed, self.burst_s, self.noise, self.at_once = allowed, burst_s, noise, at_once
        self.answered: list[float] = []
        self.limited: list[float] = []

    def run(self, seconds: float) -> None:
        rate, rng, events = LearntRate(), Random(1), [(0.0, 0, "wake", 0.0)]
        rate.floor = self.at_once / 0.2 / 4
        level, filled_at, in_flight, n, wakes_at = self.allowed(0) * self.burst_s, 0.0, 0, 0, 0.0
        while events and (now := events[0][0]) < seconds:
            _, _, kind, sent_at = heapq.heappop(events)
            if kind == "answer":
                self.answered.append(now)
            elif kind == "429":
                self.limited.append(now)
                rate.limited(sent_at, now)
            in_flight -= kind != "wake"
            while in_flight < min(self.at_once, 16 + len(self.answered)):
                if delay_s := rate.delay_s(now):
                    if wakes_at <= now:
                        wakes_at = now + max(delay_s, 0.001)
                        heapq.heappush(events, (wakes_at, n := n + 1, "wake", 0.0))
                    break
                rate.sent(now)
                in_flight += 1
                level = min(self.allowed(now) * self.burst_s, level + (now - filled_at) * self.allowed(now))
                filled_at = now
                refused = level < 1 or rng.random() < self.noise
                level -= not refused
                event = (now + (0.002 if refused else 0.2), n := n + 1, "429" if refused else "answer", now)
                heapq.heappush(events, event)

    def share(self, since: float, until: float) -> float:
        """Answers in this time over what was allowed."""
        return sum(since <= at < until for at in self.answered) / (self.allowed(since) * (until - since))

    @property
    def refused(self) -> float:
        return len(self.limited) / (len(self.limited) + len(self.answered))


@pytest.mark.parametrize("burst_s", [0.1, 1.0])
@pytest.mark.parametrize("allowed", [20.0, 50.0, 200.0])
def test_a_limit_is_found_within_ten_seconds_with_few_429s(allowed: float, burst_s: float) -> None:
    server = Simulated(lambda _: allowed, burst_s=burst_s, at_once=96)
    server.run(60)
    assert server.share(10, 20) >= 0.93
    assert server.share(20, 60) >= 0.95
    assert sum(at > 10 for at in server.limited) < 0.02 * sum(at > 10 for at in server.answered)


def test_a_limit_that_rises_or_falls_is_followed() -> None:
    server = Simulated(lambda now: 100.0 if 20 <= now < 40 else 50.0)
    server.run(60)
    assert server.share(30, 40) >= 0.95
    assert server.share(50, 60) >= 0.95
    assert server.refused < 0.02


def test_429s_that_come_at_any_rate_do_not_slow_it_down_for_ever() -> None:
    server = Simulated(lambda _: 1e6, noise=0.05)
    server.run(60)
    assert len(server.answered) > 0.2 * 60 * 64 / 0.2


def test_nothing_is_held_back_before_the_first_429() -> None:
    rate = LearntRate()
    for _ in range(1000):
        rate.sent(0.0)
    assert rate.delay_s(0.0) == 0.0


def test_requests_that_were_under_way_at_a_429_slow_down_once() -> None:
    rate = LearntRate()
    for _ in range(100):
        rate.sent(0.0)
    rate.limited(0.0, 1.0)
    assert rate.bucket is not None
    slowed = rate.bucket.per_s
    rate.limited(0.5, 1.1)
    assert rate.bucket.per_s == slowed


def test_a_bucket_lets_through_its_rate_and_what_is_larger_than_itself() -> None:
    bucket = Bucket(10.0, 5.0, 0.0)
    assert bucket.delay_s(5.0, 0.0) == 0.0
    bucket.take(5.0)
    assert bucket.delay_s(1.0, 0.0) == pytest.approx(0.1)
    assert bucket.delay_s(1.0, 0.1) == 0.0
    assert bucket.delay_s(50.0, 0.1) == pytest.approx(0.4)
    bucket.take(50.0)
    assert bucket.delay_s(1.0, 0.1) == pytest.approx(5.0)
