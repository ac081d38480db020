import pytest

from metaalign_data.chat import Message
from metaalign_data.teacher.simulated.turns import as_text, said_by_user


@pytest.mark.parametrize(
    ("history", "said"),
    [
        ("", []),
        ("  ", []),
        ("just a text", ["just a text"]),
        ("User: one\nAssistant: two\nUser: three", ["one", "three"]),
        ("User: one\nand more\n\nAssistant: two", ["one\nand more"]),
        ("User: he said User: twice", ["he said User: twice"]),
        ("Assistant: two", []),
    ],
)
def test_the_users_words_are_told_from_the_assistants(history, said):
    assert list(said_by_user(history)) == said


def test_messages_come_back_from_their_text():
    messages = [
        Message(role="system", content="x"),
        Message(role="user", content="a"),
        Message(role="assistant", content="b"),
    ]
    assert as_text(messages) == "User: a\nAssistant: b"
    assert list(said_by_user(as_text(messages))) == ["a"]
