import pytest

from metaalign_data.dataset.figures import dataset_figures
from metaalign_data.records import PreferencePair, to_frame
from rows import flip, pair

ROWS = [
    *flip("Yes", "No", "f1", split="test"),
    pair(query="Where?", preference_kind="implicit", preference_form="background", user_id="u1", twin_id="t"),
    pair(query="When?", rejected_because="generic_answer", harmful=True, user_id="u1", placement="history"),
]


@pytest.mark.parametrize("lazy", [False, True])
def test_the_figures_of_a_small_dataset(lazy: bool) -> None:
    frame = to_frame(ROWS, PreferencePair)
    assert dataset_figures(frame.lazy() if lazy else frame) == {
        "rows": 4,
        "queries": 3,
        "users": 1,
        "subset": {"helpful": 4},
        "preference_kind": {"explicit": 3, "implicit": 1},
        "preference_form": {"statement": 3, "background": 1},
        "placement": {"user_info": 3, "history": 1},
        "split": {"test": 2, "train": 2},
        "rejected_because": {"contrasting_preference": 3, "generic_answer": 1},
        "flip_share": 0.5,
        "twin_share": 0.25,
        "harmful_share": 0.25,
        "preferences": 3,
        "largest_preference_share": 0.5,
    }


def test_no_rows_have_no_shares() -> None:
    found = dataset_figures(to_frame([], PreferencePair))
    assert (found["rows"], found["preferences"], found["subset"]) == (0, 0, {})
    assert {found[name] for name in found if name.endswith("_share")} == {None}
