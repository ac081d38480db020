import asyncio
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from embedding_server import EmbeddingEndpoint, embedding_server
from metaalign_data.chat import ChatRequest, Completion
from metaalign_data.embed import HASHED_NGRAMS, EmbeddingServer, Vectors, embedder
from metaalign_data.embed.server import BATCH, EmbeddingClient
from metaalign_data.engine.embedding import Embedding, Switchboard, unrecorded
from metaalign_data.errors import TeacherUnusable


@pytest.fixture
def endpoint() -> Iterator[EmbeddingEndpoint]:
    with embedding_server() as endpoint:
        yield endpoint


def settings(endpoint: EmbeddingEndpoint, **more: Any) -> EmbeddingServer:
    return EmbeddingServer(model="small-embedder", base_url=endpoint.base_url, **more)


async def embed(server: EmbeddingServer, texts: Sequence[str], vectors: Path | None = None) -> Vectors:
    board = Switchboard(unrecorded)
    try:
        return await asyncio.to_thread(Embedding(vectors, board.ask).embed, server, texts)
    finally:
        await board.aclose()


async def test_vectors_come_in_the_order_of_the_texts_with_length_1(endpoint: EmbeddingEndpoint) -> None:
    texts = [f"text number {i}" for i in range(2 * BATCH + 3)]
    vectors = await embed(settings(endpoint), texts)
    assert np.allclose(vectors, embedder(HASHED_NGRAMS).embed(texts), atol=1e-6)
    assert sorted(map(len, endpoint.batches)) == [3, BATCH, BATCH]


async def test_an_empty_text_is_asked_for_as_a_space(endpoint: EmbeddingEndpoint) -> None:
    assert (await embed(settings(endpoint), ["", "tea"])).shape == (2, 512)
    assert endpoint.texts == [" ", "tea"]
    assert (await embed(settings(endpoint), [])).shape[0] == 0


async def test_what_is_kept_is_not_asked_again(endpoint: EmbeddingEndpoint, tmp_path: Path) -> None:
    for texts in (["a", "b"], ["b", "c"]):
        await embed(settings(endpoint), texts, tmp_path / "vectors.sqlite")
    assert endpoint.texts == ["a", "b", "c"]


async def test_a_server_error_is_tried_again(endpoint: EmbeddingEndpoint) -> None:
    endpoint.refusals = [500, 503]
    assert (await embed(settings(endpoint), ["tea"])).shape == (1, 512)


async def test_a_refused_key_ends_it_and_does_not_show(
    endpoint: EmbeddingEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("THE_KEY", "sk-very-secret-0123456789")
    endpoint.refusals = [401]
    with pytest.raises(TeacherUnusable, match="the server refuses the key") as caught:
        await embed(settings(endpoint, api_key_env="THE_KEY"), ["tea"])
    assert "secret" not in str(caught.value)
    assert endpoint.keys == {"Bearer sk-very-secret-0123456789"}


@pytest.mark.parametrize(
    "altered",
    [
        lambda rows: rows[1:],
        lambda rows: [{**row, "index": 0} for row in rows],
        lambda rows: [{**rows[0], "embedding": [1.0]}, *rows[1:]],
        lambda rows: [{**row, "embedding": "none"} for row in rows],
        lambda rows: [{**row, "embedding": [float("nan"), 1.0]} for row in rows],
        lambda rows: [{**row, "embedding": [0.0, 0.0]} for row in rows],
    ],
    ids=["one missing", "one twice", "of other lengths", "no numbers", "not finite", "zeros"],
)
async def test_an_answer_without_a_vector_for_each_text_is_malformed(
    endpoint: EmbeddingEndpoint, altered: Any, tmp_path: Path
) -> None:
    endpoint.altered = altered
    with pytest.raises(TeacherUnusable, match=r"embedding with small-embedder: .* embeddings"):
        await embed(settings(endpoint), ["tea", "rice"], tmp_path / "vectors.sqlite")
    endpoint.altered = lambda rows: rows
    assert np.isfinite(await embed(settings(endpoint), ["tea", "rice"], tmp_path / "vectors.sqlite")).all()


async def test_answers_of_different_dimensions_are_told(endpoint: EmbeddingEndpoint) -> None:
    endpoint.altered = lambda rows: [{**row, "embedding": [1.0] * len(rows)} for row in rows]
    with pytest.raises(TeacherUnusable, match=rf"vectors of \[1, {BATCH}\] dimensions, not of one"):
        await embed(settings(endpoint), [str(i) for i in range(BATCH + 1)])


async def test_the_servers_token_count_is_what_is_paid_for(endpoint: EmbeddingEndpoint) -> None:
    client = EmbeddingClient(settings(endpoint))
    request = ChatRequest.model_validate({"messages": [{"role": "user", "content": "four"}]})
    answer: Completion = await client.complete(request)
    await client.aclose()
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (4, 0)


def test_a_model_that_the_server_does_not_have_is_found_out_beforehand(endpoint: EmbeddingEndpoint) -> None:
    wrong = EmbeddingServer(model="small-embeder", base_url=endpoint.base_url)
    (reason,) = EmbeddingClient(wrong).check()
    assert reason.endswith("has no model 'small-embeder'; did you mean 'small-embedder'?")
    assert EmbeddingClient(settings(endpoint)).check() == []
