import pytest
from hypothesis import given
from hypothesis import strategies as st

from metaalign_data.stages.overlap import SHORTEST, Overlaps, words

LONG = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen"


def run(text: str, benchmark: str, ngram: int = 13) -> str | None:
    found = Overlaps([benchmark], ngram).find(text)
    return found and " ".join(found.run)


def after(n: int) -> str:
    return " ".join(LONG.split()[:n])


@pytest.mark.parametrize(
    ("text", "benchmark", "expected"),
    [
        (f"Look: {after(13)} and more", f"{after(13)}, or less", after(13)),
        (f"Look: {after(12)} and more", f"{after(12)}, or less", None),
        (f"Look: {after(6)} and more", after(6), after(6)),  # a short benchmark text that stands whole in the row
        (f"Look: {after(5)} and more", after(5), after(5)),
        (after(6), f"{LONG} and so on", after(6)),  # a short row that stands whole in the benchmark
        (f"{after(4)} and more", after(4), None),  # everyday phrases
        (after(4), f"{after(4)} and more", None),
        (after(4), after(4), after(4)),
        (after(1), after(1), after(1)),
        ("ONE -- Two? 'three' (four)\nfive!", after(5), after(5)),
        ("", "", None),
        ("?!", "?!", None),
        ("你好，世界。今天天气", "她说：你好世界今天天气很好", "你 好 世 界 今 天 天 气"),
    ],
)
def test_texts_overlap_in_a_run_or_where_the_shorter_one_stands_whole_in_the_other(
    text: str, benchmark: str, expected: str | None
) -> None:
    assert run(text, benchmark) == expected


def test_the_first_benchmark_text_that_shares_the_run_is_named() -> None:
    for shared in (LONG, after(6), after(2)):
        found = Overlaps(["else", shared, shared.upper()], 13).find(shared)
        assert found
        assert found.of == 1


short_texts = st.lists(st.sampled_from("abc"), max_size=9).map(" ".join)


@given(text=short_texts, benchmark=st.lists(short_texts, max_size=4), ngram=st.integers(1, 7))
def test_it_finds_what_comparing_all_runs_finds(text: str, benchmark: list[str], ngram: int) -> None:
    def overlap(mine: list[str], theirs: list[str]) -> bool:
        n = min(ngram, len(mine), len(theirs))
        if n < min(SHORTEST, ngram):
            return n > 0 and mine == theirs
        runs = [{tuple(t[i : i + n]) for i in range(len(t) - n + 1)} for t in (mine, theirs)]
        return bool(runs[0] & runs[1])

    found = Overlaps(benchmark, ngram).find(text)
    matching = [i for i, each in enumerate(benchmark) if overlap(words(text), words(each))]
    assert (found is not None) == bool(matching)
    if found:
        assert found.of in matching
        assert " ".join(found.run) in " ".join(words(text))
