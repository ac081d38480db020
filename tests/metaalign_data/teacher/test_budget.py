import asyncio
from decimal import Decimal
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metaalign_data.answers import PairwiseVerdict
from metaalign_data.chat import ChatRequest, Completion
from metaalign_data.errors import BudgetReached, TeacherError, UserError
from metaalign_data.teacher.base import Teacher
from metaalign_data.teacher.budget import Budget, Budgeted, upper_bound
from metaalign_data.teacher.ledger import Totals
from metaalign_data.teacher.price import Price
from metaalign_data.teacher.settings import BudgetSettings
from mock_openai import mock_openai
from teachers import Telling, answer, ask, asking

PRICE = Price(input=Decimal("0.15"), output=Decimal("0.60"))


class Slow:
    """Takes a while and uses what `usages` says: the tokens of each answer, in order of asking."""

    def __init__(self, usages: list[tuple[int, int]], rng: Random) -> None:
        self.usages, self.rng, self.asked = usages, rng, 0

    async def complete(self, request: ChatRequest) -> Completion:
        prompt_tokens, completion_tokens = self.usages[self.asked % len(self.usages)]
        self.asked += 1
        for _ in range(self.rng.randrange(5)):
            await asyncio.sleep(0)
        if self.rng.random() < 0.2:
            raise TeacherError("server_error", "no luck")
        return answer("", prompt_tokens, completion_tokens)


async def spend(teacher: Teacher, requests: int) -> list[object]:
    """What became of so many requests at once."""
    asked = (teacher.complete(ask(max_tokens=20)) for _ in range(requests))
    return await asyncio.gather(*asked, return_exceptions=True)


caps = st.builds(
    BudgetSettings,
    calls=st.none() | st.integers(0, 30),
    tokens=st.none() | st.integers(0, 5000),
    usd=st.none() | st.decimals(0, "0.002", places=6),
)
usages = st.lists(st.tuples(st.integers(0, 260), st.integers(0, 20)), min_size=1, max_size=10)


@settings(deadline=None, max_examples=60)
@given(caps, usages, st.integers(0, 5), st.integers(0))
def test_no_cap_is_ever_passed_and_nothing_waits_for_ever(
    caps: BudgetSettings, usages: list[tuple[int, int]], before: int, seed: int
) -> None:
    spent = Totals(before, 100 * before, 0, PRICE.input * 100 * before / 1_000_000)
    budget = Budget(caps, spent)
    start = budget.spent

    async def run() -> list[object]:
        async with asyncio.timeout(5):
            return await spend(Budgeted(Slow(usages, Random(seed)), budget, PRICE), 40)

    outcomes = asyncio.run(run())
    answered = [each for each in outcomes if isinstance(each, Completion)]
    assert len(outcomes) == 40
    assert all(isinstance(each, Completion | BudgetReached | TeacherError) for each in outcomes)
    assert budget.spent.calls == before + len(answered)
    assert budget.spent.tokens == start.tokens + sum(
        a.usage.prompt_tokens + a.usage.completion_tokens for a in answered
    )
    assert budget.spent.usd == start.usd + sum((PRICE.of(a.usage) for a in answered), Decimal(0))
    assert caps.calls is None or budget.spent.calls <= max(caps.calls, before)
    assert caps.tokens is None or budget.spent.tokens <= max(caps.tokens, start.tokens)
    assert caps.usd is None or budget.spent.usd <= max(caps.usd, start.usd)


async def test_a_budget_in_calls_is_used_to_the_last_one_on_a_real_server() -> None:
    budget = Budget(BudgetSettings(calls=7), Totals())
    with mock_openai(latency_ms=5) as server:
        async with asking(server) as teacher:
            outcomes = await spend(Budgeted(teacher, budget, None), 20)
    assert server.answered == 7
    assert sum(isinstance(each, BudgetReached) for each in outcomes) == 13
    assert str(budget.stopped) == "the budget of 7 calls is reached"


async def test_a_request_waits_for_what_others_may_give_back() -> None:
    most = upper_bound(ask(max_tokens=20))
    tokens = most.prompt_tokens + most.completion_tokens
    budget = Budget(BudgetSettings(tokens=tokens + 30), Totals())
    outcomes = await spend(Budgeted(Telling(by=lambda _: answer("", 5, 5)), budget, None), 4)
    assert all(isinstance(each, Completion) for each in outcomes)
    assert budget.spent.tokens == 40
    (last,) = await spend(Budgeted(Telling(by=lambda _: answer("", 5, 5)), budget, None), 1)
    assert str(last) == f"the budget of {tokens + 30} tokens (40 spent) is reached"


async def test_a_failure_costs_nothing() -> None:
    budget = Budget(BudgetSettings(calls=1), Totals())
    budgeted = Budgeted(Telling(TeacherError("server_error", "no luck"), answer()), budget, None)
    with pytest.raises(TeacherError):
        await budgeted.complete(ask())
    assert (await budgeted.complete(ask())).text == "hi"


async def test_what_earlier_runs_spent_counts() -> None:
    budget = Budget(BudgetSettings(usd="0.50"), Totals(10, 0, 0, Decimal("0.4999999")))
    with pytest.raises(BudgetReached, match=r"0\.50 USD \(0\.5000 spent\)"):
        await Budgeted(Telling(answer()), budget, PRICE).complete(ask())


async def test_one_budget_reached_ends_the_asking_for_all() -> None:
    budget = Budget(BudgetSettings(tokens=500), Totals())
    teacher = Telling(answer(), answer())
    await Budgeted(teacher, budget, None).complete(ask(max_tokens=1))
    with pytest.raises(BudgetReached):
        await Budgeted(teacher, budget, None).complete(ask(max_tokens=1000))
    with pytest.raises(BudgetReached):
        await Budgeted(teacher, budget, None).complete(ask(max_tokens=1))
    assert len(teacher.requests) == 1


async def test_a_stop_reaches_those_who_wait_and_leaves_those_who_asked() -> None:
    class Stopped(Exception):
        pass

    budget = Budget(BudgetSettings(calls=1), Totals())
    with mock_openai(latency_ms=50) as server:
        async with asking(server) as teacher:
            budgeted = Budgeted(teacher, budget, None)
            asked, waiting = (asyncio.create_task(budgeted.complete(ask(str(i)))) for i in range(2))
            await asyncio.sleep(0.02)
            budget.stop(Stopped("by the user"))
            budget.stop(ValueError("too late"))
            with pytest.raises(Stopped):
                await waiting
            assert (await asked).text
    assert isinstance(budget.stopped, Stopped)


def test_a_cap_in_usd_needs_a_price() -> None:
    with pytest.raises(UserError, match="the price of the model is unknown"):
        Budgeted(Telling(), Budget(BudgetSettings(usd=1), Totals()), None)
    with pytest.raises(UserError, match="the ledger holds answers of unknown price"):
        Budget(BudgetSettings(usd=1), Totals(1, 1, 1, None))


@pytest.mark.parametrize("content", ["short", "long " * 1000, "漢字🙂" * 100])
def test_the_bound_covers_a_token_a_byte_and_the_schema(content: str) -> None:
    plain, structured = (upper_bound(each) for each in (ask(content), ask(content).expecting(PairwiseVerdict)))
    assert plain.prompt_tokens > len(content.encode())
    assert plain.completion_tokens == ask().max_tokens
    assert structured.prompt_tokens > plain.prompt_tokens + 100
