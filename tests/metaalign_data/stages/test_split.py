import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metaalign_data.embed import HASHED_NGRAMS, EmbedderName, EmbeddingServer, Vectors, embedder
from metaalign_data.engine.embedding import Embedding
from metaalign_data.records import SPLITS, PreferencePair, to_frame
from metaalign_data.stages.holdout import Groups
from metaalign_data.stages.split import Split
from metaalign_data.testing import check_stage, context
from rows import flip, pair

UNSEEN_QUERY = ("test", "test_unseen_queries_and_preferences")
UNSEEN_PREFERENCE = ("test_unseen_preferences", "test_unseen_queries_and_preferences")
LETTERS = "abcdefghijklmnopqrstuvwxyz"


def sentence(number: int) -> str:
    """A text that is near to no other one."""
    rng = Random(number)
    return " ".join("".join(rng.choices(LETTERS, k=7)) for _ in range(8))


def near(number: int) -> str:
    """A near-duplicate of that sentence."""
    return f"{sentence(number).capitalize()} x!"


def row(query: int | str, preference: int | str, **fields: Any) -> PreferencePair:
    asked, wanted = (sentence(text) if isinstance(text, int) else text for text in (query, preference))
    own = {"query_id": f"q-{asked}", "judgement_id": f"j-{asked}-{wanted}-{fields}"}
    return pair(**{"query": asked, "preference": wanted, **own, **fields})


def split(rows: Sequence[PreferencePair] | pl.DataFrame, seed: int = 0, **config: float) -> pl.DataFrame:
    stage = Split(Split.Config(**{"test": 0.3, "unseen_preferences": 0.3, **config}))
    table = rows if isinstance(rows, pl.DataFrame) else to_frame(rows, PreferencePair)
    return stage.transform(table.lazy(), context(seed=seed)).collect()


def one_by_one(n: int, **fields: Any) -> list[PreferencePair]:
    """Rows with a query and a preference each of their own."""
    return [row(i, -1 - i, **fields) for i in range(n)]


def entangled(rng: Random) -> list[PreferencePair]:
    """Rows with some near-duplicates, empty texts and bonds of every kind among them."""

    def text() -> str:
        n = rng.randrange(120)
        return rng.choice([sentence(n), near(n), sentence(n).upper(), sentence(n), "" if n < 5 else sentence(-n)])

    def bond(kind: str) -> str | None:
        return rng.choice([None, None, f"{kind}{rng.randrange(12)}"])

    return [
        row(
            text(),
            text(),
            query_id=str(rng.randrange(80)),
            judgement_id=str(rng.randrange(60)),
            flip_id=bond("f"),
            twin_id=bond("t"),
            user_id=bond("u"),
            subset=rng.choice(["helpful", "consensus"]),
        )
        for _ in range(rng.randrange(70))
    ]


@settings(deadline=None, max_examples=60)
@given(rng=st.randoms(use_true_random=False), seed=st.integers(0, 50))
def test_a_row_is_in_the_split_that_says_what_train_does_not_have(rng: Random, seed: int) -> None:
    rows = entangled(rng)
    table = split(rows, seed)
    embed = embedder(HASHED_NGRAMS).embed
    train = table.filter(pl.col("split") == "train")
    for column, unseen in (("query", UNSEEN_QUERY), ("preference", UNSEEN_PREFERENCE)):
        out = table.filter(pl.col("split").is_in(unseen))
        if out.height and train.height:
            assert (embed(out[column].to_list()) @ embed(train[column].to_list()).T).max() < 0.92
    together = [*(("query_id", name) for name in UNSEEN_QUERY), *(("user_id", name) for name in UNSEEN_PREFERENCE)]
    for bond, name in together:
        kept = train[bond].drop_nulls().to_list()
        assert not set(table.filter(pl.col("split") == name)[bond].drop_nulls()) & set(kept)
    for bond in ("judgement_id", "flip_id", "twin_id"):
        assert (table.drop_nulls(bond).group_by(bond).agg(pl.col("split").n_unique())["split"] == 1).all()


@settings(deadline=None, max_examples=15)
@given(data=st.data(), seed=st.integers(0, 50))
def test_no_row_moves_when_rows_are_added_that_are_near_to_others(data: st.DataObject, seed: int) -> None:
    before = one_by_one(40)
    added = data.draw(
        st.lists(
            st.integers(0, 90).flatmap(
                lambda n: st.sampled_from([row(near(n), 5000 + n), row(5000 + n, near(-1 - n))])
            ),
            max_size=12,
        )
    )
    old = split(before, seed)
    after = split(data.draw(st.permutations([*before, *added])), seed).filter(pl.col("id").is_in(old["id"].implode()))
    grown = {text.lower().removesuffix(" x!") for each in added for text in (each.query, each.preference)}
    still = ~(pl.col("query").is_in(list(grown)) | pl.col("preference").is_in(list(grown)))
    splits = pl.col("id", "split")
    assert after.filter(still).select(splits).sort("id").equals(old.filter(still).select(splits).sort("id"))


def test_a_row_that_joins_a_group_moves_it_rarely() -> None:
    """Of texts that get a near-duplicate half get a new smallest hash, and of these 2 * 0.1 * 0.9 another side."""
    before = one_by_one(1000)
    old = split(before, test=0.1, unseen_preferences=0.0)
    new = split([*before, *(row(near(i), 5000 + i) for i in range(1000))], test=0.1, unseen_preferences=0.0).head(1000)
    moved = (new["split"] == "train") != (old["split"] == "train")
    assert 0.05 < moved.mean() < 0.13


def test_a_text_that_differs_in_case_and_punctuation_moves_nothing() -> None:
    before = one_by_one(300)
    old = split(before)
    copies = [row(sentence(i).upper() + "!", sentence(-1 - i).capitalize() + ".") for i in range(300)]
    assert split([*before, *copies])["split"][:300].to_list() == old["split"].to_list()


class Earlier:
    """An earlier run in a folder, and what the split says and does when it is named."""

    def __init__(self, folder: Path, before: pl.DataFrame) -> None:
        self.context = context(folder=folder)
        (folder / "runs/one/dataset/pairs").mkdir(parents=True)
        for (name,), rows in before.drop("split").with_columns(name=before["split"]).group_by("name"):
            rows.drop("name").write_parquet(folder / f"runs/one/dataset/pairs/{name}-00000-of-00001.parquet")

    def split(self, rows: Sequence[PreferencePair], **config: float) -> pl.DataFrame:
        stage = Split(Split.Config(**{"test": 0.3, "unseen_preferences": 0.3, "earlier": "runs/one", **config}))
        return stage.transform(to_frame(rows, PreferencePair).lazy(), self.context).collect()


@settings(deadline=None, max_examples=15)
@given(data=st.data())
def test_with_an_earlier_run_a_row_moves_only_from_test_to_train_and_that_is_said(data: st.DataObject) -> None:
    before = one_by_one(30)
    texts = st.integers(0, 40).flatmap(
        lambda n: st.sampled_from([sentence(n), near(n), sentence(-1 - n), near(-1 - n)])
    )
    added = data.draw(st.lists(st.builds(row, texts, texts, query_id=st.integers(0, 9).map(str)), max_size=15))
    old = split(before, seed=1)
    with tempfile.TemporaryDirectory() as folder:
        earlier = Earlier(Path(folder), old)
        new = earlier.split(data.draw(st.permutations([*before, *added])))
    moved = old.select("id", old="split").join(new.select("id", new="split"), on="id")
    moved = moved.filter((pl.col("old") == "train") != (pl.col("new") == "train"))
    assert set(moved["new"]) <= {"train"}
    assert (f"test: {moved.height} rows" in " ".join(earlier.context.notes)) == (moved.height > 0)


def test_rows_stay_as_they_were_in_an_earlier_run_whatever_the_seed_and_the_share(tmp_path: Path) -> None:
    before = one_by_one(60)
    old = split(before, seed=7)
    new = Earlier(tmp_path, old).split([*before, *(row(100 + i, -100 - i) for i in range(60))], test=0.1)
    assert new["split"].to_list()[:60] == old["split"].to_list()


def test_a_bridge_to_train_brings_what_was_held_out_into_train(tmp_path: Path) -> None:
    before = one_by_one(60)
    old = split(before, unseen_preferences=0.0)
    held, kept = (old.filter((pl.col("split") == "train") == is_train)["query"][0] for is_train in (False, True))
    earlier = Earlier(tmp_path, old)
    new = earlier.split([*before, row(held, 500, query_id=f"q-{kept}")], unseen_preferences=0.0)
    assert set(new.filter(pl.col("query").is_in([held, kept]))["split"]) == {"train"}
    (note,) = earlier.context.notes
    assert note.startswith("test: 1 rows that were held out in runs/one are in train now")


@pytest.mark.parametrize("seed", range(6))
def test_a_row_that_unites_two_groups_brings_them_to_one_side(seed: int) -> None:
    """The bridge is near to one of the queries, and comes from the source query of the other one."""
    united = split([*one_by_one(40), row(near(0), 9000, query_id=f"q-{sentence(1)}")], seed, unseen_preferences=0.0)
    assert united.filter(pl.col("query").is_in([sentence(0), sentence(1), near(0)]))["split"].n_unique() == 1


def test_each_subset_has_its_share() -> None:
    """Each query is asked three times, so that train has most queries of the unseen preferences."""
    rows = [row(i % 700, -1 - i) for i in range(2100)]
    rows += [row(1000 + i % 300, -10_000 - i, subset="consensus") for i in range(900)]
    table = split(rows, test=0.1, unseen_preferences=0.2)
    for subset, queries in (("helpful", 700), ("consensus", 300)):
        of_subset = table.filter(pl.col("subset") == subset)["split"]
        for share, held, n in (
            (0.1 + 0.9 * 0.2**3, UNSEEN_QUERY, queries),
            (0.9 * (0.2 - 0.2**3), ("test_unseen_preferences",), 3 * queries),
        ):
            four_sigma = 4 * (share * (1 - share) / n) ** 0.5
            assert abs(of_subset.is_in(held).mean() - share) < four_sigma


@pytest.mark.parametrize("seed", range(6))
def test_no_subset_of_a_small_table_is_left_without_test_rows(seed: int) -> None:
    rows = [*one_by_one(12), *(row(100 + i, -100 - i, subset="priority") for i in range(6))]
    for config in ({"test": 0.01, "unseen_preferences": 0.0}, {"test": 0.0, "unseen_preferences": 0.01}):
        held = split(rows, seed, **config).filter(pl.col("split") != "train")
        assert sorted(held["subset"]) == ["helpful", "priority"]


def test_every_split_comes_up_where_preferences_are_shared() -> None:
    table = split([row(i % 50, -1 - i % 40) for i in range(400)])
    assert set(table["split"]) == set(SPLITS)


def test_a_preference_that_only_a_held_out_query_has_is_unseen() -> None:
    assert set(split(one_by_one(100), unseen_preferences=0.0)["split"]) == {"train", SPLITS[3]}


def test_a_preference_that_train_has_too_is_seen() -> None:
    rows = [row(i, "Keep it short, please.") for i in range(100)]
    assert set(split(rows)["split"]) == {"train", "test"}


def test_a_giant_group_stays_in_train() -> None:
    """One row in eight of all, and one in four of a subset."""
    shared = [row(i, "Keep it short.") for i in range(100, 110)]
    mine = [row(i, -i, subset="priority", user_id="u" if i < 205 else None) for i in range(200, 220)]
    for others, giant in ((one_by_one(70), shared), (one_by_one(95) + mine[5:], mine[:5])):
        table = to_frame([*others, *giant], PreferencePair)
        for seed in range(15):
            split_ = split(table, seed, test=0.0, unseen_preferences=0.1)["split"]
            assert set(split_[-len(giant) :]) == {"train"}
            assert set(split_) != {"train"}


def test_a_group_that_is_no_giant_is_held_out_now_and_then() -> None:
    table = to_frame([*one_by_one(95), *(row(i, "Keep it short.") for i in range(100, 105))], PreferencePair)
    splits = {split(table, seed, test=0.0, unseen_preferences=0.1)["split"][-1] for seed in range(30)}
    assert len(splits) == 2


def test_nothing_is_held_out_where_no_share_is_wanted() -> None:
    assert set(split(one_by_one(50), test=0.0, unseen_preferences=0.0)["split"]) == {"train"}


def test_another_seed_holds_out_other_rows() -> None:
    rows = one_by_one(100)
    assert split(rows, 1)["split"].to_list() != split(rows, 2)["split"].to_list()


@pytest.mark.parametrize("rows", [[], [row(1, 2)], [row("", "", chosen=str(i)) for i in range(30)]])
def test_what_cannot_be_divided_is_train(rows: list[PreferencePair]) -> None:
    assert split(rows)["split"].to_list() == ["train"] * len(rows)


def test_thousands_of_identical_texts_are_one_group() -> None:
    rows = to_frame([*one_by_one(60), row(500, 600)], PreferencePair)
    copies = pl.concat([rows[-1].with_columns(judgement_id=pl.lit(str(i))) for i in range(3000)])
    table = split(pl.concat([rows, copies]))
    assert table.filter(pl.col("query") == sentence(500))["split"].unique().to_list() == ["train"]


def test_texts_that_differ_in_case_are_one_group_whatever_the_embedder_says() -> None:
    class Unrelated:
        def embed(self, texts: Sequence[str]) -> Vectors:
            return np.eye(len(texts), dtype=np.float32)

    groups = Groups(["Why so?", "why  SO?", "Why?"], [], Unrelated().embed, 0.9, salt="")
    assert groups.of[0] == groups.of[1] != groups.of[2]


def test_texts_beyond_the_memory_that_is_allowed_are_split_as_others_are(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = one_by_one(40)
    before, asked = split(rows), list[int]()
    monkeypatch.setattr("metaalign_data.embed.vectors.AT_ONCE", 16)
    monkeypatch.setattr("metaalign_data.embed.vectors.IN_MEMORY_BYTES", 1)

    class Counted(Embedding):
        def embed(self, name: EmbedderName, texts: Sequence[str]) -> Vectors:
            asked.append(len(texts))
            return super().embed(name, texts)

    stage = Split(Split.Config(test=0.3, unseen_preferences=0.3))
    table = to_frame(rows, PreferencePair).lazy()
    after = stage.transform(table, replace(context(), embedding=Counted())).collect()
    assert after.equals(before)
    assert asked == [16, 16, 8] * 2


def test_a_table_needs_no_bonds() -> None:
    rows = to_frame(one_by_one(100), PreferencePair).select("query", "preference", "subset")
    assert split(rows)["split"].to_list() == split(one_by_one(100))["split"].to_list()


async def test_split_keeps_the_laws_of_a_stage() -> None:
    rows = [each for i in range(12) for each in flip(f"yes {i}", f"no {i}", f"f{i}", query=f"Why {i}?")]
    await check_stage(Split(Split.Config(test=0.3)), rows)


def test_texts_are_embedded_by_the_run_which_keeps_vectors_and_may_ask_a_server() -> None:
    asked: list[tuple[object, int]] = []

    class Served(Embedding):
        def embed(self, name: EmbedderName, texts: Sequence[str]) -> Vectors:
            asked.append((name, len(texts)))
            return super().embed(HASHED_NGRAMS, texts)

    server = EmbeddingServer(model="m", base_url="http://127.0.0.1:9/v1")
    rows = to_frame([pair(query=f"Q{i}?", user_info=f"I am {i}.") for i in range(4)], PreferencePair)
    stage = Split(Split.Config(embedder=server))
    stage.transform(rows.lazy(), replace(context(), embedding=Served())).collect()
    assert asked == [(server, 4), (server, 4)]
