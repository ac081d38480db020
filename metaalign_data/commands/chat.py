"""chat: the same question under two or more meta-prompts."""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence

from rich.columns import Columns
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.rule import Rule
from rich.text import Text

from metaalign_data.commands.catalog import wide_console
from metaalign_data.commands.with_trainer import trainer
from metaalign_data.prompting import meta_prompt


def chat(args: argparse.Namespace) -> int:
    tiers = [_tiers(text) for text in args.tiers or [""]]
    systems = [meta_prompt(system_info, user_info) for system_info, user_info in tiers]
    with trainer():
        from metaalign_trainer.evaluate.answer import Answering

        answering = Answering.load(
            args.model, max_new_tokens=args.max_new_tokens, temperature=args.temperature, seed=args.seed
        )
        if args.ask is not None:
            _tell(tiers, args.ask, answering.answers(systems, args.ask), as_json=args.json)
            return 0
        while question := _asked():
            _tell(tiers, question, answering.answers(systems, question), as_json=args.json)
    return 0


def _tiers(text: str) -> tuple[str, str]:
    system_info, _, user_info = text.partition("|")
    return system_info.strip(), user_info.strip()


def _asked() -> str:
    """The next question of the person at the terminal, or of a pipe; "" at the end."""
    if sys.stdin.isatty():
        try:
            return input("> ").strip()
        except EOFError:
            return ""
    return sys.stdin.readline().strip()


def _tell(tiers: Sequence[tuple[str, str]], question: str, answers: Sequence[str], *, as_json: bool) -> None:
    if as_json:
        told = [
            {"system_info": system_info, "user_info": user_info, "answer": answer}
            for (system_info, user_info), answer in zip(tiers, answers, strict=True)
        ]
        print(json.dumps({"question": question, "answers": told}, ensure_ascii=False))
        return
    console = wide_console()
    width = max(24, (console.width - 1) // len(answers) - 1)
    panels = [
        Panel(Group(*_asked_under(*tier), Text(answer)), width=width)
        for tier, answer in zip(tiers, answers, strict=True)
    ]
    console.print(Columns(panels, padding=(0, 1)))


def _asked_under(system_info: str, user_info: str) -> Iterator[RenderableType]:
    """The meta-prompt above an answer, whole: what differs between two may stand at the end."""
    for tier, text in (("System Info", system_info), ("User Info", user_info)):
        if text:
            yield Text(f"{tier}: {text}", style="dim")
    if not (system_info or user_info):
        yield Text("no meta-prompt", style="dim")
    yield Rule(style="dim")
