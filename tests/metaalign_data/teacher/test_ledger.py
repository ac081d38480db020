import asyncio
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path

import pytest

from metaalign_data.answers import PairwiseVerdict, PreferenceText
from metaalign_data.chat import ChatRequest, Message
from metaalign_data.errors import TeacherUnusable, UserError
from metaalign_data.teacher.ledger import Ledger, Totals, ledger_key
from teachers import answer, ask


@asynccontextmanager
async def opened(path: Path) -> AsyncIterator[Ledger]:
    ledger = Ledger.open(path)
    try:
        yield ledger
    finally:
        await ledger.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.sqlite"


async def test_an_answer_comes_back_as_it_was_put_and_after_reopening(path: Path) -> None:
    given = answer("grüße \x00 😀", 3, 5, finish_reason="length", attempts=4)
    async with opened(path) as ledger:
        assert ledger.get("k") is None
        await ledger.put("k", ask(), given, Decimal("0.1"))
        assert ledger.get("k") == given
    async with opened(path) as ledger:
        assert ledger.get("k") == given


async def test_a_closed_ledger_is_one_file(path: Path) -> None:
    async with opened(path) as ledger:
        await ledger.put("k", ask(), answer(), None)
    assert [each.name for each in path.parent.iterdir()] == ["ledger.sqlite"]


async def test_the_first_answer_under_a_key_stays(path: Path) -> None:
    async with opened(path) as ledger:
        await ledger.put("k", ask(), answer("first"), None)
        await ledger.put("k", ask(), answer("second"), None)
        kept = ledger.get("k")
    assert kept is not None
    assert kept.text == "first"


BASE = ask(temperature=0.5, max_tokens=10)


@pytest.mark.parametrize(
    "other",
    [
        ask("hello!", temperature=0.5, max_tokens=10),
        BASE.model_copy(update={"messages": (Message(role="system", content="hello"),)}),
        BASE.model_copy(update={"temperature": 0.6}),
        BASE.model_copy(update={"max_tokens": 11}),
        BASE.again(1),
        BASE.expecting(PreferenceText),
        BASE.expecting(PairwiseVerdict),
    ],
)
def test_whatever_shapes_an_answer_changes_the_key(other: ChatRequest) -> None:
    assert ledger_key("me", other) != ledger_key("me", BASE)


def test_who_answers_changes_the_key_and_who_wrote_the_prompt_does_not() -> None:
    assert ledger_key("you", BASE) != ledger_key("me", BASE)
    assert ledger_key("me", BASE.model_copy(update={"prompt": "p@1"})) == ledger_key("me", BASE)


def test_keys_stay_the_same_over_versions_or_paid_answers_are_lost() -> None:
    assert ledger_key("me", BASE) == "a349c1ac89f9bacdd71d85786c349603"


async def test_totals_are_exact_and_by_model(path: Path) -> None:
    async with opened(path) as ledger:
        for i in range(10):
            await ledger.put(f"a{i}", ask(), answer(prompt_tokens=2, completion_tokens=3), Decimal("0.1"))
        await ledger.put("b", ask(), answer().model_copy(update={"model": "other"}), Decimal("0.0000001"))
        assert ledger.by_model() == {"m": Totals(10, 20, 30, Decimal("1.0")), "other": Totals(1, 1, 1, Decimal("1E-7"))}
        assert ledger.totals() == Totals(11, 21, 31, Decimal("1.0000001"))
        assert ledger.totals().tokens == 52


async def test_one_unknown_price_makes_the_sum_unknown(path: Path) -> None:
    async with opened(path) as ledger:
        assert ledger.totals() == Totals(0, 0, 0, Decimal(0))
        await ledger.put("a", ask(), answer(), Decimal(1))
        await ledger.put("b", ask(), answer(), None)
        assert ledger.totals() == Totals(2, 2, 2, None)


async def test_a_fact_is_kept_and_can_be_replaced(path: Path) -> None:
    async with opened(path) as ledger:
        assert ledger.fact("probe") is None
        await ledger.put_fact("probe", {"n": True, "seed": None})
        await ledger.put_fact("probe", {"n": False})
    async with opened(path) as ledger:
        assert ledger.fact("probe") == {"n": False}


async def test_answers_that_come_together_share_a_commit(path: Path) -> None:
    async with opened(path) as ledger:
        statements: list[str] = []
        ledger._writer.set_trace_callback(statements.append)
        await asyncio.gather(*(ledger.put(f"k{i}", ask(), answer(), None) for i in range(200)))
        assert 1 <= statements.count("COMMIT") <= 3
        assert ledger.totals().calls == 200


async def test_an_answer_is_kept_when_nobody_waits_for_it_any_more(path: Path) -> None:
    async with opened(path) as ledger:
        puts = [asyncio.create_task(ledger.put(f"k{i}", ask(), answer(), None)) for i in range(5)]
        await asyncio.sleep(0)
        for put in puts:
            put.cancel()
        await asyncio.wait(puts)
    async with opened(path) as ledger:
        assert ledger.totals().calls == 5


PUTTER = """
import asyncio, sys
from pathlib import Path
from teachers import answer, ask
from metaalign_data.teacher.ledger import Ledger

async def main():
    ledger = Ledger.open(Path(sys.argv[1]))
    async def put(i):
        await ledger.put(f"k{i}", ask(), answer(f"answer {i}"), None)
        print(f"k{i}", flush=True)
    async def some(first):
        for i in range(first, 10_000_000, 8):
            await put(i)
    await asyncio.gather(*map(some, range(8)))

asyncio.run(main())
"""


def put_until_killed(path: Path) -> list[str]:
    """Keys of the answers that a process had acknowledged when it was killed in the middle of more."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    with subprocess.Popen(
        [sys.executable, "-c", PUTTER, str(path)], stdout=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stdout is not None
        acknowledged = [process.stdout.readline().strip() for _ in range(300)]
        process.send_signal(signal.SIGKILL)
        acknowledged += [
            line.strip() for line in process.stdout.read().splitlines(keepends=True) if line.endswith("\n")
        ]
    assert process.returncode == -signal.SIGKILL
    return acknowledged


async def test_every_answer_that_was_acknowledged_survives_a_kill(path: Path) -> None:
    acknowledged = put_until_killed(path)
    async with opened(path) as ledger:
        assert all(key.startswith("k") for key in acknowledged)
        for key in acknowledged:
            kept = ledger.get(key)
            assert kept is not None
            assert kept.text == f"answer {key[1:]}"


async def test_a_ledger_that_cannot_be_written_stops_the_run(path: Path) -> None:
    async with opened(path) as ledger:
        await ledger.put("a", ask(), answer(), None)
        ledger._writer.execute("PRAGMA query_only = 1")  # as a disk that is full or was pulled out
        with pytest.raises(TeacherUnusable, match="ledger cannot be written"):
            await ledger.put("b", ask(), answer(), None)
        ledger._writer.execute("PRAGMA query_only = 0")
        await ledger.put("c", ask(), answer(), None)
        assert ledger.totals().calls == 2


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"not a database, only a text file that is long enough" * 10, "not a database"),
        (b"\x00" * 5000, "not a database"),
    ],
)
def test_a_file_that_is_no_ledger_is_refused_untouched(path: Path, content: bytes, words: str) -> None:
    path.write_bytes(content)
    with pytest.raises(UserError, match=words) as caught:
        Ledger.open(path)
    assert str(path) in str(caught.value)
    assert path.read_bytes() == content


def test_a_database_of_somebody_else_is_refused_untouched(path: Path) -> None:
    with sqlite3.connect(path) as theirs:
        theirs.execute("CREATE TABLE t (x)")
    theirs.close()
    before = path.read_bytes()
    with pytest.raises(UserError, match="is a database, but no ledger"):
        Ledger.open(path)
    assert path.read_bytes() == before


async def test_a_ledger_of_another_version_is_refused(path: Path) -> None:
    async with opened(path) as ledger:
        ledger._writer.execute("PRAGMA user_version = 99")
    with pytest.raises(UserError, match="ledger format 99, this one reads 2"):
        Ledger.open(path)


def overwrite_all_but_the_first_page(path: Path) -> None:
    whole = path.read_bytes()
    path.write_bytes(whole[:4096] + b"\xff" * (len(whole) - 4096))


async def test_a_damaged_ledger_is_told_from_a_missing_answer(path: Path) -> None:
    async with opened(path) as ledger:
        for i in range(50):
            await ledger.put(f"k{i}", ask(), answer("x" * 2000), None)
    async with opened(path) as ledger:
        overwrite_all_but_the_first_page(path)
        with pytest.raises(TeacherUnusable, match="ledger cannot be read"):
            ledger.get("k1")
    damaged = path.read_bytes()
    with pytest.raises(UserError, match="cannot be used as a ledger"):
        Ledger.open(path)
    assert path.read_bytes() == damaged


async def test_an_answer_with_a_flipped_bit_is_no_answer(path: Path) -> None:
    async with opened(path) as ledger:
        await ledger.put("k", ask(), answer("the truth"), None)
    path.write_bytes(path.read_bytes().replace(b"the truth", b"the tryth"))
    async with opened(path) as ledger:
        with pytest.raises(TeacherUnusable, match="the answer k is damaged; `metaalign-data doctor`"):
            ledger.get("k")


async def test_a_ledger_of_version_1_is_brought_up_to_date_and_its_answers_are_kept(path: Path) -> None:
    async with opened(path) as ledger:
        await ledger.put("k", ask(), answer("of old"), None)
    with sqlite3.connect(path) as old:
        old.executescript("ALTER TABLE completions DROP COLUMN checksum; PRAGMA user_version = 1;")
    old.close()
    async with opened(path) as ledger:
        await ledger.put("l", ask(), answer("of today"), None)
        assert [ledger.get(key) for key in "kl"] == [answer("of old"), answer("of today")]


def test_a_folder_in_its_place_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="unable to open database file"):
        Ledger.open(tmp_path)


async def test_a_copy_made_between_runs_is_a_ledger(path: Path, tmp_path: Path) -> None:
    async with opened(path) as ledger:
        await ledger.put("k", ask(), answer("kept"), None)
    shutil.copy(path, tmp_path / "copy.sqlite")
    async with opened(tmp_path / "copy.sqlite") as ledger:
        assert ledger.get("k") == answer("kept")
