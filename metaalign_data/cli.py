"""The command line: parse, call, print; the one place that catches the errors of this package.

Nothing heavy is imported before a command is chosen, so that --help answers at once.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from importlib import import_module

from metaalign_data import __version__
from metaalign_data.errors import MetaalignError, UserError

EXIT_CODES = (
    "exit codes: 0 done; 1 the run failed; 2 bad usage, recipe or input; "
    "3 budget reached (resumable); 130 interrupted (resumable)"
)


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(
        prog="metaalign-data",
        description="Build datasets for inference-time preference alignment.",
        epilog=EXIT_CODES,
    )
    top.add_argument("--version", action="version", version=f"metaalign-data {__version__}")
    commands = top.add_subparsers(dest="command", metavar="COMMAND", required=True)

    def command(name: str, handler: str, summary: str) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=summary, description=summary)
        sub.set_defaults(handler=handler)
        sub.add_argument(
            "--json", action="store_true", help="print one JSON object on stdout, everything else on stderr"
        )
        return sub

    def with_recipe(sub: argparse.ArgumentParser) -> argparse.ArgumentParser:
        sub.add_argument("recipe", help="a recipe file, or the name of a bundled recipe such as 'quickstart'")
        sub.add_argument(
            "--set", action="append", default=[], metavar="KEY.PATH=VALUE", help="change a value of the recipe"
        )
        sub.add_argument("--limit", type=_positive, metavar="N", help="take at most N queries")
        sub.add_argument("--no-harmful", action="store_true", help="leave out the recipe's harmful queries")
        sub.add_argument(
            "--simulate", action="store_true", help="same recipe, simulated teacher and judge: free, offline"
        )
        sub.add_argument(
            "--trust-recipe", action="store_true", help="let the recipe run Python that it names (use: module:Class)"
        )
        return sub

    def with_run(sub: argparse.ArgumentParser) -> argparse.ArgumentParser:
        sub.add_argument("run", help="a run directory, such as runs/quickstart")
        return sub

    def with_out(sub: argparse.ArgumentParser) -> argparse.ArgumentParser:
        sub.add_argument("--out", metavar="DIR", help="the run directory (default: runs/NAME of the recipe)")
        return sub

    init = command("init", "files:init", "write a commented recipe to start from")
    init.add_argument("file", nargs="?", default="recipe.yaml", help="where to write it (default: recipe.yaml)")
    init.add_argument(
        "--from", dest="source", default="metaalign", metavar="NAME", help="bundled recipe to copy (default: metaalign)"
    )

    with_recipe(command("validate", "check:validate", "check everything that can be checked before a cent is spent"))

    estimate = with_recipe(
        command("estimate", "check:estimate", "predict calls, tokens and cost from a small simulated sample")
    )
    estimate.add_argument("--sample", type=_positive, default=20, metavar="N", help="queries to try (default: 20)")

    preview = with_out(
        with_recipe(command("preview", "run:preview", "run the first few queries for real and show the rows"))
    )
    preview.set_defaults(limit=3)

    run = with_out(
        with_recipe(command("run", "run:run", "make the dataset; the same command again resumes or replays"))
    )
    run.add_argument("--show", type=_positive, metavar="N", help="show N rows of the result")
    run.add_argument("-v", "--verbose", action="store_true", help="show each reject and failure reason with an example")

    with_run(command("status", "run:status", "say how a run stands: rows, reasons, cost"))

    audit = with_run(command("audit", "audit:audit", "measure whether a dataset can be solved without reading it"))
    audit.add_argument(
        "--sample",
        type=_positive,
        default=300,
        metavar="N",
        help="comparisons that the judge guesses at (default: 300)",
    )
    audit.add_argument("--no-judge", action="store_true", help="ask the judge nothing")

    with_run(command("report", "report:report", "write report.html: the run, its audit and some rows, to look at"))

    dedup = command("dedup", "dedup:dedup", "drop the duplicates of any .parquet, .jsonl or .csv file, and say of what")
    dedup.add_argument("file", help="a table")
    dedup.add_argument("--on", required=True, action="append", metavar="COLUMN", help="compare this; repeat for more")
    dedup.add_argument("--keep", metavar="COLUMN", help="of duplicates, the row with the highest value here stays")
    dedup.add_argument("--per", metavar="COLUMN", help="compare only rows that agree in this column")
    dedup.add_argument("--id", metavar="COLUMN", help="names the rows (default: their numbers, from 1)")
    dedup.add_argument("--rules", metavar="LIST", help="of exact,lexical,semantic (default: all three)")
    dedup.add_argument("--threshold", metavar="COSINE", help="from which rows are duplicates (default: 0.92)")
    dedup.add_argument("--lexical-threshold", metavar="SHARE", help="of three-word sequences (default: 0.8)")
    dedup.add_argument("--embedder", metavar="NAME", help="hashed-ngrams (default), or a sentence-transformers model")
    dedup.add_argument("--base-url", metavar="URL", help="ask this server for the embeddings of the model --embedder")
    dedup.add_argument("--vectors", metavar="FILE", help="keep the vectors of a model here, for the next time")
    dedup.add_argument("--out", metavar="FILE", help="the kept rows (default: FILE.kept.parquet, .jsonl or .csv)")
    dedup.add_argument("--rejects", metavar="FILE", help="the dropped rows, with duplicate_of, similarity and rule")

    similar = with_run(command("similar", "similar:similar", "show the rows of a run that are nearest to a text"))
    similar.add_argument("text", help="what to look for")
    similar.add_argument(
        "--on", choices=("query", "preference", "chosen"), default="query", help="column to compare (default: query)"
    )
    similar.add_argument("-k", type=_positive, default=10, metavar="N", help="rows to show (default: 10)")

    stages = command("stages", "catalog:stages", "list the stages, or the settings of one")
    stages.add_argument("name", nargs="?", help="a stage")

    prompts = command("prompts", "catalog:prompts", "list the prompts, or print one")
    prompts.add_argument("name", nargs="?", help="a prompt")
    prompts.add_argument("--recipe", help="look in this recipe's prompts/ folder first")

    calibrate = command("calibrate", "calibrate:calibrate", "measure the judge against pairs that people have labelled")
    calibrate.add_argument("--gold", required=True, metavar="FILE", help=".jsonl, .csv or .parquet with labelled pairs")
    calibrate.add_argument(
        "--column",
        action="append",
        default=[],
        metavar="FIELD=COLUMN",
        help="where the columns are not system_info, user_info, query, a, b, label; nothing after = for none",
    )
    calibrate.add_argument("--recipe", help="whose judge is measured: a recipe file or the name of a bundled one")
    calibrate.add_argument("--judge-model", metavar="MODEL", help="another judge, by the name that its server knows")
    calibrate.add_argument(
        "--set", action="append", default=[], metavar="KEY.PATH=VALUE", help="change a value of the recipe"
    )
    calibrate.add_argument("--limit", type=_positive, metavar="N", help="take at most N pairs")
    calibrate.add_argument("--target", type=_share, default=0.95, help="accuracy to reach (default: 0.95)")
    calibrate.add_argument("--simulate", action="store_true", help="a simulated judge: free, offline")
    calibrate.add_argument("--trust-recipe", action="store_true", help="let the recipe run Python that it names")
    calibrate.add_argument(
        "--out", metavar="DIR", help="directory of the ledger and calibration.json (default: runs/NAME-calibration)"
    )

    export = with_run(command("export", "files:export", "write the dataset in another format"))
    export.add_argument("--format", required=True, help="one of: jsonl, trl, sft")
    export.add_argument("--out", required=True, metavar="DIR", help="folder to write to")

    server = command(
        "simulate-server", "serve:simulate_server", "serve the simulated teacher over the OpenAI protocol on loopback"
    )
    server.add_argument("--port", type=int, default=8000, help="0 picks a free one (default: 8000)")
    server.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="a setting, such as faults.latency_ms=200"
    )
    return top


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return value


def _share(text: str) -> float:
    value = float(text)
    if not 0 < value < 1:
        raise argparse.ArgumentTypeError("must be between 0 and 1")
    return value


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
