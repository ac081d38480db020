import numpy as np
import pytest

from metaalign_data.embed import Vectors
from metaalign_data.neighbours import TOLERANCE, cover, greedy_cover
from metaalign_data.neighbours.cover import Cover
from vectors import random_vectors

N, THRESHOLD = 4_000, 0.95


@pytest.fixture
def vectors(monkeypatch: pytest.MonkeyPatch) -> Vectors:
    """As many as need an index, and some for it to miss."""
    for name, value in {"INDEXED": N, "LEARNT_FROM": 500, "BLOCK": 128, "PROBED_EVERY": 2}.items():
        monkeypatch.setattr(cover, name, value)
    monkeypatch.setattr("metaalign_data.neighbours.index.PROBES", 2)
    return random_vectors(5, N, dims=32)


def looked_through(columns: list[Vectors], apart: list[str | None]) -> tuple[Cover, list[cover.Duplicate | None]]:
    found = Cover(columns, THRESHOLD, apart)
    verdicts = []
    for start in range(0, len(apart), 100):
        rows = np.arange(start, min(start + 100, len(apart)))
        found.look(rows)
        for row in rows.tolist():
            verdicts.append(found.find(row))
            if verdicts[-1] is None:
                found.keep(row)
    return found, verdicts


def uncovered(vectors: Vectors, verdicts: list[cover.Duplicate | None]) -> list[int]:
    """Kept rows that an exact cover of the same rows would have dropped."""
    kept = [row for row, verdict in enumerate(verdicts) if verdict is None]
    near = np.tril(vectors[kept] @ vectors[kept].T >= THRESHOLD, -1).any(axis=1)
    return [row for row, missed in zip(kept, near, strict=True) if missed]


def test_what_goes_is_near_a_kept_row_whatever_the_index_finds(vectors: Vectors) -> None:
    _, verdicts = looked_through([vectors], [None] * N)
    for row, verdict in enumerate(verdicts):
        if verdict:
            assert verdicts[verdict.of] is None
            assert verdict.of < row
            assert float(vectors[row] @ vectors[verdict.of]) >= THRESHOLD - 2 * TOLERANCE


def test_it_says_when_it_goes_over_to_the_index(vectors: Vectors, caplog: pytest.LogCaptureFixture) -> None:
    looked_through([vectors], [None] * N)
    (record,) = caplog.records
    assert record.getMessage().startswith("of 4,000 rows 5")
    assert "from here on near ones are looked for in an index of" in record.getMessage()


def test_it_says_how_much_it_finds_and_that_is_true(vectors: Vectors) -> None:
    found, verdicts = looked_through([vectors], [None] * N)
    missed, dropped = len(uncovered(vectors, verdicts)), sum(v is not None for v in verdicts)
    assert 0 < missed < 0.2 * dropped
    share = float(found.method.split("found ")[1].split("%")[0]) / 100
    assert share == pytest.approx(1 - missed / (missed + dropped), abs=0.05)


def test_rows_that_are_held_apart_are_never_compared_and_every_column_counts(vectors: Vectors) -> None:
    same = np.repeat(vectors[:1], N, axis=0)
    assert all(verdict is None for verdict in looked_through([same], ["f"] * N)[1])
    _, verdicts = looked_through([same, vectors], [None] * N)
    dropped = [(row, verdict.of) for row, verdict in enumerate(verdicts) if verdict]
    assert dropped
    assert all(float(vectors[i] @ vectors[j]) >= THRESHOLD - 2 * TOLERANCE for i, j in dropped)


def test_without_faiss_the_search_stays_exact_and_says_what_would_help(
    vectors: Vectors, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(cover, "available", lambda: False)
    Cover([vectors], THRESHOLD, [None] * N)
    assert "4,000 rows are compared exactly, which takes hours" in caplog.text, "before the hours, not after them"
    found, verdicts = looked_through([vectors], [None] * N)
    assert uncovered(vectors, verdicts) == []
    assert "metaalign-data[index]" in found.method


def test_fewer_rows_are_compared_exactly(vectors: Vectors) -> None:
    few = vectors[: N - 1]
    verdicts = greedy_cover([few], THRESHOLD, [None] * len(few))
    assert uncovered(few, verdicts) == []
