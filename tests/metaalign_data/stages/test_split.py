import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metaalign_data.embed import HASHED_NGRAMS, embedder
from metaalign_data.records import SPLITS, PreferencePair, to_frame
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


def test_every_split_comes_up() -> None:
    found = {name for seed in range(5) for name in split(rows_of([(i % 12, i) for i in range(240)]), seed)["split"]}
    assert found == set(SPLITS)


@pytest.mark.parametrize("seed", range(10))
def test_shares_are_met_or_passed_by_half_at_most(seed: int) -> None:
    table = split(rows_of([(i % 12, i) for i in range(240)]), seed, test=0.2, unseen_preferences=0.1)
    for held, share in ((("test", SPLITS[3]), 0.2), ((SPLITS[2], SPLITS[3]), 0.1)):
        assert share <= table["split"].is_in(held).mean() <= 1.5 * share


@pytest.mark.parametrize("seed", range(20))
def test_a_small_table_has_test_rows_whatever_the_seed(seed: int) -> None:
    table = split(rows_of([(i, i) for i in range(12)]), seed, test=0.1, unseen_preferences=0.1)
    assert table["split"].is_in(["test", SPLITS[3]]).sum() == 2
    assert table["split"].is_in([SPLITS[2], SPLITS[3]]).sum() == 2


def test_other_rows_move_only_where_the_order_of_the_groups_is_cut() -> None:
    """Of the first rows the held-out ones are the first of one order, so one of the two sets holds the other."""
    for seed in range(10):
        few, more = (
            split(rows_of([(0, i) for i in range(n)]), seed, test=0.0, unseen_preferences=0.2).head(40)
            for n in (20, 60)
        )
        held = [set(table.filter(pl.col("split") != "train")["preference"]) for table in (few, more)]
        assert held[0] <= held[1] or held[1] <= held[0]


def test_a_group_that_is_larger_than_the_share_stays_in_train() -> None:
    rows = [pair(query="One question only?", user_info=f"person {i}", chosen=f"{i}") for i in range(20)]
    for seed in range(30):
        assert set(split(rows, seed, unseen_preferences=0.0)["split"]) == {"train"}


def test_an_empty_table_passes() -> None:
    assert split([]).height == 0
