import json
from pathlib import Path

import pytest
import yaml

from embedding_server import embedding_server
from metaalign_data.cli import main
from metaalign_data.commands.similar import embedder_of, nearest
from metaalign_data.embed import HASHED_NGRAMS, embedder
from metaalign_data.errors import UserError
from metaalign_data.records import PreferencePair, to_frame
from rows import pair
from runs import made_run

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


def test_a_server_that_embedded_the_rows_embeds_the_text_too_and_nothing_twice(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = made_run(tmp_path / "run", ROWS)
    with embedding_server() as endpoint:
        block = {"model": "small-embedder", "base_url": endpoint.base_url}
        (run / "recipe.yaml").write_text(yaml.safe_dump({"stages": [{"dedup": {"embedder": block}}]}))
        for _ in range(2):
            assert main(["similar", str(run), "Is Latin a dead language?", "-k", "1", "--json"]) == 0
        found = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (found["embedder"], found["rows"][0]["text"]) == ("small-embedder", "Is Latin dead?")
    assert len(endpoint.texts) == len(set(endpoint.texts)), "vectors are kept"


@pytest.mark.parametrize("recipe", ["", "[", "stages", None])
def test_a_recipe_that_cannot_be_read_is_told(tmp_path: Path, recipe: str | None) -> None:
    if recipe is not None:
        (tmp_path / "recipe.yaml").write_text(recipe)
    with pytest.raises(UserError, match=r"recipe\.yaml: cannot be read"):
        embedder_of(tmp_path / "recipe.yaml")
