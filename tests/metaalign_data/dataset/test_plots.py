from pathlib import Path

import pytest

from metaalign_data.dataset.export import write_dataset
from metaalign_data.dataset.facts import DatasetFacts
from metaalign_data.dataset.plots import CAPTIONS, illustrate
from metaalign_data.records import PreferencePair, to_frame
from rows import flip, pair

FACTS = DatasetFacts("d", "", 0, None, ("en",), None, "t", "j", False, {}, {}, {}, {}, {}, None, 0)


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    rows = [*flip("Yes", "No", "f1", split="train"), pair(query="When?", split="test")]
    to_frame(rows, PreferencePair).write_parquet(tmp_path / "table.parquet")
    write_dataset([tmp_path / "table.parquet"], tmp_path / "d", FACTS)
    return tmp_path / "d"


def test_a_card_is_illustrated_once_however_often_one_asks(dataset: Path) -> None:
    before = (dataset / "README.md").read_text()
    files = illustrate(dataset)
    assert [file.stem for file in files] == list(CAPTIONS)
    assert all(file.read_bytes().startswith(b"\x89PNG") for file in files)
    first = {file: file.read_bytes() for file in (*files, dataset / "README.md")}
    illustrate(dataset)
    assert {file: file.read_bytes() for file in first} == first
    text = (dataset / "README.md").read_text()
    for name in CAPTIONS:
        assert text.count(f"](plots/{name}.png)") == 1
    assert len(text) > len(before)
    assert text.split("<!-- plots -->")[0] == before.split("<!-- plots -->")[0]


def test_without_matplotlib_nothing_changes(dataset: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = (dataset / "README.md").read_text()
    monkeypatch.setattr("metaalign_data.dataset.plots.find_spec", lambda _: None)
    assert illustrate(dataset) == []
    assert (dataset / "README.md").read_text() == before
    assert not (dataset / "plots").exists()
