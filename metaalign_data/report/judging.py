"""How far the judges of a run can be believed: agreement, bias and kappa, from the votes that it kept.

Every figure is None where nothing in the run tells it. Lengths are in characters. Ties are no decision: they are
dropped from whatever counts who won.
"""

from collections.abc import Iterable, Iterator, Mapping
from itertools import combinations
from pathlib import Path
from typing import Any

import polars as pl

from metaalign_data.engine.folder import RunFolder
from metaalign_data.records import Comparison

STAGE = "judge"
VOTES = pl.Schema(
    {
        "comparison": pl.String(),  # id of the comparison
        "pair": pl.String(),  # id of the two responses, whichever is a
        "wish": pl.Int8(),  # which of the two opposite wishes they were judged under
        "decided": pl.String(),  # what the comparison came to: a, b, tie
        "judge": pl.Int64(),
        "model": pl.String(),
        "swapped": pl.Boolean(),  # b was shown first
        "winner": pl.String(),
        "a_chars": pl.Int64(),
        "b_chars": pl.Int64(),
    }
)
"""A vote each."""

Figures = dict[str, Any]


def judging_figures(folder: Path) -> Figures:
    """The figures of the run in `folder`, as `figures` names them; those of no votes where it has judged nothing."""
    return figures(read_votes(folder))


def read_votes(folder: Path) -> pl.DataFrame:
    """All votes of the run in `folder`; of the texts, read a part of the table at a time, only the lengths."""
    parts = sorted((RunFolder(folder).tables / STAGE).glob("part-*.parquet"))
    return pl.concat([pl.DataFrame(schema=VOTES), *map(_votes_of_part, parts)])


def votes_of(comparisons: Iterable[tuple[str, Comparison, tuple[int, int]]]) -> pl.DataFrame:
    """A table of votes from comparisons, each with the id of its row and the lengths of its a and b."""

    def rows() -> Iterator[tuple[object, ...]]:
        for row, each, chars in comparisons:
            pair = f"{row} {min(each.a, each.b)} {max(each.a, each.b)}"
            for vote in each.votes:
                place = (f"{pair} {each.side}", pair, each.side % 2, each.winner)
                yield *place, vote.judge, vote.model, vote.swapped, vote.winner, *chars

    return pl.DataFrame(list(rows()), schema=VOTES, orient="row")


def figures(votes: pl.DataFrame) -> Figures:
    """Figures of a table with the columns of VOTES.

    comparisons, votes   how many
    decided              share of the comparisons that came to a winner
    agreement            mean share of the votes that name the winner, over the decided comparisons
    kappa_judges         for each two judges: how many comparisons both decided (by the majority of their own votes), on
                         what share of these they agree, and Cohen's kappa
    judges               for each judge, and under `all` for all votes together, what `biases` says
    """
    outcomes = votes.group_by("comparison").agg(
        decided=pl.col("decided").first(), agreement=(pl.col("winner") == pl.col("decided")).mean()
    )
    won = outcomes.filter(pl.col("decided") != "tie")
    by_judge = votes.partition_by("judge", "model", as_dict=True, maintain_order=True)
    return {
        "comparisons": outcomes.height,
        "votes": votes.height,
        "decided": won.height / outcomes.height if outcomes.height else None,
        "agreement": won["agreement"].mean(),
        "all": biases(votes),
        "judges": [{"judge": judge, "model": model, **biases(own)} for (judge, model), own in sorted(by_judge.items())],
        "kappa_judges": _kappa_judges(votes),
    }


def biases(votes: pl.DataFrame) -> Figures:
    """Figures of one judge, or of several together.

    votes             how many
    tied              share of them that name no winner
    swap_consistency  of all pairs of votes on one comparison in both orders, the share that say the same, ties too
                      (Zheng et al. 2023, "Judging LLM-as-a-judge", consistency)
    first_in_both     of the same pairs, the share that name what was shown first both times, and second_in_both (there:
                      biased toward first, toward second)
    position_bias     share of the votes with a winner that name what was shown first, less 1/2: -1/2 to 1/2
    length_bias       the same for the longer response, over pairs that were judged under both wishes: each of the two
                      ought to win once, so a share other than 1/2 is bias, whatever the wishes are
    kappa_orders      Cohen's kappa between the two orders (by the majority of the votes in each)
    """
    decided = votes.filter(pl.col("winner") != "tie")
    named_first = decided.select((pl.col("winner") == "a") != pl.col("swapped")).to_series()
    return {
        "votes": votes.height,
        "tied": 1 - decided.height / votes.height if votes.height else None,
        **_order_pairs(votes),
        "position_bias": _less_half(named_first.mean()),
        "length_bias": _length_bias(decided),
        "kappa_orders": _kappa_orders(votes),
    }


def _order_pairs(votes: pl.DataFrame) -> Figures:
    winner, swapped = pl.col("winner"), pl.col("swapped")
    counts = {
        f"{name}{int(order)}": ((winner == name) & (swapped == order)).sum().cast(pl.Int64)
        for name in ("a", "b", "tie")
        for order in (False, True)
    }
    n = {name: pl.col(name) for name in counts}
    sums = (
        votes.group_by("comparison", "judge")
        .agg(**counts)
        .select(
            pairs=((n["a0"] + n["b0"] + n["tie0"]) * (n["a1"] + n["b1"] + n["tie1"])).sum(),
            swap_consistency=(n["a0"] * n["a1"] + n["b0"] * n["b1"] + n["tie0"] * n["tie1"]).sum(),
            first_in_both=(n["a0"] * n["b1"]).sum(),
            second_in_both=(n["b0"] * n["a1"]).sum(),
        )
        .row(0, named=True)
    )
    pairs = sums.pop("pairs")
    return {name: count / pairs if pairs else None for name, count in sums.items()}


def _length_bias(decided: pl.DataFrame) -> float | None:
    longer = (pl.col("winner") == "a") == (pl.col("a_chars") > pl.col("b_chars"))
    by_pair = (
        decided.filter(pl.col("a_chars") != pl.col("b_chars"))
        .group_by("pair", "wish")
        .agg(longer=longer.mean())
        .group_by("pair")
        .agg(pl.len(), pl.col("longer").mean())
        .filter(pl.col("len") == 2)
    )
    return _less_half(by_pair["longer"].mean())


def _less_half(share: object) -> float | None:
    return share - 0.5 if isinstance(share, float) else None


def _majority(by: str) -> pl.Expr:
    """Name of the response that more of the votes name than the other; null where neither is."""
    lead = (pl.col("winner") == "a").sum().cast(pl.Int64) - (pl.col("winner") == "b").sum().cast(pl.Int64)
    return pl.when(lead > 0).then(pl.lit("a")).when(lead < 0).then(pl.lit("b")).alias(by)


def _kappa_orders(votes: pl.DataFrame) -> float | None:
    by_order = votes.group_by("comparison", "judge", "swapped").agg(_majority("named")).drop_nulls()
    straight, swapped = (by_order.filter(pl.col("swapped") == order) for order in (False, True))
    both = straight.join(swapped, on=["comparison", "judge"], suffix="_2")
    return _agreement(both)[1]


def _kappa_judges(votes: pl.DataFrame) -> list[Figures]:
    own = votes.group_by("comparison", "judge").agg(_majority("named")).drop_nulls()
    found = []
    for one, other in combinations(sorted(votes["judge"].unique()), 2):
        both = own.filter(pl.col("judge") == one).join(
            own.filter(pl.col("judge") == other), on="comparison", suffix="_2"
        )
        agreement, kappa = _agreement(both)
        found.append({"judges": [one, other], "comparisons": both.height, "agreement": agreement, "kappa": kappa})
    return found


def _agreement(both: pl.DataFrame) -> tuple[float | None, float | None]:
    """Share of the rows in which `named` and `named_2` are the same, and Cohen's kappa.

    Which response is called a says nothing of a judge, and the one that was written for the side mostly wins; so each
    row is counted once as it is and once with a and b exchanged. Agreement by chance is 1/2 then, whatever the shares.
    """
    counts: dict[tuple[str, str], int] = {}
    other = {"a": "b", "b": "a"}
    for one, two, n in both.group_by("named", "named_2").len().iter_rows():
        for cell in ((one, two), (other[one], other[two])):
            counts[cell] = counts.get(cell, 0) + n
    if not counts:
        return None, None
    agreed = sum(n for (one, two), n in counts.items() if one == two)
    return agreed / sum(counts.values()), cohens_kappa(counts)


def cohens_kappa(counts: Mapping[tuple[str, str], int]) -> float:
    """(p_o - p_e) / (1 - p_e) from the counts of what two judges said of the same things (Cohen 1960).

    1 is full agreement, 0 what chance gives; also 1 where both said nothing but one and the same thing.
    """
    total = sum(counts.values())
    names = {name for cell in counts for name in cell}
    observed = sum(counts.get((name, name), 0) for name in names) / total
    expected = sum(
        sum(n for (one, _), n in counts.items() if one == name)
        * sum(n for (_, two), n in counts.items() if two == name)
        for name in names
    ) / (total * total)
    return 1.0 if expected == 1 else (observed - expected) / (1 - expected)


def _votes_of_part(path: Path) -> pl.DataFrame:
    """The votes of one part of a table of Judgements."""
    row, side, a, b = (pl.col(name) for name in ("id", "side", "a", "b"))
    texts = pl.col("responses").struct.field("responses").list.eval(pl.element().struct.field("text").str.len_chars())
    pair = pl.format("{} {} {}", row, pl.min_horizontal(a, b), pl.max_horizontal(a, b))
    return (
        pl.scan_parquet(path)
        .select("id", "comparisons", chars=texts)
        .explode("comparisons")
        .unnest("comparisons")
        .with_columns(
            comparison=pl.format("{} {}", pair, side),
            pair=pair,
            wish=side % 2,
            a_chars=pl.col("chars").list.get(a),
            b_chars=pl.col("chars").list.get(b),
            decided=pl.col("winner"),
        )
        .drop("chars", "winner")
        .explode("votes")
        .unnest("votes")
        .select(pl.col(name).cast(dtype) for name, dtype in VOTES.items())
        .collect()
    )
