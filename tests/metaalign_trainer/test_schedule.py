import pytest

from metaalign_trainer.schedule import learning_rate


def rates(shape: str, warmup: float = 0.2) -> list[float]:
    return [learning_rate(step, 10, peak=1.0, warmup=warmup, shape=shape) for step in range(10)]  # type: ignore[arg-type]


def test_the_rate_rises_in_a_line_to_its_peak() -> None:
    assert rates("constant")[:3] == [0.5, 1.0, 1.0]
    assert rates("constant", 0.0) == [1.0] * 10


def test_linear_goes_down_in_equal_steps_and_would_next_be_zero() -> None:
    assert rates("linear")[2:] == pytest.approx([1 - i / 8 for i in range(8)])


def test_cosine_is_at_half_the_peak_halfway() -> None:
    found = rates("cosine")
    assert found[2] == 1.0
    assert found[6] == pytest.approx(0.5)
    assert 0 < found[-1] < 0.05
