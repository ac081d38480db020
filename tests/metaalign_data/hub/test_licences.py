"""Licences against those of their sources."""

import pytest

from metaalign_data.hub.licences import contradictions, doubts


@pytest.mark.parametrize(
    ("licence", "source", "said"),
    [
        ("cc-by-4.0", "cc-by-nc-4.0", "rules out commercial use; cc-by-4.0 allows it"),
        ("apache-2.0", "cc-by-nc-sa-4.0", "rules out commercial use"),
        ("cc-by-nc-4.0", "cc-by-nc-sa-4.0", "asks for the same licence"),
        ("mit", "cc-by-sa-3.0", "asks for the same licence; it is mit"),
        ("cc-by-sa-3.0", "cc-by-sa-4.0", "asks for the same licence"),
        ("cc-by-sa-4.0", "odbl", "asks for the same licence"),
        ("mit", "gpl-3.0", "asks for the same licence"),
        ("CC BY 4.0", "CC BY-NC 4.0", "rules out commercial use"),
        ("cc-by-4.0", "cc-by-nd-4.0", "allows no derived works"),
        (None, "cc-by-nc-nd-4.0", "allows no derived works"),
        ("other", "CC-BY-ND-3.0", "allows no derived works"),
    ],
)
def test_a_licence_that_allows_more_than_its_source_contradicts_it(licence: str | None, source: str, said: str) -> None:
    (why,) = contradictions(licence, [source, source])
    assert said in why


@pytest.mark.parametrize(
    ("licence", "source"),
    [
        ("cc-by-nc-4.0", "cc-by-nc-4.0"),
        ("cc-by-nc-sa-4.0", "cc-by-nc-4.0"),
        ("cc-by-sa-4.0", "cc-by-sa-3.0"),
        ("cc-by-nc-4.0", "apache-2.0"),
        ("mit", "cc0-1.0"),
        ("cc-by-4.0", "bsd-3-clause"),
        ("gpl-3.0", "gpl-2.0"),
        ("other", "cc-by-nc-4.0"),
        ("mit", "llama3"),
        (None, "cc-by-nc-4.0"),
    ],
)
def test_a_licence_that_asks_for_as_much_or_is_not_known_does_not(licence: str | None, source: str) -> None:
    assert contradictions(licence, [source]) == []


def test_what_cannot_be_compared_is_told() -> None:
    assert doubts("mit", ["cc-by-4.0", "odbl"]) == []
    assert doubts("mit", ["llama3"]) == ["what the licence 'llama3' asks for is not known here: compare it yourself"]
    assert "names no licence" in doubts(None, [])[0]
