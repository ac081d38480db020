"""A Hub that fails in the middle of a push: it ends complete, or changes nothing that can be seen and goes on later."""

from pathlib import Path

import pytest
from huggingface_hub import HfApi

from loopback_hub.server import LoopbackHub
from metaalign_data.errors import MetaalignError, UserError
from metaalign_data.hub.asking import HubUnavailable
from metaalign_data.hub.push import Pushed, Target, push_folder
from metaalign_data.hub.record import RECORD
from pushing import NAME, contents, edit, tags, titles

COMMIT, UPLOAD = "POST .*/commit/", "PUT /_lfs"
TRAIN = "pairs/train-00000-of-00001.parquet"


def push(folder: Path, api: HfApi, **target: object) -> Pushed:
    return push_folder(folder, Target(NAME, **target), api=api)  # type: ignore[arg-type]


def change(folder: Path) -> None:
    (folder / TRAIN).write_bytes(b"changed" * 20_000)
    (folder / "figures.json").write_text("{}")


def is_complete(hub: LoopbackHub, folder: Path) -> bool:
    there = contents(hub)
    return there[TRAIN] == (folder / TRAIN).read_bytes() and (
        there["figures.json"] == (folder / "figures.json").read_bytes()
    )


@pytest.mark.parametrize(
    ("match", "failure"),
    [
        (UPLOAD, {"action": "status", "status": 500, "times": 2}),
        (UPLOAD, {"action": "status", "status": 429, "headers": {"Retry-After": "1"}}),
        (UPLOAD, {"action": "drop_upload", "after_bytes": 20_000}),
        (UPLOAD, {"action": "drop_upload", "times": 4}),
        ("POST .*/objects/batch", {"action": "status", "status": 502}),
        ("POST .*/preupload/", {"action": "drop"}),
        ("POST .*/complete", {"action": "lost_reply"}),
        ("POST /api/validate-yaml", {"action": "status", "status": 503}),
        ("GET /api/datasets/", {"action": "status", "status": 503, "times": 3}),
        (COMMIT, {"action": "status", "status": 500}),
        (COMMIT, {"action": "status", "status": 500, "times": 3}),
        (COMMIT, {"action": "status", "status": 429, "headers": {"Retry-After": "1"}}),
        (COMMIT, {"action": "drop"}),
        (COMMIT, {"action": "drop_upload", "after_bytes": 100}),
        (COMMIT, {"action": "lost_reply"}),
        ("POST .*/tag/", {"action": "status", "status": 500}),
        ("POST .*/tag/", {"action": "lost_reply"}),
        ("GET .*/tree/", {"action": "drop", "skip": 1}),
    ],
)
@pytest.mark.parametrize("first", [True, False])
def test_a_failure_that_passes_is_not_seen_in_the_end(
    folder: Path, hub: LoopbackHub, api: HfApi, match: str, failure: dict[str, object], first: bool
) -> None:
    if not first:
        push(folder, api)
        change(folder)
    before = 1 if first else 2
    hub.fail(match, **failure)  # type: ignore[arg-type]
    pushed = push(folder, api)
    assert is_complete(hub, folder)
    assert len(titles(api)) == before + 1
    assert tags(api)[str(pushed.version)] == pushed.commit == api.dataset_info(NAME).sha


@pytest.mark.parametrize(
    ("match", "action"),
    [(UPLOAD, "drop"), (UPLOAD, "drop_upload"), (COMMIT, "status"), (COMMIT, "drop"), ("GET .*/tree/", "drop")],
)
def test_a_failure_that_stays_changes_nothing_and_the_next_push_goes_on(
    folder: Path, hub: LoopbackHub, api: HfApi, match: str, action: str
) -> None:
    push(folder, api)
    change(folder)
    before = contents(hub)
    hub.fail(match, action, times=-1)  # type: ignore[arg-type]
    with pytest.raises(HubUnavailable, match="the same command goes on where this one stopped"):
        push(folder, api)
    assert contents(hub) == before
    hub.rules.clear()
    push(folder, api)
    assert is_complete(hub, folder)
    assert len(titles(api)) == 3


def test_what_went_up_before_the_hub_failed_is_not_sent_again(folder: Path, hub: LoopbackHub, api: HfApi) -> None:
    hub.fail(COMMIT, "status", status=500, times=-1)
    with pytest.raises(HubUnavailable, match="the repository was made for it, and may be empty"):
        push(folder, api)
    hub.rules.clear()
    hub.log.clear()
    push(folder, api)
    assert hub.asked(UPLOAD) == []
    assert is_complete(hub, folder)


def test_a_first_push_that_is_refused_leaves_no_repository_behind(folder: Path, hub: LoopbackHub, api: HfApi) -> None:
    hub.fail(COMMIT, "status", status=400)
    with pytest.raises(UserError, match="the Hub refuses it: injected 400"):
        push(folder, api)
    assert not api.repo_exists(NAME, repo_type="dataset")


def test_a_repository_that_somebody_filled_meanwhile_is_not_taken_back(
    folder: Path, hub: LoopbackHub, api: HfApi
) -> None:
    hub.fail("POST .*/preupload/", "call", call=lambda: edit(api, "theirs.txt", b"x"))
    hub.fail(COMMIT, "status", status=400, skip=1)
    with pytest.raises(UserError, match="the Hub refuses it"):
        push(folder, api)
    assert "theirs.txt" in contents(hub)


def test_an_empty_repository_that_cannot_be_removed_is_told(folder: Path, hub: LoopbackHub, api: HfApi) -> None:
    hub.fail(COMMIT, "status", status=400)
    hub.fail("DELETE ", "status", status=403)
    with pytest.raises(UserError, match="the empty repository that was made for it is still there"):
        push(folder, api)


def test_a_repository_that_was_there_is_not_removed(folder: Path, hub: LoopbackHub, api: HfApi) -> None:
    api.create_repo(NAME, repo_type="dataset")
    hub.fail(COMMIT, "status", status=400)
    with pytest.raises(UserError):
        push(folder, api)
    assert api.repo_exists(NAME, repo_type="dataset")


def test_what_others_commit_meanwhile_is_kept_where_it_is_not_ours(folder: Path, hub: LoopbackHub, api: HfApi) -> None:
    push(folder, api)
    change(folder)
    hub.fail(COMMIT, "call", call=lambda: edit(api, "notes.txt", b"by hand"))
    push(folder, api)
    assert is_complete(hub, folder)
    assert contents(hub)["notes.txt"] == b"by hand"
    assert titles(api)[1] == "edit notes.txt"


def test_a_card_that_people_edit_meanwhile_is_merged(folder: Path, hub: LoopbackHub, api: HfApi) -> None:
    push(folder, api)
    change(folder)
    (folder / "README.md").write_text("---\nlicense: cc-by-4.0\n---\nNew text.\n")
    edited = contents(hub)["README.md"] + b"\nBy hand.\n"
    hub.fail(COMMIT, "call", call=lambda: edit(api, "README.md", edited))
    push(folder, api)
    card = contents(hub)["README.md"].decode()
    assert "By hand." in card
    assert "New text." in card


def test_a_push_on_top_of_another_says_what_moved(folder: Path, hub: LoopbackHub, api: HfApi) -> None:
    push(folder, api)
    change(folder)
    hub.fail(COMMIT, "call", call=lambda: edit(api, TRAIN, b"theirs"))
    with pytest.raises(UserError, match=f"changed while this was pushed, from .* to .*: {TRAIN}; look at what is"):
        push(folder, api)
    assert contents(hub)[TRAIN] == b"theirs"


def test_two_pushes_of_the_same_at_once_are_one_commit(folder: Path, hub: LoopbackHub, api: HfApi) -> None:
    push(folder, api)
    change(folder)
    inner: list[Pushed] = []
    hub.fail(COMMIT, "call", call=lambda: inner.append(push(folder, api)))
    outer = push(folder, api)
    assert (outer.commit, outer.version) == (inner[0].commit, inner[0].version)
    assert len(titles(api)) == 3


def test_a_commit_whose_answer_is_lost_is_found_below_what_came_after_it(
    folder: Path, hub: LoopbackHub, api: HfApi
) -> None:
    push(folder, api)
    change(folder)
    hub.fail(COMMIT, "lost_reply")
    hub.fail("POST .*/paths-info/", "call", call=lambda: edit(api, "notes.txt", b"x"))
    pushed = push(folder, api)
    assert titles(api)[0] == "edit notes.txt"
    assert tags(api)["v2"] == pushed.commit
    assert TRAIN in contents(hub, revision="v2")
    assert "notes.txt" not in contents(hub, revision="v2")


def test_a_pull_request_whose_answer_is_lost_is_not_made_twice(folder: Path, hub: LoopbackHub, api: HfApi) -> None:
    push(folder, api)
    change(folder)
    hub.fail(COMMIT, "lost_reply")
    assert push(folder, api, create_pr=True).pull_request == 1
    refs = api.list_repo_refs(NAME, repo_type="dataset", include_pull_requests=True)
    assert len(refs.pull_requests or ()) == 1


def test_others_who_never_stop_are_told_of(folder: Path, hub: LoopbackHub, api: HfApi) -> None:
    push(folder, api)
    change(folder)
    count = iter(range(1_000))
    hub.fail(COMMIT, "call", times=-1, call=lambda: sneak(hub, f"notes-{next(count)}.txt"))
    with pytest.raises(MetaalignError, match="others kept changing it"):
        push(folder, api)
    assert not is_complete(hub, folder)


def test_what_arrives_damaged_is_told(folder: Path, hub: LoopbackHub, api: HfApi) -> None:
    push(folder, api)
    change(folder)
    hub.fail("GET .*/tree/", "call", skip=1, call=lambda: damage(hub))
    with pytest.raises(MetaalignError, match=r"is not what was sent: figures\.json"):
        push(folder, api)


def test_a_tag_of_somebody_else_stays_theirs(folder: Path, hub: LoopbackHub, api: HfApi) -> None:
    push(folder, api)
    change(folder)
    first = tags(api)["v1"]
    hub.fail("POST .*/tag/", "call", call=lambda: put_tag(hub, "v2", first))
    assert push(folder, api).version is None
    assert tags(api)["v2"] == first


def test_the_record_names_every_file_that_was_pushed(folder: Path, hub: LoopbackHub, api: HfApi) -> None:
    pushed = push(folder, api)
    assert contents(hub)[RECORD] == pushed.plan.record.as_file().source
    assert set(pushed.plan.record.files) == set(contents(hub)) - {RECORD, ".gitattributes"}


def sneak(hub: LoopbackHub, path: str) -> None:
    """A commit that asks nobody: while another request is under way."""
    repo = hub.store.repo("dataset", NAME, hub.store.users["hf_writer"])
    head = repo.at("main")
    repo.add_commit("refs/heads/main", {**head.files, path: hub.store.regular(b"x")}, path, "other", head.id)


def damage(hub: LoopbackHub) -> None:
    repo = hub.store.repo("dataset", NAME, hub.store.users["hf_writer"])
    repo.at("main").files["figures.json"] = hub.store.regular(b"damaged")


def put_tag(hub: LoopbackHub, name: str, commit: str) -> None:
    hub.store.repo("dataset", NAME, hub.store.users["hf_writer"]).refs[f"refs/tags/{name}"] = commit
