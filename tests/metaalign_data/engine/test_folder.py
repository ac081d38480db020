from pathlib import Path

import polars as pl
import pytest

from metaalign_data.engine.folder import Parts, RunFolder, batches, write_atomically
from metaalign_data.errors import UserError

SCHEMA = pl.Schema({"n": pl.Int64()})


@pytest.mark.parametrize("rows", [0, 1, 9, 10, 11, 35])
def test_parts_hold_every_row_in_order(tmp_path: Path, rows: int) -> None:
    parts = Parts(tmp_path / "t", SCHEMA, rows_per_part=10)
    for n in range(rows):
        parts.extend([{"n": n}])
    parts.close()
    files = sorted((tmp_path / "t").iterdir())
    assert len(files) == max(1, -(-rows // 10))
    assert pl.scan_parquet(files).collect()["n"].to_list() == list(range(rows))
    assert pl.read_parquet_schema(files[0]) == SCHEMA


@pytest.mark.parametrize(("rows", "there"), [(0, False), (25, True)])
def test_close_as_leaves_one_file_where_there_are_rows_and_nothing_else(tmp_path: Path, rows: int, there: bool) -> None:
    parts = Parts(tmp_path / ".t", SCHEMA, rows_per_part=10)
    parts.extend({"n": n} for n in range(rows))
    parts.close_as(tmp_path / "t.parquet")
    assert [path.name for path in tmp_path.iterdir()] == (["t.parquet"] if there else [])
    if there:
        assert pl.read_parquet(tmp_path / "t.parquet")["n"].to_list() == list(range(rows))


def test_batches_cover_the_table(tmp_path: Path) -> None:
    files = [tmp_path / name for name in ("a.parquet", "b.parquet")]
    pl.DataFrame({"n": range(15)}).write_parquet(files[0])
    pl.DataFrame({"n": range(15, 20)}).write_parquet(files[1])
    assert [b["n"].to_list() for b in batches(files, 10)] == [list(range(10)), list(range(10, 15)), list(range(15, 20))]


def test_an_unwritable_run_directory_is_told_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(UserError, match="cannot write the run directory"),
        RunFolder(tmp_path / "file" / "run").opened(),
    ):
        pass


def test_a_new_run_starts_without_the_tables_of_the_last(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    for stale in (folder.tables / "judge" / "part-00000.parquet", folder.rejects / "judge.parquet"):
        stale.parent.mkdir(parents=True)
        stale.touch()
    folder.ledger.touch()
    with folder.opened():
        assert not folder.tables.exists()
        assert not folder.rejects.exists()
        assert folder.ledger.exists()


def test_one_run_at_a_time_works_in_a_directory(tmp_path: Path) -> None:
    with RunFolder(tmp_path).opened():
        (tmp_path / "tables").mkdir()
        with pytest.raises(UserError, match="another run is at work"), RunFolder(tmp_path).opened():
            pass
        assert (tmp_path / "tables").exists(), "the one who was refused has touched nothing"
    with RunFolder(tmp_path).opened():
        pass


def test_write_atomically_replaces_the_whole_file(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "file.json"
    write_atomically(target, b"one")
    write_atomically(target, b"two")
    assert target.read_bytes() == b"two"
    assert [p.name for p in target.parent.iterdir()] == ["file.json"]


def test_the_pairs_of_a_run_have_their_split_by_the_file(tmp_path: Path) -> None:
    (tmp_path / "dataset/pairs").mkdir(parents=True)
    for split in ("train", "test_unseen_preferences"):
        pl.DataFrame({"id": [split]}).write_parquet(tmp_path / f"dataset/pairs/{split}-00000-of-00001.parquet")
    assert sorted(RunFolder(tmp_path).pairs().rows()) == [("test_unseen_preferences",) * 2, ("train",) * 2]


def test_a_run_without_a_dataset_has_no_pairs(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="there is no dataset"):
        RunFolder(tmp_path).pairs()


def test_holding_the_directory_leaves_what_is_in_it_and_opening_it_clears_the_tables(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    (folder.tables / "judge").mkdir(parents=True)
    with folder.held(), pytest.raises(UserError, match="another run is at work"), RunFolder(tmp_path).held():
        pass
    assert (folder.tables / "judge").is_dir()
    with folder.opened():
        assert not folder.tables.exists()
