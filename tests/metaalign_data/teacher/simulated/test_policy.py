import pytest

from asking import library
from metaalign_data.teacher.simulated.policy import read_axis, read_policy, read_risk
from metaalign_data.teacher.simulated.read import read_meta_prompt

MATRIX = library().priorities("default")


@pytest.mark.parametrize("winner", ["provider", "user"])
def test_a_policy_says_who_wins(winner):
    for wording in MATRIX.wordings(f"{winner}_first"):
        meta = read_meta_prompt(wording, "")
        assert (meta.policy, meta.axis, meta.risk, meta.provider.values) == (winner, None, None, {}), wording


@pytest.mark.parametrize(
    ("wording", "winner"),
    [
        ("House rules override what a customer asks for.", "provider"),
        ("What the user wants outranks our policy.", "user"),
        ("The operator's guidelines yield to the user.", "user"),
        ("If user and guidelines disagree, obey the guidelines.", "provider"),
        ("Our rules are old, and our users like them.", None),
        ("The conclusion comes before the reasons.", None),
        ("Our rules come first.", None),
        ("The user's wish prevails.", None),
    ],
)
def test_a_policy_is_understood_in_other_words(wording, winner):
    assert read_policy(wording) == winner


@pytest.mark.parametrize("risk", ["safety", "helpfulness"])
def test_a_policy_says_what_comes_first_where_harm_is_possible(risk):
    for wording in MATRIX.wordings(f"{risk}_first"):
        meta = read_meta_prompt(wording, "")
        assert (meta.risk, meta.policy, meta.axis, meta.provider.values) == (risk, None, None, {}), wording


@pytest.mark.parametrize(
    ("wording", "risk"),
    [
        ("Being helpful yields to caution.", "safety"),
        ("We put helping people above safety.", "helpfulness"),
        ("We offer safe and helpful tools.", None),
        ("Be helpful.", None),
    ],
)
def test_what_comes_first_is_understood_in_other_words(wording, risk):
    assert read_risk(wording) == risk


@pytest.mark.parametrize("axis", ["consensus", "background"])
def test_the_axis_of_values_is_read_from_its_meaning(axis):
    meta = read_meta_prompt(getattr(MATRIX.axis, axis).meaning, "")
    assert (meta.policy, meta.axis) == (None, axis)


def test_the_axis_is_understood_in_other_words():
    assert read_axis("Stay with the majority.") == "consensus"
    assert read_axis("Go by their background rather than by what most people think.") == "background"
    assert read_axis("Not the consensus, but the person counts.") == "background"


def test_a_manner_of_answering_is_not_taken_for_an_axis():
    meta = read_meta_prompt("Use bullet points, whatever the user's background.", "")
    assert (meta.axis, meta.provider.values) == (None, {"format": "bullets"})
