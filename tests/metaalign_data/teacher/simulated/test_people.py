from random import Random

import pytest

from asking import ask_json, cells, contrasts, explicit, implicit, library, meaning
from metaalign_data.answers import ConsensusQuestion, OpinionQuestion
from metaalign_data.teacher.simulated.people import implicit_preference, writing_sample
from metaalign_data.teacher.simulated.phrases import words
from metaalign_data.teacher.simulated.read import read_wishes
from metaalign_data.teacher.simulated.world import world

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
    assert writing_sample(value, Random(3)) == implicit_preference(value, "", "", Random(3))


def test_thousands_of_preferences_are_all_different():
    texts = {explicit(d, v, style=STYLES[i % 2], sample=i) for d, v in cells() for i in range(200)}
    assert len(texts) > 0.95 * 200 * len(cells())


def test_the_style_says_who_speaks_and_how():
    assert "retired sailor" in implicit("tone", "casual", "formal", "as a retired sailor")
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
    assert "use Cornish spelling" in ask_json("write_implicit_preference", contrast="Breton", **cell)["text"]


def test_the_meaning_decides_where_a_value_has_a_strange_name():
    cell = {"dimension": "shape", "value": "dotted", "meaning": meaning("format", "bullets"), "style": ""}
    text = ask_json("write_explicit_preference", speaker="user", **cell)["text"]
    assert read_wishes(text).values == {"format": "bullets"}


@pytest.mark.parametrize("query", ["How do I bake bread?", "Fix the toaster oven.", ""])
def test_questions_fit_the_subject_and_their_schema(query):
    consensus = ConsensusQuestion.model_validate(ask_json("write_consensus_question", query=query))
    assert consensus.question.endswith("?")
    assert consensus.consensus != consensus.personal_view
    opinion = OpinionQuestion.model_validate(ask_json("write_opinion_question", query=query))
    assert opinion.question.endswith("?")
    assert 1 <= len(opinion.subject.split()) <= 3
    assert opinion.first.stance != opinion.second.stance


def test_a_persona_does_not_state_its_view():
    for topic in world().topics:
        for opinion in topic.opinions:
            for side in opinion.sides:
                for background in side.background:
                    assert world().answers.find(words(background)) == []
