"""The argument parser of the command line, and what several commands take."""

import argparse

from metaalign_data import __version__

EXIT_CODES = (
    "exit codes: 0 done; 1 the run failed; 2 bad usage, recipe or input; "
    "3 budget reached (resumable); 130 interrupted (resumable)"
)


class Commands:
    """Where commands are added. `handler` is "module:function" below metaalign_data.commands, imported when chosen."""

    def __init__(self) -> None:
        self.parser = argparse.ArgumentParser(
            prog="metaalign-data",
            description="Build datasets for inference-time preference alignment.",
            epilog=EXIT_CODES,
        )
        self.parser.add_argument("--version", action="version", version=f"metaalign-data {__version__}")
        self._commands = self.parser.add_subparsers(dest="command", metavar="COMMAND", required=True)

    def add(self, name: str, handler: str, summary: str) -> argparse.ArgumentParser:
        sub = self._commands.add_parser(name, help=summary, description=summary)
        sub.set_defaults(handler=handler)
        sub.add_argument(
            "--json", action="store_true", help="print one JSON object on stdout, everything else on stderr"
        )
        return sub


def with_recipe(sub: argparse.ArgumentParser) -> argparse.ArgumentParser:
    sub.add_argument("recipe", help="a recipe file, or the name of a bundled recipe such as 'quickstart'")
    with_set(sub)
    sub.add_argument("--limit", type=positive, metavar="N", help="take at most N queries")
    sub.add_argument("--no-harmful", action="store_true", help="leave out the recipe's harmful queries")
    sub.add_argument("--simulate", action="store_true", help="same recipe, simulated teacher and judge: free, offline")
    with_trust(sub)
    return sub


def with_set(sub: argparse.ArgumentParser) -> None:
    sub.add_argument(
        "--set", action="append", default=[], metavar="KEY.PATH=VALUE", help="change a value of the recipe"
    )


def with_trust(sub: argparse.ArgumentParser) -> None:
    sub.add_argument(
        "--trust-recipe", action="store_true", help="let the recipe run Python that it names (use: module:Class)"
    )


def with_run(sub: argparse.ArgumentParser) -> argparse.ArgumentParser:
    sub.add_argument("run", help="a run directory, such as runs/quickstart")
    return sub


def with_out(sub: argparse.ArgumentParser) -> argparse.ArgumentParser:
    sub.add_argument("--out", metavar="DIR", help="the run directory (default: runs/NAME of the recipe)")
    return sub


def positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return value


def share(text: str) -> float:
    value = float(text)
    if not 0 < value < 1:
        raise argparse.ArgumentTypeError("must be between 0 and 1")
    return value
