"""What can be known and saved of a ledger: whole, with a flipped bit, cut off, or with pages gone."""

import asyncio
import sqlite3
from decimal import Decimal
from pathlib import Path

import pytest

from metaalign_data.errors import UserError
from metaalign_data.teacher.ledger import Ledger, Totals
from metaalign_data.teacher.ledger_care import answers, condition, salvage, set_aside, totals_of
from teachers import answer, ask

ANSWERS = 300


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The bytes of a ledger with ANSWERS answers."""
    path = tmp_path_factory.mktemp("ledger") / "ledger.sqlite"

    async def fill() -> None:
        ledger = Ledger.open(path)
        for i in range(ANSWERS):
            text = f"the answer to {i} " + "x" * 500
            await ledger.put(f"key-{i:03d}", ask(f"question {i}"), answer(text, 10, 5), Decimal("0.001"))
        await ledger.put_fact("probe:x", {"n": True})
        await ledger.close()

    asyncio.run(fill())
    return path.read_bytes()


@pytest.fixture
def path(tmp_path: Path, whole: bytes) -> Path:
    path = tmp_path / "ledger.sqlite"
    path.write_bytes(whole)
    return path


def flipped(data: bytes) -> bytes:
    return data.replace(b"the answer to 7 ", b"the bnswer to 7 ")


def with_pages_gone(data: bytes) -> bytes:
    middle = len(data) // 2 // 4096 * 4096
    return data[:middle] + b"\xff" * 4096 * 3 + data[middle + 4096 * 3 :]


def cut_off(data: bytes) -> bytes:
    return data[: len(data) * 2 // 3]


def test_a_ledger_that_is_whole_has_no_flaws(path: Path, whole: bytes) -> None:
    found = condition(path)
    assert (found.flaws, found.answers, found.readable) == ((), ANSWERS, ANSWERS)
    assert path.read_bytes() == whole


@pytest.mark.parametrize(
    ("damage", "lost"), [(flipped, (1, 1)), (with_pages_gone, (1, 60)), (cut_off, (1, ANSWERS * 2 // 3))]
)
def test_what_is_damaged_is_told_and_all_that_is_left_is_saved(
    path: Path, tmp_path: Path, damage: object, lost: tuple[int, int]
) -> None:
    path.write_bytes(damage(path.read_bytes()))  # type: ignore[operator]
    before = path.read_bytes()
    found = condition(path)
    assert found.flaws
    saved = salvage(path, tmp_path / "saved.sqlite")
    assert path.read_bytes() == before, "nothing in the damaged file is touched"
    assert lost[0] <= ANSWERS - saved <= lost[1]
    assert saved == found.readable
    rescued = condition(tmp_path / "saved.sqlite")
    assert (rescued.flaws, rescued.answers) == ((), saved)


def test_a_saved_ledger_answers_as_the_old_one_did(path: Path, tmp_path: Path) -> None:
    path.write_bytes(flipped(path.read_bytes()))
    salvage(path, tmp_path / "saved.sqlite")
    ledger = Ledger.open(tmp_path / "saved.sqlite")
    assert ledger.get("key-007") is None
    kept = ledger.get("key-008")
    assert kept is not None
    assert kept.text.startswith("the answer to 8 ")
    assert ledger.fact("probe:x") == {"n": True}
    with pytest.raises(UserError, match="is there already"):
        salvage(path, tmp_path / "saved.sqlite")


@pytest.mark.parametrize(
    ("content", "words"), [(b"no database at all" * 500, "not a database"), (None, "is a database, but no ledger")]
)
def test_what_is_no_ledger_is_told(path: Path, content: bytes | None, words: str) -> None:
    path.unlink()
    if content is None:
        with sqlite3.connect(path) as theirs:
            theirs.execute("CREATE TABLE t (x)")
        theirs.close()
    else:
        path.write_bytes(content)
    with pytest.raises(UserError, match=words):
        condition(path)


def test_answers_come_with_what_was_asked_in_the_order_in_which_they_came(path: Path) -> None:
    found = answers(path, ["key-009", "key-003", "not there"])
    assert [each.request["messages"][0]["content"] for each in found] == ["question 3", "question 9"]
    assert found[0].cost_usd == Decimal("0.001")


def test_what_is_set_aside_is_asked_again_and_stays_paid_for(path: Path) -> None:
    before = Ledger.open(path).totals()
    assert set_aside(path, ["key-003", "not there"]) == 1
    ledger = Ledger.open(path)
    assert ledger.get("key-003") is None
    assert ledger.totals() == before
    assert condition(path).flaws == ()


def test_the_cost_of_some_answers_counts_each_once(path: Path) -> None:
    found = totals_of(path, ["key-001", "key-002", "key-001", "not there"])
    assert found == Totals(2, 20, 10, Decimal("0.002"))
