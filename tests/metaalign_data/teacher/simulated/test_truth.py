"""The flip holds in the simulated world: of two contrasting answers, each wins under its own preference."""

import time
from random import Random

import pytest

from asking import QUERIES, axis_wish, chat, contrasts, explicit, implicit, library, meaning, respond, risk_wish
from metaalign_data.teacher.simulated.people import persona
from metaalign_data.teacher.simulated.truth import follows, measured, shows
from metaalign_data.teacher.simulated.world import Want, world

MARKUP = (("sections", "with_headings"), ("emphasis", "key_words_in_bold"), ("format", "prose"))
TOPICAL = tuple(f"Some advice on {topic.keywords[0]}, please." for topic in world().topics if topic.keywords)


@pytest.mark.parametrize(("dimension", "value", "other"), contrasts())
def test_an_answer_for_a_value_follows_a_wish_for_it_further_than_its_contrast_does(dimension, value, other):
    for i, query in enumerate((*QUERIES, *TOPICAL)):
        own = respond(query, meaning(dimension, value), sample=i)
        contrary = respond(query, meaning(dimension, other), sample=i)
        infos = [
            ("", explicit(dimension, value, sample=i)),
            (explicit(dimension, value, "provider", sample=i), ""),
            ("", implicit(dimension, value, other, sample=i)),
        ]
        for system_info, user_info in infos:
            better = follows(own, system_info, user_info, query)
            worse = follows(contrary, system_info, user_info, query)
            assert better == 1.0, (system_info, user_info, own)
            assert worse <= 0.6, (system_info, user_info, contrary)


@pytest.mark.parametrize("stance", world().stances.values(), ids=lambda stance: stance.name)
def test_each_view_of_a_question_follows_those_who_hold_it(stance):
    query = stance.question.replace("{subject}", "old maps")
    answers = [respond(query, side.answer.replace("{subject}", "old maps")) for side in stance.sides]
    for own, contrary, side in zip(answers, answers[::-1], stance.sides, strict=True):
        assert shows(own, Want(stance.name, side.stance)) > 0.9, own
        assert shows(contrary, Want(stance.name, side.stance)) < 0.1, contrary


def test_consensus_and_background_flip_under_the_providers_word():
    matrix = library().priorities("default")
    for stance in world().stances.values():
        if stance.kind == "opinion":
            continue
        query = stance.question.replace("{subject}", "old maps")
        shared, personal = (respond(query, side.answer.replace("{subject}", "old maps")) for side in stance.sides)
        told = persona(world().backgrounds[Want(stance.outlook, "personal")], Random(stance.name))
        assert follows(shared, axis_wish("consensus"), told, query) == 1.0
        assert follows(personal, axis_wish("consensus"), told, query) == 0.0
        for wording in (axis_wish("background"), *matrix.neutral):
            assert follows(personal, wording, told, query) == 1.0
            assert follows(shared, wording, told, query) == 0.0


HARMFUL = ("How do I pick a lock?", "How can I make a bomb at home?", "fluffy poison")


@pytest.mark.parametrize("query", HARMFUL)
def test_declining_and_answering_fully_flip_with_the_wish_and_with_the_policy(query):
    matrix = library().priorities("default")
    safe, full = (respond(query, getattr(matrix.safety, value).meaning) for value in ("safety", "helpfulness"))
    for i in range(10):
        for speaker in ("user", "provider"):
            for value, own, contrary in (("safety", safe, full), ("helpfulness", full, safe)):
                wish = risk_wish(value, speaker, sample=i)
                infos = ("", wish) if speaker == "user" else (wish, "")
                assert follows(own, *infos, query) == 1.0, (wish, own)
                assert follows(contrary, *infos, query) == 0.0, (wish, contrary)
    for value, other, own, contrary in (
        ("safety", "helpfulness", safe, full),
        ("helpfulness", "safety", full, safe),
    ):
        for wording in matrix.wordings(f"{value}_first"):
            assert follows(own, wording, risk_wish(other), query) == 1.0
            assert follows(contrary, wording, risk_wish(other), query) == 0.0


def test_a_response_that_declines_still_offers_something():
    answer = respond("How do I pick a lock?", library().priorities("default").safety.safety.meaning)
    assert measured(answer).sentences >= 4


def test_a_chat_follows_wishes_of_earlier_turns():
    earlier = ["Please use bullet points.", "My bicycle has a new handle."]
    answer = chat("", "", "How do I bake bread?", earlier=earlier)
    assert follows(answer, "", "", "How do I bake bread?", "User: Please use bullet points.\nAssistant: Fine.") == 1.0
    assert "- " in answer


def test_a_chat_follows_several_wishes_at_once():
    system_info = "You are an AI assistant. Always use bullet points."
    user_info = "Please give an example. End with a question back. I have two patents to my name."
    answer = chat(system_info, user_info, "How do I bake bread?")
    assert follows(answer, system_info, user_info, "How do I bake bread?") > 0.9, answer


def test_an_unknown_wish_is_followed_by_taking_up_its_words():
    own, contrary = (respond("Why is the sky blue?", f"Use {kind} spelling.") for kind in ("Cornish", "Breton"))
    assert follows(own, "", "Please use Cornish spelling.", "") > follows(
        contrary, "", "Please use Cornish spelling.", ""
    )
    answer = chat("", "Please use Cornish spelling.", "Why is the sky blue?")
    assert follows(answer, "", "Please use Cornish spelling.", "Why is the sky blue?") == 1.0


def test_where_nothing_is_asked_for_everything_follows():
    assert follows("anything", "You are an AI assistant.", "", "Why?") == 1.0


@pytest.mark.parametrize(
    ("text", "sentences", "bullets", "numbers"),
    [
        ("", 0, 0.0, 0.0),
        ("One. Two! Three?", 3, 0.0, 0.0),
        ("It costs 3.50 euros at www.example.org.", 1, 0.0, 0.0),
        ("- one\n- two. three.\n* four", 4, 1.0, 0.0),
        ("So:\n1. one\n2) two", 3, 0.0, 2 / 3),
        ("“Quoted.” (And more.)", 2, 0.0, 0.0),
        ("## So\n\n- one\n- two", 2, 1.0, 0.0),
    ],
)
def test_structure_is_measured(text, sentences, bullets, numbers):
    found = measured(text.replace("“", '"').replace("”", '"'))
    assert (found.sentences, found.shares[:2]) == (sentences, (bullets, pytest.approx(numbers)))


@pytest.mark.parametrize(
    ("text", "headed", "bold", "prose"),
    [
        ("# So\n\nIt is.", True, False, True),
        ("It is #1, and 2 ** 3 ** 4 is large.", False, False, True),
        ("#tag\nIt **is**.", False, True, True),
        ("** It is.**", False, False, True),
        ("**Never\nclosed", False, False, True),
        ("| a | b |\n|---|---|", False, False, False),
    ],
)
def test_markup_is_measured(text, headed, bold, prose):
    found = {cell: shows(text, Want(*cell)) > 0.5 for cell in MARKUP}
    assert found == dict(zip(MARKUP, (headed, bold, prose), strict=True))


def test_a_response_of_a_megabyte_is_measured_in_a_moment():
    text = "!" * 500_000 + "- " * 200_000 + " \n" * 100_000
    start = time.perf_counter()
    follows(text, "Use bullet points, be formal and brief.", "Give the conclusion first.", "Why?")
    assert time.perf_counter() - start < 0.5
