"""README.md of a dataset: what it is, how it was made, what is in it. Text from outside never becomes markup."""

from collections.abc import Mapping
from typing import Any

import polars as pl

from metaalign_data.dataset.columns import COLUMNS
from metaalign_data.dataset.facts import DatasetFacts
from metaalign_data.dataset.figures import dataset_figures
from metaalign_data.dataset.front_matter import DEFAULT_CONFIG, Tables, front_matter, title
from metaalign_data.dataset.markdown import fenced, inline, table
from metaalign_data.dataset.plots import BEGIN, END

EXCERPT_CHARS = 1_500
PAPER_ID = "2410.14184"
AUTHORS = (
    "Zhang, Mozhi and Wang, Pengyu and Tan, Chenkun and Huang, Mianqiu and Zhang, Dong and Zhou, Yaqian and Qiu, Xipeng"
)
PAPER = "MetaAlign: Align Large Language Models with Diverse Preferences during Inference Time"


def card(tables: Tables, facts: DatasetFacts) -> str:
    """Markdown with the YAML front matter by which `datasets.load_dataset` finds configs and splits."""
    splits = tables[DEFAULT_CONFIG]
    pairs = pl.concat(rows.with_columns(split=pl.lit(name)) for name, rows in splits.items())
    sections = [
        f"---\n{front_matter(tables, facts)}---",
        f"# {inline(title(facts))}",
        _notice(facts),
        "Rows for preference alignment at inference time: each prompt states or implies a preference in its system "
        "message, and the chosen response follows it where the rejected one does not. Rows that share a `flip_id` hold "
        "the same two responses in opposite order, under opposite preferences.",
        '```python\nfrom datasets import load_dataset\n\npairs = load_dataset("path/of/this/folder", "pairs")\n```',
        f"## Rows\n\n{_rows(tables, pairs)}",
        f"## In figures\n\n{_figures(pairs, facts)}",
        f"{BEGIN}\n{END}",
        f"## Columns\n\n{_columns(tables)}",
        f"## An example\n\n{_example(pairs)}",
        f"## How it was made\n\n{_making(pairs, facts)}",
        f"## What was left out\n\n{_left_out(facts)}",
        f"## What it is for, and its limits\n\n{_limits(facts)}",
        f"## Licence\n\n{_licence(facts)}",
        f"## Citation\n\n{_citation(facts)}",
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def _notice(facts: DatasetFacts) -> str:
    if not facts.simulated:
        return ""
    return (
        "> **SIMULATED DATA.** No language model wrote or judged these responses: the simulated teacher of "
        "metaalign-data did. It serves to test a pipeline. Do not train a model for use on it."
    )


def _rows(tables: Tables, pairs: pl.DataFrame) -> str:
    lines = [[config, split, f"{rows.height:,}"] for config, splits in tables.items() for split, rows in splits.items()]
    by_subset = pairs.group_by("subset").agg(
        rows=pl.len(),
        preferences=pl.col("preference_id").n_unique(),
        explicit=(pl.col("preference_kind") == "explicit").sum(),
        implicit=(pl.col("preference_kind") == "implicit").sum(),
        flips=pl.col("flip_id").is_not_null().sum(),
    )
    subsets = [[name, *(f"{n:,}" for n in counts)] for name, *counts in by_subset.sort("subset").iter_rows()]
    return "\n\n".join(
        (
            table(["config", "split", "rows"], lines),
            table(["subset", "rows", "distinct preferences", "explicit", "implicit", "rows in flips"], subsets),
        )
    )


def _figures(pairs: pl.DataFrame, facts: DatasetFacts) -> str:
    told = dataset_figures(pairs)
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
        ["cost", "unknown (no price was given)" if facts.cost_usd is None else f"{facts.cost_usd:.4f} USD"],
    ]
    return table(["figure", "value"], lines)


def _percent(share: float | None) -> str:
    return "not known" if share is None else f"{share:.1%}"


def _columns(tables: Tables) -> str:
    parts = []
    for config, splits in tables.items():
        names = next(iter(splits.values())).columns
        rows = [[f"`{name}`", COLUMNS[config][name]] for name in names]
        parts.append(f"### `{config}`\n\n{table(['column', 'what it holds'], rows)}")
    return "\n\n".join(parts)


def _example(pairs: pl.DataFrame) -> str:
    """A pair and, where there is one, its flip."""
    flips = pairs.filter(pl.col("flip_id").is_not_null())
    shown = flips.filter(pl.col("flip_id") == flips["flip_id"][0]) if flips.height else pairs.head(1)
    return "\n\n".join(
        fenced("\n\n".join(f"[{name}]\n{_excerpt(text)}" for name, text in _parts(row)))
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


def _making(pairs: pl.DataFrame, facts: DatasetFacts) -> str:
    software = ", ".join(f"{name} {version}" for name, version in facts.versions.items())
    prompts = pairs["prompt_versions"].explode().drop_nulls().unique().sort()
    return (
        f"Responses by {inline(facts.teacher_model)}, verdicts by {inline(facts.judge_model)}, seed {facts.seed}, "
        f"{facts.tokens:,} tokens. Software: {software}. Prompts, by name and hash: {inline(', '.join(prompts))}. "
        f"The recipe:\n\n{fenced(facts.recipe_yaml, 'yaml')}"
    )


def _left_out(facts: DatasetFacts) -> str:
    lines = [
        [stage, *(f"{counts[key]:,}" for key in ("in", "out", "rejected", "failed")), _reasons(counts["reasons"])]
        for stage, counts in facts.counts.items()
    ]
    return table(["stage", "in", "out", "rejected", "failed", "reasons"], lines)


def _reasons(reasons: Mapping[str, int]) -> str:
    return ", ".join(f"{reason} {n}" for reason, n in sorted(reasons.items(), key=lambda item: (-item[1], item[0])))


def _limits(facts: DatasetFacts) -> str:
    made_by = "a program" if facts.simulated else "language models"
    points = (
        "For: training a model to follow the preference that its system message states or implies (SFT on `sft`, DPO "
        "and its kin on `pairs`), and measuring whether one does: on the test splits, and on flips above all.",
        f"Preferences, people, responses and verdicts were made by {made_by}, not by people. Backgrounds are "
        "inventions; what they are taken to imply is a stereotype at times, and says nothing about real groups.",
        '"Chosen" means: follows the meta-prompt better. It is not a judgement of truth or of safety beyond what the '
        "meta-prompt asks; rows under a policy that permits more hold answers that another provider would refuse.",
        "Verdicts err. The figures above say how far the judge agrees with itself, not how often it is right.",
        'The splits keep apart near-duplicates as the embedder of the stage `split` sees them; "unseen" means no more.',
    )
    return "\n".join(f"- {point}" for point in points)


def _licence(facts: DatasetFacts) -> str:
    stated = inline(facts.license) if facts.license else "none is stated: ask whoever published it"
    rows = [[inline(source), inline(licence or "not stated")] for source, licence in facts.sources.items()]
    own = "" if facts.simulated else " The terms of the models that wrote the responses may bind their use as well."
    return f"This dataset: {stated}. Its queries came from:\n\n{table(['source', 'licence'], rows)}\n\n{own}".rstrip()


def _citation(facts: DatasetFacts) -> str:
    version = facts.versions.get("metaalign-data", "")
    entries = (
        f"@misc{{metaalign,\n  title = {{{PAPER}}},\n"
        f"  author = {{{AUTHORS}}},\n"
        f"  year = {{2024}},\n  eprint = {{{PAPER_ID}}},\n  archivePrefix = {{arXiv}}\n}}",
        f"@software{{metaalign_data,\n  title = {{metaalign-data}},\n  version = {{{version}}}\n}}",
    )
    return (
        f"The method: {PAPER}, [arXiv {PAPER_ID}](https://arxiv.org/abs/{PAPER_ID}). This dataset follows its idea; it "
        "is not the dataset of the paper.\n\n" + fenced("\n\n".join(entries), "bibtex")
    )
