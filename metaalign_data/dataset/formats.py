"""A finished dataset as JSON lines, for those who do not read parquet."""

import json
from pathlib import Path

import polars as pl

from metaalign_data.errors import UserError, did_you_mean

BATCH = 10_000

FORMATS: dict[str, tuple[str, list[str] | None]] = {
    "jsonl": ("pairs", None),
    "trl": ("pairs", ["prompt", "chosen", "rejected"]),
    "sft": ("sft", ["messages"]),
}
"""Name -> config, and the columns that are written (None: all)."""


def export(dataset: Path, name: str, out: Path) -> list[Path]:
    """Write each split as OUT/SPLIT.jsonl and return the files.

    jsonl: all columns of the pairs; trl: prompt, chosen and rejected as messages; sft: messages that end in the chosen.
    Raises UserError for an unknown format and where a file is there already.
    """
    if name not in FORMATS:
        raise UserError(f"unknown format '{name}'{did_you_mean(name, list(FORMATS))}")
    config, columns = FORMATS[name]
    shards: dict[str, list[Path]] = {}
    for shard in sorted((dataset / config).glob("*.parquet")):
        shards.setdefault(shard.name.split("-", 1)[0], []).append(shard)
    if not shards:
        raise UserError(f"holds no '{config}' table", where=str(dataset))
    targets = {split: out / f"{split}.jsonl" for split in shards}
    for path in targets.values():
        if path.exists():
            raise UserError("is there already", where=str(path), fix="name another folder or remove it")
    try:
        out.mkdir(parents=True, exist_ok=True)
        for split, path in targets.items():
            _write(shards[split], columns, path)
    except OSError as e:
        raise UserError(f"cannot be written: {e.strerror}", where=str(out)) from e
    return list(targets.values())


def _write(shards: list[Path], columns: list[str] | None, path: Path) -> None:
    """The file is there once it is whole."""
    unfinished = path.with_name(f".{path.name}.tmp")
    with unfinished.open("w", encoding="utf-8") as file:
        for shard in shards:
            for batch in pl.read_parquet(shard, columns=columns).iter_slices(BATCH):
                file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in batch.iter_rows(named=True))
    unfinished.rename(path)
