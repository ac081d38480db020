"""The world's texts keep the promises that reading and measuring rest on."""

from random import Random

import pytest

from asking import cells, library
from metaalign_data.teacher.simulated.phrases import fill, squash, words
from metaalign_data.teacher.simulated.read import read_meta_prompt, read_wishes
from metaalign_data.teacher.simulated.truth import measured
from metaalign_data.teacher.simulated.world import Want, world

FILLINGS = 15
_NAMES = (
    "subject focus general example analogy recommendation option_a option_b lead wish job a_job place name age years"
)
SLOTS = dict.fromkeys(_NAMES.split(), "zzz") | {"expert": "Adenosine zzz."}
MEASURED_BY_PHRASE = {"marks", "jargon", "early", "late"}


def fillings(template: str) -> set[str]:
    rng = Random(template)
    return {fill(template, rng, SLOTS) for _ in range(FILLINGS)}


def values():
    return [(d, v) for d in world().dimensions for v in d.values]


def known():
    return [(d.name, v.name) for d, v in values()]


def implying(dimension, value):
    found = world().dimension[dimension].value(value)
    return (*found.implicit, *found.writing)


def test_the_world_knows_every_cell_of_the_default_taxonomy():
    assert {(d.name, v.name) for d, v in values()} >= set(cells())


def test_the_dimensions_that_writing_implies_have_samples_for_every_value_and_no_others_have_any():
    written = {d.name for d in library().taxonomy("default").dimensions if "writing" in d.implied_by}
    assert len(written) >= 8
    for dimension, value in values():
        assert (len(value.writing) >= 4) == (dimension.name in written), (dimension.name, value.name)


def test_no_phrase_means_two_things():
    for name in ("topic_keywords", "stated", "implied", "questions", "answers", "chatter"):
        getattr(world(), name)  # a Lexicon refuses to be built otherwise


@pytest.mark.parametrize(("dimension", "value"), known())
def test_a_stated_wish_reads_as_its_own_value_and_no_other(dimension, value):
    for template in world().dimension[dimension].value(value).explicit:
        for text in fillings(template):
            assert read_wishes(text).values == {dimension: value}, text


@pytest.mark.parametrize(("dimension", "value"), known())
def test_a_background_or_a_manner_of_writing_implies_its_own_value_and_no_other(dimension, value):
    for template in implying(dimension, value):
        for text in fillings(template):
            assert read_wishes(text).values == {dimension: value}, text


@pytest.mark.parametrize(("dimension", "value"), known())
def test_a_background_or_a_manner_of_writing_holds_no_cue_of_a_stated_wish(dimension, value):
    for template in implying(dimension, value):
        for text in fillings(template):
            assert world().stated.find(words(text)) == [], text


@pytest.mark.parametrize("want", list(world().backgrounds), ids="=".join)
def test_a_persona_implies_its_own_outlook_and_no_other_and_states_no_answer(want):
    for template in world().backgrounds[want]:
        for text in fillings(template):
            assert read_wishes(text).implied == {want.dimension: want.value}, text
            assert read_wishes(text).stated == {}, text
            assert world().answers.find(words(text)) == [], text


def test_what_surrounds_a_preference_asks_for_nothing():
    people = world().people
    for template in (
        *people.user_openers,
        *people.provider_openers,
        *people.more_openers,
        *people.greetings,
        *people.small_talk,
        *people.neutral_replies,
        *people.user_intros,
        *people.asides,
        *people.services,
        *people.jobs,
        *people.places,
        *people.names,
    ):
        for text in fillings(template):
            meta = read_meta_prompt(text, text)
            assert (meta.provider.values, meta.user.values) == ({}, {}), text
            assert (meta.policy, meta.axis, meta.risk) == (None, None, None), text


@pytest.mark.parametrize("axis", ["consensus", "background"])
def test_a_wish_on_values_reads_as_its_side_and_states_no_manner(axis):
    for template in getattr(world().people.axis, axis):
        for text in fillings(template):
            meta = read_meta_prompt(f"Please {text}.", "")
            assert (meta.axis, meta.policy, meta.risk, meta.provider.values) == (axis, None, None, {}), text


@pytest.mark.parametrize(("dimension", "value"), known())
def test_what_shows_a_value_is_measured_as_that_value_only(dimension, value):
    found = world().dimension[dimension].value(value)
    show = found.show
    for template in (*show.open, *show.insert, *show.close, *show.lead, *(show.headings or ())):
        for text in fillings(template):
            shown = {
                Want(d.name, v.name)
                for d, v in values()
                if v.measure in MEASURED_BY_PHRASE
                and measured(text).has_any(v.evidence + (world().jargon if v.measure == "jargon" else ()))
            }
            own = {Want(dimension, value)} if found.measure in MEASURED_BY_PHRASE else set()
            assert shown == own, text


@pytest.mark.parametrize("topic", world().topics, ids=lambda topic: topic.name)
def test_what_is_known_of_a_topic_shows_no_preference_by_itself(topic):
    told = [topic.general, *topic.facts, topic.example, topic.analogy, topic.recommendation, *topic.options]
    told += [*topic.steps, topic.subject]
    stances = [stance for stance in world().stances.values() if stance.name.startswith(f"{topic.name}/")]
    told += [text for stance in stances for text in (stance.question, *(side.answer for side in stance.sides))]
    for text in (fill(each, Random(0), SLOTS) for each in told):
        assert not measured(text).has_any(world().all_evidence), text


@pytest.mark.parametrize("topic", world().topics, ids=lambda topic: topic.name)
def test_expert_sentences_hold_a_technical_term(topic):
    for sentence in topic.expert:
        assert any(squash(term) in squash(sentence) for term in topic.terms), sentence


def test_the_two_answers_to_a_question_can_be_told_apart():
    for stance in world().stances.values():
        assert min(len(telling) for telling in stance.telling) >= 3, stance.name


def test_there_are_topics_and_questions_enough_to_write_about():
    assert len(world().topics) >= 24
    assert len({topic.name for topic in world().topics}) == len(world().topics)
    asked = [o.questions for topic in world().topics for o in world().opinions[topic.name]]
    asked += [c.questions for topic in world().topics for c in world().consensus[topic.name]]
    assert min(map(len, asked)) >= 3
