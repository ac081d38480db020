"""Who is asked: one stack for equal settings, and a judge for each block of the recipe."""

from pathlib import Path
from typing import Any

import pytest

from metaalign_data.engine.session import open_session
from metaalign_data.errors import TeacherError
from metaalign_data.prompting import Library
from metaalign_data.recipe import Recipe
from mock_openai import mock_openai

SIMULATED = {"provider": "simulated"}


def recipe(**blocks: Any) -> Recipe:
    return Recipe.from_dict({"name": "q", "teacher": SIMULATED, "queries": {"source": "bundled"}} | blocks)


@pytest.mark.parametrize(
    ("judge", "judges", "clients", "teacher_judges"),
    [
        (None, 1, 1, True),
        ({"max_concurrency": 3}, 1, 2, False),
        ([{}, {"seed": 1}], 2, 2, False),  # each with the other one to stand in
        ([{"seed": 2}, {"seed": 1}], 2, 3, False),
    ],
)
async def test_equal_settings_share_one_stack(
    tmp_path: Path, judge: object, judges: int, clients: int, teacher_judges: bool
) -> None:
    async with open_session(recipe(judge=judge), tmp_path / "ledger.sqlite", Library()) as session:
        assert (len(session.judges), len(session.clients)) == (judges, clients)
        assert session.judge_model == session.teacher_model == "simulated"
        assert (session.teacher in session.judges) == teacher_judges
        assert session.simulated


async def test_judges_make_up_their_own_minds(tmp_path: Path) -> None:
    faults = {"judge_error": 0.5}
    two = recipe(judge=[{"seed": 1, "faults": faults}, {"seed": 2, "faults": faults}])
    inputs = {"system_info": "", "user_info": "Use bullet points.", "history": "", "query": "Why?", "criteria": ""}
    request = Library().prompt("judge_pairwise").render(**inputs, response_a="- Air.\n- Light.", response_b="Yes.")
    async with open_session(two, tmp_path / "ledger.sqlite", Library()) as session:
        said = [[(await judge.complete(request.again(k))).text for k in range(12)] for judge in session.judges]
    assert said[0] != said[1]
    assert all(len(set(texts)) > 1 for texts in said)


async def test_a_server_that_does_not_answer_the_first_requests_is_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("metaalign_data.teacher.openai.probe.TIMEOUT_S", 0.3)
    monkeypatch.setattr("metaalign_data.teacher.retry.FIRST_BACKOFF_S", 0.01)
    with mock_openai(hang_rate=1.0) as server:
        teacher = {"model": "mock-model", "base_url": server.base_url}
        hanging = recipe(teacher=teacher, run={"stall_after_s": 0.1})
        with pytest.raises(TeacherError, match="no answer to a small request"):
            async with open_session(hanging, tmp_path / "ledger.sqlite", Library()):
                pass
    assert "mock-model has not answered the first small requests for" in caplog.text
