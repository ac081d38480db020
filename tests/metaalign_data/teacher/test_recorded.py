import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path

import pytest

from metaalign_data.errors import TeacherError
from metaalign_data.teacher.ledger import Ledger, ledger_key
from metaalign_data.teacher.meter import Meter
from metaalign_data.teacher.price import Price
from metaalign_data.teacher.recorded import Recorded
from mock_openai import mock_openai
from teachers import Telling, answer, ask, asking

PRICE = Price(input=1, output=2)


@pytest.fixture
async def ledger(tmp_path: Path) -> AsyncIterator[Ledger]:
    ledger = Ledger.open(tmp_path / "ledger.sqlite")
    yield ledger
    await ledger.close()


async def test_what_was_asked_before_is_not_asked_again(ledger: Ledger) -> None:
    teacher, meter = Telling(answer("once", 1000, 500)), Meter()
    first = await Recorded(teacher, ledger, "me", PRICE, meter).complete(ask())
    again = await Recorded(teacher, ledger, "me", PRICE, meter).complete(ask())
    assert again == first
    assert len(teacher.requests) == 1
    assert (meter.replayed, meter.prompt_tokens, meter.completion_tokens) == (1, 1000, 500)
    assert meter.usd == ledger.totals().usd == Decimal("0.002")
    assert meter.unpriced_calls == 0


async def test_an_unknown_price_is_unknown_and_not_nothing(ledger: Ledger) -> None:
    meter = Meter()
    await Recorded(Telling(answer()), ledger, "me", None, meter).complete(ask())
    assert meter.unpriced_calls == 1
    assert ledger.totals().usd is None


async def test_an_answer_is_on_disk_before_anyone_sees_it(ledger: Ledger) -> None:
    recorded = Recorded(Telling(by=lambda r: answer(r.messages[0].content)), ledger, "me", PRICE, Meter())

    async def see(i: int) -> None:
        request = ask(str(i))
        await recorded.complete(request)
        assert ledger.get(ledger_key("me", request)) == answer(str(i))

    await asyncio.gather(*map(see, range(50)))


async def test_equal_requests_at_the_same_time_are_asked_once(ledger: Ledger) -> None:
    meter = Meter()
    with mock_openai(latency_ms=20) as server:
        async with asking(server) as teacher:
            recorded = Recorded(teacher, ledger, teacher.identity, PRICE, meter)
            texts = [each.text for each in await asyncio.gather(*(recorded.complete(ask()) for _ in range(10)))]
            await asyncio.gather(*(recorded.complete(ask().again(1)) for _ in range(10)))
    assert len(server.calls) == 2
    assert len(set(texts)) == 1
    assert meter.replayed == 18


async def test_equal_requests_share_a_failure_which_is_not_kept(ledger: Ledger) -> None:
    with mock_openai(latency_ms=20, always_500_if="hello") as server:
        async with asking(server) as teacher:
            recorded = Recorded(teacher, ledger, teacher.identity, PRICE, Meter())
            outcomes = await asyncio.gather(*(recorded.complete(ask()) for _ in range(5)), return_exceptions=True)
            assert all(isinstance(each, TeacherError) for each in outcomes)
            assert len(server.calls) == 1
            with pytest.raises(TeacherError):
                await recorded.complete(ask())
    assert len(server.calls) == 2
    assert ledger.totals().calls == 0


@pytest.mark.parametrize("first_ends_by", ["cancelling", "a bug"])
async def test_whoever_waits_for_another_asks_where_that_one_gives_up(ledger: Ledger, first_ends_by: str) -> None:
    started = asyncio.Event()

    class Stuck:
        async def complete(self, request: object) -> object:
            if started.is_set():
                return answer("from the second")
            started.set()
            await asyncio.sleep(0.05)
            if first_ends_by == "a bug":
                raise ZeroDivisionError
            await asyncio.sleep(60)
            raise AssertionError

    recorded = Recorded(Stuck(), ledger, "me", PRICE, Meter())  # type: ignore[arg-type]
    first = asyncio.create_task(recorded.complete(ask()))
    await started.wait()
    second = asyncio.create_task(recorded.complete(ask()))
    await asyncio.sleep(0.01)
    if first_ends_by == "cancelling":
        first.cancel()
    assert (await second).text == "from the second"
    with pytest.raises((asyncio.CancelledError, ZeroDivisionError)):
        await first
