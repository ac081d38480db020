from random import Random

import pytest

from asking import QUERIES, chat, meaning, respond
from metaalign_data.teacher.simulated.read import topic_of
from metaalign_data.teacher.simulated.write import Plan, contrary, focus_of, plan_for_target, write_response


def test_a_rewriting_request_gets_an_answer_on_writing():
    query = "Rewrite the given text and correct grammar, spelling, and punctuation errors."
    assert topic_of(query).name == "grammar"
    assert focus_of(query) == "punctuation errors"
    assert "commas mark the joints" in respond(query, meaning("length", "thorough")).lower()


@pytest.mark.parametrize(
    ("query", "focus"),
    [
        ("Provide an ESRB rating for the following game.", "esrb rating"),
        ("Design a soothing pastel color palette for your slides.", "soothing pastel color palette"),
        ("Write a haiku: modern software, for a rainy train ride", "rainy train ride"),  # "modern" shows a value
        ("", "this question"),
        ("???", "this question"),
        ("Put simply!", "this question"),  # would look like the mark of a plain answer
    ],
)
def test_the_focus_is_the_querys_own_words(query, focus):
    assert focus_of(query) == focus


def test_answers_to_different_queries_differ():
    answers = {respond(query, meaning("tone", "casual")) for query in QUERIES}
    assert len(answers) == len(QUERIES)


def test_a_view_that_nobody_wrote_down_is_stated_first():
    view = "Trains beat planes, whatever the clock says."
    assert respond("How should one travel?", view).startswith(view)


def test_a_known_view_is_stated_without_what_introduces_it():
    view = "Travel alone, for solitude lets you follow your own steps and hear yourself."
    assert plan_for_target(f"State this view as your own: {view}") == Plan(statement=view)


def test_a_target_may_ask_for_a_view_and_a_manner():
    view = "Travel alone, for solitude lets you follow your own steps and hear yourself."
    assert plan_for_target(f"{view} Answer as a list of bullet points.") == Plan({"format": "bullets"}, statement=view)


def test_the_contrary_of_a_plan_has_the_contrasting_value_and_the_other_view():
    rng = Random(0)
    assert contrary(Plan({"length": "brief"}), "Why?", rng) == Plan({"length": "thorough"})
    view = plan_for_target("Travel alone, for solitude lets you follow your own steps and hear yourself.")
    assert "shared laughter" in contrary(view, "Why?", rng).statement


def test_all_manners_go_together():
    plan = Plan({"length": "thorough", "format": "numbered_steps", "directness": "reasons_first", "empathy": "warm"})
    text = write_response("How do I bake bread?", plan, Random(1))
    opening, steps, facts, conclusion, *_ = text.split("\n\n")
    assert steps.startswith("1. ")
    assert "4. " in steps
    assert facts.count(".") >= 6
    assert "tasting early" in conclusion
    assert opening


@pytest.mark.parametrize("layout", ["prose", "bullets", "numbered_steps"])
def test_headings_divide_an_answer_of_any_layout_in_two(layout):
    plan = Plan({"format": layout, "sections": "with_headings"})
    nothing, first, second = write_response("How do I bake bread?", plan, Random(1)).split("## ")
    assert nothing == ""
    for part in (first, second):
        title, text = part.split("\n\n", 1)
        assert "\n" not in title
        assert text.strip()
    assert "cooking" in first.splitlines()[0]


def test_the_key_word_of_lead_and_facts_is_bold():
    text = write_response("How do I bake bread?", Plan({"emphasis": "key_words_in_bold"}), Random(1))
    assert [sentence.count("**") for sentence in text.split(". ")] == [2, 2, 2, 2]


def test_a_chat_under_an_empty_meta_prompt_is_answered_on_its_topic():
    answer = chat("", "", "Why is the sky blue?")
    assert "most of nature follows from a few laws of conservation" in answer
