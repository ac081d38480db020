import pytest

from metaalign_data.teacher.window import START, Window


def rounds(window: Window, n: int, latency: float, start_s: float = 0.0, tokens: int = 10) -> float:
    """`n` rounds of answers that each took `latency` seconds; the time at the end."""
    now = start_s
    for _ in range(n):
        now += latency
        for _ in range(int(window.size)):
            window.answered(now - latency, now, tokens, full=True)
    return now


def test_it_doubles_up_to_the_ceiling_while_nothing_is_wrong() -> None:
    window = Window(100)
    assert window.size == START
    rounds(window, 1, 0.2)
    assert window.size == 2 * START
    rounds(window, 3, 0.2)
    assert window.size == 100


def test_it_starts_no_higher_than_its_ceiling() -> None:
    assert Window(4).size == 4


def test_it_does_not_grow_while_it_is_not_used() -> None:
    window = Window(100)
    for i in range(50):
        window.answered(i, i + 0.2, 10, full=False)
    assert window.size == START


def test_a_server_with_too_much_to_do_gets_half_and_then_one_more_a_round() -> None:
    window = Window(64)
    now = rounds(window, 3, 0.2)
    window.overloaded(now, now)
    assert window.size == 32
    window.overloaded(now - 0.1, now + 0.1)  # under way when the first one was heard of
    assert window.size == 32
    rounds(window, 2, 0.2, now)
    assert 33 <= window.size <= 36


def test_answers_that_take_longer_without_more_of_them_shrink_it() -> None:
    window = Window(256)
    now = rounds(window, 1, 0.2)
    for _ in range(20):  # the server works on so many at a time: the more it is given, the longer each takes
        now = rounds(window, 1, 0.2 * window.size / START, now)
    assert window.size < 4 * START


def test_answers_that_take_longer_because_there_are_more_of_them_do_not() -> None:
    window = Window(256)
    now = 0.0
    for _ in range(8):  # batching: twice as many take 1.4 times as long
        now = rounds(window, 1, 0.2 * (window.size / START) ** 0.5, now)
    assert window.size == 256


def test_a_server_that_becomes_slower_by_itself_is_not_starved() -> None:
    window = Window(64)
    now = rounds(window, 5, 0.2)
    rounds(window, 200, 2.0, now)
    assert window.size == 64


def test_longer_answers_are_no_sign_of_anything() -> None:
    window = Window(64)
    now = rounds(window, 5, 0.2, tokens=10)
    rounds(window, 5, 4.0, now, tokens=200)
    assert window.size == 64


@pytest.mark.parametrize("cuts", [20])
def test_it_never_closes(cuts: int) -> None:
    window = Window(64)
    for i in range(cuts):
        window.overloaded(i, i)
    assert window.size == 1.0
