"""Several preferences in one answer: it has all of them, unless the taxonomy says that no answer can."""

from itertools import combinations
from random import Random

from asking import QUERIES, library
from metaalign_data.teacher.simulated.truth import shows
from metaalign_data.teacher.simulated.world import Want
from metaalign_data.teacher.simulated.write import Plan, write_response

TRIPLES = 2000
TAXONOMY = library().taxonomy("default")


def missing(cells, sample: int) -> list[str]:
    """Those of the cells that an answer written for all of them does not show."""
    query = QUERIES[sample % len(QUERIES)]
    text = write_response(query, Plan({cell.dimension: cell.value for cell in cells}), Random(sample))
    return [f"{cell} in {text!r}" for cell in cells if shows(text, Want(*cell)) <= 0.5]


def test_an_answer_shows_any_two_values_that_do_not_contradict():
    pairs = [pair for pair in combinations(TAXONOMY.cells, 2) if TAXONOMY.fit_together(pair)]
    assert [missing(pair, i) for i, pair in enumerate(pairs) if missing(pair, i)] == []


def test_an_answer_shows_any_three_values_that_do_not_contradict():
    rng = Random(0)
    drawn = [rng.sample(TAXONOMY.cells, 3) for _ in range(TRIPLES)]
    triples = [triple for triple in drawn if TAXONOMY.fit_together(triple)]
    assert len(triples) > 0.8 * TRIPLES
    assert [missing(triple, i) for i, triple in enumerate(triples) if missing(triple, i)] == []


def test_few_values_contradict():
    assert len(TAXONOMY.contradictions) < 0.01 * len(TAXONOMY.cells) ** 2
