"""The layers of the package, and what the command line may import."""

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import metaalign_data

PACKAGE = Path(metaalign_data.__file__).parent

# A module imports only from its own layer and the ones before it.
LAYERS = (
    ("errors", "records", "chat", "answers"),
    (
        "resources",
        "taxonomy",
        "preference_book",
        "priorities",
        "rubrics",
        "prompting",
        "teacher",
        "embed",
        "neighbours",
        "duplicates",
    ),
    ("stage", "registry"),
    ("stages", "queries"),
    ("recipe",),
    ("engine",),
    ("dataset", "report", "hub"),
    (
        "api",
        "calibrate",
        "verdicts",
        "rubric_scores",
        "commands",
        "arguments",
        "cli",
        "testing",
        "__init__",
        "__main__",
    ),
)
LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names}
VERSION = "metaalign_data.__version__"  # a constant of the package itself, free for all

HEAVY = {
    "torch",
    "transformers",
    "datasets",
    "sentence_transformers",
    "openai",
    "sklearn",
    "scipy",
    "matplotlib",
    "faiss",
}


def modules() -> list[str]:
    """Every module of the package by its dotted name; packages end in `.__init__`."""
    files = sorted(PACKAGE.rglob("*.py"))
    return [".".join(["metaalign_data", *file.relative_to(PACKAGE).with_suffix("").parts]) for file in files]


def source(module: str) -> str:
    return (PACKAGE.parent / module.replace(".", "/")).with_suffix(".py").read_text(encoding="utf-8")


def imports(tree: ast.AST, module: str) -> Iterator[str]:
    """Dotted names that `module` imports: `from a import b` gives "a.b", relative imports are resolved."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = module.split(".")[: -node.level] if node.level else []
            yield from (".".join([*base, *filter(None, [node.module]), alias.name]) for alias in node.names)


def unit(dotted: str) -> str:
    """The row of the table that a module of the package belongs to: the first name below the package."""
    parts = dotted.split(".")
    return parts[1] if len(parts) > 1 and parts[1] in LEVEL else "__init__"


def upward(code: str, module: str) -> list[str]:
    own = [name for name in imports(ast.parse(code), module) if name.split(".")[0] == "metaalign_data"]
    return [name for name in own if name != VERSION and LEVEL[unit(name)] > LEVEL[unit(module)]]


def heavy(code: str) -> set[str]:
    """Heavy packages that are imported when the module itself is: not inside functions, not for the type checker."""

    class Skip(ast.NodeTransformer):
        def visit_FunctionDef(self, node: ast.FunctionDef) -> None: ...
        def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None: ...
        def visit_If(self, node: ast.If) -> ast.AST | list[ast.stmt]:
            self.generic_visit(node)
            return node.orelse if ast.unparse(node.test).endswith("TYPE_CHECKING") else node

    return {name.split(".")[0] for name in imports(Skip().visit(ast.parse(code)), "metaalign_data.x")} & HEAVY


@pytest.mark.parametrize("module", modules())
def test_a_module_imports_only_from_its_own_layer_and_those_before(module: str) -> None:
    assert module.split(".")[1] in LEVEL, f"{module} has no layer: give it one in LAYERS"
    assert upward(source(module), module) == []


@pytest.mark.parametrize("module", modules())
def test_a_module_imports_nothing_heavy_at_its_top_level(module: str) -> None:
    assert heavy(source(module)) == set()


@pytest.mark.parametrize(
    "code",
    [
        "from metaalign_data.engine.run import Runner",
        "from metaalign_data import cli",
        "from metaalign_data import Recipe",
        "import metaalign_data.recipe",
        "from ..engine import run",
        "def late():\n    from metaalign_data.api import run",
    ],
)
def test_an_import_from_a_later_layer_is_seen(code: str) -> None:
    assert upward(code, "metaalign_data.stages.judge")


@pytest.mark.parametrize(
    "code",
    [
        "from metaalign_data.stage import Reject",
        "from . import pair",
        "from metaalign_data import __version__",
        "import re",
    ],
)
def test_an_import_from_an_earlier_layer_is_fine(code: str) -> None:
    assert upward(code, "metaalign_data.stages.judge") == []


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("import torch.nn as nn", {"torch"}),
        ("class A:\n    from openai import AsyncOpenAI", {"openai"}),
        ("try:\n    import datasets\nexcept ImportError:\n    pass", {"datasets"}),
        ("def f():\n    import torch", set()),
        ("async def f():\n    import torch", set()),
        ("if TYPE_CHECKING:\n    import torch", set()),
        ("if TYPE_CHECKING:\n    import torch\nelse:\n    import transformers", {"transformers"}),
        ("from metaalign_data.teacher import openai", set()),
    ],
)
def test_a_heavy_import_is_seen_where_it_would_run(code: str, expected: set[str]) -> None:
    assert heavy(code) == expected


def loaded_by(*args: str) -> set[str]:
    """Top-level modules in memory after one command, run in an interpreter of its own."""
    code = (
        "import json, sys\n"
        "from metaalign_data.cli import main\n"
        "try:\n"
        f"    code = main({list(args)!r})\n"
        "except SystemExit as e:\n"
        "    code = e.code\n"
        "print(json.dumps([code, sorted({name.partition('.')[0] for name in sys.modules})]))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    code, loaded = json.loads(done.stdout.splitlines()[-1])
    assert code == 0, done.stderr
    return set(loaded)


def test_help_loads_nothing_heavy() -> None:
    assert loaded_by("--help").isdisjoint(HEAVY | {"polars"})


def test_validate_loads_nothing_heavy() -> None:
    assert loaded_by("validate", "quickstart").isdisjoint(HEAVY)
