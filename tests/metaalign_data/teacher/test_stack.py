"""All layers together, the real client, a real server."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from metaalign_data.answers import PairwiseVerdict
from metaalign_data.chat import ChatRequest, Completion
from metaalign_data.errors import BudgetReached, TeacherError, TeacherUnusable, UserError
from metaalign_data.prompting import Library
from metaalign_data.teacher.base import Teacher
from metaalign_data.teacher.budget import Budget
from metaalign_data.teacher.ledger import Ledger
from metaalign_data.teacher.meter import Meter
from metaalign_data.teacher.settings import BudgetSettings, TeacherSettings
from metaalign_data.teacher.stack import build_stack
from mock_openai import MockOpenAI, Reply, mock_openai
from teachers import KEY, ask, openai_teacher

pytestmark = pytest.mark.usefixtures("quick_backoff")


class Run:
    """One run: a stack over a ledger, and what it counted."""

    def __init__(self, server: MockOpenAI, ledger: Ledger, caps: dict[str, Any], settings: dict[str, Any]) -> None:
        self.client = openai_teacher(server)
        self.ledger, self.meter = ledger, Meter()
        self.budget = Budget(BudgetSettings(**caps), ledger.totals())
        self.teacher: Teacher = build_stack(
            self.client,
            TeacherSettings(**{"timeout_s": 5.0} | settings),
            ledger=ledger,
            budget=self.budget,
            meter=self.meter,
            library=Library(),
        )

    async def all_of(self, requests: list[ChatRequest]) -> list[Completion | BaseException]:
        return await asyncio.gather(*map(self.teacher.complete, requests), return_exceptions=True)


@asynccontextmanager
async def running(
    server: MockOpenAI, folder: Path, caps: dict[str, Any] | None = None, **settings: Any
) -> AsyncIterator[Run]:
    ledger = Ledger.open(folder / "ledger.sqlite")
    try:
        run = Run(server, ledger, caps or {}, settings)
        yield run
        await run.client.aclose()
    finally:
        await ledger.close()


QUESTIONS = [ask(f"question {i}") for i in range(30)]
VERDICTS = [each.expecting(PairwiseVerdict) for each in QUESTIONS]


async def test_every_passing_fault_is_survived_and_the_second_run_asks_nothing(tmp_path: Path) -> None:
    faults = {"error_rate": 0.1, "drop_rate": 0.1, "random_429_rate": 0.1, "hang_rate": 0.05, "malformed_rate": 0.3}
    patience: dict[str, Any] = {"timeout_s": 0.5, "max_attempts": 20, "json_attempts": 10}
    with mock_openai(**faults, random_seed=5) as server:
        async with running(server, tmp_path, **patience) as run:
            first = await run.all_of([*QUESTIONS, *VERDICTS])
            assert not [each for each in first if isinstance(each, BaseException)]
            outcomes = Counter(call.outcome for call in server.calls)
            assert {"500", "429", "drop", "hang", "malformed"} <= set(outcomes)
            assert run.meter.asked == run.ledger.totals().calls > 60
            assert run.meter.retries >= sum(outcomes[fault] for fault in ("500", "429", "drop", "hang"))
            assert run.meter.in_flight == 0
        asked = len(server.calls)
        async with running(server, tmp_path, **patience) as run:
            assert await run.all_of([*QUESTIONS, *VERDICTS]) == first
            assert run.meter.asked == 0
        assert len(server.calls) == asked


async def test_a_malformed_answer_is_paid_kept_and_fails_again_for_free(tmp_path: Path) -> None:
    with mock_openai(malformed_rate=1.0) as server:
        for asked in (3, 0):
            async with running(server, tmp_path) as run:
                with pytest.raises(TeacherError, match="asked 3 times") as caught:
                    await run.teacher.complete(VERDICTS[0])
                assert caught.value.reason == "malformed"
                assert run.meter.asked == asked
                assert run.ledger.totals().calls == 3


@pytest.mark.parametrize(("finish_reason", "reason"), [("length", "length"), ("content_filter", "refused")])
async def test_a_paid_answer_that_cannot_be_used_fails_again_for_free(
    server: MockOpenAI, tmp_path: Path, finish_reason: str, reason: str
) -> None:
    server.script.append(Reply("half", finish_reason=finish_reason))
    for _ in range(2):
        async with running(server, tmp_path) as run:
            with pytest.raises(TeacherError) as caught:
                await run.teacher.complete(ask())
            assert caught.value.reason == reason
    assert len(server.calls) == 1


async def test_an_empty_answer_is_paid_and_kept(server: MockOpenAI, tmp_path: Path) -> None:
    server.script.append(Reply(""))
    async with running(server, tmp_path) as run:
        with pytest.raises(TeacherError, match="no text"):
            await run.teacher.complete(ask())
        assert run.ledger.totals().calls == 1


async def test_a_request_that_always_fails_costs_only_itself(tmp_path: Path) -> None:
    with mock_openai(always_500_if="question 7") as server:
        async with running(server, tmp_path, max_attempts=3) as run:
            outcomes = await run.all_of(QUESTIONS)
    (failed,) = [each for each in outcomes if isinstance(each, TeacherError)]
    assert outcomes[7] is failed
    assert failed.reason == "server_error"
    assert len(server.calls) == 29 + 3


async def test_a_wrong_key_is_found_out_by_one_request_each_and_not_retried(tmp_path: Path) -> None:
    with mock_openai(api_key="another") as server:
        async with running(server, tmp_path) as run:
            with pytest.raises(TeacherUnusable):
                await run.teacher.complete(ask())
            assert run.meter.retries == 0


async def test_a_rate_limit_slows_down_and_loses_nothing(tmp_path: Path) -> None:
    with mock_openai(rate_limit_rps=60, burst=5) as server:
        async with running(server, tmp_path, max_attempts=1) as run:
            outcomes = await run.all_of(QUESTIONS)
    assert not [each for each in outcomes if isinstance(each, BaseException)]
    assert "429" in {call.outcome for call in server.calls}


@pytest.mark.parametrize("caps", [{"calls": 10}, {"tokens": 1000}, {"usd": "0.0010"}], ids=["calls", "tokens", "usd"])
async def test_a_budget_holds_over_resumes(tmp_path: Path, caps: dict[str, Any]) -> None:
    settings = {"price": {"input": 1.0, "output": 2.0}}
    questions = [each.model_copy(update={"max_tokens": 100}) for each in QUESTIONS]
    done = []
    with mock_openai(latency_ms=2) as server:
        for _ in range(3):
            async with running(server, tmp_path, caps, **settings) as run:
                outcomes = await run.all_of(questions)
                assert any(isinstance(each, BudgetReached) for each in outcomes)
                totals = run.ledger.totals()
                assert totals.usd is not None
                budget = BudgetSettings(**caps)
                assert budget.calls is None or totals.calls <= budget.calls
                assert budget.tokens is None or totals.tokens <= budget.tokens
                assert budget.usd is None or totals.usd <= budget.usd
                done.append(totals.calls)
        assert done[0] >= 1
        assert done[0] == done[-1]
        async with running(server, tmp_path, None, **settings) as run:
            assert not [each for each in await run.all_of(questions) if isinstance(each, BaseException)]
            assert run.meter.replayed == done[-1]


async def test_a_budget_in_usd_without_a_price_is_refused_before_anything_is_asked(
    server: MockOpenAI, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match="price of the model is unknown"):
        async with running(server, tmp_path, {"usd": 1}):
            pass
    async with running(server, tmp_path, {"usd": 1}, provider="simulated") as run:
        await run.teacher.complete(ask())
        assert run.meter.usd == 0
        assert run.meter.unpriced_calls == 0


async def test_a_client_that_works_on_one_request_at_a_time_is_asked_one_at_a_time(
    server: MockOpenAI, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("metaalign_data.teacher.openai.OpenAITeacher.max_concurrency", 1, raising=False)
    async with running(server, tmp_path, max_concurrency=16) as run:
        await run.all_of(QUESTIONS)
    assert server.peak == 1


async def test_what_a_server_refuses_is_among_the_notices(tmp_path: Path) -> None:
    with mock_openai(json_schema="refuse") as server:
        async with running(server, tmp_path) as run:
            assert run.meter.notices == set()
            await run.all_of(VERDICTS[:1])
            (notice,) = run.meter.notices
    assert "refuses json_schema" in notice


def contents(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.iterdir())


async def test_the_key_is_nowhere_in_the_ledger(server: MockOpenAI, tmp_path: Path) -> None:
    async with running(server, tmp_path) as run:
        await run.all_of([*QUESTIONS, *VERDICTS])
        await run.ledger.put_fact(f"probe:{run.client.identity}", await run.client.probe())
        on_disk = contents(tmp_path)
    assert b"question 7" in on_disk
    assert KEY.encode() not in on_disk
    assert b"TEST_KEY" not in on_disk
