from itertools import combinations
from random import Random

import pytest

from asking import (
    ask_json,
    axis_wish,
    cells,
    composed,
    contrasts,
    explicit,
    explicit_of,
    implicit,
    library,
    meaning,
    risk_wish,
)
from metaalign_data.teacher.simulated.people import writing_sample
from metaalign_data.teacher.simulated.phrases import squash, telling_parts, words
from metaalign_data.teacher.simulated.read import read_meta_prompt, read_wishes
from metaalign_data.teacher.simulated.world import Want, world

STYLES = ("friendly", "as a retired sailor, with a reason", "one short sentence", "by a busy nurse", "")
WRITTEN = [d.name for d in library().taxonomy("default").dimensions if "writing" in d.implied_by]


@pytest.mark.parametrize(("dimension", "value"), cells())
@pytest.mark.parametrize("speaker", ["user", "provider"])
def test_a_stated_preference_reads_as_its_value(dimension, value, speaker):
    for i, style in enumerate(STYLES * 4):
        text = explicit(dimension, value, speaker, style, sample=i)
        assert read_wishes(text).values == {dimension: value}, text


@pytest.mark.parametrize(("dimension", "value", "other"), contrasts())
def test_an_implied_preference_reads_as_its_value_and_states_nothing(dimension, value, other):
    for i, style in enumerate(STYLES * 4):
        text = implicit(dimension, value, other, style, sample=i)
        assert read_wishes(text).values == {dimension: value}, text
        assert world().stated.find(words(text)) == [], text


@pytest.mark.parametrize(("dimension", "value"), cells())
def test_a_writing_sample_reads_as_its_value_and_states_nothing(dimension, value):
    found = world().dimension[dimension].value(value)
    for seed in range(60):
        text = writing_sample(found, Random(seed))
        assert read_wishes(text).values == {dimension: value}, text
        assert world().stated.find(words(text)) == [], text


def test_those_who_like_it_brief_write_less_than_those_who_like_it_thorough():
    brief, thorough = (world().dimension["length"].value(name) for name in ("brief", "thorough"))
    for seed in range(60):
        assert 2 * len(words(writing_sample(brief, Random(seed)))) < len(words(writing_sample(thorough, Random(seed))))


def test_writing_samples_vary():
    for dimension in WRITTEN:
        for value in world().dimension[dimension].values:
            assert len({writing_sample(value, Random(seed)) for seed in range(200)}) > 100, value.name


def test_a_value_that_writing_does_not_show_is_implied_by_a_background():
    value = world().dimension["faith"].value("secular")
    assert read_wishes(writing_sample(value, Random(3))).values == {"faith": "secular"}


@pytest.mark.parametrize("dimension", WRITTEN)
def test_what_is_asked_to_be_written_in_a_manner_is(dimension):
    for value in world().dimension[dimension].values:
        other = world().others(Want(dimension, value.name))[0].value
        cell = {"dimension": dimension, "value": value.name, "meaning": meaning(dimension, value.name), "style": ""}
        texts = {
            ask_json("write_writing_sample", contrast=meaning(dimension, other), sample=i, **cell)["text"]
            for i in range(20)
        }
        told = [squash(part) for template in value.implicit for part in telling_parts(template, 4)]
        assert not any(part in squash(text) for part in told for text in texts)
        assert all(read_wishes(text).values == {dimension: value.name} for text in texts)


def test_thousands_of_preferences_are_all_different():
    texts = {explicit(d, v, style=STYLES[i % 2], sample=i) for d, v in cells() for i in range(60)}
    assert len(texts) > 0.95 * 60 * len(cells())


def test_the_style_says_who_speaks_and_how():
    assert "retired sailor" in implicit("tone", "casual", "formal", "as a retired sailor")
    assert "I am a night nurse." in implicit("tone", "casual", "formal", "like a busy professional, by a night nurse")
    short = explicit("tone", "casual", style="one short sentence")
    assert short.count(". ") == 0


def test_a_persona_that_would_state_a_preference_is_left_out():
    text = implicit("length", "thorough", "brief", "as a casual expert")
    assert read_wishes(text).values == {"length": "thorough"}


def test_a_provider_does_not_speak_of_itself_as_a_user():
    for i in range(50):
        assert not explicit("tone", "casual", "provider", sample=i).startswith("I ")


@pytest.mark.parametrize("speaker", ["user", "provider"])
def test_an_unknown_value_is_stated_in_its_own_words(speaker):
    cell = {"dimension": "dialect", "value": "cornish", "meaning": "Use Cornish spelling.", "style": ""}
    assert "use Cornish spelling" in ask_json("write_explicit_preference", speaker=speaker, **cell)["text"]
    assert "use Cornish spelling" in ask_json("write_background", contrast="Breton", **cell)["text"]


def test_the_meaning_decides_where_a_value_has_a_strange_name():
    cell = {"dimension": "shape", "value": "dotted", "meaning": meaning("format", "bullets"), "style": ""}
    text = ask_json("write_explicit_preference", speaker="user", **cell)["text"]
    assert read_wishes(text).values == {"format": "bullets"}


SEVERAL = (
    (("length", "brief"), ("tone", "formal")),
    (("tone", "casual"), ("examples", "with_examples"), ("imagery", "literal")),
)


@pytest.mark.parametrize("wishes", SEVERAL)
@pytest.mark.parametrize("speaker", ["user", "provider"])
def test_several_wishes_are_stated_in_one_text(wishes, speaker):
    for i, style in enumerate(STYLES * 8):
        text = explicit_of(wishes, speaker, style, sample=i)
        assert read_wishes(text).values == dict(wishes), text


def test_each_two_wishes_go_together():
    every = cells()
    for i, (one, other) in enumerate(combinations(every, 2)):
        if one[0] != other[0]:
            text = explicit_of([one, other], sample=i)
            assert read_wishes(text).stated == dict([one, other]), text


@pytest.mark.parametrize("wishes", SEVERAL)
def test_a_background_implies_several_values_at_once(wishes):
    for i in range(20):
        text = str(ask_json("write_background", sample=i, contrast="", style="", **composed(wishes))["text"])
        assert read_wishes(text).implied == dict(wishes), text
        assert read_wishes(text).stated == {}, text


@pytest.mark.parametrize("side", ["consensus", "background"])
def test_a_wish_on_questions_of_value_reads_as_its_side_in_hundreds_of_wordings(side):
    texts = {axis_wish(side, sample=i) for i in range(400)}
    assert len(texts) > 300
    assert {(read_meta_prompt(text, "").axis, read_meta_prompt(text, "").policy) for text in texts} == {(side, None)}


@pytest.mark.parametrize("value", ["safety", "helpfulness"])
@pytest.mark.parametrize("speaker", ["user", "provider"])
def test_a_wish_on_harmful_queries_reads_as_its_value_in_hundreds_of_wordings(value, speaker):
    texts = {risk_wish(value, speaker, sample=i) for i in range(400)}
    assert len(texts) > 300
    for text in texts:
        assert read_wishes(text).values == {"risk": value}, text
