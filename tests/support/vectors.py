"""Unit vectors for tests of near neighbours."""

import numpy as np

from metaalign_data.embed import Vectors


def unit(vectors: np.ndarray) -> Vectors:
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def random_vectors(seed: int, n: int, dims: int = 24) -> Vectors:
    """Some rows near each other, some nearly equal; a falling spectrum, as text encoders have."""
    rng = np.random.default_rng(seed)
    spectrum = np.arange(1, dims + 1) ** -0.7
    centres = rng.normal(size=(max(1, n // 4), dims)) * spectrum
    spread = rng.choice([0.001, 0.1, 0.4], size=(n, 1))
    return unit(centres[rng.integers(len(centres), size=n)] + spread * rng.normal(size=(n, dims)) * spectrum)


def chain(n: int, cosine: float) -> Vectors:
    """Points on an arc: each has this cosine to the next."""
    angles = np.arange(n) * np.arccos(cosine)
    return unit(np.stack([np.cos(angles), np.sin(angles)], axis=1))
