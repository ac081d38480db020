import json
from pathlib import Path

import pytest

from metaalign_data.dataset.export import write_dataset
from metaalign_data.dataset.facts import DatasetFacts
from metaalign_data.dataset.formats import export
from metaalign_data.errors import UserError
from metaalign_data.records import PreferencePair, to_frame
from rows import pair


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    facts = DatasetFacts("d", "", 0, None, ("en",), None, "t", "j", False, {}, {}, {}, None, 0)
    rows = [pair(split="train"), pair(query="What – 什么?", split="test")]
    to_frame(rows, PreferencePair).write_parquet(tmp_path / "table.parquet")
    write_dataset([tmp_path / "table.parquet"], tmp_path / "d", facts)
    return tmp_path / "d"


def lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize(
    ("name", "columns"),
    [
        ("trl", {"prompt", "chosen", "rejected"}),
        ("sft", {"messages"}),
        ("jsonl", {"id", "flip_id", "prompt", "margin"}),
    ],
)
def test_each_split_becomes_a_file_with_the_columns_of_the_format(dataset: Path, name: str, columns: set[str]) -> None:
    files = export(dataset, name, dataset.parent / "out")
    assert sorted(f.name for f in files) == ["test.jsonl", "train.jsonl"]
    for file in files:
        (row,) = lines(file)
        assert columns <= row.keys()
        assert name == "jsonl" or columns == row.keys()


def test_messages_are_roles_and_contents(dataset: Path) -> None:
    export(dataset, "trl", dataset.parent / "out")
    (row,) = lines(dataset.parent / "out/test.jsonl")
    assert row["prompt"][-1] == {"role": "user", "content": "What – 什么?"}
    assert row["rejected"] == [{"role": "assistant", "content": "There are many ways."}]


def test_nothing_is_overwritten_and_an_unknown_format_names_the_nearest(dataset: Path) -> None:
    export(dataset, "trl", dataset.parent / "out")
    with pytest.raises(UserError, match="is there already"):
        export(dataset, "trl", dataset.parent / "out")
    (dataset.parent / "out/test.jsonl").unlink()
    with pytest.raises(UserError, match=r"train.jsonl: is there already"):
        export(dataset, "jsonl", dataset.parent / "out")
    assert [file.name for file in (dataset.parent / "out").iterdir()] == ["train.jsonl"], "nothing is begun"
    with pytest.raises(UserError, match="did you mean 'trl'"):
        export(dataset, "tlr", dataset.parent / "other")


def test_a_place_that_cannot_be_written_and_a_dataset_without_tables_are_told(dataset: Path) -> None:
    (dataset.parent / "file").touch()
    with pytest.raises(UserError, match="cannot be written"):
        export(dataset, "trl", dataset.parent / "file")
    with pytest.raises(UserError, match="holds no 'pairs' table"):
        export(dataset.parent / "elsewhere", "trl", dataset.parent / "out")
