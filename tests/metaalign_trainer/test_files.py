from pathlib import Path

import pytest

from metaalign_trainer.files import new_folder, write_atomically


def test_a_folder_is_there_only_when_it_is_whole(tmp_path: Path) -> None:
    folder = tmp_path / "made/here"

    def crash() -> None:
        with new_folder(folder) as scratch:
            (scratch / "half").write_text("x")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        crash()
    assert not folder.exists()
    with new_folder(folder) as scratch:
        assert not list(scratch.iterdir())
        assert not folder.exists()
        (scratch / "whole").write_text("x")
    assert [path.name for path in folder.iterdir()] == ["whole"]
    assert [path.name for path in folder.parent.iterdir()] == ["here"]


def test_a_file_takes_the_place_of_the_one_before(tmp_path: Path) -> None:
    for text in ("one", "two"):
        write_atomically(tmp_path / "a.txt", text)
    assert [path.read_text() for path in tmp_path.iterdir()] == ["two"]
