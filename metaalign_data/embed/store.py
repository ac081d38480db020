"""Vectors on disk, by the model and the text: another threshold costs no second embedding."""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from metaalign_data.embed.vectors import Vectors
from metaalign_data.errors import UserError

if TYPE_CHECKING:
    from metaalign_data.embed import Embedder

_SCHEMA = "CREATE TABLE IF NOT EXISTS vectors (key BLOB PRIMARY KEY NOT NULL, vector BLOB NOT NULL) WITHOUT ROWID"
_AT_ONCE = 500
"""Keys of one look-up; SQLite takes a thousand at least."""


class VectorStore:
    """One SQLite file for any number of models. Several processes may use it at once."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def embed(self, by: "Embedder", texts: Sequence[str]) -> Vectors:
        """As `by.embed`, which is only asked for the texts that it has not embedded before. A vector that is not finite
        is given back and not kept.

        Raises UserError where the file is no such store or holds vectors of another length, and what `by` raises.
        """
        keys = [_key(by.identity, text) for text in texts]
        try:
            with closing(sqlite3.connect(self.path, timeout=60.0)) as file:
                file.execute("PRAGMA journal_mode = WAL")
                file.execute(_SCHEMA)
                found = _read(file, list(dict.fromkeys(keys)))
                missing = {key: text for key, text in zip(keys, texts, strict=True) if key not in found}
                if missing:
                    made = by.embed(list(missing.values()))
                    found |= dict(zip(missing, made, strict=True))
                    with file:
                        rows = [(key, found[key].tobytes()) for key in missing if np.isfinite(found[key]).all()]
                        file.executemany("INSERT OR IGNORE INTO vectors VALUES (?, ?)", rows)
        except sqlite3.Error as e:
            raise UserError(f"cannot keep vectors: {e}", where=str(self.path), fix="name another file") from e
        if len(dimensions := sorted({len(vector) for vector in found.values()})) > 1:
            raise UserError(
                f"the model gives vectors of {dimensions} dimensions, some of them kept from before",
                where=str(self.path),
                fix="remove the file or name another",
            )
        return np.stack([found[key] for key in keys]) if keys else by.embed([])


def _key(identity: str, text: str) -> bytes:
    return blake2b(text.encode("utf-8", "surrogatepass"), key=_salt(identity), digest_size=16).digest()


def _salt(identity: str) -> bytes:
    return blake2b(identity.encode(), digest_size=32).digest()


def _read(file: sqlite3.Connection, keys: Sequence[bytes]) -> dict[bytes, Vectors]:
    found: dict[bytes, Vectors] = {}
    for start in range(0, len(keys), _AT_ONCE):
        part = keys[start : start + _AT_ONCE]
        marks = ", ".join("?" * len(part))
        rows = file.execute(f"SELECT key, vector FROM vectors WHERE key IN ({marks})", part)  # noqa: S608  only marks
        found |= {key: np.frombuffer(vector, dtype=np.float32) for key, vector in rows}
    return found
