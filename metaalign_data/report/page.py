"""report.html: one file that shows a run to people. It loads nothing, runs nothing, and escapes what it quotes."""

import base64
import hashlib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from random import Random
from typing import Any

import polars as pl
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from metaalign_data.engine.folder import write_atomically
from metaalign_data.records import SUBSETS, digest
from metaalign_data.report.audit import Audit
from metaalign_data.report.rows import RunRows

REPORT = "report.html"
ROWS_PER_SUBSET = 10
MOST_REASONS = 12
HEATS = 8
"""Steps of colour in the heat map."""


def write_report(run: RunRows, audit: Audit) -> Path:
    """Write report.html into the run's directory and return its path."""
    path = run.folder.root / REPORT
    write_atomically(path, page(run.manifest, audit, run.pairs).encode())
    return path


def page(manifest: Mapping[str, Any], audit: Audit, pairs: pl.DataFrame) -> str:
    """The page as HTML, from what manifest.json and audit.json hold and the pairs as `rows.derived` gives them."""
    env = Environment(
        loader=PackageLoader("metaalign_data.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    env.filters |= {"percent": percent, "words": _words, "reasons": reasons}
    cells = audit["coverage"]["rows"] if "coverage" in audit else []
    css = env.get_template("report.css").render()
    return env.get_template("report.html.j2").render(
        css=Markup(css),  # noqa: S704  our own file
        css_hash=base64.b64encode(hashlib.sha256(css.encode()).digest()).decode(),
        run=manifest,
        audit=audit,
        passage=list(passage(manifest["counts"])),
        heat=list(heat_map(cells)),
        heat_subsets=[subset for subset in SUBSETS if any(cell["by_subset"][subset] for cell in cells)],
        examples=dict(examples(pairs, manifest["seed"])),
    )


def percent(share: float | None) -> str:
    return "unknown" if share is None else f"{share:.1%}"


def _words(name: str) -> str:
    return re.sub(r"[_\s]+", " ", name)


def reasons(counts: Mapping[str, int]) -> str:
    """Reasons and how often, the most frequent first, and how many of the rest there are."""
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    told = [f"{_words(name)} {n:,}" for name, n in ranked[:MOST_REASONS]]
    rest = [n for _, n in ranked[MOST_REASONS:]]
    return ", ".join([*told, f"{len(rest)} others {sum(rest):,}"] if rest else told)


def passage(counts: Mapping[str, Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """For each stage its counts, and the shares of its rows that passed, were rejected and failed, 0 to 1."""
    for name, count in counts.items():
        taken = count["in"] or 1
        shares = {f"{ending}_share": count[ending] / taken for ending in ("passed", "rejected", "failed")}
        yield {"name": name, "taken": count["in"], **{k: v for k, v in count.items() if k != "in"}, **shares}


def heat_map(cells: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The cells with a heat, 0 (no row) to HEATS (as many as any has), for each subset."""
    most = max((n for cell in cells for n in cell["by_subset"].values()), default=0)
    for cell in cells:
        heats = {subset: -(-HEATS * n // most) if most else 0 for subset, n in cell["by_subset"].items()}
        yield {**cell, "heats": heats}


def examples(pairs: pl.DataFrame, seed: int) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """By subset, rows drawn at random, the same ones for equal rows and seed. `history` are turns before the query."""
    for subset in SUBSETS:
        rows = pairs.filter(pl.col("subset") == subset).sort("id")
        drawn = Random(digest(str(seed), subset)).sample(range(rows.height), min(ROWS_PER_SUBSET, rows.height))
        if drawn:
            yield (
                subset,
                [
                    {**row, "history": [turn for turn in row["prompt"] if turn["role"] != "system"][:-1]}
                    for row in rows[drawn].iter_rows(named=True)
                ],
            )
