import asyncio

from metaalign_data.teacher.places import Places


async def test_no_more_are_held_than_there_are_and_who_waits_is_served_in_order() -> None:
    places, came, held = Places(2), list[int](), 0

    async def one(i: int) -> None:
        nonlocal held
        async with places:
            came.append(i)
            held += 1
            assert held <= 2
            await asyncio.sleep(0)
            held -= 1

    await asyncio.gather(*(one(i) for i in range(20)))
    assert came == list(range(20))


async def test_a_place_goes_past_those_who_have_given_up() -> None:
    places = Places(1)

    async def one() -> str:
        async with places:
            return "held"

    async with places:
        waiting = [asyncio.create_task(one()) for _ in range(3)]
        await asyncio.sleep(0)
        waiting[0].cancel()
    # The second is given the place here, and cancelled before it can take it up.
    await asyncio.sleep(0)
    waiting[1].cancel()
    assert await asyncio.wait_for(waiting[2], 1) == "held"
    assert await asyncio.wait_for(one(), 1) == "held"


async def test_who_is_cancelled_with_a_place_in_hand_passes_it_on() -> None:
    places = Places(1)

    async def one() -> str:
        async with places:
            return "held"

    await places.__aenter__()
    first, second = asyncio.create_task(one()), asyncio.create_task(one())
    await asyncio.sleep(0)
    await places.__aexit__()
    first.cancel()
    assert await asyncio.wait_for(second, 1) == "held"
    assert first.cancelled()
