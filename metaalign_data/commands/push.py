"""push: the dataset of a run to the Hub."""

import argparse
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from huggingface_hub.utils import disable_progress_bars  # type: ignore[attr-defined]
from rich.console import Console
from rich.table import Table
from rich.text import Text

from metaalign_data.commands.catalog import wide_console
from metaalign_data.dataset.plots import illustrate
from metaalign_data.engine.folder import RunFolder
from metaalign_data.engine.manifest import read_manifest
from metaalign_data.errors import UserError
from metaalign_data.hub.plan import Plan
from metaalign_data.hub.push import Pushed, Target, look, push_folder
from metaalign_data.hub.review import Allowed, Review, approve, licence_doubts, review_run

NO_PICTURES = "the card has no pictures: matplotlib is not installed (pip install 'metaalign-data[report]')"


def push(args: argparse.Namespace) -> int:
    folder = RunFolder(Path(args.run))
    target = Target(args.repo, private=args.private, revision=args.revision, create_pr=args.create_pr)
    allowed = Allowed(args.allow_simulated, args.allow_personal_data, frozenset(args.allow_secret))
    quiet_in_pipes()
    read_manifest(folder.manifest)  # before the directory is held, which would make it
    with folder.held():  # a run that ends meanwhile would put another dataset in its place
        review = review_run(folder.root, allowed)
        if not illustrate(folder.dataset):
            review = replace(review, notices=(*review.notices, NO_PICTURES))
        if args.dry_run:
            return _dry_run(folder, target, review, as_json=args.json)
        review.refuse(str(folder.root))
        pushed = push_folder(folder.dataset, target, approve=lambda plan: approve(plan, review.sources, target.repo_id))
    if args.json:
        print(json.dumps(_as_json(pushed, review), ensure_ascii=False))
    else:
        _print_pushed(pushed, review)
    return 0


def quiet_in_pipes() -> None:
    """The client's progress bars are for people."""
    if not sys.stderr.isatty():
        disable_progress_bars()


def _dry_run(folder: RunFolder, target: Target, review: Review, *, as_json: bool) -> int:
    """Everything that a push would refuse is told, and the exit code is the one that it would end with."""
    plan = look(folder.dataset, target)
    refusals = [*review.refusals]
    try:
        approve(plan, review.sources, target.repo_id)
    except UserError as e:
        refusals.append(str(e))
    if as_json:
        told = _plan_as_json(plan, review) | {"refusals": refusals, "findings": [vars(f) for f in review.findings]}
        print(json.dumps(told | {"card": str(plan.card) if plan.card else None}, ensure_ascii=False))
    else:
        console = wide_console()
        console.print(_files(plan))
        if plan.card:
            console.print(Text(str(plan.card)), soft_wrap=True)
        _print_notices(console, plan, review)
        for refusal in refusals:
            console.print(Text(f"refused      {refusal}", style="bold red"))
        there = "is there" if plan.base else "would be made"
        console.print(Text(f"nothing sent to {target.repo_id}, which {there}; a push makes it {plan.record.tag}"))
    return 2 if refusals else 0


def _files(plan: Plan) -> Table:
    table = Table("file", "bytes", "")
    table.columns[1].justify = "right"
    for row in _rows(plan):
        table.add_row(Text(row["path"]), "" if row["bytes"] is None else f"{row['bytes']:,}", row["change"])
    return table


def _rows(plan: Plan) -> list[dict[str, Any]]:
    change = dict.fromkeys(plan.added, "new") | dict.fromkeys(plan.replaced, "changed")
    change |= dict.fromkeys(plan.overwritten, "changed, over somebody's own change")
    rows = [
        {"path": path, "bytes": file.size, "change": change.get(path, "there already")}
        for path, file in sorted(plan.files.items())
    ]
    gone = [(path, "removed") for path in plan.removed] + [(path, "not ours, kept") for path in plan.kept]
    return rows + [{"path": path, "bytes": None, "change": what} for path, what in gone]


def _plan_as_json(plan: Plan, review: Review) -> dict[str, Any]:
    return {"version": plan.record.tag, "files": _rows(plan), "notices": _notices(plan, review)}


def _as_json(pushed: Pushed, review: Review) -> dict[str, Any]:
    names = ("url", "commit", "version", "pull_request", "created", "sent")
    return {name: getattr(pushed, name) for name in names} | {
        "files": _rows(pushed.plan),
        "notices": _notices(pushed.plan, review),
    }


def _print_pushed(pushed: Pushed, review: Review) -> None:
    console = Console(soft_wrap=True, highlight=False)
    plan = pushed.plan
    if not pushed.sent:
        console.print(Text("nothing to send: all of it is there already"))
    else:
        size = sum(plan.files[path].size for path in plan.sent)
        told = f"sent {len(plan.sent)} files ({size:,} bytes), removed {len(plan.removed)}, in one commit, checked"
        console.print(Text(told, style="green"))
    _print_notices(console, plan, review)
    if pushed.version is None and pushed.pull_request is None:
        console.print(Text(f"notice       the tag {plan.record.tag} is another commit's", style="yellow"))
    where = f"pull request {pushed.pull_request}" if pushed.pull_request else pushed.version or ""
    console.print(Text(f"{pushed.url} {where} {pushed.commit[:8]}"))


def _print_notices(console: Console, plan: Plan, review: Review) -> None:
    for notice in _notices(plan, review):
        console.print(Text(f"notice       {notice}", style="yellow"))


def _notices(plan: Plan, review: Review) -> list[str]:
    return [*plan.notices, *review.notices, *licence_doubts(plan.card.fields if plan.card else {}, review.sources)]
