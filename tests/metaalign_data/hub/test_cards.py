"""Merging the card that is pushed with the one that people edited."""

import datetime

import pytest
import yaml

from metaalign_data.errors import UserError
from metaalign_data.hub.cards import BEGIN, END, FOLDER, Card, Fields, merge_cards, parse_card


def card(fields: Fields, body: str = "text") -> Card:
    return Card(yaml.safe_dump(dict(fields), sort_keys=False), fields, f"\n{body}\n")


def merged(ours: Fields, theirs: Fields, pushed: Fields) -> Fields:
    return merge_cards(card(ours), card(theirs), pushed)[0].fields


@pytest.mark.parametrize(
    ("ours", "theirs", "pushed", "expected"),
    [
        ({"license": "b"}, {"license": "a"}, {"license": "a"}, {"license": "b"}),  # nobody touched it
        ({"license": "b"}, {"license": "mine"}, {"license": "a"}, {"license": "mine"}),
        ({"license": "a"}, {"license": "a", "paper": "x"}, {"license": "a"}, {"license": "a", "paper": "x"}),
        ({"license": "a", "paper": "x"}, {"license": "a"}, {"license": "a", "paper": "x"}, {"license": "a"}),
        ({}, {"license": "a"}, {"license": "a"}, {}),  # we no longer say it
        ({"tags": ["a", "c"]}, {"tags": ["a", "mine"]}, {"tags": ["a", "b"]}, {"tags": ["a", "c", "mine"]}),
        ({"tags": ["a", "b"]}, {"tags": ["a"]}, {"tags": ["a", "b"]}, {"tags": ["a"]}),  # taken out by hand
        ({"configs": [1]}, {"configs": [1, 2]}, {"configs": [1]}, {"configs": [1]}),
        ({}, {"dataset_info": {"features": []}}, {}, {}),
        ({"size_categories": ["10K<n<100K"]}, {"size_categories": ["n<1K"]}, {}, {"size_categories": ["10K<n<100K"]}),
        ({"license": "b"}, {"license": "mine"}, {}, {"license": "mine"}),  # written before the first push
    ],
)
def test_a_field_is_theirs_where_they_changed_it_and_ours_where_it_tells_how_to_read_the_files(
    ours: Fields, theirs: Fields, pushed: Fields, expected: Fields
) -> None:
    assert merged(ours, theirs, pushed) == expected


def test_a_card_that_says_the_same_keeps_the_way_it_was_written() -> None:
    first, _ = merge_cards(card({"license": "mit", "tags": ["a"]}), None, None)
    theirs = parse_card(str(first).replace("license: mit\n", "# which\nlicense: 'mit'\n"), "there")
    again, notices = merge_cards(card({"license": "mit", "tags": ["a"]}), theirs, {"license": "mit", "tags": ["a"]})
    assert (str(again), notices) == (str(theirs), [])


def test_a_date_of_the_card_is_not_taken_for_an_edit() -> None:
    day = datetime.date(2026, 1, 1)
    assert merged({"date": "2027-01-01"}, {"date": day}, {"date": "2026-01-01"}) == {"date": "2027-01-01"}


def test_text_around_the_marks_is_kept_and_text_between_them_is_replaced() -> None:
    theirs = Card("", {}, f"\nBefore.\n\n{BEGIN}\n\nold, edited\n\n{END}\n\nAfter.\n")
    body = merge_cards(card({}, "new"), theirs, {})[0].body
    assert body == f"\nBefore.\n\n{BEGIN}\n\nnew\n\n{END}\n\nAfter.\n"


def test_text_without_its_marks_is_left_alone_and_told_of() -> None:
    found, notices = merge_cards(card({"a": 2}, "new"), Card("a: 1\n", {"a": 1}, "\nall by hand\n"), {"a": 1})
    assert (found.body, found.fields) == ("\nall by hand\n", {"a": 2})
    assert notices == ["the text of the card is left as it is: the marks around the generated part are gone"]


@pytest.mark.parametrize(
    "text", ["---\na: 1\n---\n\nbody\n", "no metadata\n", "---\nnever closed\n", "", "---\n---\nx\n"]
)
def test_a_card_is_written_as_it_was_read(text: str) -> None:
    assert str(parse_card(text, "there")) in (text, text.removeprefix("---\n---\n"))


@pytest.mark.parametrize(("text", "said"), [("---\na: [\n---\n", "no YAML"), ("---\n- a\n---\n", "no mapping")])
def test_metadata_that_cannot_be_read_is_not_overwritten(text: str, said: str) -> None:
    with pytest.raises(UserError, match=f"tester/prefs: the metadata of its card is {said}; mend"):
        parse_card(text, "tester/prefs")


def test_the_words_that_the_name_takes_the_place_of_are_those_of_the_card() -> None:
    from inspect import getsource

    from metaalign_data.dataset import card as cards

    assert FOLDER in getsource(cards)
