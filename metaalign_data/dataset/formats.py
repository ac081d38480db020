"""A finished dataset in the formats that trainers read."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import yaml

from metaalign_data.errors import UserError, did_you_mean

BATCH = 10_000

Row = Mapping[str, Any]
_SHAREGPT = {"user": "human", "assistant": "gpt"}


@dataclass(frozen=True)
class Format:
    """How the rows of `config` are written, `row` making one line of one row.

    `columns` are all that `row` needs (None: all columns). `settings` gives a name and the text of a file that tells
    the trainer how to read the files, named by split.
    """

    config: str
    columns: Sequence[str] | None
    row: Callable[[Row], Row] = dict
    settings: Callable[[Mapping[str, str]], tuple[str, str]] | None = None


def _plain(row: Row) -> Row:
    """A dialogue as text, for models without a chat template: the answer follows "Assistant:"."""
    told = [
        turn["content"] if turn["role"] == "system" else f"{turn['role'].capitalize()}: {turn['content']}"
        for turn in row["prompt"]
    ]
    chosen, rejected = (f" {row[name][0]['content']}" for name in ("chosen", "rejected"))
    return {"prompt": "\n\n".join([*told, "Assistant:"]), "chosen": chosen, "rejected": rejected}


def _axolotl(row: Row) -> Row:
    return {"messages": row["prompt"], "chosen": row["chosen"][0], "rejected": row["rejected"][0]}


def _axolotl_settings(files: Mapping[str, str]) -> tuple[str, str]:
    block = {"path": files.get("train", next(iter(files.values()))), "ds_type": "json", "type": "chat_template.default"}
    fields = {"field_messages": "messages", "field_chosen": "chosen", "field_rejected": "rejected"}
    return "axolotl.yaml", yaml.safe_dump({"rl": "dpo", "datasets": [block | fields]}, sort_keys=False)


def _llama_factory(row: Row) -> Row:
    system = [turn["content"] for turn in row["prompt"] if turn["role"] == "system"]
    turns = [turn for turn in row["prompt"] if turn["role"] != "system"]
    return {
        "conversations": [_sharegpt(turn) for turn in turns],
        "system": "\n\n".join(system),
        "chosen": _sharegpt(row["chosen"][0]),
        "rejected": _sharegpt(row["rejected"][0]),
    }


def _sharegpt(turn: Row) -> Row:
    return {"from": _SHAREGPT[turn["role"]], "value": turn["content"]}


def _llama_factory_settings(files: Mapping[str, str]) -> tuple[str, str]:
    columns = {"messages": "conversations", "system": "system", "chosen": "chosen", "rejected": "rejected"}
    shared = {"formatting": "sharegpt", "ranking": True, "columns": columns}
    told = {f"metaalign_{split}": {"file_name": file} | shared for split, file in files.items()}
    return "dataset_info.json", json.dumps(told, indent=2)


_PREFERENCE = ("prompt", "chosen", "rejected")

FORMATS: dict[str, Format] = {
    "jsonl": Format("pairs", None),
    "trl": Format("pairs", _PREFERENCE),
    "trl-standard": Format("pairs", _PREFERENCE, _plain),
    "sft": Format("sft", ("messages",)),
    "axolotl": Format("pairs", _PREFERENCE, _axolotl, _axolotl_settings),
    "llama-factory": Format("pairs", _PREFERENCE, _llama_factory, _llama_factory_settings),
    "openrlhf": Format("pairs", _PREFERENCE),
}


def export(dataset: Path, name: str, out: Path) -> list[Path]:
    """Write each split as OUT/SPLIT.jsonl and return the files.

    jsonl           all columns of the pairs
    trl, openrlhf   prompt, chosen and rejected as messages (OpenRLHF: --data.apply_chat_template)
    trl-standard    the same as text, for models without a chat template
    sft             messages that end in the chosen response
    axolotl         for `type: chat_template.default`, with axolotl.yaml
    llama-factory   sharegpt ranking, with dataset_info.json
    Raises UserError for an unknown format and where a file is there already.
    """
    if name not in FORMATS:
        raise UserError(f"unknown format '{name}'{did_you_mean(name, list(FORMATS))}")
    form = FORMATS[name]
    shards: dict[str, list[Path]] = {}
    for shard in sorted((dataset / form.config).glob("*.parquet")):
        shards.setdefault(shard.name.split("-", 1)[0], []).append(shard)
    if not shards:
        raise UserError(f"holds no '{form.config}' table", where=str(dataset))
    targets = {split: out / f"{split}.jsonl" for split in shards}
    told = form.settings({split: path.name for split, path in targets.items()}) if form.settings else None
    extra = [out / told[0]] if told else []
    for path in (*targets.values(), *extra):
        if path.exists():
            raise UserError("is there already", where=str(path), fix="name another folder or remove it")
    try:
        out.mkdir(parents=True, exist_ok=True)
        for split, path in targets.items():
            _write(shards[split], form, path)
        if told:
            extra[0].write_text(told[1], encoding="utf-8")
    except OSError as e:
        raise UserError(f"cannot be written: {e.strerror}", where=str(out)) from e
    return [*targets.values(), *extra]


def _write(shards: Sequence[Path], form: Format, path: Path) -> None:
    """The file is there once it is whole."""
    columns = None if form.columns is None else list(form.columns)
    unfinished = path.with_name(f".{path.name}.tmp")
    with unfinished.open("w", encoding="utf-8") as file:
        for shard in shards:
            for batch in pl.read_parquet(shard, columns=columns).iter_slices(BATCH):
                rows = batch.iter_rows(named=True)
                file.writelines(json.dumps(form.row(row), ensure_ascii=False) + "\n" for row in rows)
    unfinished.rename(path)
