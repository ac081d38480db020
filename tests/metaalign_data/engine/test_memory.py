"""Memory is bounded by the window, not by the number of rows."""

import subprocess
import sys
from pathlib import Path

import pytest

MANY_ROWS = Path(__file__).parents[2] / "support" / "many_rows.py"


def peak_mb(rows: int) -> float:
    done = subprocess.run([sys.executable, MANY_ROWS, str(rows)], capture_output=True, text=True, check=True)
    return float(done.stdout)


@pytest.mark.parametrize(
    "rows", [40_000, pytest.param(1_000_000, marks=pytest.mark.long)], ids=["forty thousand", "a million"]
)
def test_many_rows_take_no_more_memory_than_a_few(rows: int) -> None:
    few = peak_mb(20_000)
    assert peak_mb(rows) < few + 20
