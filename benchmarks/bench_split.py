"""Does the split leak, and do rows stay where they are when the table grows?

    python benchmarks/bench_split.py [--small] [--real FILE.jsonl --text COLUMN]

Leaks: the share of held-out rows with a near-duplicate in train, by our split, by a random split of the rows, and by a
random split of whole source queries, at the same sizes. Near-duplicates are looked for here by plain matrix products;
`kin` counts what was planted as a copy or variation, whatever its cosine. With --real the queries are those of a file.

Growth: the rows of before that changed between train and test when 10 % more came. `draw` is our rule; `cut` takes
groups in the order of a hash until the share is full and passes over those that would lead past 1.5 times of it (our
rule before); `plain` passes over none; `earlier` is our rule that is told the split of before. `off` is the mean
distance of a subset's share from the one asked for.

Writes results/bench_split.json, but for --small. The bars: no leak; `draw` moves less than `cut`; `earlier` moves
nothing to test.
"""

import argparse
import json
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from itertools import product
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
from machine import machine

from metaalign_data.embed import HASHED_NGRAMS, embedder
from metaalign_data.records import SPLITS, SUBSETS
from metaalign_data.stages.holdout import Groups, Sides
from metaalign_data.stages.split import QUERY_BONDS, Split
from metaalign_data.testing import context

RESULTS = Path(__file__).parent / "results"
THRESHOLD, SHARE, GROWTH = 0.92, 0.05, 0.1
MANY, FEW = 0.3, 0.05
"""Share of texts that are a copy or a variation of an earlier one."""

Flags = npt.NDArray[np.bool_]


class Corpus:
    """Texts of a seeded vocabulary; some are planted variations of earlier ones, and of the same kin as these."""

    def __init__(self, seed: int, planted: float, given: Sequence[str] = ()) -> None:
        self.rng, self.planted = Random(seed), planted
        self.words = ["".join(self.rng.choices("aeioulnrstkmpdgbvh", k=self.rng.randint(2, 9))) for _ in range(4000)]
        self.given = list(given)
        self.texts: list[str] = []
        self.kin: list[int] = []

    def next(self) -> tuple[str, int]:
        """A text and its kin, a number."""
        if self.texts and self.rng.random() < self.planted:
            of = self.rng.randrange(len(self.texts))
            text, kin = self._varied(self.texts[of]), self.kin[of]
        else:
            text, kin = self._fresh(), len(self.texts)
        self.texts.append(text)
        self.kin.append(kin)
        return text, kin

    def _fresh(self) -> str:
        if self.given:
            return self.given.pop(0)
        return " ".join(self.rng.choices(self.words, k=self.rng.randint(8, 30))).capitalize() + "?"

    def _varied(self, text: str) -> str:
        kind = self.rng.choice(["exact", "surface", "word", "order"])
        words = text.split()
        if kind == "surface":
            return " ".join(words).upper().rstrip("?") + " ..."
        if kind == "word":
            words[self.rng.randrange(len(words))] = self.rng.choice(self.words)
        if kind == "order":
            words = words[len(words) // 2 :] + words[: len(words) // 2]
        return " ".join(words)


def table(queries: int, seed: int, planted: float = MANY, real: Sequence[str] = ()) -> pl.DataFrame:
    """Rows in pairs: two preferences on one query make a judgement, a query has one to three of these."""
    asked, wanted, rng = Corpus(seed, planted, real), Corpus(seed + 1, planted), Random(seed + 2)
    rows: list[dict[str, Any]] = []
    for query_id in range(queries):
        query, query_kin = asked.next()
        for _ in range(rng.randint(1, 3)):
            subset = rng.choices(SUBSETS, weights=(4, 3, 2, 1))[0]
            for _ in range(2):
                preference, kin = wanted.next()
                kins = {"query_kin": query_kin, "preference_kin": kin}
                ids = {"query_id": str(query_id), "judgement_id": str(len(rows) // 2)}
                rows.append({"query": query, "preference": preference, "subset": subset, **ids, **kins})
    return pl.DataFrame(rows)


def split(rows: pl.DataFrame, seed: int = 0) -> pl.Series:
    stage = Split(Split.Config(test=SHARE, unseen_preferences=SHARE, threshold=THRESHOLD))
    return stage.transform(rows.lazy(), context(seed=seed)).collect()["split"]


def random_rows(splits: pl.Series, rows: pl.DataFrame, rng: Random) -> pl.Series:
    """The same number of rows in each split, at random."""
    return pl.Series(rng.sample(splits.to_list(), len(splits)))


def random_queries(splits: pl.Series, rows: pl.DataFrame, rng: Random) -> pl.Series:
    """Whole source queries at random, one split after the other, until it has as many rows."""
    sizes = Counter(rows["query_id"].to_list())
    order = rng.sample(sorted(sizes), len(sizes))
    names: dict[str, str] = {}
    for name in SPLITS[1:]:
        wanted = splits.to_list().count(name)
        while wanted > 0:
            names[query := order.pop()] = name
            wanted -= sizes[query]
    return pl.Series([names.get(query, "train") for query in rows["query_id"]])


def leaks(rows: pl.DataFrame, splits: pl.Series, column: str) -> dict[str, float]:
    """Shares of the rows whose `column` should be unseen that have a near-duplicate, or kin, in train."""
    unseen = ("test", SPLITS[3]) if column == "query" else (SPLITS[2], SPLITS[3])
    out, train = rows.filter(splits.is_in(unseen)), rows.filter(splits == "train")
    kept = sorted(set(train[column]))
    vectors = embedder(HASHED_NGRAMS).embed(kept)
    texts = sorted(set(out[column]))
    near = {
        text
        for start in range(0, len(texts), 512)
        for text, row in zip(
            texts[start : start + 512],
            embedder(HASHED_NGRAMS).embed(texts[start : start + 512]) @ vectors.T,
            strict=True,
        )
        if row.max() >= THRESHOLD
    }
    kin = out[f"{column}_kin"].is_in(train[f"{column}_kin"].unique().implode())
    share = sum(text in near for text in out[column]) / max(1, out.height)
    return {"rows": out.height, "near": share, "kin": float(kin.mean() or 0)}


def draw(groups: Groups, subsets: Sequence[str]) -> Flags:
    return groups.held_out(SHARE, subsets)


def cut(groups: Groups, subsets: Sequence[str], most: float = 1.5) -> Flags:
    sizes = Counter(groups.of.tolist())
    taken: list[int] = []
    rows, wanted = 0, SHARE * len(subsets)
    for group in sorted(sizes, key=lambda group: groups.draws[group]):
        if rows >= wanted:
            break
        if rows + sizes[group] <= most * wanted:
            taken.append(group)
            rows += sizes[group]
    return np.isin(groups.of, taken)


def plain(groups: Groups, subsets: Sequence[str]) -> Flags:
    return cut(groups, subsets, most=float("inf"))


RULES: dict[str, Callable[[Groups, Sequence[str]], Flags]] = {"draw": draw, "cut": cut, "plain": plain}


def growth(queries: int, seed: int, planted: float) -> dict[str, dict[str, float]]:
    """For each rule the rows of before that moved, as shares of all of these, and how far off the shares are."""
    more = table(round(queries * (1 + GROWTH)), seed, planted)
    few = more.filter(pl.col("query_id").cast(pl.Int64) < queries)
    before, after = (grouped(rows, seed) for rows in (few, more))
    found = {}
    for name, rule in RULES.items():
        old = rule(before, few["subset"].to_list())
        new = rule(after, more["subset"].to_list())[: few.height]
        found[name] = moved(few, old, new)
        if name == "draw":
            told = Sides.of(few["query"], pl.Series(~old))
            again = after.held_out(SHARE, more["subset"].to_list(), told)[: few.height]
            found["earlier"] = moved(few, old, again)
    return found


def moved(rows: pl.DataFrame, old: Flags, new: Flags) -> dict[str, float]:
    shares = rows.with_columns(held=pl.Series(new)).group_by("subset").agg(pl.col("held").mean())["held"]
    off = float((shares - SHARE).abs().mean() or 0)
    return {"to_test": float((new & ~old).mean()), "to_train": float((old & ~new).mean()), "off": off}


def grouped(rows: pl.DataFrame, seed: int) -> Groups:
    bonds = [rows[bond] for bond in QUERY_BONDS if bond in rows.columns]
    return Groups(rows["query"].to_list(), bonds, embedder(HASHED_NGRAMS).embed, THRESHOLD, salt=f"{seed}")


def measure_leaks(queries: int, real: Sequence[str]) -> list[dict[str, Any]]:
    rows = table(queries, seed=0, real=real)
    ours = split(rows)
    rivals = {
        "random rows": random_rows(ours, rows, Random(0)),
        "random queries": random_queries(ours, rows, Random(0)),
    }
    found = []
    for name, splits in {"ours": ours, **rivals}.items():
        for column in ("query", "preference"):
            found.append({"split": name, "column": column, **leaks(rows, splits, column)})
            shown = found[-1]
            print(f"{name:15} {column:10} {shown['rows']:6} rows {shown['near']:8.2%} near {shown['kin']:8.2%} kin")
    return found


def measure_growth(sizes: Mapping[int, int]) -> list[dict[str, Any]]:
    """`sizes`: number of queries -> number of tables."""
    found = []
    for planted, (queries, tables) in product((FEW, MANY), sizes.items()):
        runs = [growth(queries, 10 * seed, planted) for seed in range(tables)]
        print(f"{queries} queries, {planted:.0%} planted, mean of {tables} tables")
        for name in runs[0]:
            mean = {key: float(np.mean([run[name][key] for run in runs])) for key in runs[0][name]}
            found.append({"queries": queries, "planted": planted, "rule": name, **mean})
            moves = f"{mean['to_test']:8.3%} to test {mean['to_train']:8.3%} to train"
            print(f"  {name:7} {moves} {mean['off']:7.2%} off")
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--small", action="store_true", help="seconds instead of minutes")
    parser.add_argument("--real", type=Path, help="a .jsonl file of queries")
    parser.add_argument("--text", default="text", help="its column")
    args = parser.parse_args()
    real: list[str] = []
    if args.real:
        real = [json.loads(line)[args.text] for line in args.real.read_text(encoding="utf-8").splitlines()]
    print(", ".join(f"{name} {value}" for name, value in machine("numpy", "polars").items()))
    queries = round(len(real) / (1 - MANY)) if real else 600 if args.small else 6000
    found = {"machine": machine("numpy", "polars"), "queries": queries, "leaks": measure_leaks(queries, real)}
    if not args.real:
        found["growth"] = measure_growth({100: 3} if args.small else {100: 20, 1000: 10, 4000: 4})
    if not args.small:
        RESULTS.mkdir(exist_ok=True)
        name = "bench_split_real.json" if args.real else "bench_split.json"
        (RESULTS / name).write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    leaked = [each for each in found["leaks"] if each["split"] == "ours" and each["near"] > 0]
    moved, to_test = Counter[str](), Counter[str]()
    for each in found.get("growth", []):
        to_test[each["rule"]] += each["to_test"]
        moved[each["rule"]] += each["to_test"] + each["to_train"]
    return int(bool(leaked) or moved["draw"] > moved["cut"] or to_test["earlier"] > 0)


if __name__ == "__main__":
    sys.exit(main())
