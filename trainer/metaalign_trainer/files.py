"""Files and folders that are there whole or not at all, also after a crash."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def write_atomically(path: Path, text: str) -> None:
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_text(text, encoding="utf-8")
    _sync(temporary)
    temporary.replace(path)
    _sync(path.parent)


@contextmanager
def new_folder(folder: Path) -> Iterator[Path]:
    """An empty folder to write into, which becomes `folder` when the block ends without an error."""
    scratch = folder.with_name(f".{folder.name}.tmp")
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    yield scratch
    for path in (*scratch.rglob("*"), scratch):
        _sync(path)
    shutil.rmtree(folder, ignore_errors=True)
    scratch.rename(folder)
    _sync(folder.parent)


def _sync(path: Path) -> None:
    """What was written to a file, or the names in a folder, survive a power cut from here on."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
