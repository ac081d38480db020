"""inspect: everything that is known of one row."""

import argparse
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.markup import escape
from rich.panel import Panel
from rich.text import Text

from metaalign_data.engine.folder import RunFolder
from metaalign_data.engine.manifest import read_manifest
from metaalign_data.engine.story import Question, Step, Story, story

SOURCE = "queries"
TEXTS = ("question", "system_info", "user_info", "query", "preference", "chosen", "rejected", "comparisons", "margin")
"""What is shown of a record, as far as it has it; --json gives all of it."""


def inspect(args: argparse.Namespace) -> int:
    folder = RunFolder(Path(args.run))
    manifest = read_manifest(folder.manifest)
    stages = [name for name in manifest["counts"] if name != SOURCE]
    found = story(folder, folder.root / manifest.get("ledger", folder.ledger.name), stages, args.row)
    if args.json:
        print(json.dumps(_plain(found), ensure_ascii=False, default=str))
        return 0
    console = Console(highlight=False)
    for step in found.steps:
        console.print(_panel(step))
    for ending in found.endings:
        told = ending.get("detail") or ending.get("error") or ""
        console.print(Text(f"ended in {ending['stage']}: {ending['reason']}  {told}", style="red"))
    cost = "unknown" if found.cost_usd is None else f"${found.cost_usd:.6f}"
    asked = sum(len(step.asked) for step in found.steps)
    console.print(Text(f"row {found.row_id}: {asked} answers went into it, cost {cost}", style="bold"))
    return 0


def _plain(found: Story) -> dict[str, Any]:
    return {**asdict(found), "cost_usd": found.cost_usd}


def _panel(step: Step) -> Panel:
    parts: list[RenderableType] = [_asked(question) for question in step.asked]
    if step.made and step.made["id"] == step.row_id:
        parts.append(Text("let it pass"))
    elif step.made:
        parts += [Text.from_markup(line) for line in _told(step.made)]
    body = Group(*parts) if parts else Text("asked nothing")
    return Panel(body, title=escape(f"{step.stage} of {step.row_id}"), title_align="left")


def _asked(question: Question) -> RenderableType:
    answer = question.answer
    messages = "\n".join(f"[bold]{m['role']}[/bold] {escape(m['content'])}" for m in answer.request["messages"])
    cost = "cost unknown" if answer.cost_usd is None else f"${answer.cost_usd:.6f}"
    tokens = f"{answer.prompt_tokens} + {answer.completion_tokens} tokens"
    told = f"{answer.model}, attempt {answer.attempts}, {tokens}, {cost}, {answer.finish_reason}"
    body = f"{messages}\n[bold green]answer[/bold green] {escape(answer.text)}"
    style = "red" if question.unusable else "dim"
    unusable = f", of no use: {question.unusable}" if question.unusable else ""
    return Panel(body, title=escape(answer.prompt), subtitle=escape(told + unusable), border_style=style)


def _told(record: Mapping[str, Any]) -> Iterator[str]:
    yield f"[bold]made[/bold] {record['id']}"
    for name in TEXTS:
        if name == "comparisons" and name in record:
            yield from map(_votes, record[name])
        elif record.get(name) not in (None, "") and not isinstance(record[name], dict):
            yield f"[bold]{name}[/bold] {escape(_text(record[name]))}"


def _text(value: object) -> str:
    if isinstance(value, list):
        return "\n".join(message["content"] for message in value)
    return str(value)


def _votes(comparison: Mapping[str, Any]) -> str:
    side, a, b, winner = (comparison[name] for name in ("side", "a", "b", "winner"))
    lines = [f"side {side}: response {a} against {b}, winner {winner}"]
    for vote in comparison["votes"]:
        judge = f"{vote['model']}{' (swapped)' if vote['swapped'] else ''}"
        lines.append(f"  {judge}: {vote['winner']} {vote['score_a']:g}:{vote['score_b']:g} {vote['reason']}")
    return escape("\n".join(lines))
