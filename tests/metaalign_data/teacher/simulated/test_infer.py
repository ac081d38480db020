import pytest

from asking import ask_json, cells, composed, contrasts, explicit, history, implicit, meaning, opinions
from metaalign_data.answers import Implicitness, Inference


def stated(text: str, meant: str) -> bool:
    return Implicitness.model_validate(ask_json("check_implicitness", text=text, meaning=meant)).stated


def inferred(text: str, *options: str) -> int:
    numbered = "\n".join(f"{i}. {option}" for i, option in enumerate(options, 1))
    return Inference.model_validate(ask_json("infer_preference", text=text, options=numbered)).option


@pytest.mark.parametrize(("dimension", "value", "other"), contrasts())
def test_a_reader_tells_what_is_stated_from_what_is_implied(dimension, value, other):
    for i in range(5):
        told = implicit(dimension, value, other, sample=i)
        assert not stated(told, meaning(dimension, value)), told
        assert stated(explicit(dimension, value, sample=i), meaning(dimension, value))
        assert not stated(explicit(dimension, other, sample=i), meaning(dimension, value))


@pytest.mark.parametrize(("dimension", "value", "other"), contrasts())
def test_a_reader_recovers_the_value_among_contrasting_ones(dimension, value, other):
    for i in range(5):
        told = implicit(dimension, value, other, sample=i)
        assert inferred(told, meaning(dimension, other), meaning(dimension, value)) == 2, told
        assert inferred(told, meaning(dimension, value), meaning(dimension, other)) == 1, told


def test_a_reader_recovers_several_values_of_a_dialogue():
    wishes, contrast = (("length", "brief"), ("tone", "formal")), (("length", "thorough"), ("tone", "casual"))
    half = (("length", "brief"), ("tone", "casual"))
    written = ask_json("write_dialogue", contrast=composed(contrast)["meaning"], style="", **composed(wishes))
    options = [composed(each)["meaning"] for each in (contrast, half, wishes)]
    assert inferred(history(written["turns"]), *options) == 3
    assert not stated(history(written["turns"]), options[2])


def test_a_text_that_speaks_for_two_options_alike_speaks_for_none():
    options = [f"{meaning('length', 'brief')} {meaning('tone', tone)}" for tone in ("formal", "casual")]
    assert inferred("I am always in a rush.", *options) == 0
    assert inferred("I am always in a rush, and serve as protocol officer.", *options) == 1


def test_what_the_assistant_says_is_not_the_users_wish():
    text = "User: Hello.\nAssistant: Shall I use bullet points?"
    assert not stated(text, meaning("format", "bullets"))
    assert inferred(text, meaning("format", "prose"), meaning("format", "bullets")) == 0


@pytest.mark.parametrize("query", ["How do I bake bread?", "fluffy gizmo"])
def test_a_reader_recovers_a_view_from_a_background(query):
    written = opinions(query)
    for asked in written["questions"]:
        for name in ("first", "second"):
            told = written[name]["background"]
            assert inferred(told, asked["first"], asked["second"]) == ("first", "second").index(name) + 1
            assert not stated(told, asked[name])
            assert stated(f"{told} {asked[name]}", asked[name])


def test_a_text_that_speaks_for_none_of_the_options_says_so():
    options = [meaning(*cell) for cell in cells()[:3]]
    assert inferred("I have three cats.", *options) == 0
    assert inferred("", *options) == 0
    assert inferred("I am always in a rush.") == 0


def test_an_unknown_preference_is_told_by_its_words():
    options = ("Use American spelling.", "Use British spelling.")
    cell = {"dimension": "dialect", "value": "british", "meaning": options[1], "style": "", "contrast": options[0]}
    told = str(ask_json("write_background", **cell)["text"])
    assert inferred(told, *options) == 2
    assert not stated(told, options[1])
    assert stated("Please use British spelling.", options[1])
    assert not stated("I have three cats.", options[1])
