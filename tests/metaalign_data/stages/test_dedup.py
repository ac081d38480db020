from collections.abc import Sequence
from itertools import combinations
from random import Random
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metaalign_data.embed import HASHED_NGRAMS, EmbedderName, Vectors
from metaalign_data.errors import UserError
from metaalign_data.neighbours import TOLERANCE
from metaalign_data.records import PreferencePair, to_frame
from metaalign_data.registry import BUILT_IN
from metaalign_data.stages.dedup import Dedup
from metaalign_data.testing import context
from rows import flip, pair
from vectors import random_vectors


def dedup(rows: list[PreferencePair] | pl.DataFrame, **config: object) -> pl.DataFrame:
    table = rows if isinstance(rows, pl.DataFrame) else to_frame(rows, PreferencePair)
    return Dedup(Dedup.Config(**config)).transform(table.lazy(), context()).collect()


def reasons(table: pl.DataFrame) -> list[str | None]:
    return table["reject_reason"].to_list()


BASE = {"user_info": "Keep answers short, please.", "chosen": "Boil it for ten minutes and serve it hot."}


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        ({**BASE, "query": "Another?"}, "exact_duplicate"),
        ({**BASE, "chosen": "boil it for  ten minutes and serve it HOT."}, "exact_duplicate"),
        ({**BASE, "chosen": "Boil it for ten minutes and serve it hot!"}, "lexical_duplicate"),
        ({**BASE, "chosen": "Boil it for ten minutes and serve it hotly."}, "semantic_duplicate"),
        ({**BASE, "chosen": "Put it in the oven until it is brown."}, None),
        ({**BASE, "user_info": "I study chemistry in Leeds."}, None),
        ({**BASE, "subset": "priority"}, None),
    ],
)
def test_a_row_is_dropped_when_preference_and_chosen_are_both_alike(other: dict, reason: str | None) -> None:
    table = dedup([pair(**BASE, margin=9.0), pair(**other)])
    assert reasons(table) == [None, reason]


def test_the_dropped_row_names_the_kept_one() -> None:
    kept, dropped = pair(**BASE, margin=9.0), pair(**BASE, query="Another?")
    table = dedup([dropped, kept])
    assert (
        table.filter(pl.col("id") == dropped.id)["reject_detail"].item()
        == f"of {kept.id}, equal but for case and white space on preference, chosen, rejected"
    )


def test_the_row_with_the_larger_margin_stays_whatever_the_order() -> None:
    rows = [pair(**BASE, query=f"{i}?", margin=float(i)) for i in range(6)]
    for order in (rows, rows[::-1]):
        table = dedup(order)
        assert table.filter(pl.col("reject_reason").is_null())["margin"].to_list() == [5.0]
        assert table["id"].to_list() == [row.id for row in order], "the order of the rows is left as it was"


words = st.sampled_from(["short", "long", "warm", "dry", "tea", "rice", "!", "please"])
texts = st.lists(words, min_size=1, max_size=4).map(" ".join)


@settings(deadline=None, max_examples=40)
@given(st.lists(st.tuples(texts, texts, st.integers(0, 3)), min_size=1, max_size=12), st.randoms(use_true_random=False))
def test_the_result_does_not_depend_on_the_order_of_the_rows(cells: list[tuple[str, str, int]], rng: Random) -> None:
    rows = [pair(user_info=p, chosen=c, margin=float(m), query=f"{i}?") for i, (p, c, m) in enumerate(cells)]
    shuffled = rng.sample(rows, len(rows))
    first, second = (dedup(r).sort("id").select("id", "reject_reason", "reject_detail") for r in (rows, shuffled))
    assert first.equals(second)


class RandomVectors:
    """Tools whose vectors have nothing to do with the spelling of a text, some of them near each other."""

    def __init__(self, seed: int) -> None:
        self.vectors = random_vectors(seed, 60)

    def embed(self, embedder: EmbedderName, texts: Sequence[str]) -> Vectors:
        return self.vectors[[int(text) for text in texts]]

    def note(self, sentence: str) -> None: ...


@settings(deadline=None, max_examples=60)
@given(
    cells=st.lists(st.tuples(st.integers(0, 59), st.sampled_from(["x", "y"]), st.integers(0, 3)), max_size=50),
    threshold=st.floats(0.3, 0.99),
    seed=st.integers(0, 10_000),
    rng=st.randoms(use_true_random=False),
)
def test_with_random_vectors_in_any_order_kept_rows_are_far_apart_and_dropped_ones_near_a_better_kept_one(
    cells: list[tuple[int, str, int]], threshold: float, seed: int, rng: Random
) -> None:
    stage = Dedup(Dedup.Config(on=("text",), per="group", keep="score", threshold=threshold))
    tools = RandomVectors(seed)
    rows = [{"id": f"r{i}", "text": str(text), "group": group, "score": s} for i, (text, group, s) in enumerate(cells)]
    schema = {"id": pl.String, "text": pl.String, "group": pl.String, "score": pl.Int64}
    found, shuffled = (
        stage.compared(pl.DataFrame(order, schema=schema), tools).sort("id")
        for order in (rows, rng.sample(rows, len(rows)))
    )
    assert found.equals(shuffled)
    by_id = {row["id"]: row for row in found.to_dicts()}

    def cosine(a: dict[str, Any], b: dict[str, Any]) -> float:
        return float(np.dot(*tools.embed(HASHED_NGRAMS, [a["text"], b["text"]])))

    kept = [row for row in by_id.values() if row["rule"] is None]
    assert all(cosine(a, b) < threshold for a, b in combinations(kept, 2) if a["group"] == b["group"])
    for row in by_id.values():
        if row["rule"]:
            of = by_id[row["duplicate_of"]]
            assert (of["rule"], of["group"]) == (None, row["group"])
            assert (-of["score"], of["id"]) < (-row["score"], row["id"])
            assert row["rule"] == "exact" or cosine(row, of) >= threshold - 2 * TOLERANCE
            assert row["similarity"] == pytest.approx(cosine(row, of), abs=1e-5)


def test_the_rows_of_a_flip_are_never_duplicates_of_each_other_and_a_lone_one_is_no_flip() -> None:
    twins = flip("Yes, do it.", "Yes, do it!", "f1", preference="Be kind.")
    assert reasons(dedup(twins)) == [None, None]
    rival = pair(chosen="Yes, do it.", preference="Be kind.", user_info="x", margin=9.0)
    table = dedup([*twins, rival], rules=["exact"], on=["preference", "chosen"])
    assert reasons(table) == ["exact_duplicate", None, None]
    assert table["flip_id"].to_list() == ["f1", None, None]


def test_it_works_on_any_frame_with_an_id() -> None:
    table = pl.DataFrame({"id": ["a", "b", "c"], "text": ["one two", "one two", "three"], "score": [1, 2, 3]})
    assert reasons(dedup(table, on=["text"], per=None, keep="score")) == ["exact_duplicate", None, None]


def test_a_value_that_is_no_number_is_not_the_highest() -> None:
    scores = [1.0, float("nan"), 2.0, None]
    table = pl.DataFrame({"id": ["a", "b", "c", "d"], "text": ["tea"] * 4, "score": scores})
    kept = dedup(table, on=["text"], per=None, keep="score").filter(pl.col("reject_reason").is_null())
    assert kept["id"].to_list() == ["c"]


def test_messages_without_content_and_categories_are_compared_as_text() -> None:
    hello, nothing = {"role": "user", "content": "Hello"}, {"role": "user", "content": None}
    said = [[hello], [hello, None], [nothing], []]
    kind = pl.Series(["x"] * 4, dtype=pl.Categorical)
    table = pl.DataFrame({"id": ["a", "b", "c", "d"], "said": said, "kind": kind})
    assert reasons(dedup(table, on=["said"], per=None, keep=None)) == [None, "exact_duplicate"] * 2
    assert reasons(dedup(table, on=["kind"], per=None, keep=None)) == [None, *["exact_duplicate"] * 3]


def test_verdicts_of_before_give_way_to_new_ones() -> None:
    table = pl.DataFrame({"id": ["a", "b"], "text": ["tea"] * 2, "duplicate_of": ["x", "y"], "rule": ["old", "old"]})
    found = Dedup(Dedup.Config(on=("text",), per=None, keep=None)).compared(table, context())
    assert found.select("duplicate_of", "rule").rows() == [(None, None), ("a", "exact")]


@pytest.mark.parametrize("rows", [[], [pair()]])
def test_an_empty_table_and_a_single_row_pass(rows: list[PreferencePair]) -> None:
    assert reasons(dedup(rows)) == [None] * len(rows)


def test_identical_texts_by_the_thousand_leave_one() -> None:
    table = pl.DataFrame({"id": [f"{i:05d}" for i in range(3000)], "text": ["the same"] * 3000, "score": [0] * 3000})
    assert reasons(dedup(table, on=["text"], per=None, keep="score")).count(None) == 1


def test_equal_rows_are_duplicates_where_one_of_the_columns_is_empty() -> None:
    rows = [pair(system_info="", query="How?"), pair(system_info="", query="How now?")]
    assert reasons(dedup(rows, on=["system_info", "chosen"])).count("exact_duplicate") == 1
    table = pl.DataFrame({"id": ["a", "b", "c"], "text": ["", None, "tea"], "score": [1, 1, 1]})
    assert reasons(dedup(table, on=["text"], per=None, keep="score")) == [None, "exact_duplicate", None]


@pytest.mark.parametrize("column", ["margin", "prompt_versions"])
def test_a_column_without_text_is_refused_by_name(column: str) -> None:
    with pytest.raises(
        UserError, match=f"the column .{column}. cannot be compared: it holds neither text nor messages"
    ):
        dedup([pair()], on=[column])


def test_a_row_that_stands_there_twice_stays_once_and_its_flip_stays_whole() -> None:
    first, second = flip("Short.", "Long and winding, with all that belongs to it.", "f1")
    table = dedup([first, second, first, second])
    assert reasons(table) == [None, None, "exact_duplicate", "exact_duplicate"]
    assert table["flip_id"].to_list()[:2] == ["f1", "f1"]


def test_a_row_that_stands_there_twice_and_goes_names_a_kept_one_both_times() -> None:
    table = pl.DataFrame({"id": ["b", "a", "b", "c", "c"], "text": ["Tea time", "tea time", "Tea time", "x", "x"]})
    found = Dedup(Dedup.Config(on=("text",), per=None, keep=None)).compared(table, context())
    assert found["duplicate_of"].to_list() == ["a", None, "a", None, "c"]


def test_it_can_be_used_without_a_run() -> None:
    from metaalign_data.stages import Dedup

    near = ["Boil it for ten minutes and serve it hot.", "Boil it for ten minutes and serve it hotly."]
    table = pl.DataFrame({"id": ["a", "b"], "text": near})
    found = Dedup(Dedup.Config(on=("text",), per=None, keep=None)).compared(table)
    assert found.select("duplicate_of", "rule").rows() == [(None, None), ("a", "semantic")]
    server = {"model": "m", "base_url": "http://127.0.0.1:9/v1"}
    with pytest.raises(UserError, match="embedding with m needs a run, or the command line"):
        Dedup(Dedup.Config(on=("text",), per=None, keep=None, embedder=server)).compared(table)


def test_every_stage_can_be_imported_from_the_package_and_nothing_else() -> None:
    from metaalign_data import stages

    assert {name: getattr(stages, name).__name__ for name in stages.__all__} == {name: name for name in stages.__all__}
    assert sorted(stages.__all__) == sorted(target.split(":")[1] for target in BUILT_IN["stage"].values())
    with pytest.raises(AttributeError, match="no attribute 'Dedupe'"):
        _ = stages.Dedupe


def test_half_of_a_flip_or_of_twins_whose_other_half_never_came_is_none() -> None:
    (row, _) = flip("Short.", "Long.", "f1", twin_id="t1")
    table = dedup([row])
    assert (table["flip_id"].to_list(), table["twin_id"].to_list()) == ([None], [None])


def test_twins_that_differ_only_in_what_loses_both_stay_and_so_do_their_flips() -> None:
    """The rule decides under either telling of the user's wish: same preference, same responses, other User Info."""
    rows = [
        row.model_copy(update={"user_info": told, "twin_id": f"t{i}"})
        for told in ("I read all.", "I have all day, and a rug.")
        for i, row in enumerate(flip("Short.", "Long and winding, with all of it.", told[:8], preference="Be brief."))
    ]
    table = dedup(rows, on=["preference", "chosen", "rejected"])
    assert reasons(table) == [None] * 4
    apart = dedup([row.model_copy(update={"twin_id": None}) for row in rows])
    assert reasons(apart).count("exact_duplicate") == 2


def test_of_nothing_but_flips_the_half_that_is_left_over_goes_too() -> None:
    again = [
        flip("Yes, do it.", "No, leave it.", f"f{i}", preference=p) for i, p in enumerate(("Be kind.", "Be stern."))
    ]
    rows = [*again[0], again[1][0].model_copy(update={"preference": "Be kind."}), again[1][1]]
    table = dedup(rows, rules=["exact"], on=["preference", "chosen"])
    assert sorted(filter(None, reasons(table))) == ["exact_duplicate", "no_flip"]
    assert table.filter(pl.col("reject_reason").is_null())["flip_id"].n_unique() == 1
    with_another = dedup([*rows, pair(chosen="Else.", query="Else?")], rules=["exact"], on=["preference", "chosen"])
    assert list(filter(None, reasons(with_another))) == ["exact_duplicate"]
