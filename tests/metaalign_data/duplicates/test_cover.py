from collections.abc import Sequence
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metaalign_data.duplicates import CheapRule, Exact, Found, Lexical, Semantic, cover
from metaalign_data.duplicates.lexical import jaccard, shingles
from metaalign_data.embed import Vectors, normalised
from metaalign_data.errors import UserError
from metaalign_data.neighbours import TOLERANCE
from vectors import random_vectors

words = st.sampled_from(["short", "Short", "long", "warm", "tea", "rice", "!"])
texts = st.lists(words, max_size=6).map(" ".join)
rows = st.lists(st.tuples(texts, texts, st.sampled_from([None, None, "f", "g"])), max_size=40)
names = st.sets(st.sampled_from(["exact", "lexical", "semantic"]), min_size=1)


class Random:
    """Vectors that have nothing to do with the spelling, some of them near each other."""

    def __init__(self, seed: int) -> None:
        self.seed, self.numbers = seed, dict[str, int]()
        self.vectors = random_vectors(seed, 200)

    def __call__(self, texts: Sequence[str]) -> Vectors:
        return self.vectors[[self.numbers.setdefault(text, len(self.numbers)) for text in texts]]


@settings(deadline=None)
@given(rows, names, st.floats(0.3, 1.0), st.floats(0.3, 1.0), st.integers(0, 1000), st.sampled_from([3, 1024]))
def test_no_two_kept_rows_are_near_and_each_dropped_row_is_near_the_kept_one_it_names(
    rows: list[tuple[str, str, str | None]],
    names: set[str],
    threshold: float,
    lexical: float,
    seed: int,
    block: int,
) -> None:
    columns, apart, embed = [[a for a, _, _ in rows], [b for _, b, _ in rows]], [c for _, _, c in rows], Random(seed)
    cheap: dict[str, CheapRule] = {
        "exact": Exact(columns, apart),
        "lexical": Lexical(columns, lexical, apart),
    }
    semantic = Semantic(columns, threshold, apart, embed, [str(i) for i in range(len(rows))])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("metaalign_data.duplicates.greedy.BLOCK", block)
        used = [rule for name, rule in cheap.items() if name in names]
        verdicts = cover(len(rows), used, semantic if "semantic" in names else None)

    def similarity(rule: str, i: int, j: int) -> float:
        if apart[i] is not None and apart[i] == apart[j]:
            return -1.0
        match rule:
            case "exact":
                return float(all(normalised(column[i]) == normalised(column[j]) for column in columns))
            case "lexical":
                return min(jaccard(shingles(column[i]), shingles(column[j])) for column in columns)
            case _:
                return min(float(np.dot(*embed([column[i], column[j]]))) for column in columns)

    least = {"exact": 1.0, "lexical": lexical, "semantic": threshold - TOLERANCE}
    kept = [row for row, verdict in enumerate(verdicts) if verdict is None]
    for row, verdict in enumerate(verdicts):
        if verdict:
            assert verdict.of in kept
            assert verdict.of < row
            assert similarity(verdict.rule, row, verdict.of) == pytest.approx(verdict.similarity, abs=1e-4)
            assert verdict.similarity >= least[verdict.rule] - TOLERANCE
    for i, j in combinations(kept, 2):
        for rule in names - {"lexical"}:
            assert similarity(rule, i, j) < least[rule] + TOLERANCE
        if "lexical" in names:  # MinHash may miss what is near, not what is equal
            assert similarity("lexical", i, j) < 1.0


def test_what_a_cheap_rule_drops_is_never_embedded() -> None:
    seen: list[str] = []

    def embed(texts: Sequence[str]) -> Vectors:
        seen.extend(texts)
        return random_vectors(1, 3_000)[: len(texts)]

    others = [f"another text of its own, {i}" for i in range(1_100)]
    column = ["the cat sat on the mat", "THE CAT sat on the mat", *others, "The Cat sat on the mat"]
    apart: list[str | None] = [None] * len(column)
    semantic = Semantic([column], 1.0, apart, embed, [str(i) for i in range(len(column))])
    verdicts = cover(len(column), [Exact([column], apart)], semantic)
    assert verdicts[1] == verdicts[-1] == Found(0, 1.0, "exact")
    assert {"The Cat sat on the mat", "THE CAT sat on the mat"}.isdisjoint(seen)


def test_a_row_near_a_dropped_row_but_no_kept_one_stays() -> None:
    """Two rules must not chain: b goes as a copy of a, and c, which is near b alone, stays."""
    vectors = {"a": [1.0, 0.0], "B": [0.8, 0.6], "b": [0.8, 0.6], "c": [0.0, 1.0]}

    def embed(texts: Sequence[str]) -> Vectors:
        return np.array([vectors[text] for text in texts], dtype=np.float32)

    column = ["a", "b", "c"]
    semantic = Semantic([column], 0.6, [None] * 3, embed, column)
    assert cover(3, [], semantic) == [None, Found(0, pytest.approx(0.8), "semantic"), None]


def test_a_copy_of_a_row_that_goes_is_judged_by_itself() -> None:
    """B is a copy of b, which goes as near a; B itself is not near a, and stays, and x, near B, goes."""
    vectors = {"a": [1.0, 0.0], "b": [0.8, 0.6], "B": [0.0, 1.0], "x": [0.1, 0.995], "y": [-1.0, 0.0]}
    asked: list[str] = []

    def embed(texts: Sequence[str]) -> Vectors:
        asked.extend(texts)
        return np.array([vectors[text] for text in texts], dtype=np.float32)

    column, apart = ["a", "b", "B", "x", "y"], [None] * 5
    verdicts = cover(5, [Exact([column], apart)], Semantic([column], 0.7, apart, embed, column))
    assert verdicts == [
        None,
        Found(0, pytest.approx(0.8), "semantic"),
        None,
        Found(2, pytest.approx(0.995), "semantic"),
        None,
    ]
    assert asked == ["a", "b", "x", "y", "B"], "no text is embedded twice"


def test_identical_texts_by_the_thousand_leave_one_and_are_embedded_once() -> None:
    counted: list[int] = []

    def embed(texts: Sequence[str]) -> Vectors:
        counted.append(len(texts))
        return random_vectors(0, 1)[[0] * len(texts)]

    column = ["the same"] * 5_000
    apart: list[str | None] = [None] * 5_000
    assert cover(5_000, [], Semantic([column], 0.9, apart, embed, column)).count(None) == 1
    assert set(counted) == {1}


def test_a_vector_that_is_no_number_names_its_row() -> None:
    def embed(texts: Sequence[str]) -> Vectors:
        return np.full((len(texts), 4), np.nan, dtype=np.float32)

    with pytest.raises(UserError, match="the vector of row first has length nan, not 1; look at its text"):
        cover(2, [], Semantic([["a", "b"]], 0.9, [None, None], embed, ["first", "second"]))


def test_vectors_beyond_the_memory_that_is_allowed_lie_in_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("metaalign_data.embed.vectors.IN_MEMORY_BYTES", 1)
    column = [str(i) for i in range(50)]
    embed = Random(3)
    semantic = Semantic([column], 0.9, [None] * 50, embed, column)
    in_file = cover(50, [], semantic)
    assert isinstance(semantic._cover.columns[0], np.memmap)  # type: ignore[union-attr]
    monkeypatch.undo()
    assert in_file == cover(50, [], Semantic([column], 0.9, [None] * 50, embed, column))
