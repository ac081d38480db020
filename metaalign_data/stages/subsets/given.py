"""Preferences that were written elsewhere: nothing is asked, the texts are taken as they are."""

from random import Random

from metaalign_data.preference_book import Entry, PreferenceBook
from metaalign_data.priorities import PriorityMatrix
from metaalign_data.records import Preference, Query, Scenario, Side
from metaalign_data.taxonomy import Taxonomy

OWN = "own"


def scenario(query: Query, book: PreferenceBook, matrix: PriorityMatrix, taxonomy: Taxonomy, rng: Random) -> Scenario:
    """Two preferences of the book that contrast, each the wish of a user.

    What the answer has to do says the taxonomy where it has the preference's dimension and value, else its own text.
    """
    first, second = book.contrasting(rng)
    frame = rng.choice(matrix.neutral)
    return Scenario(
        subset="helpful",
        query=query,
        question=query.text,
        sides=(_side(first, frame, taxonomy), _side(second, frame, taxonomy)),
    )


def _side(entry: Entry, frame: str, taxonomy: Taxonomy) -> Side:
    value, target = _meant(entry, taxonomy)
    return Side(
        system_info=frame,
        user_info=entry.text,
        preference=Preference(
            text=entry.text,
            kind=entry.kind,
            form=entry.told,
            dimension=entry.dimension or OWN,
            value=value,
        ),
        placement="user_info",
        target=target,
        rejected_because="contrasting_preference",
    )


def _meant(entry: Entry, taxonomy: Taxonomy) -> tuple[str, str]:
    """The value's name and what it asks of an answer; the opposite of one of two values is the other one."""
    known = taxonomy.dimension.get(entry.dimension)
    values = known.values if known else ()
    for value in values:
        if entry.value == value.name or [entry.value] == [f"not {v.name}" for v in values if v is not value]:
            return value.name, value.meaning
    return entry.value or OWN, entry.text
