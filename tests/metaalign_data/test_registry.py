"""Names of stages and teachers: built-in ones, installed ones, and a file of the user's own."""

import sys
from collections.abc import Sequence
from pathlib import Path

import polars as pl
import pytest
from pydantic import BaseModel, ValidationError

from metaalign_data.errors import UserError
from metaalign_data.records import PreferencePair, Query, Scenario
from metaalign_data.registry import (
    BUILT_IN,
    config_of,
    load_object,
    make_stage,
    stage_class,
    stage_names,
    stage_types,
    teacher_class,
)
from metaalign_data.stage import Context, Reject, RowStage, TableStage
from metaalign_data.teacher.base import Client

STAGE = """
class Mine:
    async def process(self, row, ctx): ...
NOT_A_CLASS = 3
"""


def install(site: Path, distribution: str, entries: dict[str, str], code: str = STAGE, kind: str = "stages") -> None:
    """A package as pip leaves it in site-packages."""
    module = distribution.replace("-", "_")
    (site / f"{module}.py").write_text(code)
    info = site / f"{module}-1.2.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.2\n")
    lines = [f"{name} = {module}:{cls}" for name, cls in entries.items()]
    (info / "entry_points.txt").write_text("\n".join([f"[metaalign_data.{kind}]", *lines, ""]))


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


NEEDED = {"decontaminate": {"against": ["benchmark.jsonl"]}}
"""Settings without a default."""


@pytest.mark.parametrize("name", BUILT_IN["stage"])
def test_every_built_in_stage_is_a_stage_with_a_config(name: str) -> None:
    cls = stage_class(name)
    stage = make_stage(cls, NEEDED.get(name, {}))
    assert isinstance(stage, RowStage) != isinstance(stage, TableStage)
    assert (stage_types(cls) is None) == isinstance(stage, TableStage)
    assert config_of(cls).model_config["extra"] == "forbid"


@pytest.mark.parametrize("name", BUILT_IN["teacher"])
def test_every_built_in_teacher_is_a_client_with_a_config(name: str) -> None:
    cls = teacher_class(name)
    assert isinstance(cls, type)
    assert all(hasattr(cls, method) for method in ("complete", "check", "probe", "remember", "aclose"))
    assert config_of(cls) is cls.Config


def test_the_simulated_teacher_is_a_client() -> None:
    cls = teacher_class("simulated")
    assert isinstance(cls(cls.Config()), Client)


def test_an_unknown_name_is_answered_with_the_nearest_one() -> None:
    with pytest.raises(UserError, match=r"^unknown stage 'jugde'; did you mean 'judge'\?$"):
        stage_class("jugde")
    with pytest.raises(UserError, match=r"^unknown teacher 'openia'; did you mean 'openai'\?$"):
        teacher_class("openia")


def test_an_installed_stage_is_found_and_listed_after_the_built_in_ones(site: Path) -> None:
    install(site, "found-plugin", {"mine": "Mine"})
    assert stage_class("mine").__name__ == "Mine"
    assert stage_names() == (*BUILT_IN["stage"], "mine")


def test_an_installed_teacher_is_found(site: Path) -> None:
    install(site, "teacher-plugin", {"oracle": "Mine"}, kind="teachers")
    assert teacher_class("oracle").__name__ == "Mine"


def test_a_broken_package_is_named_with_its_cause_and_only_when_it_is_asked_for(site: Path) -> None:
    install(site, "broken-plugin", {"broken": "Mine"}, code="raise ValueError('no licence file')")
    assert "broken" in stage_names()
    with pytest.raises(
        UserError, match=r"^stage 'broken' of broken-plugin 1.2 cannot be loaded: ValueError: no licence file$"
    ):
        stage_class("broken")


def test_an_entry_point_that_is_no_class_is_refused(site: Path) -> None:
    install(site, "constant-plugin", {"constant": "NOT_A_CLASS"})
    with pytest.raises(UserError, match=r"constant-plugin 1\.2 is not a class"):
        stage_class("constant")


def test_one_name_of_two_packages_is_refused_naming_both(site: Path) -> None:
    install(site, "left-plugin", {"mine": "Mine"})
    install(site, "right-plugin", {"mine": "Mine"})
    with pytest.raises(UserError, match=r"registered by .*; uninstall one") as e:
        stage_class("mine")
    assert "left-plugin 1.2" in str(e.value)
    assert "right-plugin 1.2" in str(e.value)


def test_a_package_cannot_take_the_place_of_a_built_in_stage(site: Path) -> None:
    install(site, "shadow-plugin", {"judge": "Mine"})
    with pytest.raises(
        UserError, match=r"^stage 'judge' is registered by metaalign-data itself and by shadow-plugin 1.2"
    ):
        stage_class("judge")


def test_a_class_is_loaded_from_a_file_in_the_folder_and_the_path_is_left_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "own_stage_a.py").write_text(STAGE)
    before = list(sys.path)
    assert load_object("own_stage_a:Mine", tmp_path).__name__ == "Mine"
    assert sys.path == before


@pytest.mark.parametrize(
    ("spec", "code", "message"),
    [
        ("own_b", STAGE, "'own_b' is not of the form module:Class"),
        ("os.system('x'):Y", STAGE, "is not of the form module:Class"),
        ("own_c:Mein", STAGE, "module 'own_c' has no class 'Mein'; did you mean 'Mine'?"),
        ("own_d:NOT_A_CLASS", STAGE, "has no class 'NOT_A_CLASS'"),
        (
            "own_e:Mine",
            "import no_such_thing",
            "cannot be imported: ModuleNotFoundError: No module named 'no_such_thing'",
        ),
        ("own_f:Mine", "def broken(:", "cannot be imported: SyntaxError"),
        ("no_such_module:Mine", None, "cannot be imported: ModuleNotFoundError"),
        ("random:Random", STAGE, "the module name 'random' is taken by"),
    ],
)
def test_a_class_that_cannot_be_loaded_says_why(tmp_path: Path, spec: str, code: str | None, message: str) -> None:
    if code is not None:
        (tmp_path / f"{spec.partition(':')[0].partition('.')[0]}.py").write_text(code)
    with pytest.raises(UserError) as e:
        load_object(spec, tmp_path)
    assert message in str(e.value)


class Configured:
    class Config(BaseModel, frozen=True, extra="forbid"):
        votes: int = 2

    def __init__(self, config: Config) -> None:
        self.config = config

    async def process(self, row: Query, ctx: Context) -> Sequence[Scenario | Reject]:
        raise NotImplementedError


class Plain:
    async def process(self, row: PreferencePair, ctx: Context) -> list[PreferencePair]:
        raise NotImplementedError


class Table:
    columns = ("query",)

    def transform(self, table: pl.LazyFrame, ctx: Context) -> pl.LazyFrame:
        return table


def test_a_stage_is_made_with_its_settings() -> None:
    stage = make_stage(Configured, {"votes": 4})
    assert isinstance(stage, Configured)
    assert stage.config.votes == 4
    assert isinstance(make_stage(Plain, {}), Plain)


@pytest.mark.parametrize(
    ("cls", "config"), [(Configured, {"votes": "many"}), (Configured, {"vote": 1}), (Plain, {"a": 1})]
)
def test_settings_that_do_not_fit_are_refused(cls: type, config: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        make_stage(cls, config)


@pytest.mark.parametrize(
    ("cls", "types"), [(Configured, (Query, Scenario)), (Plain, (PreferencePair, PreferencePair)), (Table, None)]
)
def test_the_hints_say_what_a_stage_takes_and_gives(cls: type, types: object) -> None:
    assert stage_types(cls) == types


class Neither: ...


class Both(Table, Plain): ...


class NotAsync:
    def process(self, row: Query, ctx: Context) -> Sequence[Query]: ...


class NoHints:
    async def process(self, row, ctx): ...  # type: ignore[no-untyped-def]


class OnlyRejects:
    async def process(self, row: Query, ctx: Context) -> Sequence[Reject]: ...


class TwoRecords:
    async def process(self, row: Query, ctx: Context) -> Sequence[Query | Scenario]: ...


class ForeignType:
    async def process(self, row: Query, ctx: Context) -> Sequence[Query | str]: ...


class UnknownName:
    async def process(self, row: "Nowhere", ctx: Context) -> Sequence[Query]: ...  # type: ignore[name-defined]  # noqa: F821


@pytest.mark.parametrize(
    ("cls", "message"),
    [
        (Neither, "Neither is not a stage"),
        (Both, "Both is not a stage"),
        (NotAsync, "NotAsync.process must be an 'async def'"),
        (NoHints, "NoHints.process does not say"),
        (OnlyRejects, "OnlyRejects.process does not say"),
        (TwoRecords, "TwoRecords.process does not say"),
        (ForeignType, "ForeignType.process does not say"),
        (UnknownName, "the type hints of UnknownName.process cannot be read: name 'Nowhere' is not defined"),
    ],
)
def test_a_class_that_is_no_stage_says_why(cls: type, message: str) -> None:
    with pytest.raises(UserError) as e:
        stage_types(cls)
    assert message in str(e.value)
