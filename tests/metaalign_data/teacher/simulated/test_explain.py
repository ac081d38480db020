import pytest

from asking import ask_json, contrasts, judged, meaning, respond
from metaalign_data.answers import PairExplanation
from metaalign_data.teacher.simulated.read import read_wishes
from metaalign_data.teacher.simulated.world import world


def explained(query: str, a: str, b: str, speaker: str = "user") -> PairExplanation:
    told = {"query": query, "response_a": a, "response_b": b, "speaker": speaker, "style": "dry and precise"}
    answer = ask_json("explain_pair", sample=0, **told)
    return PairExplanation.model_validate(answer)


@pytest.mark.parametrize(("dimension", "value", "other"), contrasts())
def test_each_response_wins_under_the_preference_that_explains_it(dimension, value, other):
    query = "How can I sleep better at night?"
    a, b = respond(query, meaning(dimension, value)), respond(query, meaning(dimension, other))
    found = explained(query, a, b)
    for wish, winner in ((found.first, "a"), (found.second, "b")):
        assert judged("", wish.text, query, a, b)["winner"] == winner, (wish, a, b)
        assert read_wishes(wish.text).stated == read_wishes(wish.meaning).stated == {found.dimension: wish.value}


def test_where_nothing_else_differs_length_does():
    found = explained("Why?", "Light is scattered by the air.", "Light is scattered by all of the air.")
    assert (found.dimension, found.first.value, found.second.value) == ("length", "brief", "thorough")


def test_a_rule_of_the_provider_is_no_wish_of_a_user():
    answers = ("Light is scattered by the air.", "Light is scattered. So it is. And so it stays. That is all. Look up.")
    for speaker, openers in (("user", world().people.user_openers), ("provider", world().people.provider_openers)):
        for wish in (found := explained("Why?", *answers, speaker)).first, found.second:
            assert any(opener.partition("{")[0] in wish.text for opener in openers if not opener.startswith("{")), wish
