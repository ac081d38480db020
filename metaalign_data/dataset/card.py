"""README.md of a dataset: what it is, how it was made, what is in it. Text from outside never becomes markup."""

from collections.abc import Mapping

import polars as pl

from metaalign_data.dataset.columns import SPLITS_TOLD, SUBSETS_TOLD, columns_told
from metaalign_data.dataset.configs import CONFIGS
from metaalign_data.dataset.example import example
from metaalign_data.dataset.facts import DatasetFacts
from metaalign_data.dataset.figures import dataset_figures
from metaalign_data.dataset.front_matter import Sizes, front_matter, title
from metaalign_data.dataset.markdown import fenced, folded, inline, table
from metaalign_data.dataset.plots import BEGIN, END
from metaalign_data.records import SPLITS, SUBSETS

PAPER_ID = "2410.14184"
AUTHORS = (
    "Zhang, Mozhi and Wang, Pengyu and Tan, Chenkun and Huang, Mianqiu and Zhang, Dong and Zhou, Yaqian and Qiu, Xipeng"
)
PAPER = "MetaAlign: Align Large Language Models with Diverse Preferences during Inference Time"


def card(sizes: Sizes, rows: pl.LazyFrame, facts: DatasetFacts) -> str:
    """Markdown with the YAML front matter by which `datasets.load_dataset` finds configs and splits.

    Of `rows`, the pairs with their split, only what is shown is read.
    """
    sections = [
        f"---\n{front_matter(sizes, facts)}---",
        f"# {inline(title(facts))}",
        _notice(facts),
        "Rows for preference alignment at inference time: each prompt states or implies a preference in its system "
        "message, and the chosen response follows it where the rejected one does not. Rows that share a `flip_id` hold "
        "the same two responses in opposite order, under opposite preferences: a model gets "
        "both right only by reading what comes before the query.",
        '```python\nfrom datasets import load_dataset\n\npairs = load_dataset("path/of/this/folder", "pairs")\n```',
        "It trains as it is: `pairs` in TRL's `DPOTrainer` and whatever else reads prompt, chosen and rejected as "
        "messages, `sft` in its `SFTTrainer`.",
        f"## An example\n\n{example(rows)}",
        f"## Rows\n\n{_rows(sizes, rows)}",
        f"## In figures\n\n{_figures(rows, facts)}",
        f"{BEGIN}\n{END}",
        f"## How it was made\n\n{_making(rows, facts)}",
        f"## What became of the rows\n\n{_passage(facts)}",
        f"## Columns\n\n{columns_told()}",
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


def _rows(sizes: Sizes, rows: pl.LazyFrame) -> str:
    """By split and config, and by subset."""
    by_split = [
        [f"`{split}`", SPLITS_TOLD[split], *(f"{sizes[config][split].rows:,}" for config in CONFIGS)]
        for split in SPLITS
        if split in sizes["pairs"]
    ]
    by_subset = rows.group_by("subset").agg(
        rows=pl.len(),
        preferences=pl.col("preference_id").n_unique(),
        explicit=(pl.col("preference_kind") == "explicit").sum(),
        implicit=(pl.col("preference_kind") == "implicit").sum(),
        flips=pl.col("flip_id").is_not_null().sum(),
    )
    found = {name: numbers for name, *numbers in by_subset.collect().iter_rows()}
    subsets = [
        [f"`{subset}`", SUBSETS_TOLD[subset], *(f"{n:,}" for n in found[subset])]
        for subset in SUBSETS
        if subset in found
    ]
    return "\n\n".join(
        (
            table(["split", "what it is", *(f"`{config}`" for config in CONFIGS)], by_split),
            "The rows of `pairs`, by what they teach. A preference is explicit where it is stated, implicit where it "
            "is to be inferred.",
            table(["subset", "what it teaches", "rows", "preferences", "explicit", "implicit", "in flips"], subsets),
        )
    )


def _figures(rows: pl.LazyFrame, facts: DatasetFacts) -> str:
    told = dataset_figures(rows)
    harmful = round(told["harmful_share"] * told["rows"])
    votes = facts.judging.get("all", {})
    lines = [
        ["distinct preferences", f"{told['preferences']:,}"],
        ["the most frequent preference", f"{told['largest_preference_share']:.2%} of the rows"],
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
    biases = (
        "Position bias is how much more often than half of the time a vote goes to the response that was shown first, "
        "length bias the same for the longer one; 0 is none."
    )
    return f"{table(['figure', 'value'], lines)}\n\n{biases}"


def _percent(share: float | None) -> str:
    return "not known" if share is None else f"{share:.1%}"


def _making(rows: pl.LazyFrame, facts: DatasetFacts) -> str:
    prompts = rows.select(pl.col("prompt_versions").explode().drop_nulls().unique().sort()).collect().to_series()
    lines = [
        ["teacher, for the responses", inline(facts.teacher_model)],
        ["judge, for the verdicts", inline(facts.judge_model)],
        ["seed", str(facts.seed)],
        ["tokens", f"{facts.tokens:,}"],
        ["software", ", ".join(inline(f"{name} {version}") for name, version in facts.versions.items())],
        ["prompts, as name@hash", ", ".join(inline(prompt) for prompt in prompts)],
    ]
    recipe = folded("The recipe, with every default", fenced(facts.recipe_yaml, "yaml"))
    return f"{table(['made with', 'value'], lines)}\n\n{recipe}"


def _passage(facts: DatasetFacts) -> str:
    """Each stage with what it does and what became of the rows that it took."""
    lines = [
        [
            inline(stage),
            inline(facts.stages.get(stage, "")),
            *(f"{counts[key]:,}" for key in ("in", "out", "rejected", "failed")),
            _reasons(counts["reasons"]),
        ]
        for stage, counts in facts.counts.items()
    ]
    return (
        f"{table(['stage', 'what it does', 'in', 'out', 'rejected', 'failed', 'reasons'], lines)}\n\n"
        "One row may give several. `rejected` counts the rows that gave none; the reasons count also what was left out "
        "of rows that gave others."
    )


def _reasons(reasons: Mapping[str, int]) -> str:
    """The most frequent first; those of failures are named so."""
    told = sorted(reasons.items(), key=lambda reason: (-reason[1], reason[0]))
    return ", ".join(f"{inline(reason.removeprefix('rejected: '))} {n:,}" for reason, n in told)


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
    rows = [[inline(source), inline(", ".join(names) or "not known")] for source, names in facts.sources.items()]
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
