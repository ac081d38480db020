from collections import Counter

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from metaalign_data.embed import HASHED_NGRAMS, embedder
from metaalign_data.records import PreferencePair, to_frame
from metaalign_data.stages.split import Split
from metaalign_data.testing import context
from rows import flip, pair

SUBJECTS = (
    "rice",
    "sleep",
    "a budget",
    "old cars",
    "roses",
    "Latin",
    "pianos",
    "trains",
    "bread",
    "chess",
    "tents",
    "wasps",
)


def rows_of(cells: list[tuple[int, int]]) -> list[PreferencePair]:
    """Flips: (query number, preference number) each."""
    found = []
    for i, (query, preference) in enumerate(cells):
        mine, theirs = f"I am number {preference} of the brass band", f"My boat {preference * 31} leaks in June"
        for row, text in zip(flip(f"yes {i}", f"no {i}", f"f{i}"), (mine, theirs), strict=True):
            asked = f"What about {SUBJECTS[query]}, and why is it so?"
            found.append(row.model_copy(update={"query": asked, "query_id": str(query), "preference": text}))
    return found


def split(rows: list[PreferencePair], seed: int = 0, **config: float) -> pl.DataFrame:
    stage = Split(Split.Config(**{"test": 0.3, "unseen_preferences": 0.3, **config}))
    return stage.transform(to_frame(rows, PreferencePair).lazy(), context(seed=seed)).collect()


cells = st.lists(st.tuples(st.integers(0, len(SUBJECTS) - 1), st.integers(0, 20)), min_size=1, max_size=40)


@settings(deadline=None, max_examples=60)
@given(cells=cells, seed=st.integers(0, 50))
def test_nothing_that_is_held_out_has_a_near_duplicate_in_train(cells: list[tuple[int, int]], seed: int) -> None:
    table = split(rows_of(cells), seed)
    embed = embedder(HASHED_NGRAMS).embed
    train = table.filter(pl.col("split") == "train")
    for column, held in (
        ("query", ("test", "test_unseen_queries_and_preferences")),
        ("preference", ("test_unseen_preferences", "test_unseen_queries_and_preferences")),
    ):
        out = table.filter(pl.col("split").is_in(held))
        if out.height and train.height:
            assert (embed(out[column].to_list()) @ embed(train[column].to_list()).T).max() < 0.92
    assert table.group_by("flip_id").agg(pl.col("split").n_unique())["split"].max() == 1


def test_every_split_comes_up_and_shares_are_about_met() -> None:
    rows = rows_of([(i % 12, i) for i in range(240)])
    counts = Counter[str]()
    for seed in range(20):
        counts.update(split(rows, seed, test=0.2, unseen_preferences=0.1)["split"].to_list())
    assert set(counts) == {"train", "test", "test_unseen_preferences", "test_unseen_queries_and_preferences"}
    held = (counts["test"] + counts["test_unseen_queries_and_preferences"]) / counts.total()
    assert 0.12 < held < 0.28


def test_rows_of_other_groups_do_not_move_a_row() -> None:
    few, more = [(i, i) for i in range(6)], [(i, i) for i in range(12)]
    before = split(rows_of(few), test=0.4, unseen_preferences=0.4)
    after = split(rows_of(more), test=0.4, unseen_preferences=0.4).head(before.height)
    assert before["split"].to_list() == after["split"].to_list()


def test_a_group_that_is_larger_than_the_share_stays_in_train() -> None:
    rows = [pair(query="One question only?", user_info=f"person {i}", chosen=f"{i}") for i in range(20)]
    for seed in range(30):
        assert set(split(rows, seed, unseen_preferences=0.0)["split"]) == {"train"}


def test_an_empty_table_passes() -> None:
    assert split([]).height == 0
