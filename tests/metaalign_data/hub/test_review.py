"""What keeps a run from being published."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from huggingface_hub import HfApi

from loopback_hub.server import LoopbackHub
from metaalign_data.errors import UserError
from metaalign_data.hub.push import Target, push_folder
from metaalign_data.hub.review import Allowed, approve, licence_doubts, review_run
from metaalign_data.records import PreferencePair
from pushing import NAME, edit
from rows import pair
from runs import MANIFEST, made_run

CARD = """---
license: {}
configs:
- config_name: pairs
  data_files:
  - split: train
    path: pairs/train-*.parquet
---
A card.
"""


def finished(
    root: Path,
    rows: Sequence[PreferencePair],
    *,
    simulated: bool = False,
    licence: str = "mit",
    sources: Sequence[str] = (),
) -> Path:
    """A run with a dataset of these rows, of queries under these licences."""
    made_run(root, rows)
    told = {"simulated": simulated, "dataset": {"pairs": {}}, "sources": {"org/queries": sources}}
    (root / "manifest.json").write_text(json.dumps(MANIFEST | told))
    (root / "dataset/README.md").write_text(CARD.format(licence))
    return root


def test_simulated_data_is_published_only_on_purpose(tmp_path: Path) -> None:
    run = finished(tmp_path, [pair()], simulated=True)
    with pytest.raises(UserError, match=r"its responses are simulated.*--allow-simulated"):
        review_run(run, Allowed()).refuse("run")
    review_run(run, Allowed(simulated=True)).refuse("run")


def test_personal_data_is_refused_with_where_it_stands_and_what_to_do(tmp_path: Path) -> None:
    row = pair(chosen="Write to bob@acme.io.")
    run = finished(tmp_path, [row, pair(query="Why?")])
    with pytest.raises(UserError) as refused:
        review_run(run, Allowed()).refuse("run")
    assert f"e-mail address in pairs.chosen of row {row.id}: bo******" in str(refused.value)
    assert "--allow-personal-data" in str(refused.value)
    assert "bob@acme.io" not in str(refused.value)
    review_run(run, Allowed(personal_data=True)).refuse("run")


def test_a_key_is_allowed_one_by_one_and_never_with_the_rest(tmp_path: Path) -> None:
    run = finished(tmp_path, [pair(query="AKIAIOSFODNN7EXAMPLE?"), pair(query="AKIAIOSFODNN7EXAMPLF?")])
    found = review_run(run, Allowed(simulated=True, personal_data=True)).findings
    assert [finding.kind for finding in found] == ["secret", "secret"]
    (left,) = review_run(run, Allowed(secrets=frozenset([found[0].fingerprint]))).findings
    assert left == found[1]


def test_the_card_is_read_too(tmp_path: Path) -> None:
    run = finished(tmp_path, [pair()], licence="mit # hf_" + "aBcDe" * 7)
    (finding,) = review_run(run, Allowed()).findings
    assert (finding.config, finding.row) == ("the card", "README.md")


def test_findings_beyond_a_screenful_are_counted(tmp_path: Path) -> None:
    run = finished(tmp_path, [pair(chosen=f"a{i}@acme.io", query=str(i)) for i in range(30)])
    with pytest.raises(UserError, match=r"holds 30 texts (.|\n)*and 10 more$"):
        review_run(run, Allowed()).refuse("run")


def test_a_run_without_a_dataset_has_nothing_to_push(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text(json.dumps(MANIFEST | {"state": "interrupted", "dataset": None}))
    with pytest.raises(UserError, match="has made no dataset"):
        review_run(tmp_path, Allowed())


@pytest.mark.parametrize(
    ("licence", "sources", "said"),
    [
        ("mit", ["cc-by-nc-4.0"], "rules out commercial use"),
        ("mit", ["apache-2.0", "cc-by-sa-4.0"], "asks for the same licence"),
        ("cc-by-nc-4.0", ["cc-by-nc-4.0"], None),
        ("mit", [], None),
    ],
)
def test_a_licence_that_contradicts_its_sources_is_refused_before_anything_is_sent(
    tmp_path: Path, hub: LoopbackHub, api: HfApi, licence: str, sources: list[str], said: str | None
) -> None:
    run = finished(tmp_path, [pair()], licence=licence, sources=sources)
    review = review_run(run, Allowed())

    def push() -> None:
        push_folder(run / "dataset", Target(NAME), api=api, approve=lambda plan: approve(plan, review.sources, NAME))

    if said is None:
        push()
    else:
        with pytest.raises(UserError, match=f"{said}.*dataset.license"):
            push()
        assert hub.asked("^(POST|PUT|DELETE) ") == []


def test_a_source_whose_licence_nobody_knows_is_told(tmp_path: Path) -> None:
    review = review_run(finished(tmp_path, [pair()]), Allowed())
    told = licence_doubts({"license": "mit"}, review.sources)
    assert told == ["the licence of org/queries is not known: say it in queries.license"]


def test_a_run_that_kept_no_licences_of_its_sources_has_to_be_run_again(tmp_path: Path) -> None:
    run = finished(tmp_path, [pair()])
    (run / "manifest.json").write_text(json.dumps({name: v for name, v in MANIFEST.items() if name != "sources"}))
    with pytest.raises(UserError, match="run its recipe again: nothing is asked twice"):
        review_run(run, Allowed())


def test_a_licence_that_somebody_wrote_into_the_card_there_counts(tmp_path: Path, hub: LoopbackHub, api: HfApi) -> None:
    run = finished(tmp_path, [pair()], licence="cc-by-nc-4.0", sources=["cc-by-nc-4.0"])
    api.create_repo(NAME, repo_type="dataset")
    edit(api, "README.md", b"---\nlicense: mit\n---\n")
    with pytest.raises(UserError, match="rules out commercial use; mit allows it"):
        push_folder(
            run / "dataset", Target(NAME), api=api, approve=lambda plan: approve(plan, {"q": ["cc-by-nc-4.0"]}, NAME)
        )


def test_other_peoples_files_that_would_be_read_as_rows_are_refused(
    tmp_path: Path, hub: LoopbackHub, api: HfApi
) -> None:
    run = finished(tmp_path, [pair()])
    push_folder(run / "dataset", Target(NAME), api=api)
    edit(api, "pairs/train-theirs.parquet", b"PAR1")
    with pytest.raises(UserError, match=r"others put pairs/train-theirs\.parquet there"):
        push_folder(run / "dataset", Target(NAME), api=api, approve=lambda plan: approve(plan, {}, NAME))
