"""README.md of a dataset: what it is, how it was made, what is in it. Text from outside never becomes markup."""

import re
from collections.abc import Mapping
from typing import Any

import polars as pl
import yaml

from metaalign_data.dataset.configs import COLUMNS, MESSAGES
from metaalign_data.dataset.facts import DatasetFacts
from metaalign_data.dataset.figures import dataset_figures
from metaalign_data.records import PreferencePair, column_descriptions

Rows = Mapping[str, Mapping[str, int]]

_LIMITS = ("1K", "10K", "100K", "1M", "10M", "100M", "1B")
_FENCE = re.compile(r"`{3,}")
EXCERPT_CHARS = 1_500


def card(counts: Rows, rows: pl.LazyFrame, facts: DatasetFacts) -> str:
    """Markdown with the YAML front matter by which `datasets.load_dataset` finds configs and splits.

    `counts` are the rows by config and split; of `rows`, the pairs with their split, only what is shown is read.
    """
    sections = [
        f"---\n{_front_matter(counts, facts)}---",
        f"# {_inline(_title(facts))}",
        _notice(facts),
        "Rows for preference alignment at inference time: each prompt states or implies a preference in its system "
        "message, and the chosen response follows it where the rejected one does not. Rows that share a `flip_id` hold "
        "the same two responses in opposite order, under opposite preferences.",
        '```python\nfrom datasets import load_dataset\n\npairs = load_dataset("path/of/this/folder", "pairs")\n```',
        f"## Rows\n\n{_rows(counts, rows)}",
        f"## In figures\n\n{_figures(rows, facts)}",
        f"## Columns of `pairs`\n\n{_columns()}",
        f"## An example\n\n{_example(rows)}",
        f"## How it was made\n\n{_making(rows, facts)}",
        f"## What was left out\n\n{_left_out(facts)}",
        "## Source of the method\n\nMetaAlign: Align Large Language Models with Diverse Preferences during Inference "
        "Time, [arXiv 2410.14184](https://arxiv.org/abs/2410.14184). Made with metaalign-data "
        f"{facts.versions.get('metaalign-data', '')}.",
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def _title(facts: DatasetFacts) -> str:
    return " ".join((facts.pretty_name or facts.name).split())


def _size(rows: int) -> str:
    """The range of the number of rows, as the Hub spells it."""
    above = next((i for i in range(len(_LIMITS)) if rows < 10 ** (i + 3)), len(_LIMITS) - 1)
    return f"{_LIMITS[above - 1]}<n<{_LIMITS[above]}" if above else f"n<{_LIMITS[0]}"


def _front_matter(counts: Rows, facts: DatasetFacts) -> str:
    rows = sum(counts["pairs"].values())
    fields: dict[str, Any] = {
        "pretty_name": _title(facts),
        "license": facts.license,
        "language": list(facts.language),
        "task_categories": ["text-generation"],
        "size_categories": [_size(rows)],
        "tags": [
            "preference",
            "alignment",
            "dpo",
            "metaalign",
            "synthetic",
            *(["simulated"] if facts.simulated else []),
        ],
        "configs": [
            {
                "config_name": config,
                "data_files": [{"split": split, "path": f"{config}/{split}-*.parquet"} for split in splits],
                **({"default": True} if config == "pairs" else {}),
            }
            for config, splits in counts.items()
        ],
    }
    kept = {name: value for name, value in fields.items() if value}
    return yaml.safe_dump(kept, sort_keys=False, allow_unicode=True)


def _notice(facts: DatasetFacts) -> str:
    if not facts.simulated:
        return ""
    return (
        "> **SIMULATED DATA.** No language model wrote or judged these responses: the simulated teacher of "
        "metaalign-data did. It serves to test a pipeline. Do not train a model for use on it."
    )


def _rows(counts: Rows, rows: pl.LazyFrame) -> str:
    lines = [[config, split, f"{n:,}"] for config, splits in counts.items() for split, n in splits.items()]
    by_subset = rows.group_by("subset").agg(
        rows=pl.len(),
        preferences=pl.col("preference_id").n_unique(),
        implicit=(pl.col("preference_kind") == "implicit").sum(),
        flips=pl.col("flip_id").is_not_null().sum(),
    )
    subsets = [[str(cell) for cell in row] for row in by_subset.sort("subset").collect().iter_rows()]
    return "\n\n".join(
        (
            _table(["config", "split", "rows"], lines),
            _table(["subset", "rows", "distinct preferences", "implicit", "rows in flips"], subsets),
        )
    )


def _figures(rows: pl.LazyFrame, facts: DatasetFacts) -> str:
    told = dataset_figures(rows)
    harmful = round(told["harmful_share"] * told["rows"])
    votes = facts.judging.get("all", {})
    lines = [
        ["distinct preferences", f"{told['preferences']:,}"],
        ["the most frequent one", f"{told['largest_preference_share']:.2%} of the rows"],
        ["users with a profile or background", f"{told['users']:,}"],
        ["rows in flips", f"{told['flip_share']:.1%}"],
        ["rows with a twin", f"{told['twin_share']:.1%}"],
        ["rows with a harmful query", f"{harmful:,}"],
        *[
            [name.replace("_", " "), ", ".join(f"{value} {n:,}" for value, n in told[name].items())]
            for name in ("preference_form", "placement", "rejected_because")
        ],
        ["agreement of the judge's votes", _percent(facts.judging.get("agreement"))],
        ["the judge's position bias", _percent(votes.get("position_bias"))],
        ["the judge's length bias", _percent(votes.get("length_bias"))],
    ]
    return _table(["figure", "value"], lines)


def _percent(share: float | None) -> str:
    return "not known" if share is None else f"{share:.1%}"


def _columns() -> str:
    told = {"id": "hash of the row's content", **column_descriptions(PreferencePair)}
    return _table(["column", "what it holds"], [[f"`{name}`", told[name]] for name in COLUMNS])


def _example(rows: pl.LazyFrame) -> str:
    """A pair and, where there is one, its flip."""
    told = rows.select(*MESSAGES, "flip_id")
    flips = told.filter(pl.col("flip_id").is_not_null()).head(1).collect()
    shown = (told.filter(pl.col("flip_id") == flips["flip_id"][0]) if flips.height else told.head(1)).collect()
    return "\n\n".join(
        _fenced(
            "\n\n".join(f"[{name}]\n{_excerpt(text)}" for name, text in _parts(row)),
        )
        for row in shown.iter_rows(named=True)
    )


def _parts(row: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [
        *((message["role"], message["content"]) for message in row["prompt"]),
        ("chosen", row["chosen"][0]["content"]),
        ("rejected", row["rejected"][0]["content"]),
    ]


def _excerpt(text: str) -> str:
    return text if len(text) <= EXCERPT_CHARS else text[:EXCERPT_CHARS] + " …"


def _making(rows: pl.LazyFrame, facts: DatasetFacts) -> str:
    cost = "unknown (no price was given)" if facts.cost_usd is None else f"{facts.cost_usd:.4f} USD"
    software = ", ".join(f"{name} {version}" for name, version in facts.versions.items())
    prompts = rows.select(pl.col("prompt_versions").explode().drop_nulls().unique()).collect().to_series()
    return (
        f"Responses by {_inline(facts.teacher_model)}, verdicts by {_inline(facts.judge_model)}, seed {facts.seed}, "
        f"{facts.tokens:,} tokens, cost {cost}. Software: {software}. Prompts, by name and hash: "
        f"{_inline(', '.join(sorted(prompts)))}. The recipe:\n\n{_fenced(facts.recipe_yaml, 'yaml')}"
    )


def _left_out(facts: DatasetFacts) -> str:
    lines = [
        [stage, *(f"{counts[key]:,}" for key in ("in", "out", "rejected", "failed")), _reasons(counts["reasons"])]
        for stage, counts in facts.counts.items()
    ]
    return _table(["stage", "in", "out", "rejected", "failed", "reasons"], lines)


def _reasons(reasons: Mapping[str, int]) -> str:
    return ", ".join(f"{reason} {n}" for reason, n in sorted(reasons.items(), key=lambda item: (-item[1], item[0])))


def _table(header: list[str], rows: list[list[str]]) -> str:
    lines = [header, ["---"] * len(header), *([_cell(cell) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _inline(text: str) -> str:
    """Text of somebody else within a line, with no meaning as Markdown or HTML."""
    return re.sub(r"([\\`*_{}\[\]<>#|!])", r"\\\1", " ".join(text.split()))


def _fenced(text: str, language: str = "text") -> str:
    """A code block that the text cannot end."""
    fence = "`" * (1 + max((len(run) for run in _FENCE.findall(text)), default=2))
    return f"{fence}{language}\n{text.rstrip()}\n{fence}"
