from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from metaalign_trainer.plan import Order, passes, steps_in_all, together

ALONE = [[i] for i in range(10)]


def test_each_epoch_takes_every_row_once_in_an_order_of_its_own() -> None:
    steps = steps_in_all(10, 4, epochs=2, max_steps=None)
    assert steps == 6
    order = Order(ALONE, 4, seed=1)
    taken = [order.of_step(step) for step in range(steps)]
    assert [len(rows) for rows in taken] == [4, 4, 2, 4, 4, 2]
    first, second = ([row for rows in epoch for row in rows] for epoch in (taken[:3], taken[3:]))
    assert sorted(first) == sorted(second) == list(range(10))
    assert first != second
    assert Order(ALONE, 4, seed=2).of_step(0) != taken[0]
    assert order.of_step(1) == taken[1]  # a resumed run begins anywhere


def test_the_rows_of_a_flip_are_in_one_step_and_each_epoch_still_takes_every_row_once() -> None:
    groups = together(["a", "b", None, "a", None, "b", "c", "c"])
    assert groups == [[0, 3], [1, 5], [2], [4], [6, 7]]
    whole = together(["a", "b", "c", "a", "c", "b", "d", "d"])
    for seed in range(20):
        order = Order(whole, 4, seed)
        taken = [order.of_step(step) for step in range(2)]
        assert sorted(taken[0] + taken[1]) == list(range(8))
        assert all(set(group) <= set(rows) or not set(group) & set(rows) for group in whole for rows in taken)


def test_max_steps_ends_earlier() -> None:
    assert steps_in_all(10, 4, epochs=2, max_steps=5) == 5
    assert steps_in_all(10, 4, epochs=1, max_steps=5) == 3


@given(st.lists(st.integers(1, 300), min_size=1, max_size=40), st.integers(1, 500), st.integers(1, 5))
def test_passes_take_every_row_once_within_their_room(lengths: list[int], room: int, processes: int) -> None:
    divided = passes(lengths, room, processes)
    assert Counter(i for part in divided for i in part) == Counter(range(len(lengths)))
    assert len(divided) % processes == 0
    assert sum(not part for part in divided) < processes
    for part in divided:
        assert len(part) <= 1 or sum(lengths[i] for i in part) <= room


def test_two_processes_get_about_the_same_work() -> None:
    assert sorted(map(sorted, passes([9, 5, 4, 1, 1], 100, 2))) == [[0, 3], [1, 2, 4]]
