import time

import pytest

from asking import cells, library, meaning
from metaalign_data.teacher.simulated.read import (
    read_axis,
    read_meta_prompt,
    read_policy,
    read_wishes,
    topic_of,
    wanted,
)
from metaalign_data.teacher.simulated.world import world

MATRIX = library().priorities("default")
POLICIES = [(wording, policy.winner) for policy in MATRIX.policies for wording in policy.wordings]


@pytest.mark.parametrize(("dimension", "value"), cells())
def test_a_meaning_of_the_taxonomy_reads_as_its_value(dimension, value):
    assert read_wishes(meaning(dimension, value)).values == {dimension: value}


@pytest.mark.parametrize(("wording", "winner"), POLICIES)
def test_a_policy_says_who_wins(wording, winner):
    meta = read_meta_prompt(wording, "")
    assert (meta.policy, meta.axis, meta.provider.values) == (winner, None, {})


@pytest.mark.parametrize(
    ("wording", "winner"),
    [
        ("House rules override what a customer asks for.", "provider"),
        ("What the user wants outranks our policy.", "user"),
        ("The operator's guidelines yield to the user.", "user"),
        ("If user and guidelines disagree, obey the guidelines.", "provider"),
        ("Our rules are old, and our users like them.", None),
        ("The conclusion comes before the reasons.", None),
    ],
)
def test_a_policy_is_understood_in_other_words(wording, winner):
    assert read_policy(wording) == winner


@pytest.mark.parametrize(
    ("wordings", "axis"), [(MATRIX.consensus_first, "consensus"), (MATRIX.background_first, "background")]
)
def test_the_axis_of_values_is_read(wordings, axis):
    for wording in wordings:
        meta = read_meta_prompt(wording, "")
        assert (meta.policy, meta.axis) == (None, axis), wording


def test_the_axis_is_understood_in_other_words():
    assert read_axis("Stay with the majority.") == "consensus"
    assert read_axis("Go by their background rather than by what most people think.") == "background"
    assert read_axis("Not the consensus, but the person counts.") == "background"


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


def test_a_text_of_a_megabyte_is_read_in_a_moment():
    text = "no bullet points " * 60_000 + " " * 100_000 + "!" * 100_000
    start = time.perf_counter()
    wanted(text, text[1:], text[2:])
    assert time.perf_counter() - start < 0.5
