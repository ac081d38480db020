"""Keys, addresses and telephone numbers in texts."""

import polars as pl
import pytest

from metaalign_data.hub.scan import Finding, masked, scan, texts_of

JWT = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U"


def found(*texts: str) -> list[Finding]:
    rows = {"id": [f"r{i}" for i in range(len(texts))], "query": texts}
    return scan(texts_of({"pairs": pl.DataFrame(rows)}))


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("use AKIAIOSFODNN7EXAMPLE for it", "AWS Access Key"),
        ("-----BEGIN RSA PRIVATE KEY-----\nMIIE", "Private Key"),
        ("first line\nghp_" + "a1B2" * 9, "GitHub Token"),
        ("HF_TOKEN=hf_" + "aBcDe" * 7, "Hugging Face token"),
        ("sk-ant-api03-" + "x9" * 20, "Anthropic API key"),
        ("sk-proj-" + "x9" * 20, "OpenAI API key"),
        ("key: AIza" + "Sy4_-" * 7, "Google API key"),
        ("postgres://admin:hunter2@db/x", "Basic Auth Credentials"),
        (f"Bearer {JWT}", "JSON Web Token"),
        ("123456789:" + "AbCdE" * 7, "Telegram Bot Token"),
        ("write to jane.doe@acme.io, please", "e-mail address"),
        ("call +49 30 901820 today", "telephone number"),
        ("call (415) 555-2671 today", "telephone number"),
    ],
)
def test_what_must_not_be_published_is_found(text: str, rule: str) -> None:
    findings = found(text)
    assert [finding.rule for finding in findings] == [rule]
    assert findings[0].row == "r0"
    assert findings[0].column == "query"


@pytest.mark.parametrize(
    "text",
    [
        "a@example.com, b@mail.example.org, root@localhost, x@y.test",  # hosts that nobody can have
        "(555) 123-4567 and (415) 555-0123 are what films take",
        "1-800-273-8255 is there for everybody",
        "In 2019-2020 12,345,678 people; ISBN 978-3-16-148410-0; 192.168.0.1; 10.1000/182",
        "3.14159265358979 and 6502530000 and 4111 1111 1111 1111",
        "x @ w.T and user@host",
        "https://docs.python.org/3/library/asyncio-task.html#awaitables",
        "Donaudampfschifffahrtsgesellschaftskapitän and antidisestablishmentarianism",
        "The password is hard to guess: choose a long one",
    ],
)
def test_what_only_looks_alike_is_not(text: str) -> None:
    assert found(text) == []


def test_equal_findings_are_told_once_with_the_number_of_rows() -> None:
    (finding,) = found("to bob@acme.io", "to bob@acme.io", "bob@acme.io wrote", "nothing")
    assert (finding.row, finding.rows) == ("r0", 3)
    assert str(finding) == f"e-mail address in pairs.query of row r0 and 2 more rows: bo****** [{finding.fingerprint}]"


def test_an_excerpt_hides_most_of_what_was_found() -> None:
    key = "hf_" + "aBcDe" * 7
    assert masked(key) == "hf_a******De"
    assert all(key[:8] not in str(finding) for finding in found(f"token {key}"))


def test_texts_of_messages_and_lists_are_read() -> None:
    table = pl.DataFrame(
        {
            "prompt": [[{"role": "system", "content": "s"}, {"role": "user", "content": "to ann@acme.io"}]],
            "models": [["m", "bob@acme.io"]],
            "score": [1.0],
        }
    )
    findings = scan(texts_of({"sft": table}))
    assert sorted((finding.column, finding.row) for finding in findings) == [("models", "0"), ("prompt", "0")]
