import json
from pathlib import Path

import polars as pl
import pytest
import yaml

from metaalign_data.chat import Message
from metaalign_data.dataset.export import write_dataset
from metaalign_data.dataset.facts import DatasetFacts
from metaalign_data.dataset.formats import export
from metaalign_data.errors import UserError
from metaalign_data.records import PreferencePair, to_frame
from rows import pair

FACTS = DatasetFacts("d", "", 0, None, ("en",), None, "t", "j", False, {}, {}, {}, {}, {}, None, 0)


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    rows = [pair(split="train"), pair(query="What – 什么?", split="test")]
    to_frame(rows, PreferencePair).write_parquet(tmp_path / "table.parquet")
    write_dataset([tmp_path / "table.parquet"], tmp_path / "d", FACTS)
    return tmp_path / "d"


def lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def published(dataset: Path, split: str) -> pl.DataFrame:
    return pl.read_parquet(dataset / f"pairs/{split}-*.parquet")


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


def test_a_dialogue_becomes_text_that_ends_where_the_answer_begins(dataset: Path) -> None:
    export(dataset, "trl-standard", dataset.parent / "out")
    (row,) = lines(dataset.parent / "out/test.jsonl")
    (messages,) = published(dataset, "test")["prompt"]
    assert row["prompt"] == f"{messages[0]['content']}\n\nUser: What – 什么?\n\nAssistant:"
    assert row["rejected"] == " There are many ways."


def test_axolotl_finds_each_field_that_its_settings_name(dataset: Path) -> None:
    """Its chat_template.default takes a list of messages and one message each."""
    export(dataset, "axolotl", dataset.parent / "out")
    settings = yaml.safe_load((dataset.parent / "out/axolotl.yaml").read_text())
    assert settings["rl"] == "dpo"
    (block,) = settings["datasets"]
    assert (block["type"], block["ds_type"]) == ("chat_template.default", "json")
    (row,) = lines(dataset.parent / "out" / block["path"])
    assert [set(turn) for turn in row[block["field_messages"]]] == [{"role", "content"}] * len(row["messages"])
    for field in ("field_chosen", "field_rejected"):
        assert row[block[field]]["role"] == "assistant"


@pytest.mark.parametrize("turns", [(), (("user", "Hello."), ("assistant", "Good day."))])
def test_llama_factory_finds_turns_that_alternate_and_end_with_the_user(
    tmp_path: Path, turns: tuple[tuple[str, str], ...]
) -> None:
    """Its sharegpt converter skips a ranking row whose number of turns is even or whose roles do not alternate."""
    row = pair(split="train")
    earlier = tuple(Message(role=role, content=text) for role, text in turns)
    row = row.model_copy(update={"prompt": (row.prompt[0], *earlier, row.prompt[-1])})
    to_frame([row], PreferencePair).write_parquet(tmp_path / "table.parquet")
    write_dataset([tmp_path / "table.parquet"], tmp_path / "d", FACTS)
    export(tmp_path / "d", "llama-factory", tmp_path / "out")
    ((name, told),) = json.loads((tmp_path / "out/dataset_info.json").read_text()).items()
    assert (name, told["formatting"], told["ranking"]) == ("metaalign_train", "sharegpt", True)
    (made,) = lines(tmp_path / "out" / told["file_name"])
    columns = told["columns"]
    roles = [turn["from"] for turn in made[columns["messages"]]]
    assert roles == ["human", "gpt"] * (len(turns) // 2) + ["human"]
    assert made[columns["system"]] == row.prompt[0].content
    assert [made[columns[name]]["from"] for name in ("chosen", "rejected")] == ["gpt", "gpt"]


def test_openrlhf_finds_messages_that_can_be_joined(dataset: Path) -> None:
    """It renders prompt + chosen and cuts off the rendered prompt."""
    export(dataset, "openrlhf", dataset.parent / "out")
    (row,) = lines(dataset.parent / "out/train.jsonl")
    joined = row["prompt"] + row["chosen"]
    assert [turn["role"] for turn in joined] == ["system", "user", "assistant"]


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
