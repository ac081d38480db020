from pathlib import Path
from typing import Any

import pytest

from embedding_server import EmbeddingEndpoint, embedding_server
from metaalign_data.api import RunResult, run
from metaalign_data.embed import EmbeddingServer
from metaalign_data.engine.embedding import Embedding
from metaalign_data.errors import UserError
from metaalign_data.recipe import Recipe


def with_server(endpoint: EmbeddingEndpoint, **more: Any) -> dict[str, Any]:
    """A recipe whose dedup embeds by this server; `threshold`, `price` and the recipe's own keys may be given."""
    embedder = {"model": "small-embedder", "base_url": endpoint.base_url, "price": more.pop("price", 2.0)}
    dedup = {"dedup": {"embedder": embedder, "threshold": more.pop("threshold", 0.9)}}
    return {
        "name": "served",
        "teacher": {"provider": "simulated"},
        "queries": {"source": "bundled", "limit": 4},
        "stages": ["sample_preferences", "generate_responses", "judge", "pair", dedup, "split"],
        **more,
    }


def ran(recipe: dict[str, Any], out: Path) -> RunResult:
    return run(Recipe.from_dict(recipe), out=out)


def test_embeddings_are_paid_for_once_whatever_the_threshold(tmp_path: Path) -> None:
    with embedding_server() as endpoint:
        first = ran(with_server(endpoint), tmp_path / "run")
        asked = sum(map(len, endpoint.texts))
        (tmp_path / "run/vectors.sqlite").unlink()
        replayed = ran(with_server(endpoint), tmp_path / "run")
        again = ran(with_server(endpoint, threshold=0.5), tmp_path / "run")
        assert sum(map(len, endpoint.texts)) == asked, "neither without the vectors nor with another threshold"
    assert [result.state for result in (first, replayed, again)] == ["done"] * 3
    costs = [float(result.manifest["cost"]["usd"]) for result in (first, replayed, again)]
    assert costs == [pytest.approx(asked * 2.0 / 1e6)] * 3
    assert first.manifest["notices"] == ["dedup: near rows by exact search, by plain products"]


def test_a_budget_holds_for_embeddings_and_the_run_can_go_on(tmp_path: Path) -> None:
    with embedding_server() as endpoint:
        stopped = ran(with_server(endpoint, budget={"usd": 0.000001}), tmp_path / "run")
        assert endpoint.texts == []
        assert (stopped.state, stopped.manifest["counts"]["pair"]["failed"]) == ("budget_reached", 0)
        assert ran(with_server(endpoint, budget={"usd": 1}), tmp_path / "run").state == "done"


def test_a_server_that_fails_ends_the_run_with_a_sentence(tmp_path: Path) -> None:
    with embedding_server() as endpoint:
        endpoint.altered = lambda rows: rows[1:]
        failed = ran(with_server(endpoint), tmp_path / "run")
    assert failed.state == "failed"
    assert "embeddings of one length" in failed.verdict


def test_a_rehearsal_asks_no_server(tmp_path: Path) -> None:
    with embedding_server() as endpoint:
        rehearsed = run(Recipe.from_dict(with_server(endpoint)), out=tmp_path / "run", simulate=True)
        assert endpoint.texts == []
    assert rehearsed.state == "done"
    assert "embedder: hashed-ngrams" in (tmp_path / "run/recipe.yaml").read_text()


@pytest.mark.parametrize(
    ("more", "error"),
    [
        ({"price": None, "budget": {"usd": 1}}, "dedup.embedder: budget.usd cannot be held: the price is unknown"),
        ({}, "dedup.embedder: .* has no model 'small-embedder'"),
    ],
)
def test_what_stands_in_the_way_is_found_before_anything_is_asked(
    more: dict[str, Any], error: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with embedding_server() as endpoint:
        if not more:
            endpoint.models = ["other"]
        with pytest.raises(UserError, match=error):
            ran(with_server(endpoint, **more), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_without_a_way_to_ask_a_server_is_refused() -> None:
    with pytest.raises(UserError, match="embedding with m needs a run, or the command line"):
        Embedding().embed(EmbeddingServer(model="m"), ["tea"])
