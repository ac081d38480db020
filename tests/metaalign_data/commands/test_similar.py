from pathlib import Path

import pytest

from metaalign_data.commands.similar import embedder_of, nearest
from metaalign_data.embed import HASHED_NGRAMS, embedder
from metaalign_data.errors import UserError
from metaalign_data.records import PreferencePair, to_frame
from rows import pair

ROWS = [
    pair(query="How do I prune roses?", chosen="In March.", split="train"),
    pair(query="How do I prune roses?", chosen="With care.", split="test", subset="consensus"),
    pair(query="Is Latin dead?", user_info="I teach it.", split="train"),
    pair(query="", split="train"),
]
PAIRS = to_frame(ROWS, PreferencePair)


def test_the_nearest_rows_come_first_and_ties_by_id() -> None:
    found = nearest(PAIRS, "how do i PRUNE a rose?", "query", 3, embedder(HASHED_NGRAMS).embed)
    assert found["id"].to_list()[:2] == sorted(row.id for row in ROWS[:2])
    assert found.columns == ["id", "split", "subset", "similarity", "text"]
    assert found["text"].to_list()[0] == "How do I prune roses?"
    assert found["similarity"].is_sorted(descending=True)
    assert 0.5 < found["similarity"][0] < 1


@pytest.mark.parametrize(
    ("on", "text", "expected"), [("chosen", "with care", "With care."), ("preference", "I teach it", "I teach it.")]
)
def test_other_columns_can_be_searched(on: str, text: str, expected: str) -> None:
    assert nearest(PAIRS, text, on, 1, embedder(HASHED_NGRAMS).embed)["text"].item() == expected


def test_fewer_rows_than_wanted_are_all_of_them() -> None:
    assert nearest(PAIRS, "", "query", 10, embedder(HASHED_NGRAMS).embed).height == 4
    assert nearest(PAIRS.clear(), "x", "query", 10, embedder(HASHED_NGRAMS).embed).equals(
        nearest(PAIRS, "x", "query", 10, embedder(HASHED_NGRAMS).embed).clear()
    )


@pytest.mark.parametrize(
    ("recipe", "expected"),
    [
        ("stages: [pair, {dedup: {embedder: some/model}}, split]", "some/model"),
        ("stages: [pair, dedup]", HASHED_NGRAMS),
        ("stages: [{dedup: {threshold: 0.9}}]", HASHED_NGRAMS),
    ],
)
def test_the_embedder_is_that_of_the_recipe(tmp_path: Path, recipe: str, expected: str) -> None:
    (tmp_path / "recipe.yaml").write_text(recipe)
    assert embedder_of(tmp_path / "recipe.yaml") == expected


@pytest.mark.parametrize("recipe", ["", "[", "stages", None])
def test_a_recipe_that_cannot_be_read_is_told(tmp_path: Path, recipe: str | None) -> None:
    if recipe is not None:
        (tmp_path / "recipe.yaml").write_text(recipe)
    with pytest.raises(UserError, match=r"recipe\.yaml: cannot be read"):
        embedder_of(tmp_path / "recipe.yaml")
