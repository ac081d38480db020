import pytest

from asking import ask_json, cells, composed, contrasts, history, meaning
from metaalign_data.answers import Dialogue
from metaalign_data.teacher.simulated.read import read_history, read_wishes, wanted


def dialogue(*wishes: tuple[str, str], contrast: str = "", style: str = "", sample: int = 0) -> Dialogue:
    answer = ask_json("write_dialogue", sample=sample, contrast=contrast, style=style, **composed(wishes))
    return Dialogue.model_validate(answer)


def as_text(written: Dialogue) -> str:
    return history([turn.model_dump() for turn in written.turns])


@pytest.mark.parametrize(("dimension", "value", "other"), contrasts())
def test_what_the_user_says_implies_the_value_and_states_nothing(dimension, value, other):
    for i in range(20):
        written = dialogue((dimension, value), contrast=meaning(dimension, other), sample=i)
        assert len(written.turns) == 2
        found = read_history(as_text(written))
        assert (found.implied, found.stated) == ({dimension: value}, {}), as_text(written)


def test_a_dialogue_may_imply_two_values():
    wishes = (("length", "brief"), ("tone", "formal"))
    for i in range(20):
        written = dialogue(*wishes, sample=i)
        assert read_history(as_text(written)).implied == dict(wishes), as_text(written)


def test_the_assistant_gives_nothing_away():
    for i, cell in enumerate(cells()):
        for turn in dialogue(cell, sample=i).turns:
            assert read_wishes(turn.assistant).values == {}, turn


def test_an_unknown_wish_can_be_recovered():
    cell = {"dimension": "dialect", "value": "cornish", "meaning": "Use Cornish spelling.", "style": ""}
    written = Dialogue.model_validate(ask_json("write_dialogue", contrast="", **cell))
    assert read_history(as_text(written)).unread == ("use", "cornish", "spelling")


def small_talk(sample: int) -> str:
    return as_text(Dialogue.model_validate(ask_json("write_small_talk", sample=sample, style="relaxed")))


def test_nothing_follows_from_small_talk():
    for i in range(300):
        found = wanted("", "", "Why?", small_talk(i))
        assert (found.values, found.unread) == ({}, ()), small_talk(i)


def test_small_talk_comes_in_hundreds_of_variants():
    assert len({small_talk(i) for i in range(400)}) > 390
