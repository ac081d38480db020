"""The library's `run`, as Python callers use it."""

import asyncio
import re
from dataclasses import replace
from pathlib import Path

import pytest

from metaalign_data import Recipe, UserError, arun, run
from mock_openai import mock_openai

SIMULATED = {"provider": "simulated"}


def recipe(folder: Path | None = None, **blocks: object) -> Recipe:
    data = {"name": "r", "teacher": SIMULATED, "queries": {"source": "bundled", "limit": 5}, **blocks}
    return Recipe.from_dict(data, folder=folder)


def test_it_gives_the_pairs_of_all_splits(tmp_path: Path) -> None:
    result = run(recipe(), out=tmp_path / "run")
    assert (result.state, result.dataset) == ("done", tmp_path / "run" / "dataset")
    rows = result.pairs()
    assert rows.height == sum(result.manifest["dataset"]["pairs"].values())
    assert set(rows["split"]) == set(result.manifest["dataset"]["pairs"])


def test_it_runs_within_an_event_loop_too(tmp_path: Path) -> None:
    async def notebook() -> str:
        return (await arun(recipe(), out=tmp_path / "run")).state

    assert asyncio.run(notebook()) == "done"


def test_a_run_that_made_nothing_says_so_and_leaves_no_pairs(tmp_path: Path) -> None:
    result = run(recipe(teacher={**SIMULATED, "faults": {"refusal": 1.0}}), out=tmp_path / "run")
    assert result.state == "failed"
    assert result.verdict.startswith("no pair came out: sample_preferences lost 5 of 5 rows")
    with pytest.raises(UserError, match="the run has made no dataset: no pair came out"):
        result.pairs()


def test_a_run_that_gets_no_usable_answers_stops_early_and_says_why(tmp_path: Path) -> None:
    teacher = {**SIMULATED, "max_concurrency": 4, "faults": {"refusal": 1.0}}
    burning = recipe(teacher=teacher, queries={"source": "bundled", "limit": 200})
    result = run(burning, out=tmp_path / "run")
    assert result.state == "failed"
    assert "rows of sample_preferences came to nothing (rejected: refused" in result.verdict
    assert "raise run.max_failure_rate" in result.verdict
    assert result.manifest["counts"]["sample_preferences"]["in"] < 100, "nothing more was asked"


def test_a_run_says_what_it_waits_for(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with mock_openai(hang_rate=1.0) as server:
        server.faults = replace(server.faults, hang_rate=0.0)
        silent = {"model": "mock-model", "base_url": server.base_url, "timeout_s": 1.0, "max_attempts": 1}
        given = recipe(teacher=silent, run={"stall_after_s": 0.4})

        def fall_silent(found: object) -> bool:
            server.faults = replace(server.faults, hang_rate=1.0)
            return True

        first = run(recipe(teacher=silent, queries={"source": "bundled", "limit": 1}), out=tmp_path / "run")
        assert first.manifest["server_honours"]
        run(given, out=tmp_path / "run", on_change=fall_silent)
    assert re.search(r"no progress for \d+ s: sample_preferences, row \w{16} asked \w+@\w+", caplog.text)


def test_limit_and_simulate_change_the_recipe_for_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = run(recipe(teacher={"model": "gpt-4o-mini"}), limit=2, simulate=True)
    assert result.folder == Path("runs") / "r-simulated"
    assert result.manifest["counts"]["queries"]["in"] == 2
    assert result.manifest["simulated"]


def test_notes_that_are_no_prompts_do_no_harm_beside_a_recipe(tmp_path: Path) -> None:
    (tmp_path / "prompts").mkdir()
    (tmp_path / "prompts" / "ideas.md").write_text("# just notes\n")
    assert run(recipe(tmp_path), out=tmp_path / "run").state == "done"


def test_a_prompt_beside_the_recipe_stands_in_for_the_bundled_one(tmp_path: Path) -> None:
    plain = run(recipe(tmp_path), out=tmp_path / "plain").manifest["prompts"]
    (tmp_path / "prompts").mkdir()
    (tmp_path / "prompts" / "meta_prompt.md").write_text(
        "---\nid: meta_prompt\ninputs: [system_info, user_info]\n---\n## system\n{{ system_info }} / {{ user_info }}\n"
    )
    result = run(recipe(tmp_path), out=tmp_path / "own")
    assert len(set(plain) ^ set(result.manifest["prompts"])) == 2
    assert " / " in result.pairs()["prompt"][0][0]["content"]


def test_what_a_server_honours_is_asked_once_in_the_life_of_a_run(tmp_path: Path) -> None:
    with mock_openai(json_schema="ignore", logprobs="ignore") as server:
        given = recipe(teacher={"model": "mock-model", "base_url": server.base_url})
        first = run(given, out=tmp_path / "run").manifest
        calls = len(server.calls)
        again = run(given, out=tmp_path / "run").manifest
        assert len(server.calls) == calls
    assert first["server_honours"] == again["server_honours"]
    assert first["server_honours"]["mock-model"]["structured_output"] == "json_object"
    assert "mock-model: the server does not honour json_schema" in first["notices"]


def test_a_server_of_which_nothing_was_found_out_is_tried_again(tmp_path: Path) -> None:
    with mock_openai(always_500_if="told you about JSON yesterday") as server:
        given = recipe(teacher={"model": "mock-model", "base_url": server.base_url})
        assert run(given, out=tmp_path / "run").manifest["server_honours"] == {}
        server.faults = replace(server.faults, always_500_if="")
        assert run(given, out=tmp_path / "run").manifest["server_honours"]["mock-model"]["logprobs"]
