"""Nasty query files: each row becomes a query or says why not, each hopeless file gives one sentence."""

import json
import tracemalloc
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metaalign_data.errors import UserError
from metaalign_data.queries import BadRow, QuerySettings, check_source, read_queries
from metaalign_data.records import Query, digest


def read(folder: Path, source: str, **settings: object) -> list[Query | BadRow]:
    return list(read_queries(QuerySettings.model_validate({"source": source, **settings}), folder))


def texts(rows: list[Query | BadRow]) -> list[str]:
    """Texts of the good rows, reasons of the bad ones."""
    return [row.text if isinstance(row, Query) else f"!{row.reason}" for row in rows]


def only_bad(rows: list[Query | BadRow]) -> BadRow:
    (bad,) = [row for row in rows if isinstance(row, BadRow)]
    return bad


BAD_LINES = [
    (b'{"id": 2, "text": ""}', "empty_text", "text without text"),
    (b'{"id": 2, "text": "  \\n "}', "empty_text", "text without text"),
    (b'{"id": 2, "text": null}', "empty_text", "text without text"),
    (b'{"id": 2, "txet": "b"}', "missing_column", "no 'text'; there: id, txet"),
    (b'{"text": "b"}', "missing_column", "no 'id'; there: text"),
    (b'{"id": 2, "text": 5}', "wrong_type", "text is int, not text"),
    (b'{"id": 2, "text": ["b"]}', "wrong_type", "text is list, not text"),
    (b'{"id": 2.5, "text": "b"}', "wrong_type", "id is float, not text or a whole number"),
    (b'{"id": true, "text": "b"}', "wrong_type", "id is bool, not text or a whole number"),
    (b'["b"]', "wrong_type", "is list, not an object with columns"),
    (b'{"id": null, "text": "b"}', "missing_id", "id is empty"),
    (b'{"id": "", "text": "b"}', "missing_id", "id is empty"),
    (b'{"id": 1, "text": "b"}', "duplicate_id", "an earlier row has it, too: 1"),
    (b'{"id": "1", "text": "b"}', "duplicate_id", "an earlier row has it, too: 1"),
    (b'{"id": 2, "text": "b\xff"}', "invalid_utf8", "byte 0xff at position 20"),
    (b'{"id": 2, "text": "\\ud800"}', "invalid_utf8", "text holds an invalid character at position 0"),
    (b'{"id": 2, "text": "b"', "invalid_json", "Expecting ',' delimiter, at position 21"),
    (b'{"id": 2, "text": 1' + b"0" * 5_000 + b"}", "invalid_json", "Exceeds the limit"),
    (b"[" * 100_000, "invalid_json", "maximum recursion depth exceeded"),
    (b'{"id": 2, "text": "' + b"x" * 2**20 + b'"}', "text_too_long", "1,048,576 characters; at most 100,000"),
    (b'{"id": 2, "text": "' + b"x" * 2**25 + b'"}', "row_too_long", "more than 16,777,216 bytes"),
]


@pytest.mark.parametrize(
    ("line", "reason", "detail"), BAD_LINES, ids=[f"{r}-{i}" for i, (_, r, _) in enumerate(BAD_LINES)]
)
def test_a_bad_line_is_rejected_with_its_reason_and_place_and_the_rest_goes_on(
    tmp_path: Path, line: bytes, reason: str, detail: str
) -> None:
    (tmp_path / "q.jsonl").write_bytes(b'{"id": 1, "text": "a"}\n\n' + line + b'\n{"id": 3, "text": "c"}')
    rows = read(tmp_path, "q.jsonl", id="id")
    assert texts(rows) == ["a", f"!{reason}", "c"]
    bad = only_bad(rows)
    assert bad.detail.startswith(detail)
    assert bad.where == "q.jsonl:3"
    assert 0 < len(bad.raw) <= 500
    assert bad.raw[:3] == line[:3].decode()


def test_a_row_carries_its_id_its_text_and_its_source(tmp_path: Path) -> None:
    (tmp_path / "q.jsonl").write_text('{"id": 7, "text": " a \\n", "more": [1]}\n')
    assert read(tmp_path, "q.jsonl", id="id") == [Query(key="7", text="a", source="q.jsonl")]
    assert read(tmp_path, "q.jsonl") == [Query(key=digest("a"), text="a", source="q.jsonl")]


def test_without_an_id_column_a_text_that_comes_twice_is_rejected(tmp_path: Path) -> None:
    (tmp_path / "q.jsonl").write_text('{"text": "a"}\n{"text": "a "}\n')
    assert texts(read(tmp_path, "q.jsonl")) == ["a", "!duplicate_text"]


def test_several_text_columns_are_joined_by_a_blank_line_and_empty_ones_left_out(tmp_path: Path) -> None:
    rows = [
        {"instruction": "Translate.", "input": "chat"},
        {"instruction": "Sing.", "input": ""},
        {"instruction": "", "input": None},
    ]
    (tmp_path / "q.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    read_rows = read(tmp_path, "q.jsonl", text=["instruction", "input"])
    assert texts(read_rows) == ["Translate.\n\nchat", "Sing.", "!empty_text"]


@pytest.mark.parametrize("suffix", ["jsonl", "csv"])
def test_a_byte_order_mark_is_not_part_of_the_first_column(tmp_path: Path, suffix: str) -> None:
    body = {"jsonl": '{"text": "a"}\n', "csv": "text\na\n"}[suffix]
    (tmp_path / f"q.{suffix}").write_text(body, encoding="utf-8-sig")
    assert texts(read(tmp_path, f"q.{suffix}")) == ["a"]


def test_limit_counts_good_rows(tmp_path: Path) -> None:
    (tmp_path / "q.jsonl").write_text('{"text": "a"}\n{"text": ""}\n{"text": "b"}\n{"text": "c"}\n')
    assert texts(read(tmp_path, "q.jsonl", limit=2)) == ["a", "!empty_text", "b"]


CSV_CASES = [
    ('id,text\n1,a\n2,"b,\nb"\n', ["a", "b,\nb"]),
    ("id,text\r\n1,a\r\n\r\n2,b\r\n", ["a", "b"]),
    ("id,text\n1,a\n2\n3,c\n", ["a", "!invalid_csv", "c"]),
    ("id,text\n1,a\n2,b,x\n3,c\n", ["a", "!invalid_csv", "c"]),
    ('id,text\n1,a\n2,"b"x\n3,c\n', ["a", "!invalid_csv", "c"]),
    ('id,text\n1,a\n2,"b\n3,c\n', ["a", "!invalid_csv"]),
    ("id,text\n1,a\n2,\n3,c\n", ["a", "!empty_text", "c"]),
    ("id,text\n1,a\n1,b\n3,c\n", ["a", "!duplicate_id", "c"]),
    (f"id,text\n1,a\n2,{'x' * 2**20}\n3,c\n", ["a", "!text_too_long", "c"]),
    (f"id,text\n1,a\n2,{'x' * 2**25}\n3,c\n", ["a", "!text_too_long", "c"]),
    ("id,text\n1,a\n2,b\udcff\n3,c\n", ["a", "!invalid_utf8", "c"]),
]


@pytest.mark.parametrize(("body", "expected"), CSV_CASES, ids=range(len(CSV_CASES)))
def test_each_row_of_a_csv_file_is_read_or_rejected(tmp_path: Path, body: str, expected: list[str]) -> None:
    (tmp_path / "q.csv").write_bytes(body.encode(errors="surrogateescape"))
    rows = read(tmp_path, "q.csv", id="id")
    assert texts(rows) == expected
    assert all(row.where == "q.csv:3" for row in rows if isinstance(row, BadRow))


def parquet(path: Path, **columns: object) -> None:
    pl.DataFrame(columns).write_parquet(path)


def test_each_row_of_a_parquet_file_is_read_or_rejected(tmp_path: Path) -> None:
    parquet(tmp_path / "q.parquet", id=[1, 2, 2, None], text=["a", None, "c", "d"], other=[{"x": 1}] * 4)
    rows = read(tmp_path, "q.parquet", id="id")
    assert texts(rows) == ["a", "!empty_text", "c", "!missing_id"]
    assert [row.where for row in rows if isinstance(row, BadRow)] == ["q.parquet:2", "q.parquet:4"]


def test_a_parquet_file_longer_than_a_batch_is_read_whole_and_in_order(tmp_path: Path) -> None:
    parquet(tmp_path / "q.parquet", text=[f"question {i}" for i in range(25_000)])
    assert texts(read(tmp_path, "q.parquet")) == [f"question {i}" for i in range(25_000)]


HOPELESS = [
    ("empty.jsonl", b"", "empty.jsonl: holds no rows"),
    ("blank.jsonl", b"\n \n", "blank.jsonl: holds no rows"),
    ("empty.csv", b"", "empty.csv: holds no rows"),
    ("header.csv", b"id,text\n", "header.csv: holds no rows"),
    ("empty.parquet", b"", "empty.parquet: is not a readable parquet file: "),
    ("broken.parquet", b"PAR1 not really PAR1", "broken.parquet: is not a readable parquet file: "),
    ("other.jsonl", b'{"txt": "a"}\n', "other.jsonl:1: there is no column 'text' (queries.text); did you mean 'txt'?"),
    ("other.csv", b"no,question\n1,a\n", "other.csv:1: there is no column 'text' (queries.text); valid: no, question"),
    ("twice.csv", b"text,text\n1,a\n", "twice.csv:1: the header names the column 'text' twice"),
    ("utf16.csv", "text\na\n".encode("utf-16"), "utf16.csv: is UTF-16; save it as UTF-8"),
    ("quote.csv", b'"text\na\n', "quote.csv:1: the header cannot be read: "),
    ("bad.jsonl", b"nonsense\n{}{}\n", "bad.jsonl:1: none of the first rows is usable: invalid_json ("),
    ("q.json", b"[]", "queries.source: 'q.json' is neither a .jsonl, .csv or .parquet file nor a Hub dataset id"),
]


@pytest.mark.parametrize(("name", "content", "message"), HOPELESS, ids=[name for name, _, _ in HOPELESS])
def test_a_file_that_cannot_be_used_is_refused_in_one_sentence(
    tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError) as e:
        check_source(QuerySettings(source=name), tmp_path)
    assert message in str(e.value)
    assert "\n" not in str(e.value)


@pytest.mark.parametrize(
    ("column", "message"),
    [
        ({"text": [1, 2]}, "column 'text' holds Int64, not text"),
        ({"text": [["a"], ["b"]]}, "column 'text' holds List(String), not text"),
        ({"text": ["a"], "id": [0.5]}, "column 'id' holds Float64, not text or whole numbers"),
        ({"question": ["a"]}, "there is no column 'text' (queries.text); valid: question"),
    ],
)
def test_a_parquet_column_that_cannot_hold_a_query_is_refused(
    tmp_path: Path, column: dict[str, object], message: str
) -> None:
    parquet(tmp_path / "q.parquet", **column)
    with pytest.raises(UserError) as e:
        read(tmp_path, "q.parquet", **({"id": "id"} if "id" in column else {}))
    assert message in str(e.value)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("nowhere.jsonl", "nowhere.jsonl: there is no such file"),
        ("folder.jsonl", "folder.jsonl: is not a file"),
        ("everyday", "'everyday' is neither a .jsonl, .csv or .parquet file nor a Hub dataset id (owner/name)"),
        ("./folder", "is neither"),
        ("~nobody-of-this-name/q.jsonl", "there is no such file"),
    ],
)
def test_a_source_that_is_not_there_is_refused(tmp_path: Path, source: str, message: str) -> None:
    (tmp_path / "folder.jsonl").mkdir()
    with pytest.raises(UserError) as e:
        check_source(QuerySettings(source=source), tmp_path)
    assert message in str(e.value)


def test_the_id_of_a_hub_dataset_is_taken_without_asking_the_hub(tmp_path: Path) -> None:
    check_source(QuerySettings(source="owner/questions-v1.5"), tmp_path)


def test_the_bundled_queries_are_sixty_different_ones(tmp_path: Path) -> None:
    rows = read(tmp_path, "bundled", id="id")
    assert len({row.text for row in rows if isinstance(row, Query)}) == len(rows) == 60


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    with (tmp_path / "q.jsonl").open("w") as file:
        file.writelines(json.dumps({"text": f"{i} " + "x" * 5_000}) + "\n" for i in range(4_000))
    tracemalloc.start()
    assert sum(1 for _ in read_queries(QuerySettings(source="q.jsonl"), tmp_path)) == 4_000
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4_000_000  # the file has 20 MB


@settings(deadline=None)
@given(st.lists(st.dictionaries(st.sampled_from(["id", "text", "x"]), st.none() | st.integers() | st.text())))
def test_every_row_comes_out_as_a_query_or_a_bad_row(
    tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, object]]
) -> None:
    folder = tmp_path_factory.mktemp("q")
    rows = [{"id": -1, "text": "first"}, *rows]
    (folder / "q.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    read_rows = read(folder, "q.jsonl", id="id")
    assert len(read_rows) == len(rows)
    keys = [row.key for row in read_rows if isinstance(row, Query)]
    assert len(keys) == len(set(keys))
