"""Two real servers behind one recipe."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from metaalign_data.chat import ChatRequest
from metaalign_data.engine.session import Session, open_session
from metaalign_data.errors import TeacherUnusable
from metaalign_data.prompting import Library
from metaalign_data.recipe import Recipe
from mock_openai import MockOpenAI, mock_openai
from teachers import ask

pytestmark = pytest.mark.usefixtures("quick_backoff")

QUESTIONS = [ask(f"question {i}") for i in range(60)]


def recipe(*servers: str, weight: float = 1.0) -> Recipe:
    blocks = [{"model": f"mock-{i}", "base_url": url, "api_key_env": "TEST_KEY"} for i, url in enumerate(servers)]
    return Recipe.from_dict(
        {
            "name": "q",
            "teacher": [blocks[0] | {"weight": weight}, *blocks[1:]],
            "judge": {"provider": "simulated"},
            "queries": {"source": "bundled"},
        }
    )


@asynccontextmanager
async def session(given: Recipe, folder: Path) -> AsyncIterator[Session]:
    library = Library()
    async with open_session(given, folder / "ledger.sqlite", library) as opened:
        yield opened


async def models(opened: Session, questions: list[ChatRequest] = QUESTIONS) -> list[str]:
    answers = await asyncio.gather(*map(opened.teacher.complete, questions))
    return [answer.model for answer in answers]


@pytest.fixture
def servers(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[MockOpenAI, MockOpenAI]]:
    monkeypatch.setattr("metaalign_data.engine.session.Session.probe", lambda _: asyncio.sleep(0))
    monkeypatch.setattr("metaalign_data.teacher.breaker.FIRST_REST_S", 0.2)
    with mock_openai() as one, mock_openai() as two:
        yield one, two


async def test_requests_are_shared_by_weight_and_the_draw_is_the_same_in_every_run(
    servers: tuple[MockOpenAI, MockOpenAI], tmp_path: Path
) -> None:
    given = recipe(servers[0].base_url, servers[1].base_url, weight=3.0)
    async with session(given, tmp_path / "") as opened:
        first = await models(opened)
    (tmp_path / "ledger.sqlite").unlink()
    async with session(given, tmp_path) as opened:
        assert await models(opened) == first
        assert opened.teacher_model == "mock-0, mock-1"
    assert 35 <= Counter(first)["mock-0"] <= 55


async def test_one_that_is_down_is_stood_in_for_and_its_stand_ins_answers_stay(
    servers: tuple[MockOpenAI, MockOpenAI], tmp_path: Path
) -> None:
    dead, alive = recipe("http://127.0.0.1:9/v1", servers[1].base_url), recipe(*(s.base_url for s in servers))
    async with session(dead, tmp_path) as opened:
        assert set(await models(opened)) == {"mock-1"}
        assert opened.meter.asked < 200
    asked = len(servers[1].calls)
    async with session(dead, tmp_path) as opened:  # all from the ledger, whoever is up
        assert set(await models(opened)) == {"mock-1"}
    assert len(servers[1].calls) == asked == 60
    async with session(alive, tmp_path) as opened:
        assert len(set(await models(opened, [ask(f"another {i}") for i in range(20)]))) == 2


async def test_one_that_comes_back_is_asked_again(servers: tuple[MockOpenAI, MockOpenAI], tmp_path: Path) -> None:
    async with session(recipe(*(s.base_url for s in servers)), tmp_path) as opened:
        object.__setattr__(servers[0].faults, "error_rate", 1.0)
        assert set(await models(opened)) == {"mock-1"}
        object.__setattr__(servers[0].faults, "error_rate", 0.0)
        await asyncio.sleep(0.5)
        await models(opened, [ask("trial")] + [ask(f"trial {i}") for i in range(10)])
        assert "mock-0" in await models(opened, [ask(f"later {i}") for i in range(20)])


async def test_a_judge_that_is_down_is_stood_in_for_by_votes_that_are_nobodys_else(
    servers: tuple[MockOpenAI, MockOpenAI], tmp_path: Path
) -> None:
    given = recipe(*(s.base_url for s in servers))
    both = given.model_copy(update={"judges": given.teachers})
    object.__setattr__(servers[1].faults, "error_rate", 1.0)
    votes = [ask("a or b?").again(k) for k in range(4)]

    async def verdicts(opened: Session) -> list[list[str]]:
        said = [await asyncio.gather(*map(judge.complete, votes)) for judge in opened.judges]
        return [[answer.model for answer in of_one] for of_one in said]

    async with session(both, tmp_path) as opened:
        assert [judge.models for judge in opened.judges] == [{"mock-0"}, {"mock-1"}]
        assert await verdicts(opened) == [["mock-0"] * 4] * 2
        assert opened.ledger.totals().calls == 8, "the second judge's votes are asked for, not copied"
    object.__setattr__(servers[1].faults, "error_rate", 0.0)
    async with session(both, tmp_path) as opened:  # what stood in stays
        assert await verdicts(opened) == [["mock-0"] * 4] * 2
        fresh = [await judge.complete(ask("c or d?")) for judge in opened.judges]
        assert [answer.model for answer in fresh] == ["mock-0", "mock-1"]


async def test_where_all_refuse_the_key_the_run_stops(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("metaalign_data.engine.session.Session.probe", lambda _: asyncio.sleep(0))
    with mock_openai(api_key="other") as one, mock_openai(api_key="other") as two:
        async with session(recipe(one.base_url, two.base_url), tmp_path) as opened:
            with pytest.raises(TeacherUnusable):
                await opened.teacher.complete(QUESTIONS[0])
