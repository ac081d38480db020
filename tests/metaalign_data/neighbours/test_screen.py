import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from metaalign_data.neighbours import TOLERANCE, Cover
from metaalign_data.neighbours.screen import fit
from vectors import random_vectors


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 10_000), threshold=st.floats(0.5, 0.99))
def test_a_product_of_sketches_is_never_below_that_of_the_vectors(seed: int, threshold: float) -> None:
    vectors = random_vectors(seed, 300, dims=64)
    screen = fit([vectors], np.arange(300), threshold)
    sketch = screen.sketch(vectors)
    assert (sketch @ sketch.T >= vectors @ vectors.T - TOLERANCE).all()


def test_the_column_with_the_fewest_candidates_is_screened() -> None:
    alike = np.repeat(random_vectors(0, 1, dims=64), 2_000, axis=0)
    screen = fit([alike, random_vectors(1, 2_000, dims=64)], np.arange(2_000), 0.9)
    assert screen.column == 1
    assert (screen.dimensions or 64) < 64


def test_it_says_how_it_looks() -> None:
    vectors = random_vectors(0, 6_000, dims=64)
    few, many = (Cover([vectors], 0.99, [None] * 6_000) for _ in range(2))
    assert few.method == "exact search, by plain products"
    for start in range(0, 6_000, 500):
        many.look(np.arange(start, start + 500))
        for row in range(start, start + 500):
            many.keep(row)
    assert many.method.startswith("exact search, screened by ")
    assert many.method.endswith(" of 64 dimensions")
