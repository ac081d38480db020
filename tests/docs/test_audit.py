"""docs/audit.md says what the code does and what the benchmark measured."""

import json
import re
from pathlib import Path

import pytest

from metaalign_data.report.audit import NEAR, audit_run
from metaalign_data.report.leaks import MAX_ROWS
from rows import flip, pair
from runs import made_run

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "audit.md").read_text(encoding="utf-8")
MEASURED = json.loads((ROOT / "benchmarks" / "results" / "bench_audit.json").read_text(encoding="utf-8"))
CHECKS = {check["name"]: check for audit in MEASURED["audits"].values() for check in audit["checks"]}


def told(section: str) -> set[str]:
    return set(
        re.findall(r"^\| `([\w\s-]+)` \|", TEXT.partition(f"## {section}")[2].partition("\n## ")[0], re.MULTILINE)
    )


def test_every_check_is_told() -> None:
    assert told("Checks") == set(CHECKS)


def test_every_key_of_an_audit_is_told(tmp_path: Path) -> None:
    run = made_run(tmp_path, [*flip("Yes", "No", "f"), pair()])
    assert told("Figures") == set(audit_run(run, sample=9, ask_judge=True))


@pytest.mark.parametrize(
    ("name", "right", "at_least", "at_most"),
    [("the longer one is chosen", "40 to 60 %", 0.4, 0.6), ("response alone", "to 60 %", 0.0, 0.6)],
)
def test_the_ranges_are_those_of_the_checks(name: str, right: str, at_least: float, at_most: float) -> None:
    assert f"\n| `{name}` | {right} |" in TEXT
    assert (CHECKS[name]["at_least"], CHECKS[name]["at_most"]) == (at_least, at_most)


def test_the_numbers_in_the_text_are_those_of_the_code() -> None:
    assert f"(cosine {NEAR})" in TEXT
    assert f"{MAX_ROWS:,} rows" in TEXT


def caught(name: str) -> set[tuple[str, str]]:
    checks = MEASURED["audits"][name]["checks"]
    return {(check["name"], check["scope"]) for check in checks if check["status"] == "look at this"}


def test_a_good_set_passes_and_each_planted_leak_is_caught() -> None:
    assert MEASURED["missed"] == []
    assert {scope for _, scope in caught("as made")} <= {"rows outside flips"}
    assert ("length alone", "all rows") in caught("length")
    assert ("refusal alone", "all rows") in caught("refusal")
