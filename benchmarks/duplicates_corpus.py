"""Seeded vectors and texts with planted duplicates, for the benchmarks of dedup."""

from dataclasses import dataclass
from random import Random

import numpy as np
import numpy.typing as npt

Vectors = npt.NDArray[np.float32]

DIMENSIONS = 384
KINDS = ("exact", "case and punctuation", "one word in ten", "sentences reordered")


def planted_vectors(n: int, seed: int = 0, share: float = 0.3) -> Vectors:
    """n unit vectors in random order: `share` of them at a cosine of 0.8 to 1 to one of the others.

    The others are a topic each and a part of their own, over a spectrum that falls as those of text encoders do.
    """
    rng = np.random.default_rng(seed)
    spectrum = (np.arange(1, DIMENSIONS + 1) ** -0.35).astype(np.float32)
    topics = rng.standard_normal((2_000, DIMENSIONS), dtype=np.float32) * spectrum
    made = np.empty((n, DIMENSIONS), dtype=np.float32)
    base = n - int(share * n)
    for start in range(0, base, 65_536):
        part = made[start : min(start + 65_536, base)]
        part[:] = 0.7 * topics[rng.integers(len(topics), size=len(part))]
        part += rng.standard_normal(part.shape, dtype=np.float32) * spectrum
        part /= np.linalg.norm(part, axis=1, keepdims=True)
    for start in range(base, n, 65_536):
        part = made[start : start + 65_536]
        near = made[rng.integers(base, size=len(part))]
        aside = rng.standard_normal(part.shape, dtype=np.float32) * spectrum
        aside -= np.einsum("ij,ij->i", aside, near)[:, None] * near
        aside /= np.linalg.norm(aside, axis=1, keepdims=True)
        cosine = rng.uniform(0.8, 1.0, (len(part), 1)).astype(np.float32)
        part[:] = cosine * near + np.sqrt(1 - cosine**2) * aside
    rng.shuffle(made)
    return made


@dataclass(frozen=True)
class Planted:
    """A text, the number of the text that it was made from (its own where it is new), and how."""

    text: str
    origin: int
    kind: str


def planted_texts(n: int, seed: int = 0, given: list[str] | None = None) -> list[Planted]:
    """n texts; 3 in 10 vary an earlier one, in the KINDS in turn. New ones are `given`, while there are any."""
    rng = Random(seed)
    words = ["".join(rng.choices("aeioulnrstkmpdgbvh", k=rng.randint(2, 9))) for _ in range(4_000)]
    pool = list(given or ())
    rng.shuffle(pool)
    made: list[Planted] = []
    new: list[int] = []
    while len(made) < n:
        if new and rng.random() < 0.3:
            origin = rng.choice(new)
            kind = KINDS[len(made) % len(KINDS)]
            made.append(Planted(_varied(made[origin].text, kind, words, rng), origin, kind))
        elif given is not None and not pool:
            break
        else:
            new.append(len(made))
            made.append(Planted(pool.pop() if pool else _text(words, rng), len(made), "new"))
    return made


def _text(words: list[str], rng: Random) -> str:
    sentences = [" ".join(rng.choices(words, k=rng.randint(6, 14))) for _ in range(rng.randint(2, 6))]
    return " ".join(f"{sentence.capitalize()}." for sentence in sentences)


def _varied(text: str, kind: str, words: list[str], rng: Random) -> str:
    if kind == "case and punctuation":
        return (
            text.upper().replace(".", " !") if rng.random() < 0.5 else text.lower().replace(".", ";").replace(",", "")
        )
    if kind == "one word in ten":
        parts = text.split(" ")
        for place in rng.sample(range(len(parts)), max(1, len(parts) // 10)):
            parts[place] = rng.choice(words)
        return " ".join(parts)
    if kind == "sentences reordered":
        sentences = text.rstrip(".").split(". ")
        rng.shuffle(sentences)
        return ". ".join(sentences) + "."
    return text
