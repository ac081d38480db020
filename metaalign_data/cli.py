"""The command line: parse, call, print; the one place that catches the errors of this package.

Nothing heavy is imported before a command is chosen, so that --help answers at once.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from importlib import import_module

from metaalign_data.arguments import hub, looking, making, tools, training
from metaalign_data.arguments.commands import Commands
from metaalign_data.errors import MetaalignError, UserError


def parser() -> argparse.ArgumentParser:
    commands = Commands()
    for group in (making, looking, training, tools, hub):
        group.add(commands)
    return commands.parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    args = parser().parse_args(argv)
    module, function = args.handler.split(":")
    try:
        handler = getattr(import_module(f"metaalign_data.commands.{module}"), function)
        code: int = handler(args)
    except MetaalignError as e:
        if args.json:
            print(json.dumps({"error": str(e)}, ensure_ascii=False))
        print(f"error: {e}" if "\n" not in str(e) else str(e), file=sys.stderr)
        return 2 if isinstance(e, UserError) else 1
    except KeyboardInterrupt:
        return 130
    return code
