"""A folder pushed to a loopback Hub, where all goes well or the user is told what to do."""

from pathlib import Path

import pytest
from huggingface_hub import HfApi

from loopback_hub.server import LoopbackHub
from metaalign_data.errors import UserError
from metaalign_data.hub.cards import BEGIN, END
from metaalign_data.hub.plan import Plan
from metaalign_data.hub.push import Pushed, Target, look, push_folder
from metaalign_data.hub.record import RECORD
from pushing import NAME, contents, edit, tags, titles

SENT = r"^(POST .*/commit/|PUT )"


def push(folder: Path, api: HfApi, **target: object) -> Pushed:
    return push_folder(folder, Target(NAME, **target), api=api)  # type: ignore[arg-type]


def files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def data(there: dict[str, bytes]) -> dict[str, bytes]:
    """Without the card, which gets its marks, and what is not of the folder."""
    return {path: content for path, content in there.items() if path not in ("README.md", RECORD, ".gitattributes")}


def test_a_first_push_makes_the_repository_and_brings_every_file_in_one_commit(
    folder: Path, hub: LoopbackHub, api: HfApi
) -> None:
    pushed = push(folder, api)
    assert (pushed.created, pushed.sent, pushed.version) == (True, True, "v1")
    assert data(contents(hub)) == data(files(folder))
    assert len(titles(api)) == 2  # the Hub's own, which makes the repository, and ours
    assert tags(api) == {"v1": pushed.commit}
    assert pushed.url == f"{hub.url}/datasets/{NAME}"


def test_a_second_push_sends_nothing(folder: Path, hub: LoopbackHub, api: HfApi) -> None:
    first = push(folder, api)
    hub.log.clear()
    second = push(folder, api)
    assert (second.sent, second.commit, second.version) == (False, first.commit, "v1")
    assert hub.asked(r"^(POST|PUT|DELETE) ") == []


def test_a_push_after_a_change_sends_only_the_change(folder: Path, hub: LoopbackHub, api: HfApi) -> None:
    push(folder, api)
    (folder / "pairs/test-00000-of-00001.parquet").write_bytes(b"other")
    hub.log.clear()
    pushed = push(folder, api)
    assert len(hub.asked("^PUT ")) == 1
    assert pushed.plan.sent == ("pairs/test-00000-of-00001.parquet",)
    assert data(contents(hub)) == data(files(folder))
    assert list(tags(api)) == ["v1", "v2"]


def test_a_change_of_one_split_leaves_the_others_there(folder: Path, hub: LoopbackHub, api: HfApi) -> None:
    push(folder, api)
    (folder / "pairs/test-00000-of-00001.parquet").write_bytes(b"other")
    push(folder, api)
    assert contents(hub)["pairs/train-00000-of-00001.parquet"] == b"train" * 30_000


def test_what_the_folder_lacks_is_removed_and_what_others_put_there_is_kept(
    folder: Path, hub: LoopbackHub, api: HfApi
) -> None:
    push(folder, api)
    edit(api, "notes.txt", b"by hand")
    (folder / "plot.png").unlink()
    (folder / "pairs/train-00000-of-00001.parquet").rename(folder / "pairs/train-00000-of-00002.parquet")
    pushed = push(folder, api)
    assert pushed.plan.removed == ("pairs/train-00000-of-00001.parquet", "plot.png")
    assert pushed.plan.kept == (".gitattributes", "notes.txt")
    assert data(contents(hub)) == data(files(folder)) | {"notes.txt": b"by hand"}
    assert len(titles(api)) == 4  # removed in the same commit


def test_a_file_that_somebody_changed_there_is_told_before_it_is_overwritten(folder: Path, api: HfApi) -> None:
    push(folder, api)
    edit(api, "plot.png", b"mine")
    assert look(folder, Target(NAME), api=api).overwritten == ("plot.png",)


def test_a_look_sends_nothing(folder: Path, hub: LoopbackHub, api: HfApi) -> None:
    plan = look(folder, Target(NAME), api=api)
    assert (plan.base, plan.record.tag, len(plan.added)) == (None, "v1", 5)
    assert hub.asked(r"^(POST|PUT|DELETE) ") == []


def test_what_people_wrote_in_the_card_stays(folder: Path, hub: LoopbackHub, api: HfApi) -> None:
    push(folder, api)
    card = contents(hub)["README.md"].decode()
    edited = card.replace("license: cc-by-4.0", "license: cc-by-4.0\npaper: ours").replace(END, f"{END}\n\nBy hand.")
    edit(api, "README.md", edited.encode())
    text = (folder / "README.md").read_text()
    (folder / "README.md").write_text(text.replace("Two splits.", "Two fine splits."))
    push(folder, api)
    assert contents(hub)["README.md"].decode() == edited.replace("Two splits.", "Two fine splits.")


def test_a_card_that_was_there_first_is_kept_below_ours(folder: Path, hub: LoopbackHub, api: HfApi) -> None:
    api.create_repo(NAME, repo_type="dataset")
    edit(api, "README.md", b"---\nlicense: cc-by-sa-4.0\n---\nSoon more.\n")
    push(folder, api)
    there = contents(hub)["README.md"].decode()
    assert "license: cc-by-sa-4.0" in there
    assert there.index(BEGIN) < there.index("Two splits.") < there.index(END) < there.index("Soon more.")
    hub.log.clear()
    push(folder, api)
    assert hub.asked(SENT) == []


def test_the_card_says_by_what_name_the_dataset_is_loaded(folder: Path, hub: LoopbackHub, api: HfApi) -> None:
    (folder / "README.md").write_text('load_dataset("path/of/this/folder")')
    push(folder, api)
    assert f'load_dataset("{NAME}")' in contents(hub)["README.md"].decode()


def test_a_private_repository_is_seen_by_its_owner_alone(folder: Path, hub: LoopbackHub, api: HfApi) -> None:
    push(folder, api, private=True)
    assert hub.store.repo("dataset", NAME, hub.store.users["hf_writer"]).private
    assert not push(folder, api, private=True).sent
    with pytest.raises(UserError, match="does not accept the token"):
        push(folder, HfApi(endpoint=hub.url, token=False))


def test_what_is_to_be_private_is_not_pushed_where_all_can_see_it(folder: Path, hub: LoopbackHub, api: HfApi) -> None:
    api.create_repo(NAME, repo_type="dataset")
    with pytest.raises(UserError, match="is there already, and public"):
        push(folder, api, private=True)
    assert list(contents(hub)) == [".gitattributes"]


def test_a_branch_is_made_of_main_and_main_stays(folder: Path, hub: LoopbackHub, api: HfApi) -> None:
    push(folder, api)
    before = contents(hub)
    (folder / "figures.json").write_text("{}")
    pushed = push(folder, api, revision="next")
    assert contents(hub) == before
    assert contents(hub, revision="next")["figures.json"] == b"{}"
    assert tags(api)["v2"] == pushed.commit


def test_a_branch_is_made_also_where_main_holds_all_of_it(folder: Path, hub: LoopbackHub, api: HfApi) -> None:
    push(folder, api)
    assert not push(folder, api, revision="next").sent
    assert contents(hub, revision="next") == contents(hub)


def test_a_pull_request_leaves_main_alone_and_is_made_once(folder: Path, hub: LoopbackHub, api: HfApi) -> None:
    push(folder, api)
    before = contents(hub)
    (folder / "figures.json").write_text("{}")
    first, second = push(folder, api, create_pr=True), push(folder, api, create_pr=True)
    assert (first.pull_request, first.version, first.sent) == (1, None, True)
    assert (second.pull_request, second.commit, second.sent) == (1, first.commit, False)
    assert contents(hub) == before
    assert contents(hub, revision="refs/pr/1")["figures.json"] == b"{}"


def test_a_model_goes_the_same_way(folder: Path, hub: LoopbackHub, api: HfApi) -> None:
    pushed = push(folder, api, kind="model")
    assert pushed.url == f"{hub.url}/{NAME}"
    assert data(contents(hub, kind="model")) == data(files(folder))


def test_a_missing_tag_is_made_by_the_next_push(folder: Path, hub: LoopbackHub, api: HfApi) -> None:
    hub.fail("POST .*/tag/", "status", status=400)
    with pytest.raises(UserError, match="the Hub refuses it"):
        push(folder, api)
    assert not tags(api)
    pushed = push(folder, api)
    assert (pushed.sent, pushed.version) == (False, "v1")
    assert tags(api) == {"v1": pushed.commit}


def test_versions_count_on_from_the_tags_that_are_there(folder: Path, api: HfApi) -> None:
    api.create_repo(NAME, repo_type="dataset")
    api.create_tag(NAME, tag="v7", repo_type="dataset")
    assert push(folder, api).version == "v8"


def test_a_plan_that_is_not_approved_sends_nothing(folder: Path, hub: LoopbackHub, api: HfApi) -> None:
    def refuse(plan: Plan) -> None:
        raise UserError(f"no: {plan.added[0]}")

    with pytest.raises(UserError, match=r"no: README\.md"):
        push_folder(folder, Target(NAME), api=api, approve=refuse)
    assert hub.asked(r"^(POST|PUT|DELETE) ") == []


@pytest.mark.parametrize(
    ("token", "name", "said"),
    [
        ("hf_wrong", NAME, "the Hub does not accept the token"),
        ("hf_reader", NAME, "this token may not do that"),
        ("hf_writer", "somebody/prefs", "this token may not do that"),
        ("hf_writer", "prefs", "is no name on the Hub"),
    ],
)
def test_who_may_not_push_is_told_why(folder: Path, hub: LoopbackHub, token: str, name: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        push_folder(folder, Target(name), api=HfApi(endpoint=hub.url, token=token))


def test_a_reader_cannot_change_what_is_there(folder: Path, hub: LoopbackHub, api: HfApi) -> None:
    push(folder, api)
    before = contents(hub)
    (folder / "figures.json").write_text("{}")
    with pytest.raises(UserError, match="this token may not do that"):
        push(folder, HfApi(endpoint=hub.url, token="hf_reader"))
    assert contents(hub) == before


def test_a_name_that_holds_other_things_is_taken(folder: Path, hub: LoopbackHub, api: HfApi) -> None:
    api.create_repo(NAME, repo_type="dataset")
    edit(api, "data/train.csv", b"a,b")
    before = contents(hub)
    with pytest.raises(UserError, match=r"the name is taken: it holds data/train\.csv"):
        push(folder, api)
    assert contents(hub) == before


def test_a_private_repository_of_others_is_not_taken_for_missing(folder: Path, hub: LoopbackHub, api: HfApi) -> None:
    api.create_repo(NAME, repo_type="dataset")
    hub.fail("GET /api/datasets/tester/prefs", "status", status=404, times=-1, headers={"X-Error-Code": "RepoNotFound"})
    with pytest.raises(UserError, match="taken by a repository that this token may not see"):
        push(folder, api)


def test_a_gitignore_there_would_leave_files_out(folder: Path, api: HfApi) -> None:
    push(folder, api)
    edit(api, ".gitignore", b"*.png")
    with pytest.raises(UserError, match=r"has a \.gitignore"):
        push(folder, api)


def test_a_record_that_cannot_be_read_is_not_overwritten(folder: Path, api: HfApi) -> None:
    push(folder, api)
    edit(api, RECORD, b"{}")
    with pytest.raises(UserError, match="cannot be read"):
        push(folder, api)


def test_links_and_hidden_files_do_not_leave_the_machine(folder: Path, hub: LoopbackHub, api: HfApi) -> None:
    (folder / ".env").write_text("secret")
    push(folder, api)
    assert ".env" not in contents(hub)
    (folder / "linked.txt").symlink_to(folder / ".env")
    with pytest.raises(UserError, match="is a link"):
        push(folder, api)


def test_a_folder_of_many_files_is_one_commit(folder: Path, hub: LoopbackHub, api: HfApi) -> None:
    for i in range(600):  # more than the client asks about in one go
        (folder / f"part-{i:04d}.json").write_text(str(i))
    hub.page = 100
    push(folder, api)
    assert len(titles(api)) == 2
    assert data(contents(hub)) == data(files(folder))
