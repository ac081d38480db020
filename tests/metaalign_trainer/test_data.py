from pathlib import Path
from typing import Any

import pytest

from golden_batch import renderer, rows
from metaalign_trainer.data import encode, load_rows
from metaalign_trainer.errors import DataError
from training import save_dataset


def row(**changes: Any) -> dict[str, Any]:
    return {**rows()[0], **changes}


def said(text: str, role: str = "assistant") -> list[dict[str, str]]:
    return [{"role": role, "content": text}]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"chosen": said("")}, "empty_answer"),
        ({"rejected": said(" \n")}, "empty_answer"),
        ({"rejected": rows()[0]["chosen"]}, "same_answers"),
        ({"chosen": said("word " * 500)}, "too_long"),
        ({"prompt": said("word " * 500, "user")}, "too_long"),
        ({"prompt": []}, "malformed"),
        ({"prompt": said("Yes.")}, "malformed"),
        ({"prompt": "Why?"}, "malformed"),
        ({"chosen": said("Why?", "user")}, "malformed"),
        ({"chosen": said(None)}, "malformed"),  # type: ignore[arg-type]
        ({"chosen": None}, "malformed"),
        ({"chosen": []}, "malformed"),
    ],
)
def test_a_row_that_cannot_be_learnt_is_left_out_with_its_reason(changes: dict[str, Any], reason: str) -> None:
    examples, rejected = encode([row(id="bad", **changes), row(id="good")], renderer(), max_length=1000, answers="both")
    assert [example.id for example in examples] == ["good"]
    assert [(each.id, each.reason) for each in rejected] == [("bad", reason)]
    assert rejected[0].detail


def test_the_rows_of_a_flip_know_each_other_and_a_dataset_without_flips_has_none() -> None:
    given = [row(id="a", flip_id="one"), row(id="b", flip_id=None), row(id="c")]
    examples, _ = encode(given, renderer(), max_length=2048, answers="both")
    assert [example.flip for example in examples] == ["one", None, None]


def test_nothing_is_cut_to_fit() -> None:
    (example,), _ = encode([row()], renderer(), max_length=2048, answers="both")
    length = len(example.prompt) + max(map(len, example.answers))
    assert encode([row()], renderer(), max_length=length, answers="both")[0] == [example]
    _, (rejected,) = encode([row()], renderer(), max_length=length - 1, answers="both")
    assert rejected.detail == f"{length} tokens, and max_length is {length - 1}"


def test_without_the_meta_prompt_the_query_alone_is_left() -> None:
    (meta,), _ = encode([row()], renderer(), max_length=2048, answers="both")
    (none,), _ = encode([row()], renderer(), max_length=2048, answers="both", prompts="none")
    assert none.answers == meta.answers
    text = renderer().tokenizer.decode(none.prompt)
    assert row()["query"] in text
    assert "System Info" not in text


def test_conversations_of_the_sft_table_are_split_before_the_last_answer() -> None:
    (pair,), _ = encode([row()], renderer(), max_length=2048, answers="chosen")
    conversation = {"id": row()["id"], "messages": [*row()["prompt"], *row()["chosen"]]}
    assert encode([conversation], renderer(), max_length=2048, answers="chosen")[0] == [pair]


def test_a_run_directory_and_a_dataset_folder_are_the_same(tmp_path: Path) -> None:
    save_dataset(tmp_path / "run" / "dataset")
    (tmp_path / "run" / "manifest.json").touch()
    of_run, of_folder = (load_rows(str(tmp_path / path), "pairs", "train") for path in ("run", "run/dataset"))
    assert of_run.to_list() == of_folder.to_list()
    assert len(of_run)


@pytest.mark.parametrize(
    ("source", "config", "split", "told"),
    [
        ("./nowhere", "pairs", "train", "nowhere"),
        ("data", "pairs", "nosplit", "nosplit"),
        ("data", "noconfig", "train", "noconfig"),
    ],
)
def test_what_is_not_there_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, config: str, split: str, told: str
) -> None:
    monkeypatch.chdir(tmp_path)
    save_dataset(tmp_path / "data")
    with pytest.raises(DataError, match=told):
        load_rows(source, config, split)


def test_a_missing_column_is_named_with_those_that_are_there(tmp_path: Path) -> None:
    broken = [{key: value for key, value in each.items() if key != "rejected"} for each in rows()]
    save_dataset(tmp_path / "data", broken)
    with pytest.raises(DataError, match=r"no column 'rejected'; it has .*chosen"):
        load_rows(str(tmp_path / "data"), "pairs", "train")
