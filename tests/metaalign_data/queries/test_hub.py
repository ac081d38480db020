"""Hub datasets, through the real `datasets` library in a process of its own, offline."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

CODE = """
import json, sys
from pathlib import Path
from metaalign_data.errors import UserError
from metaalign_data.queries import QuerySettings, read_queries

def read(settings):
    try:
        rows = list(read_queries(QuerySettings.model_validate(settings), Path("recipes")))
    except UserError as e:
        return str(e)
    return [getattr(row, "text", None) or [row.reason, row.where] for row in rows]

print(json.dumps([read(settings) for settings in json.loads(sys.argv[1])]))
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A folder named like a Hub dataset, where the library looks before it asks the Hub."""
    folder = tmp_path / "owner" / "questions"
    folder.mkdir(parents=True)
    rows = [{"question": "one"}, {"question": ""}, {"question": "two"}]
    (folder / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return tmp_path


def read(home: Path, *settings: dict[str, object]) -> list[object]:
    """The rows of each source, or the words in which it was refused."""
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "HF_HOME": str(home), "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", CODE, json.dumps(settings)], cwd=home, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    results: list[object] = json.loads(done.stdout.splitlines()[-1])
    return results


def test_rows_of_a_hub_dataset_are_streamed_and_counted_like_those_of_a_file(home: Path) -> None:
    (rows,) = read(home, {"source": "owner/questions", "text": "question"})
    assert rows == ["one", ["empty_text", "owner/questions[train]:2"], "two"]


def test_a_dataset_that_cannot_be_read_is_refused_in_words(home: Path) -> None:
    nothing, no_split, no_column = read(
        home,
        {"source": "owner/nothing"},
        {"source": "owner/questions", "split": "tset", "text": "question"},
        {"source": "owner/questions"},
    )
    assert str(nothing).startswith("owner/nothing: cannot be loaded from the Hub: ")
    assert str(no_split).startswith("owner/questions: cannot be loaded from the Hub: ")
    assert no_column == "owner/questions[train]:1: there is no column 'text' (queries.text); valid: question"


def test_texts_of_a_hub_dataset_come_with_their_row(home: Path) -> None:
    code = (
        "from pathlib import Path\n"
        "from metaalign_data.queries import read_texts\n"
        "from metaalign_data.stage import TextSource\n"
        "print([*map(tuple, read_texts(TextSource(source='owner/questions', split='train'), Path('recipes')))])"
    )
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "HF_HOME": str(home), "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", code], cwd=home, env=environment, capture_output=True, text=True)
    assert done.stdout.splitlines()[-1:] == [
        "[('owner/questions[train]:1', 'one'), ('owner/questions[train]:3', 'two')]"
    ], done.stderr
