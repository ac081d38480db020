"""Preferences that were written elsewhere: nothing is asked, the texts are taken as they are."""

from random import Random

from metaalign_data.preference_book import Entry, PreferenceBook
from metaalign_data.priorities import PriorityMatrix
from metaalign_data.records import Preference, Query, Scenario, Side


def scenario(query: Query, book: PreferenceBook, matrix: PriorityMatrix, rng: Random) -> Scenario:
    """Two preferences of the book that contrast, each the wish of a user."""
    first, second = book.contrasting(rng)
    frame = rng.choice(matrix.neutral)
    return Scenario(
        subset="helpful",
        query=query,
        question=query.text,
        sides=(_side(first, frame), _side(second, frame)),
    )


def _side(entry: Entry, frame: str) -> Side:
    return Side(
        system_info=frame,
        user_info=entry.text,
        preference=Preference(
            text=entry.text,
            kind=entry.kind,
            form=entry.told,
            dimension=entry.dimension or "own",
            value=entry.value or "own",
        ),
        placement="user_info",
        target=entry.text,
        rejected_because="contrasting_preference",
    )
