"""Asking by batches, over real HTTP: what is paid for arrives once, whatever happens on the way."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from batch_openai import BatchOpenAI, Troubles, batch_openai
from metaalign_data.answers import PairwiseVerdict
from metaalign_data.chat import ChatRequest, Completion
from metaalign_data.engine.flow import Stopped
from metaalign_data.engine.session import Session, open_session
from metaalign_data.errors import BudgetReached, TeacherUnusable, UserError
from metaalign_data.prompting import Library
from metaalign_data.recipe import Recipe
from metaalign_data.teacher.batch.journal import Journal
from metaalign_data.teacher.ledger import Ledger
from teachers import KEY, ask

pytestmark = pytest.mark.usefixtures("quick_backoff")

QUICK = {"quiet_s": 0.05, "poll_s": 0.05}
QUESTIONS = [ask(f"question {i}", max_tokens=50) for i in range(12)]
VERDICTS = [each.expecting(PairwiseVerdict) for each in QUESTIONS]


def recipe_for(server: BatchOpenAI, **teacher: Any) -> Recipe:
    block = {
        "model": "mock-model",
        "base_url": server.base_url,
        "api_key_env": "TEST_KEY",
        "price": {"input": 1, "output": 2, "batch_discount": 0.5},
        "batch": QUICK,
    }
    budget = teacher.pop("budget", {})
    data = {"name": "q", "teacher": block | teacher, "queries": {"source": "bundled"}, "budget": budget}
    return Recipe.from_dict(data)


@asynccontextmanager
async def session_of(server: BatchOpenAI, folder: Path, **teacher: Any) -> AsyncIterator[Session]:
    async with open_session(recipe_for(server, **teacher), folder / "ledger.sqlite", Library()) as session:
        yield session


async def all_of(session: Session, requests: list[ChatRequest]) -> list[Completion | BaseException]:
    return await asyncio.gather(*map(session.teacher.complete, requests), return_exceptions=True)


async def left_pending(server: BatchOpenAI, folder: Path, questions: list[ChatRequest] = QUESTIONS) -> None:
    """A run that was stopped while its batch was pending."""
    delay_s, server.troubles.delay_s = server.troubles.delay_s, 60.0
    async with session_of(server, folder) as session:
        asking = asyncio.create_task(all_of(session, questions))
        while not server.batches:  # noqa: ASYNC110  it is in another thread
            await asyncio.sleep(0.01)
        session.stop(Stopped("interrupted"))
        assert all(isinstance(answer, Stopped) for answer in await asking)
    server.troubles.delay_s = delay_s


async def entries(folder: Path) -> int:
    ledger = Ledger.open(folder / "ledger.sqlite")
    try:
        return len(Journal(ledger).entries())
    finally:
        await ledger.close()


async def test_what_is_asked_at_the_same_time_goes_as_one_batch_and_is_answered_each(tmp_path: Path) -> None:
    with batch_openai() as server:
        async with session_of(server, tmp_path) as session:
            answers = await all_of(session, [*QUESTIONS, *VERDICTS])
        single = server.calls
    assert all(isinstance(answer, Completion) for answer in answers)
    assert len({answer.text for answer in answers if isinstance(answer, Completion)}) == 24
    assert len(server.batches) == 1
    assert len(server.line_calls) == 24
    assert all("hello" in str(call.body).lower() or "number" in str(call.body) for call in single)  # the probe alone
    assert await entries(tmp_path) == 0


async def test_a_full_batch_goes_at_once_and_a_large_line_alone(tmp_path: Path) -> None:
    with batch_openai() as server:
        async with session_of(server, tmp_path, batch=QUICK | {"max_requests": 5, "quiet_s": 0.2}) as session:
            await all_of(session, QUESTIONS)
        assert sorted(server.files[b.input_file].count(b"\n") for b in server.batches.values()) == [2, 5, 5]
    with batch_openai() as server:
        async with session_of(server, tmp_path / "..", batch=QUICK | {"max_megabytes": 0.001}) as session:
            await all_of(session, [ask("x" * 3000), ask("y" * 100), ask("z" * 100)])
        assert sorted(server.files[b.input_file].count(b"\n") for b in server.batches.values()) == [1, 2]


async def test_one_who_waits_no_longer_takes_nothing_from_another(tmp_path: Path) -> None:
    with batch_openai() as server:
        async with session_of(server, tmp_path) as session:
            (client,) = session.clients
            one, other = (asyncio.create_task(client.complete(QUESTIONS[0])) for _ in range(2))
            await asyncio.sleep(0.01)
            one.cancel()
            assert (await other).text
        assert len(server.line_calls) == 1


async def test_the_second_run_asks_nothing(tmp_path: Path) -> None:
    with batch_openai() as server:
        async with session_of(server, tmp_path) as session:
            first = await all_of(session, QUESTIONS)
        async with session_of(server, tmp_path) as session:
            assert [a.text for a in await all_of(session, QUESTIONS)] == [a.text for a in first]  # type: ignore[union-attr]
            assert session.meter.replayed == len(QUESTIONS)
        assert len(server.batches) == 1


async def test_lines_that_fail_are_asked_again_and_no_other(tmp_path: Path) -> None:
    with batch_openai(Troubles(line_failures=[4, 1])) as server:
        async with session_of(server, tmp_path) as session:
            answers = await all_of(session, QUESTIONS)
        assert all(isinstance(answer, Completion) for answer in answers)
        asked = len(server.line_calls)
        assert server.asked_twice() == 0
    assert 17 <= asked <= 12 + 4 + 4  # those that failed come again, in one batch or in several


@pytest.mark.parametrize("silent", [False, True])
@pytest.mark.parametrize("ending", ["expired", "failed", "cancelled"])
async def test_what_an_unfinished_batch_has_answered_is_kept(tmp_path: Path, ending: str, silent: bool) -> None:
    with batch_openai(Troubles(endings=[ending], silent=silent)) as server:
        async with session_of(server, tmp_path) as session:
            answers = await all_of(session, QUESTIONS)
        unusable = [answer for answer in answers if isinstance(answer, TeacherUnusable)]
        assert len(unusable) == {"expired": 0, "failed": 12, "cancelled": 6}[ending]
        assert all(ending in str(e) or "does not do batches" in str(e) for e in unusable)
        async with session_of(server, tmp_path) as session:
            answers = await all_of(session, QUESTIONS)
        assert all(isinstance(answer, Completion) for answer in answers)
        assert server.asked_twice() == 0


async def test_a_batch_left_pending_is_taken_over_and_never_sent_again(tmp_path: Path) -> None:
    with batch_openai(Troubles(delay_s=0.5)) as server:
        await left_pending(server, tmp_path)
        assert await entries(tmp_path) == 1
        async with session_of(server, tmp_path) as session:
            answers = await all_of(session, QUESTIONS)
            assert all(isinstance(answer, Completion) for answer in answers)
            assert session.meter.asked == 0
        assert len(server.batches) == 1
        assert await entries(tmp_path) == 0


async def test_waiting_for_a_batch_of_an_earlier_run_ends_with_the_run(tmp_path: Path) -> None:
    with batch_openai(Troubles(delay_s=60.0)) as server:
        await left_pending(server, tmp_path)
        async with session_of(server, tmp_path) as session, asyncio.timeout(10):
            asking = asyncio.create_task(all_of(session, QUESTIONS))
            await asyncio.sleep(0.05)
            session.stop(Stopped("interrupted"))
            assert all(isinstance(answer, Stopped) for answer in await asking)
        assert await entries(tmp_path) == 1


async def test_a_batch_whose_answers_are_all_in_the_ledger_is_looked_for_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with batch_openai() as server:
        server.own_keys_only = True
        await left_pending(server, tmp_path)
        ledger = Ledger.open(tmp_path / "ledger.sqlite")
        (entry,) = Journal(ledger).entries()
        await ledger.close()
        async with session_of(server, tmp_path) as session:
            await all_of(session, QUESTIONS)
            kept = await session_journal(session).begin(entry.identity, entry.fingerprint, entry.keys, entry.most)
        assert kept.keys == entry.keys  # as a kill before it was dropped leaves it
        monkeypatch.setenv("TEST_KEY", "sk-test-another-key-0123456789")
        async with session_of(server, tmp_path) as session:
            assert session_journal(session).entries() == []


def session_journal(session: Session) -> Journal:
    return Journal(session.ledger)


async def test_answers_of_a_batch_that_nobody_asks_for_any_more_are_in_the_ledger(tmp_path: Path) -> None:
    with batch_openai() as server:
        await left_pending(server, tmp_path)
        async with session_of(server, tmp_path) as session:
            await all_of(session, QUESTIONS[:1])
        assert len(server.batches) == 1
    ledger = Ledger.open(tmp_path / "ledger.sqlite")
    assert ledger.totals().calls == len(server.usages) == len(QUESTIONS) + len(server.calls)
    assert ledger.totals().prompt_tokens == sum(usage["prompt_tokens"] for usage in server.usages)
    await ledger.close()


async def test_a_batch_whose_creation_went_unanswered_is_found_by_its_mark(tmp_path: Path) -> None:
    with batch_openai(Troubles(lose_answers=1)) as server:
        async with session_of(server, tmp_path) as session:
            answers = await all_of(session, QUESTIONS)
        assert all(isinstance(answer, Completion) for answer in answers)
        assert len(server.batches) == 1


async def test_a_batch_that_was_created_but_not_noted_is_found_by_the_next_run(tmp_path: Path) -> None:
    with batch_openai() as server:
        await left_pending(server, tmp_path)
        ledger = Ledger.open(tmp_path / "ledger.sqlite")
        (entry,) = Journal(ledger).entries()
        await Journal(ledger).sent(entry, "")  # as a kill between creation and note leaves it
        await ledger.close()
        async with session_of(server, tmp_path) as session:
            answers = await all_of(session, QUESTIONS)
        assert all(isinstance(answer, Completion) for answer in answers)
        assert len(server.batches) == 1


async def test_a_batch_of_another_key_is_told_or_seen_with_the_new_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with batch_openai() as server:
        server.own_keys_only = True
        await left_pending(server, tmp_path)
        monkeypatch.setenv("TEST_KEY", "sk-test-another-key-0123456789")
        with pytest.raises(UserError, match=r"batch_0 with 12 requests was sent on .* with another API key"):
            async with session_of(server, tmp_path):
                pass
        server.own_keys_only = False
        async with session_of(server, tmp_path) as session:
            await all_of(session, QUESTIONS)
            assert any("another API key, and this one sees it" in notice for notice in session.meter.notices)
        assert len(server.batches) == 1


async def test_a_pending_batch_is_not_asked_again_one_by_one(tmp_path: Path) -> None:
    with batch_openai() as server:
        await left_pending(server, tmp_path)
        with pytest.raises(UserError, match="batch_0 with 12 requests is pending, and batch is off now"):
            async with session_of(server, tmp_path, batch=None):
                pass


async def test_a_batch_that_is_gone_from_the_server_is_asked_anew_only_once_it_is_given_up(tmp_path: Path) -> None:
    with batch_openai() as server:
        await left_pending(server, tmp_path)
        (gone,) = server.batches
        server.batches.clear()
        with pytest.raises(UserError, match=f"the server knows it no more.*--forget {gone}"):
            async with session_of(server, tmp_path):
                pass
        book = Ledger.open(tmp_path / "ledger.sqlite")
        (entry,) = Journal(book).entries()
        await Journal(book).drop(entry)
        await book.close()
        async with session_of(server, tmp_path) as session:
            answers = await all_of(session, QUESTIONS)
        assert all(isinstance(answer, Completion) for answer in answers)


async def test_too_many_queued_tokens_make_smaller_batches(tmp_path: Path) -> None:
    with batch_openai(Troubles(max_lines=4)) as server:
        async with session_of(server, tmp_path) as session:
            answers = await all_of(session, QUESTIONS)
        assert all(isinstance(answer, Completion) for answer in answers)
        assert server.asked_twice() == 0


async def test_a_way_of_asking_that_lines_are_refused_for_is_given_up(tmp_path: Path) -> None:
    refusal = {"error": {"message": "response_format of type json_schema is not supported"}}
    with batch_openai(Troubles(bad_line=refusal)) as server:
        async with session_of(server, tmp_path, json_attempts=1) as session:
            await all_of(session, VERDICTS)
            assert any("refuses json_schema" in notice for notice in session.meter.notices)
        assert [("response_format" in call.body["body"]) for call in server.line_calls[-12:]] == [False] * 12


async def test_half_price_is_what_the_ledger_says_to_the_last_digit(tmp_path: Path) -> None:
    with batch_openai(Troubles(line_failures=[3], endings=["expired"])) as server:
        async with session_of(server, tmp_path) as session:
            await all_of(session, [*QUESTIONS, *VERDICTS])
            spent = session.ledger.totals()
    millionths = [usage["prompt_tokens"] + 2 * usage["completion_tokens"] for usage in server.usages]
    probe, batched = millionths[: len(server.calls)], millionths[len(server.calls) :]
    assert len(probe) >= 7
    assert spent.calls == len(millionths)
    assert spent.usd == (sum(probe) + Decimal(sum(batched)) / 2) / 1_000_000


async def test_a_batch_that_was_left_pending_counts_against_the_budget_before_it_ends(tmp_path: Path) -> None:
    with batch_openai(Troubles(delay_s=0.6)) as server:
        await left_pending(server, tmp_path, QUESTIONS[:6])
        calls = {"calls": 6 + len(server.calls)}
        async with session_of(server, tmp_path, budget=calls) as session:
            new = asyncio.create_task(session.teacher.complete(ask("something else")))
            await all_of(session, QUESTIONS[:6])
            with pytest.raises(BudgetReached):
                await new
        assert len(server.batches) == 1


async def test_what_was_set_aside_for_a_pending_batch_is_free_when_it_has_landed(tmp_path: Path) -> None:
    with batch_openai(Troubles(delay_s=0.3)) as server:
        await left_pending(server, tmp_path, QUESTIONS[:6])
        async with session_of(server, tmp_path, budget={"calls": 6 + len(server.calls) + 1}) as session:
            await all_of(session, QUESTIONS[:6])
            async with asyncio.timeout(10):
                assert (await session.teacher.complete(ask("something else"))).text


async def test_a_probe_that_the_budget_has_no_room_for_is_left_out(tmp_path: Path) -> None:
    with batch_openai() as server:
        async with session_of(server, tmp_path, budget={"calls": 3}) as session:
            await all_of(session, QUESTIONS[:3])
        assert server.calls == []
        assert len(server.line_calls) == 3


def test_the_journal_holds_a_fingerprint_and_no_key(tmp_path: Path) -> None:
    with batch_openai() as server:
        asyncio.run(left_pending(server, tmp_path))
    assert all(KEY.encode() not in file.read_bytes() for file in tmp_path.iterdir())


def test_a_provider_without_batches_is_told_before_a_run(tmp_path: Path) -> None:
    from metaalign_data.engine.preflight import model_problems

    data = {"name": "q", "teacher": {"provider": "simulated", "batch": True}, "queries": {"source": "bundled"}}
    assert model_problems(Recipe.from_dict(data)) == [
        "teacher.batch: provider 'simulated' has no Batch API; leave it out"
    ]
