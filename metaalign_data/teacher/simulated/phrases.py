"""Texts as words: look-up of many phrases in one pass, and templates with alternatives."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache, lru_cache, wraps
from random import Random
from typing import Generic, NamedTuple, TypeVar

_WORD = re.compile(r"[^\W_]+(?:['-][^\W_]+)*")
_BRACES = re.compile(r"\{([^{}]*)\}")
_SENTENCE = re.compile(r"(?<=[.!?])\s+")

_STOPWORDS = """
    a about above after again against all am an and any are as at be because been before being below between
    both but by can could did do does doing down during each few for from further had has have having he her
    here hers him his how i if in into is it its just let like may me might more most must my no nor not of off
    on once one only or other ought our out over own please same shall she should since so some such than that the
    their them then there these they this those through to too under until up upon us very was we were what when
    where which while who whom whose why will with without would yes you your
"""
STOPWORDS = frozenset(_STOPWORDS.split())

T = TypeVar("T")
R = TypeVar("R")


class Hit(NamedTuple, Generic[T]):
    """Words `start` to `end` (exclusive) of the text are a phrase that means `label`."""

    start: int
    end: int
    label: T


def remembered(chars: int, size: int = 4096) -> Callable[[Callable[..., R]], Callable[..., R]]:
    """Decorator for a pure function of texts: looks at their first `chars` characters and keeps `size` results.

    What a text asks for or says stands near its beginning, and a text of megabytes must cost neither time nor memory.
    """

    def decorate(function: Callable[..., R]) -> Callable[..., R]:
        kept = lru_cache(size)(function)

        @wraps(function)
        def call(*texts: str) -> R:
            return kept(*[text[:chars] for text in texts])

        return call

    return decorate


def words(text: str) -> list[str]:
    """Lower-case words of the text; an apostrophe or hyphen inside a word belongs to it."""
    return _WORD.findall(text.lower().replace("’", "'"))


def squash(text: str) -> str:
    """The text's words with one space around each: `" a phrase " in squash(text)` looks for whole words."""
    return f" {' '.join(words(text))} "


def sentences(text: str) -> list[str]:
    return _SENTENCE.split(text.strip())


def content_words(text: str) -> list[str]:
    """The words that carry meaning: longer than two letters and no stop word."""
    return [word for word in words(text) if len(word) > 2 and word not in STOPWORDS]


class Lexicon(Generic[T]):
    """Phrases and what they mean. Time to search a text grows with the text, not with the number of phrases.

    Raises ValueError when one phrase is to mean two things.
    """

    def __init__(self, entries: Iterable[tuple[str, T]]) -> None:
        meanings: dict[tuple[str, ...], T] = {}
        for phrase, label in entries:
            key = tuple(words(phrase))
            if not key or meanings.setdefault(key, label) != label:
                raise ValueError(f"phrase {phrase!r} means both {meanings.get(key)} and {label}")
        self._by_start: dict[str, list[tuple[tuple[str, ...], T]]] = {}
        for key in sorted(meanings, key=len, reverse=True):
            self._by_start.setdefault(" ".join(key[:2]), []).append((key, meanings[key]))

    def find(self, text: Sequence[str]) -> list[Hit[T]]:
        """Phrases in a list of words, from the left, the longest at each place, none overlapping."""
        hits: list[Hit[T]] = []
        start, n = 0, len(text)
        while start < n:
            hit = self._at(text, start)
            if hit is None:
                start += 1
            else:
                hits.append(hit)
                start = hit.end
        return hits

    def _at(self, text: Sequence[str], start: int) -> Hit[T] | None:
        if start + 1 < len(text):
            for key, label in self._by_start.get(f"{text[start]} {text[start + 1]}", ()):
                end = start + len(key)
                if len(key) == 2 or tuple(text[start:end]) == key:
                    return Hit(start, end, label)
        for _, label in self._by_start.get(text[start], ()):
            return Hit(start, start + 1, label)
        return None


@cache
def _pieces(template: str) -> tuple[str, ...]:
    """Literal text at even places, what stands in braces at odd ones."""
    return tuple(_BRACES.split(template))


def fill(template: str, rng: Random, slots: Mapping[str, str]) -> str:
    """The template with each `{slot}` filled and one alternative of each `{a|b}` chosen.

    Raises KeyError when a slot is missing. What is filled in is never read as a template.
    """
    pieces = _pieces(template)
    if len(pieces) == 1:
        return template
    return "".join(
        piece if i % 2 == 0 else rng.choice(piece.split("|")) if "|" in piece else slots[piece]
        for i, piece in enumerate(pieces)
    )


def fixed_parts(template: str, min_words: int) -> list[str]:
    """What every filling of the template contains: its literal stretches within a sentence, of `min_words` or more."""
    return _stretches(_pieces(template)[::2], min_words)


def telling_parts(template: str, min_words: int) -> list[str]:
    """What a filling of the template may contain: the fixed parts, and alternatives of `min_words` or more."""
    alternatives = [choice for piece in _pieces(template)[1::2] for choice in piece.split("|")]
    return fixed_parts(template, min_words + 1) + _stretches(alternatives, min_words)


def _stretches(texts: Iterable[str], min_words: int) -> list[str]:
    return [part for text in texts for part in sentences(text) if len(words(part)) >= min_words]


def capitalised(text: str) -> str:
    return text[:1].upper() + text[1:]


def decapitalised(text: str) -> str:
    """With a small first letter, unless the first word is "I" or an abbreviation."""
    return text if len(text) < 2 or text[1].isupper() or text.startswith(("I ", "I'")) else text[:1].lower() + text[1:]
