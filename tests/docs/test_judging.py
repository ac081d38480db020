"""docs/judging.md says what the code does and what the benchmark measured."""

import json
import re
from pathlib import Path

from metaalign_data.report.judging import figures, votes_of
from metaalign_data.stages.judge import Judge
from metaalign_data.stages.pair import Pair

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "judging.md").read_text(encoding="utf-8")
MEASURED = json.loads((ROOT / "benchmarks" / "results" / "bench_judge.json").read_text(encoding="utf-8"))


def test_the_settings_are_those_of_the_stage_with_their_defaults() -> None:
    told = dict(re.findall(r"^\| `(\w+)` \| ([\w.]+) \|", TEXT, re.MULTILINE))
    defaults = {name: json.dumps(value) for name, value in Judge.Config().model_dump().items()}
    assert told == defaults
    assert f"`min_margin`, {Pair.Config().min_margin:g}," in TEXT


def test_the_figures_are_those_of_the_code() -> None:
    found = figures(votes_of([]))
    known = {*found, *found["all"]} - {"all", "judges"}
    section = TEXT.partition("## Figures of a run")[2].partition("## ")[0]
    assert set(re.findall(r"^\| `(\w+)`", section, re.MULTILINE)) <= known


def test_the_benchmark_measured_what_the_table_says() -> None:
    points = {(p["votes"], p["min_agreement"], p["min_margin"]): p for p in MEASURED["points"]}
    naive, defaults = MEASURED["table"][0], MEASURED["table"][1]
    for p in (naive, points[2, 1.0, 2.5], defaults, points[6, 0.66, 3.0]):
        assert f"| {p['votes']} | {100 * p['judge_yield']:.1f} % | {100 * p['judge_accuracy']:.1f} % |" in TEXT
    assert (defaults["votes"], defaults["min_agreement"]) == (Judge.Config().votes, Judge.Config().min_agreement)
    assert f"{MEASURED['candidates']:,} comparisons" in TEXT
    assert all(f"{100 * share:.1f} %" in TEXT for share in MEASURED["equal"]["kept"].values())


def test_the_defaults_reach_the_bar() -> None:
    defaults = MEASURED["table"][1]
    assert defaults["judge_accuracy"] >= 0.98
    assert defaults["judge_yield"] >= 0.70
