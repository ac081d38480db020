import json
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from commands import metaalign_data
from embedding_server import embedding_server
from metaalign_data.cli import main
from metaalign_data.commands.dedup import WRITERS

ROWS = pl.DataFrame(
    {
        "text": [
            "Boil it for ten minutes.",
            "boil it for  ten minutes.",
            "Boil it, for ten minutes!",
            "Bake it.",
            None,
        ],
        "score": [1.0, 3.0, 2.0, 0.0, 0.0],
        "name": ["a", "b", "c", "d", "e"],
    }
)
FORMATS: dict[str, tuple[Callable[[Path], None], Callable[[Path], pl.DataFrame]]] = {
    "rows.parquet": (ROWS.write_parquet, pl.read_parquet),
    "rows.jsonl": (ROWS.write_ndjson, pl.read_ndjson),
    "rows.csv": (ROWS.write_csv, pl.read_csv),
}


@pytest.mark.parametrize("name", FORMATS)
def test_the_best_row_stays_and_the_others_name_it(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write, read = FORMATS[name]
    write(tmp_path / name)
    code = main(["dedup", str(tmp_path / name), "--on", "text", "--keep", "score", "--id", "name", "--json"])
    told = json.loads(capsys.readouterr().out)
    assert code == 0
    assert {k: told[k] for k in ("rows", "kept", "exact", "lexical", "semantic")} == {
        "rows": 5,
        "kept": 3,
        "exact": 1,
        "lexical": 1,
        "semantic": 0,
    }
    kept, rejects = read(Path(told["out"])), read(Path(told["rejects"]))
    assert kept.columns == ROWS.columns
    assert kept["name"].to_list() == ["b", "d", "e"]
    assert rejects.select("name", "duplicate_of", "similarity", "rule").rows() == [
        ("a", "b", 1.0, "exact"),
        ("c", "b", 1.0, "lexical"),
    ]


def test_rows_without_names_go_by_their_numbers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ROWS.write_csv(tmp_path / "rows.csv")
    assert main(["dedup", str(tmp_path / "rows.csv"), "--on", "text", "--rules", "exact"]) == 0
    assert pl.read_csv(tmp_path / "rows.rejects.csv").select("name", "duplicate_of").rows() == [("b", 1)]
    assert "│ 5    │ 4    │ 1" in capsys.readouterr().out


@pytest.mark.parametrize(("ids", "named"), [(["x", "y", "a"], "a"), (["x", "y", "y"], "1"), (["x", None, "y"], "1")])
def test_a_column_id_names_the_rows_where_it_names_them_all(ids: list[str | None], named: str, tmp_path: Path) -> None:
    pl.DataFrame({"id": ids, "text": ["same", "tea", "same"]}).write_ndjson(tmp_path / "rows.jsonl")
    assert main(["dedup", str(tmp_path / "rows.jsonl"), "--on", "text"]) == 0
    assert pl.read_ndjson(tmp_path / "rows.rejects.jsonl")["duplicate_of"].to_list() == [named]


@pytest.mark.parametrize(("on", "code"), [("text", 0), ("id", 2)])
def test_numbers_never_pass_for_the_column_id(
    on: str, code: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pl.DataFrame({"id": ["x", "x"], "text": ["a", "b"]}).write_csv(tmp_path / "rows.csv")
    assert main(["dedup", str(tmp_path / "rows.csv"), "--on", on]) == code
    assert ("the column 'id' cannot be compared: it does not name the rows" in capsys.readouterr().err) == (code == 2)


def test_rows_that_were_dropped_once_can_be_compared_again(tmp_path: Path) -> None:
    ROWS.write_ndjson(tmp_path / "rows.jsonl")
    for name in ("rows.jsonl", "rows.rejects.jsonl"):
        assert main(["dedup", str(tmp_path / name), "--on", "text", "--keep", "score", "--id", "name"]) == 0
    again = pl.read_ndjson(tmp_path / "rows.rejects.rejects.jsonl")
    assert again.select("name", "duplicate_of").rows() == [("a", "c")]


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.csv", "rows.parquet"])
def test_a_table_without_rows_stays_one(name: str, tmp_path: Path) -> None:
    WRITERS[Path(name).suffix](ROWS.clear(), tmp_path / name)
    assert main(["dedup", str(tmp_path / name), "--on", "text", "--keep", "score", "--id", "name"]) == 0
    assert sorted(path.stem for path in tmp_path.iterdir()) == ["rows", "rows.kept", "rows.rejects"]


def test_only_rows_that_agree_are_compared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ROWS.write_parquet(tmp_path / "rows.parquet")
    assert main(["dedup", str(tmp_path / "rows.parquet"), "--on", "text", "--per", "name"]) == 0
    assert capsys.readouterr().err == "near rows by exact search, by plain products\n", "not once for each group"
    assert pl.read_parquet(tmp_path / "rows.kept.parquet").equals(ROWS)
    assert pl.read_parquet(tmp_path / "rows.rejects.parquet").is_empty()


@pytest.mark.parametrize(
    ("args", "error"),
    [
        (["--on", "txt"], "rows.csv: has no column 'txt'; did you mean 'text'?"),
        (["--on", "text", "--id", "score"], "the column 'score' does not name the rows: values are missing or repeat"),
        (["--on", "text", "--threshold", "2"], "--threshold: Input should be less than or equal to 1"),
        (["--on", "text", "--rules", "exact,fuzzy"], "--rules: Input should be 'exact', 'lexical' or 'semantic'"),
        (["--on", "text", "--out", "rows.txt"], "rows.txt: is no .parquet, .jsonl or .csv file"),
        (["--on", "text", "--out", "rows.csv"], "rows.csv: is there already; name another file or remove it"),
        (["--on", "score"], "the column 'score' cannot be compared: it holds neither text nor messages"),
        (["--on", "text", "--base-url", "http://h"], "--base-url needs a model; name it with --embedder"),
        (["--on", "text", "--out", "gone/rows.csv"], "gone: there is no such folder; make it, or name another"),
    ],
)
def test_a_mistake_is_told_in_a_line_and_nothing_is_written(
    args: list[str], error: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    ROWS.write_csv("rows.csv")
    assert main(["dedup", "rows.csv", *args]) == 2
    assert capsys.readouterr().err == f"error: {error}\n"
    assert [path.name for path in tmp_path.iterdir()] == ["rows.csv"]


@pytest.mark.parametrize(("name", "content"), [("rows.jsonl", b"{no json\n"), ("rows.parquet", b"PAR0")])
def test_a_broken_file_is_named(name: str, content: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / name).write_bytes(content)
    assert main(["dedup", str(tmp_path / name), "--on", "text"]) == 2
    assert f"{name}: cannot be read: " in capsys.readouterr().err


def test_a_server_embeds_once_for_any_number_of_thresholds(tmp_path: Path) -> None:
    ROWS.write_csv(tmp_path / "rows.csv")
    with embedding_server() as endpoint:
        for out, threshold in (("strict", "0.99"), ("lax", "0.5")):
            options = ["--embedder", "small-embedder", "--base-url", endpoint.base_url, "--vectors", "vectors.sqlite"]
            options += ["--threshold", threshold, "--out", f"{out}.csv", "--rejects", f"{out}.rejects.csv"]
            metaalign_data("dedup", "rows.csv", "--on", "text", *options, cwd=tmp_path).check()
    assert endpoint.texts == ["Boil it for ten minutes.", "Bake it.", " "]
