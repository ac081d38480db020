"""A person is the same in every scenario, has several preferences that go together, and an opposite."""

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from metaalign_data.prompting import Library
from metaalign_data.stages.sampling.people import PREFERENCES, Person, person_with
from metaalign_data.stages.sampling.wishes import Aim, aim_at
from metaalign_data.taxonomy import Cell

TAXONOMY = Library().taxonomy("default")
cells = st.sampled_from(TAXONOMY.cells)


def found(cell: Cell, draw: int, pairs: int = 100) -> tuple[Aim, Person | None]:
    rng = Random(f"{cell} {draw}")
    aim = aim_at(TAXONOMY, cell, rng)
    return aim, person_with(TAXONOMY, aim, pairs, 0, rng)


def everybody(pairs: int = 100) -> list[Person]:
    people = (found(cell, draw, pairs)[1] for cell in TAXONOMY.cells for draw in range(30))
    return [person for person in people if person]


@given(cells, st.integers(0, 1000))
def test_whoever_is_found_wants_the_aim_and_has_a_profile_that_goes_together(cell: Cell, draw: int) -> None:
    aim, person = found(cell, draw)
    if person is None:
        return
    assert aim in person.aims
    assert len(person.aims) <= PREFERENCES
    for of in (person.aims, [each.reversed for each in person.aims]):
        assert TAXONOMY.fit_together([Cell(each.dimension, each.value.name) for each in of])


def test_somebody_is_found_for_most_aims() -> None:
    tried = [found(cell, draw)[1] for cell in TAXONOMY.cells for draw in range(5)]
    assert sum(person is not None for person in tried) > 0.5 * len(tried)


def test_a_person_is_the_same_whichever_preference_leads_to_them() -> None:
    by_id: dict[str, Person] = {}
    shared = 0
    for person in everybody():
        known = by_id.setdefault(person.id, person)
        assert known == person
        shared += known is not person
    assert shared > len(by_id)
    assert {person.opposite for person in by_id.values()} - set(by_id) == set() or len(by_id) > 150


def test_opposites_want_the_contrary_of_everything() -> None:
    by_id = {person.id: person for person in everybody()}
    pairs = [(p, by_id[p.opposite]) for p in by_id.values() if p.opposite in by_id]
    assert len(pairs) > 50
    for one, other in pairs:
        assert other.opposite == one.id != other.id
        assert other.aims == tuple(aim.reversed for aim in one.aims)
        assert (one.who, one.opposite_who) == (other.opposite_who, other.who)


def test_there_are_as_many_people_as_asked_for_and_most_have_several_preferences() -> None:
    people = {person.id: person for person in everybody(pairs=50)}
    assert 60 < len(people) <= 100
    assert sum(len(person.aims) >= 3 for person in people.values()) > len(people) / 2


def test_what_a_person_says_on_a_dimension_is_worded_once() -> None:
    wishes: dict[tuple[str, str], set[object]] = {}
    for cell in TAXONOMY.cells:
        for draw in range(30):
            aim, person = found(cell, draw, pairs=60)
            if person:
                contrast = person.contrast(aim, composed=False, seed=0)
                wish = contrast.wish("user", "statement", TAXONOMY.styles, person.who)
                wishes.setdefault((person.id, aim.dimension), set()).add((aim.contrast.name, wish))
    assert any(len(TAXONOMY.dimension[dimension].values) == 2 for _, dimension in wishes)
    for (_, dimension), said in wishes.items():
        assert len(said) == 1, dimension
