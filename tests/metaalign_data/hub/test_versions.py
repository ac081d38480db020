"""Two versions of a dataset beside each other."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from huggingface_hub import HfApi

from loopback_hub.server import LoopbackHub
from metaalign_data.errors import UserError
from metaalign_data.hub.push import Target, push_folder
from metaalign_data.hub.versions import diff, read_version
from metaalign_data.records import PreferencePair, to_frame
from pushing import NAME
from rows import pair
from runs import made_run

KEPT, GONE, NEW = pair(query="kept"), pair(query="gone"), pair(query="new", subset="priority")
MOVED = KEPT.model_copy(update={"split": "test", "flip_id": "f"})


def compared(a: Sequence[PreferencePair], b: Sequence[PreferencePair]) -> dict[str, dict[str, object]]:
    return diff(to_frame(a, PreferencePair), to_frame(b, PreferencePair))


def test_rows_are_added_removed_changed_or_the_same_by_subset() -> None:
    same = pair(query="same")
    found = compared([KEPT, GONE, same], [MOVED, NEW, same])
    assert found["rows"] == {
        "helpful": {"added": 0, "removed": 1, "changed": 1, "same": 1},
        "priority": {"added": 1, "removed": 0, "changed": 0, "same": 0},
        "all": {"added": 1, "removed": 1, "changed": 1, "same": 1},
    }
    assert found["columns"] == {"flip_id": 1, "split": 1}


def test_equal_versions_differ_in_nothing() -> None:
    found = compared([KEPT, GONE], [GONE, KEPT])
    assert found["rows"]["all"] == {"added": 0, "removed": 0, "changed": 0, "same": 2}
    assert found["columns"] == {}
    assert all(a == b for a, b in found["figures"].values())  # type: ignore[misc]


def test_figures_stand_side_by_side_also_where_one_has_none() -> None:
    figures = compared([KEPT], [KEPT, NEW])["figures"]
    assert figures["rows"] == (1, 2)
    assert figures["subset.helpful"] == (1, 1)
    assert figures["subset.priority"] == (None, 1)


def test_a_run_and_each_revision_on_the_hub_can_be_read(tmp_path: Path, hub: LoopbackHub, api: HfApi) -> None:
    old, new = made_run(tmp_path / "old", [KEPT, GONE]), made_run(tmp_path / "new", [MOVED, NEW])
    for run in (old, new):
        push_folder(run / "dataset", Target(NAME), api=api)
    assert read_version(str(old)).equals(read_version(f"{NAME}@v1", api=api))
    assert read_version(str(new / "dataset")).equals(read_version(NAME, api=api))
    assert set(read_version(NAME, api=api)["split"]) == {"train", "test"}


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("nowhere", "is neither a directory nor USER/NAME"),
        ("tester/none", "there is no such repository, or this token may not see it"),
        (f"{NAME}@v9", "there is no such revision"),
        ("../tester/none", "is neither a directory nor USER/NAME"),
    ],
)
def test_what_is_no_version_is_told(hub: LoopbackHub, api: HfApi, name: str, said: str) -> None:
    api.create_repo(NAME, repo_type="dataset")
    with pytest.raises(UserError, match=said):
        read_version(name, api=api)


def test_a_repository_without_pairs_is_told(hub: LoopbackHub, api: HfApi) -> None:
    api.create_repo(NAME, repo_type="dataset")
    with pytest.raises(UserError, match="holds no pairs/"):
        read_version(NAME, api=api)
