from pathlib import Path

import polars as pl
import pytest

from metaalign_data.errors import UserError
from metaalign_data.queries import check_texts, read_texts
from metaalign_data.stage import TextSource


def read(folder: Path, name: str, content: str | bytes, column: str | None = None) -> list[tuple[str, str]]:
    (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)
    return [tuple(text) for text in read_texts(TextSource(source=name, text=column), folder)]


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        (
            "a.jsonl",
            '\ufeff{"question": " Why? "}\n\n{"question": "How?"}',
            [("a.jsonl:1", "Why?"), ("a.jsonl:3", "How?")],
        ),
        ("a.csv", 'id,prompt\n1,"Why,\nor how?"\n2,When?\n', [("a.csv:3", "Why,\nor how?"), ("a.csv:4", "When?")]),
        ("a.jsonl", '{"turns": ["Why?", "And how?"]}', [("a.jsonl:1", "Why?\nAnd how?")]),
        ("a.jsonl", '{"messages": [{"role": "user", "content": "Why?"}]}', [("a.jsonl:1", "Why?")]),
        ("a.jsonl", '{"answer": "42", "problem": "6 * 7"}', [("a.jsonl:1", "6 * 7")]),
        ("a.jsonl", '{"query": null}\n{"query": ""}\n{"query": "Why?"}', [("a.jsonl:3", "Why?")]),
    ],
)
def test_texts_come_with_their_place(tmp_path: Path, name: str, content: str, expected: list[tuple[str, str]]) -> None:
    assert read(tmp_path, name, content) == expected


def test_a_parquet_file_may_hold_texts_or_lists_of_them(tmp_path: Path) -> None:
    table = pl.DataFrame({"instruction": ["Why?", "How?"], "turns": [["a", "b"], ["c"]]})
    table.write_parquet(tmp_path / "b.parquet")
    content = (tmp_path / "b.parquet").read_bytes()
    assert read(tmp_path, "b.parquet", content) == [("b.parquet:1", "Why?"), ("b.parquet:2", "How?")]
    assert read(tmp_path, "b.parquet", content, "turns") == [("b.parquet:1", "a\nb"), ("b.parquet:2", "c")]


@pytest.mark.parametrize(
    ("name", "content", "column", "said"),
    [
        ("a.jsonl", '{"text": "a"}\n{"text": ', None, "a.jsonl:2: is not valid JSON"),
        ("a.jsonl", '["a"]', None, "a.jsonl:1: is not an object"),
        ("a.jsonl", '{"text": "a"}\n{"txt": "b"}', None, "a.jsonl:2: there is no column 'text'; did you mean 'txt'?"),
        ("a.jsonl", '{"q": "a", "a": "b"}', None, "which column holds the text? there are q, a; name it with 'text'"),
        ("a.jsonl", '{"text": 7}', None, "a.jsonl:1: text is int, not text"),
        ("a.jsonl", '{"text": [{"x": 1}]}', None, "a.jsonl:1: text is dict, not text"),
        ("a.jsonl", "\n", None, "a.jsonl: holds no rows"),
        ("a.jsonl", b'{"text": "\xff"}', None, "is not UTF-8"),
        ("a.csv", "text,id\na\n", None, "a.csv:2: has not as many fields as the header"),
        ("a.csv", "text\na,b\n", None, "a.csv:2: has not as many fields as the header"),
        ("a.csv", 'text\n"a', None, "is not valid CSV"),
        ("a.parquet", "PAR1", None, "is not a readable parquet file"),
        ("a.csv", "text,id\na,1\n", "body", "there is no column 'body'"),
        ("a.txt", "a", None, "stages.x: 'a.txt' is neither a .jsonl"),
    ],
)
def test_what_cannot_be_read_whole_is_refused(
    tmp_path: Path, name: str, content: str | bytes, column: str | None, said: str
) -> None:
    (tmp_path / name).write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(UserError) as e:
        check_texts(TextSource(source=name, text=column), tmp_path, "stages.x")
    assert said in str(e.value)


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="there is no such file"):
        check_texts(TextSource(source="gone.jsonl"), tmp_path, "stages.x")


def test_a_hub_id_is_not_looked_up_beforehand(tmp_path: Path) -> None:
    check_texts(TextSource(source="owner/benchmark"), tmp_path, "stages.x")
