"""What a person sees of a run."""

from dataclasses import dataclass, field
from decimal import Decimal

import pytest
from rich.console import Console

from metaalign_data.chat import Usage
from metaalign_data.engine.counts import Counts, StageCounts
from metaalign_data.engine.progress import Progress, showing
from metaalign_data.teacher.meter import Meter

USAGE = Usage(prompt_tokens=900, completion_tokens=100)


@dataclass
class Watched:
    rows_done: int = 5
    rows_total: int | None = 20
    counts: Counts = field(
        default_factory=lambda: {
            "queries": StageCounts(taken=10, passed=9, rejected=1, made=9),
            "judge": StageCounts(taken=6, passed=3, rejected=1, failed=2, made=3),
        }
    )


def meter(cost: Decimal | None) -> Meter:
    counted = Meter(asked=7, replayed=2, in_flight=3, retries=4, parsed=190, malformed=10)
    counted.paid(USAGE, cost)
    return counted


@pytest.mark.parametrize(
    ("cost", "said"), [(Decimal("0.0125"), "$0.0125"), (None, "cost of 1 calls unknown (no price given)")]
)
def test_the_line_holds_every_figure(cost: Decimal | None, said: str) -> None:
    line = Progress(Watched(), meter(cost)).line()
    for part in (
        "queries 10 (1 rejected)",
        "judge 6 (1 rejected, 2 failed)",
        "7 asked",
        "2 from the ledger",
        "3 in flight",
        "4 retries",
        "95.0% of 200 JSON answers parsed",
    ):
        assert part in line
    assert said in line
    assert "1,000 tokens" in line
    assert "ETA" in line


def test_without_a_total_there_is_no_eta() -> None:
    assert "ETA" not in Progress(Watched(rows_total=None), meter(None)).line()


@pytest.mark.parametrize("total", [None, 20])
def test_the_table_has_a_bar_for_each_stage(total: int | None) -> None:
    console = Console(width=100, record=True)
    console.print(Progress(Watched(rows_total=total), meter(None)))
    text = console.export_text()
    assert [line.split()[0] for line in text.splitlines()[1:3]] == ["queries", "judge"]


async def test_a_pipe_gets_a_last_line_and_nothing_that_moves(capfd: pytest.CaptureFixture[str]) -> None:
    async with showing(Progress(Watched(), meter(None))):
        pass
    out, err = capfd.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert "\x1b" not in err
