"""run, preview, status: make rows, show rows, say how it stands."""

import argparse
import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
from rich.console import Console
from rich.markup import escape
from rich.panel import Panel
from rich.prompt import Confirm
from rich.table import Table
from rich.text import Text

from metaalign_data import api
from metaalign_data.engine.changes import Changes
from metaalign_data.engine.counts import counts_from, unbalanced
from metaalign_data.engine.manifest import read_manifest
from metaalign_data.recipe import Recipe
from metaalign_data.records import SUBSETS

ERR = Console(stderr=True)
PREVIEWED_ROWS = 10


def load(args: argparse.Namespace) -> Recipe:
    recipe = Recipe.load(args.recipe, overrides=args.set, trust=args.trust_recipe)
    return recipe.harmless() if args.no_harmful else recipe


def run(args: argparse.Namespace) -> int:
    result = api.run(
        load(args),
        out=args.out,
        limit=args.limit,
        simulate=args.simulate,
        serial=args.serial,
        progress=True,
        on_change=lambda found: _go_on(found, yes=args.yes),
    )
    return told(result, as_json=args.json, rows=args.show or 0, reasons=args.verbose)


def _go_on(found: Changes, *, yes: bool) -> bool:
    """Say what has changed; on a terminal, ask where that costs anything.

    Where nobody can be asked, the run goes on: its budget holds, whatever has changed.
    """
    ERR.print(Text(found.told(), style="yellow"))
    if yes or not found.asks_anew or not (sys.stdin.isatty() and ERR.is_terminal):
        return True
    return Confirm.ask("go on?", console=ERR, default=False)


def preview(args: argparse.Namespace) -> int:
    recipe = load(args)
    home = Path(args.out) if args.out else api.default_folder(recipe, simulate=args.simulate)
    result = api.run(
        recipe,
        out=home / "preview",
        ledger=home / "ledger.sqlite",
        limit=args.limit,
        simulate=args.simulate,
        progress=True,
        on_change=lambda found: _go_on(found, yes=True),
    )
    return told(result, as_json=args.json, rows=PREVIEWED_ROWS, reasons=True)


def status(args: argparse.Namespace) -> int:
    manifest = read_manifest(Path(args.run) / "manifest.json")
    if args.json:
        print(json.dumps(manifest, ensure_ascii=False))
        return 0
    console = Console()
    console.print(Text(f"{manifest['name']}: {manifest['state']}", style="bold"), Text(_verdict(manifest)))
    console.print(_counts(manifest))
    _accounts(manifest, console)
    console.print(Text(_cost(manifest)))
    _reasons(manifest, console)
    return 0


def _accounts(manifest: dict[str, Any], console: Console) -> None:
    """Whether rows in = passed + rejected + failed, and what can be done about those that failed."""
    counts = counts_from(manifest["counts"])
    problems = unbalanced(counts) if manifest["state"] == "done" else [n for n, c in counts.items() if not c.closes]
    if problems:
        console.print(Text(f"rows are unaccounted for: {'; '.join(problems)}", style="red"))
    else:
        console.print(Text("every row is accounted for: in = passed + rejected + failed, at each stage"))
    if any(c.failed for c in counts.values()):
        console.print(
            Text("retry-failed asks anew for what failed; inspect RUN ROW shows one row, failures have ids too")
        )


def told(result: api.RunResult, *, as_json: bool, rows: int, reasons: bool) -> int:
    """Print how a run ended, and return its exit code."""
    if as_json:
        print(json.dumps({"folder": str(result.folder)} | result.manifest, ensure_ascii=False))
        return api.EXIT_CODE[result.state]
    if reasons:
        _reasons(result.manifest)
    if result.state == "done":
        show(result.pairs(), rows)
    _summary(result)
    return api.EXIT_CODE[result.state]


def _verdict(manifest: dict[str, Any]) -> str:
    """A run that was killed leaves "running" behind: the time of its last note tells."""
    if manifest["state"] != "running":
        return str(manifest["verdict"])
    silent_s = (datetime.now(UTC) - datetime.fromisoformat(manifest["updated_at"])).total_seconds()
    dead = silent_s > 10 * api.NOTE_EVERY_S
    return f"last sign of life {silent_s:.0f} s ago" + ("; run the same recipe again to go on" if dead else "")


def show(pairs: pl.DataFrame, n: int) -> None:
    """n rows for people to read: the subsets in turn, both halves of a flip together, flips before other rows."""
    unit, lone = pl.coalesce("flip_id", "id"), pl.col("flip_id").is_null()
    turn = unit.rank("dense").over("subset", lone)
    ordered = pairs.with_columns(turn=turn).sort(lone, "turn", pl.col("subset").cast(pl.Enum(SUBSETS)), unit)
    console = Console()
    for row in ordered.head(n).iter_rows(named=True):
        *earlier, _ = [turn for turn in row["prompt"] if turn["role"] != "system"]
        body = "\n\n".join(
            f"[bold]{label}[/bold]\n{escape(text)}"
            for label, text in (
                ("System Info", row["system_info"]),
                ("User Info", row["user_info"]),
                ("Earlier turns", "\n".join(f"{turn['role']}: {turn['content']}" for turn in earlier)),
                ("Query", row["query"]),
                ("Chosen", row["chosen"][0]["content"]),
                ("Rejected", row["rejected"][0]["content"]),
            )
            if text
        )
        kind = f"{row['preference_kind']} {row['dimension']} = {row['value']}"
        flip = f", flip {row['flip_id'][:6]}" if row["flip_id"] else ""
        console.print(
            Panel(body, title=escape(f"{row['subset']}: {kind}{flip}"), subtitle=f"margin {row['margin']:.1f}")
        )


def _summary(result: api.RunResult) -> None:
    out = Console(soft_wrap=True, highlight=False)
    out.print(
        Text(f"{result.state.replace('_', ' ')}: {result.verdict}", style="green" if result.state == "done" else "red")
    )
    if dataset := result.manifest["dataset"]:
        _files(out, "dataset", dataset, result.dataset)
    elif partial := result.manifest["partial"]:
        _files(out, "partial", partial, result.folder / "partial")
    for notice in result.manifest["notices"]:
        out.print(Text(f"notice       {notice}", style="yellow"))
    out.print(Text(f"cost         {_cost(result.manifest)}"))


def _files(out: Console, what: str, rows: dict[str, dict[str, int]], folder: Path) -> None:
    for config, splits in rows.items():
        out.print(Text(f"{config:12} " + ", ".join(f"{split} {n}" for split, n in splits.items())))
    out.print(Text(f"{what:12} {folder}"))
    out.print(Text(f"load it      datasets.load_dataset({str(folder)!r}, 'pairs')"))


def _cost(manifest: dict[str, Any]) -> str:
    cost, now = manifest["cost"], manifest["this_time"]
    usd = "unknown (the recipe gives no price)" if cost["usd"] is None else f"${float(cost['usd']):.4f}"
    if manifest["simulated"]:
        usd += " (simulated)"
    tokens = f"{cost['prompt_tokens']:,} + {cost['completion_tokens']:,} tokens"
    this_time = f"this time {now['asked']:,} asked, {now['replayed']:,} from the ledger"
    return f"{usd}: {cost['calls']:,} answers, {tokens}; {this_time}"


def _counts(manifest: dict[str, Any]) -> Table:
    table = Table("stage")
    for header in ("in", "passed", "rejected", "failed", "out"):
        table.add_column(header, justify="right")
    for name, c in manifest["counts"].items():
        table.add_row(name, *(f"{c[key]:,}" for key in ("in", "passed", "rejected", "failed", "out")))
    return table


def _reasons(manifest: dict[str, Any], console: Console | None = None) -> None:
    for name, c in manifest["counts"].items():
        for reason, n in sorted(c["reasons"].items(), key=lambda item: -item[1]):
            (console or ERR).print(Text(f"{name}: {reason} {n:,}"))
