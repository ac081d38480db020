"""A changed recipe on a run directory: what changed, and which stages will ask anew, before anything is asked."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from metaalign_data import Recipe, UserError, run
from metaalign_data.engine.changes import Changes, changes
from metaalign_data.engine.folder import RunFolder

LIMIT = 4


def recipe(folder: Path | None = None, **blocks: Any) -> Recipe:
    stages = blocks.pop("stages", ["sample_preferences", "generate_responses", "judge", "pair"])
    given = {"name": "r", "teacher": {"provider": "simulated"}, "queries": {"source": "bundled", "limit": LIMIT}}
    return Recipe.from_dict({**given, "stages": stages, **blocks}, folder=folder)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("changes") / "run"
    assert run(recipe(), out=root).state == "done"
    return root


def found(changed: Recipe, root: Path) -> Changes | None:
    folder = RunFolder(root)
    return asyncio.run(changes(changed, folder, folder.ledger))


def test_the_same_recipe_and_a_new_directory_have_no_changes(finished: Path, tmp_path: Path) -> None:
    assert found(recipe(), finished) is None
    assert found(recipe(), tmp_path) is None


@pytest.mark.parametrize(
    ("blocks", "key", "anew"),
    [
        ({"budget": {"calls": 10_000}}, "budget.calls: null -> 10000", set()),
        ({"teacher": {"provider": "simulated", "max_concurrency": 3}}, "teacher.max_concurrency: 32 -> 3", set()),
        ({"judge": {"provider": "simulated", "seed": 9}}, "judge.seed: not there -> 9", {"judge"}),
        (
            {"seed": 1},
            "seed: 0 -> 1",
            {"sample_preferences", "generate_responses", "judge"},
        ),
        (
            {"stages": ["sample_preferences", "generate_responses", {"judge": {"votes": 8}}, "pair"]},
            "stages.judge.votes",
            {"judge"},
        ),
    ],
)
def test_each_change_is_named_with_the_stages_that_ask_anew(
    finished: Path, blocks: dict[str, Any], key: str, anew: set[str]
) -> None:
    told = found(recipe(**blocks), finished)
    assert told is not None
    assert any(str(each).startswith(key) for each in told.changes), told.changes
    assert {name for name, stage in told.stages.items() if stage.new} == anew
    assert told.asks_anew == bool(anew)
    assert all(name in told.told() for name in anew)


def test_the_figure_is_what_the_run_then_asks(finished: Path, tmp_path: Path) -> None:
    assert run(recipe(), out=tmp_path / "run").state == "done"
    changed = recipe(judge={"provider": "simulated", "seed": 9})
    told = found(changed, tmp_path / "run")
    assert told is not None
    asked = run(changed, out=tmp_path / "run").manifest["this_time"]["asked"]
    assert told.stages["judge"].new == asked, "all queries are among those that are tried"


def test_a_changed_prompt_is_a_change(finished: Path, tmp_path: Path) -> None:
    from metaalign_data.prompting import Library

    (tmp_path / "prompts").mkdir()
    bundled = Library().prompt("judge_pairwise").path.read_text(encoding="utf-8")
    (tmp_path / "prompts/judge_pairwise.md").write_text(bundled + "\nThink twice.\n", encoding="utf-8")
    told = found(recipe(tmp_path), finished)
    assert told is not None
    assert [each.key for each in told.changes] == ["prompts.judge_pairwise"]
    assert {name for name, stage in told.stages.items() if stage.new} == {"judge"}


def test_whoever_says_no_keeps_everything_as_it_was(finished: Path) -> None:
    before = {path: path.read_bytes() for path in finished.rglob("*") if path.is_file()}
    with pytest.raises(UserError, match="nothing was asked and nothing was changed"):
        run(recipe(seed=5), out=finished, on_change=lambda _: False)
    assert {path: path.read_bytes() for path in finished.rglob("*") if path.is_file()} == before


def test_a_caller_who_does_not_listen_finds_it_in_the_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    run(recipe(), out=tmp_path / "run")
    run(recipe(run={"grace_s": 1}), out=tmp_path / "run")
    assert "run.grace_s: 30.0 -> 1.0" in caplog.text


def test_other_queries_in_the_same_file_are_a_change(tmp_path: Path) -> None:
    file = tmp_path / "q.jsonl"
    file.write_text('{"text": "How do I bake bread?"}\n' * 2)
    mine = recipe(folder=tmp_path, queries={"source": "q.jsonl"})
    run(mine, out=tmp_path / "run")
    assert found(mine, tmp_path / "run") is None
    file.write_text('{"text": "How do I bake bread?"}\n{"text": "How do I bake a cake?"}\n')
    told = found(mine, tmp_path / "run")
    assert told is not None
    assert [each.key for each in told.changes] == ["queries.source (SHA-256 of the file)"]
    assert told.asks_anew


def test_answers_that_are_gone_are_told_before_they_are_paid_for_again(tmp_path: Path) -> None:
    root = tmp_path / "run"
    calls = run(recipe(), out=root).manifest["cost"]["calls"]
    (root / "ledger.sqlite").write_bytes(b"")
    with pytest.raises(UserError, match=f"is empty, and held {calls} answers; restore it"):
        run(recipe(), out=root)
    (root / "ledger.sqlite").unlink()
    told = found(recipe(), root)
    assert told is not None
    assert [str(each) for each in told.changes] == [f"ledger: {calls} answers -> not there"]
    assert all(stage.new == stage.calls for stage in told.stages.values())
    assert told.asks_anew
