from random import Random

import pytest

from metaalign_data.duplicates import Found, Lexical, cover
from metaalign_data.duplicates.lexical import bands_for, jaccard, shingles

LONG = "the quick brown fox jumps over the lazy dog while the cat looks on from the wall and thinks of fish"


def found(texts: list[str], threshold: float = 0.8) -> list[Found | None]:
    return cover(len(texts), [Lexical([texts], threshold, [None] * len(texts))])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", set()),
        (" ?! ", set()),
        ("Yes.", {"yes"}),
        ("Yes, do", {"yes do"}),
        ("Yes, do it NOW!", {"yes do it", "do it now"}),
        ("請保持簡短", {"請 保 持", "保 持 簡", "持 簡 短"}),
    ],
)
def test_shingles_are_three_words_without_case_and_punctuation(text: str, expected: set[str]) -> None:
    assert shingles(text) == expected


def test_punctuation_makes_no_difference_and_one_word_in_many_little() -> None:
    other = LONG.replace("wall", "roof")
    assert found([LONG, LONG.upper() + "!", other], 0.6) == [
        None,
        Found(0, 1.0, "lexical"),
        Found(0, pytest.approx(jaccard(shingles(LONG), shingles(other))), "lexical"),
    ]


def test_the_threshold_itself_is_near() -> None:
    assert found(["a b c d e f", "a b c d e"], 0.75) == [None, Found(0, 0.75, "lexical")]


def test_texts_without_words_are_not_compared() -> None:
    assert found(["", "", "?!", "?!"]) == [None] * 4


def test_of_several_kept_rows_the_nearest_is_named() -> None:
    a, b = LONG.replace("fish", "cream"), LONG.replace("quick brown", "slow grey").replace("dog", "hog")
    assert found([b, a, LONG], 0.55)[2] == Found(1, pytest.approx(jaccard(shingles(a), shingles(LONG))), "lexical")


def test_every_column_must_be_near() -> None:
    columns = [[LONG, LONG, LONG], ["one two three four", "one two three four", "five six seven eight"]]
    assert cover(3, [Lexical(columns, 0.8, [None] * 3)]) == [None, Found(0, 1.0, "lexical"), None]


def test_there_are_bands_enough_to_find_what_is_at_the_threshold() -> None:
    assert [bands_for(t) for t in (1.0, 0.9, 0.8, 0.5, 0.1)] == [8, 16, 32, 64, 64]


def test_nearly_all_planted_near_copies_are_found() -> None:
    rng = Random(0)
    bases = [" ".join(f"w{rng.randrange(1000)}" for _ in range(60)) for _ in range(300)]
    copies = [base.replace(base.split(" ")[30], "other", 1) for base in bases]
    assert all(jaccard(shingles(a), shingles(b)) >= 0.8 for a, b in zip(bases, copies, strict=True))
    gone = sum(each is not None for each in found([*bases, *copies])[300:])
    assert gone >= 297
