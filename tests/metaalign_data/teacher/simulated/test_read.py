import time
from pathlib import Path

import pytest

from asking import cells, library, meaning
from metaalign_data.queries import read_queries
from metaalign_data.queries.settings import QuerySettings
from metaalign_data.taxonomy import GENERAL
from metaalign_data.teacher.simulated.read import (
    read_wishes,
    topic_of,
    wanted,
)
from metaalign_data.teacher.simulated.world import world

MATRIX = library().priorities("default")
POLICIES = [(w, winner) for winner in ("provider", "user") for w in MATRIX.wordings(f"{winner}_first")]


@pytest.mark.parametrize(("dimension", "value"), cells())
def test_a_meaning_of_the_taxonomy_reads_as_its_value(dimension, value):
    assert read_wishes(meaning(dimension, value)).values == {dimension: value}


def test_a_neutral_provider_asks_for_nothing():
    for wording in MATRIX.neutral:
        assert wanted(wording, "", "Why?") == wanted("", "", "Why?")


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("No bullet points for me, I like prose.", {"format": "prose"}),
        ("Please skip the examples.", {"examples": "without_examples"}),
        ("I'd rather have short answers than long, detailed ones.", {"length": "brief"}),
        ("Never be formal with me.", {"tone": "casual"}),
        ("Not only examples, but bullet points too.", {"examples": "with_examples", "format": "bullets"}),
        ("without analogies, comparisons or metaphors", {"imagery": "literal"}),
        ("I have three cats.", {}),
    ],
)
def test_a_negated_cue_counts_for_the_opposite(text, values):
    assert read_wishes(text).values == values


def test_a_stated_wish_hides_an_implied_one():
    text = "I am always in a rush. Still, give me all the detail, at length."
    assert read_wishes(text).values == {"length": "thorough"}


@pytest.mark.parametrize(("wording", "winner"), POLICIES)
def test_a_conflict_is_resolved_as_the_policy_says(wording, winner):
    wishes = wanted(f"{wording} Always be brief.", "Please answer at length and use bullet points.", "Why?")
    assert wishes.values == {"length": "brief" if winner == "provider" else "thorough", "format": "bullets"}


def test_without_a_policy_the_provider_wins_a_conflict():
    assert wanted("Always be brief.", "Please answer at length.", "Why?").values == {"length": "brief"}


def test_where_nothing_is_recognised_the_words_themselves_are_wanted():
    assert wanted("", "Use Cornish spelling.", "Why?").unread == ("use", "cornish", "spelling")


def test_a_query_goes_to_the_topic_that_most_of_its_words_name():
    assert topic_of("Which guitar song should a runner sing?").name == "music"
    assert topic_of("").name == topic_of("fluffy gizmo").name == "generic"


def test_a_question_of_the_world_goes_to_the_topic_that_asks_it():
    for stance in world().stances.values():
        assert stance.name.startswith(f"{topic_of(stance.question).name}/"), stance.question


def turns(*said: str) -> str:
    return "\n".join(f"User: {text}\nAssistant: I see." for text in said)


def test_wishes_of_earlier_turns_are_the_users():
    history = turns("Please be brief.", "My bicycle has a new handle.")
    assert wanted("", "", "Why?", history).values == {"length": "brief"}
    assert wanted("Use bullet points.", "", "Why?", history).values == {"length": "brief", "format": "bullets"}
    assert wanted("Answer at length.", "", "Why?", history).values == {"length": "thorough"}


def test_what_the_assistant_said_is_no_wish():
    assert wanted("", "", "Why?", "User: Hello.\nAssistant: Shall I use bullet points?").values == {}


@pytest.mark.parametrize(
    ("user_info", "said", "length"),
    [
        ("", ("Please be brief.", "Answer at length from now on."), "thorough"),
        ("Please be brief.", ("Answer at length from now on.",), "thorough"),
        ("I am always in a rush.", ("Answer at length.",), "thorough"),
        ("Answer at length.", ("I am always in a rush.",), "thorough"),
        ("", ("Answer at length.", "I am always in a rush."), "thorough"),
        ("", ("My dissertation is due.", "I am always in a rush."), "brief"),
    ],
)
def test_the_later_word_counts_and_a_stated_wish_hides_an_implied_one(user_info, said, length):
    assert wanted("", user_info, "Why?", turns(*said)).values == {"length": length}


def test_earlier_questions_and_small_talk_ask_for_nothing():
    assert wanted("", "", "Why?", turns("Why is the sky blue?", "Hello there.")).unread == ()
    assert wanted("", "", "Why?", turns("Use Cornish spelling.", "How is the weather?")).unread == (
        "use",
        "cornish",
        "spelling",
    )


def test_safety_or_helpfulness_is_decided_by_the_provider_and_else_by_the_user():
    decline, answer = "Decline what could do harm.", "Answer every request without declining."
    safe, helpful = (MATRIX.wordings(name) for name in ("safety_first", "helpfulness_first"))
    for wording in safe:
        assert wanted(wording, answer, "Why?").values == {"risk": "safety"}, wording
    for wording in helpful:
        assert wanted(wording, decline, "Why?").values == {"risk": "helpfulness"}, wording
    assert wanted("", answer, "Why?").values == {"risk": "helpfulness"}
    assert wanted(decline, answer, "Why?").values == {"risk": "safety"}


def test_a_background_counts_where_one_of_its_questions_is_asked():
    told = "My father kept cows, and the yard lamp was lit at four."
    for stance in world().stances.values():
        expected = {stance.name: "early bird"} if stance.outlook == "sleep/opinion/0" else {}
        assert wanted("", told, stance.question.replace("{subject}", "maps")).values == expected
        assert wanted("", "", stance.question, turns(told)).values == expected
    assert wanted("", told, "Why?").values == {}


def test_a_text_of_a_megabyte_is_read_in_a_moment():
    text = "no bullet points " * 60_000 + " " * 100_000 + "!" * 100_000
    start = time.perf_counter()
    wanted(text, text[1:], text[2:])
    assert time.perf_counter() - start < 0.5


@pytest.mark.parametrize("row", list(read_queries(QuerySettings(source="bundled"), Path())), ids=lambda row: row.text)
def test_the_world_knows_what_every_bundled_query_is_about(row):
    """Else its answers would be about nothing."""
    assert topic_of(row.text).name != "generic"
    assert library().taxonomy("default").kind_of(row.text) != GENERAL


@pytest.mark.parametrize(
    ("query", "topic"),
    [
        ("How should I name variables so that others can read my code?", "programming"),
        ("Why does a bicycle stay up while it rolls?", "physics"),
        ("Can I learn the guitar as an adult with twenty minutes a day?", "music"),
        ("How do I stop work from filling the whole day when I work from home?", "remote_work"),
        ("What should I see in a big city if I have only one day?", "travel"),
    ],
)
def test_where_words_point_to_several_topics_a_phrase_decides(query, topic):
    assert topic_of(query).name == topic
