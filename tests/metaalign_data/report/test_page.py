import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from metaalign_data.chat import Message
from metaalign_data.records import PreferencePair
from metaalign_data.report.audit import Audit, audit_run
from metaalign_data.report.page import ROWS_PER_SUBSET, examples, heat_map, page, passage, reasons
from metaalign_data.report.rows import read_run
from rows import flip, pair
from runs import MANIFEST, frame, made_run

NASTY = '<script>alert("x")</script><img src=x onerror=alert(1)> </style></title> {{ 7 * 7 }} &amp; \' " שלום'


class Seen(HTMLParser):
    """Tags with their attributes, and the text between them."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def told(rows: list[PreferencePair], tmp_path: Path, **manifest: Any) -> str:
    run = read_run(made_run(tmp_path, rows))
    return page(MANIFEST | manifest, audit_run(tmp_path, sample=0, ask_judge=False), run.pairs)


@pytest.fixture
def nasty(tmp_path: Path) -> str:
    fields = dict.fromkeys(
        ["query", "user_info", "system_info", "dimension", "value", "chosen", "rejected", "matrix_cell"], NASTY
    )
    turns = [Message(role=role, content=NASTY) for role in ("user", "assistant", "user")]
    manifest = {"name": NASTY, "verdict": NASTY, "teacher": NASTY, "judge": NASTY}
    return told([pair(**fields, prompt=turns)], tmp_path, **manifest)


def test_text_of_somebody_else_is_shown_and_never_becomes_markup(nasty: str) -> None:
    seen = Seen(nasty)
    assert {tag for tag, _ in seen.tags}.isdisjoint({"script", "img", "iframe", "object", "link", "form"})
    assert not any(name.startswith("on") or name == "style" for _, attributes in seen.tags for name in attributes)
    assert seen.text.count(NASTY) >= 10


def test_the_page_loads_nothing_from_anywhere(nasty: str) -> None:
    seen = Seen(nasty)
    assert not any(name in ("src", "href", "srcset", "action") for _, attributes in seen.tags for name in attributes)
    assert "url(" not in nasty
    assert "@import" not in nasty


def test_the_policy_of_the_page_allows_its_one_style_sheet_and_nothing_else(nasty: str) -> None:
    (policy,) = (a["content"] for tag, a in Seen(nasty).tags if a.get("http-equiv") == "Content-Security-Policy")
    (style,) = re.findall(r"<style>(.*?)</style>", nasty, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert policy == f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"


def test_the_page_says_how_the_run_ended_what_was_lost_and_what_it_cost(tmp_path: Path) -> None:
    text = " ".join(Seen(told(flip("Yes", "No", "f"), tmp_path)).text.split())
    for sentence in ("done: some pairs", "rejected: empty 1", "failed: timeout 1", "$0.50", "Simulated data."):
        assert sentence in text
    assert "the judge was not to be asked" in text
    assert "wants Yes" in text
    assert "contrasting preference2100.0%" in text


def test_pairs_are_counted_for_each_query_however_often_a_run_goes_round_them(tmp_path: Path) -> None:
    counts = MANIFEST["counts"] | {"queries": MANIFEST["counts"]["queries"] | {"out": 50}}
    html = told([*flip("Yes", "No", "f"), *flip("Up", "Down", "g")], tmp_path, counts=counts)
    assert re.search(r"pairs for each query</dt><dd>4\.0<", html)


@pytest.mark.parametrize(
    ("manifest", "sentence"),
    [({"simulated": False}, "Simulated data."), ({"cost": MANIFEST["cost"] | {"usd": "0.5"}}, "unknown")],
)
def test_what_is_not_so_is_not_said(tmp_path: Path, manifest: dict, sentence: str) -> None:
    assert sentence not in Seen(told(flip("Yes", "No", "f"), tmp_path, **manifest)).text


def test_a_cost_without_a_price_is_unknown(tmp_path: Path) -> None:
    assert "unknown" in Seen(told(flip("Yes", "No", "f"), tmp_path, cost=MANIFEST["cost"] | {"usd": None})).text


def test_a_check_out_of_its_bar_stands_out(tmp_path: Path) -> None:
    rows = [pair(query=f"q{i}", chosen="long " * 9, rejected="short") for i in range(50)]
    tags = [a for tag, a in Seen(told(rows, tmp_path)).tags if tag == "span" and a.get("class") == "tag bad"]
    assert tags


def test_a_page_of_an_audit_without_coverage_or_votes_has_neither_section(tmp_path: Path) -> None:
    run = read_run(made_run(tmp_path, [pair()]))
    audit: Audit = audit_run(tmp_path, sample=0, ask_judge=False)
    del audit["coverage"]
    text = Seen(page(MANIFEST, audit, run.pairs)).text
    assert "What of the taxonomy it covers" not in text
    assert "The judge" not in text
    assert "Rows at random" in text


def drawn(rows: list[PreferencePair], seed: int) -> dict[str, list[str]]:
    return {subset: [row["id"] for row in shown] for subset, shown in examples(frame(rows), seed)}


def test_examples_are_at_most_ten_a_subset_and_the_same_again() -> None:
    rows = [pair(query=f"{subset} {i}", subset=subset) for subset in ("priority", "helpful") for i in range(30)]
    one, other, third = (drawn(given, seed) for given, seed in ((rows, 1), (rows[::-1], 1), (rows, 2)))
    assert one == other
    assert {subset: len(ids) for subset, ids in one.items()} == dict.fromkeys(("priority", "helpful"), ROWS_PER_SUBSET)
    assert third["helpful"] != one["helpful"]


def test_an_example_shows_the_turns_before_the_query() -> None:
    turns = [Message(role=role, content=role) for role in ("system", "user", "assistant", "user")]
    (row,) = dict(examples(frame([pair(prompt=turns)]), seed=0))["helpful"]
    assert [turn["role"] for turn in row["history"]] == ["user", "assistant"]


def test_heat_grows_from_none_to_the_most() -> None:
    cells = [{"by_subset": {"helpful": n}} for n in (0, 1, 40, 80)]
    assert [cell["heats"]["helpful"] for cell in heat_map(cells)] == [0, 1, 4, 8]
    assert [cell["heats"]["helpful"] for cell in heat_map(cells[:1])] == [0]


def test_the_passage_of_a_stage_that_took_nothing_is_empty() -> None:
    counts = {"judge": {"in": 0, "passed": 0, "rejected": 0, "failed": 0, "out": 0, "reasons": {}}}
    (stage,) = passage(counts)
    assert (stage["passed_share"], stage["taken"]) == (0, 0)


def test_reasons_are_told_the_most_frequent_first() -> None:
    assert reasons({"rejected: tie": 2, "failed: server_error": 10}) == "failed: server error 10, rejected: tie 2"
    assert reasons({f"r{n:02}": n for n in range(1, 15)}).endswith("r04 4, r03 3, 2 others 3")


def test_an_audit_that_was_stored_and_read_makes_the_same_page(tmp_path: Path) -> None:
    run = read_run(made_run(tmp_path, flip("Yes", "No", "f")))
    audit = audit_run(tmp_path, sample=0, ask_judge=False)
    stored = json.loads((tmp_path / "audit.json").read_text(encoding="utf-8"))
    assert page(MANIFEST, stored, run.pairs) == page(MANIFEST, audit, run.pairs)
