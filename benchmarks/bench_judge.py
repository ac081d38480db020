"""How right are the pairs that a faulty judge lets through, and how many does it let through?

    python benchmarks/bench_judge.py [--small]

The simulated judge errs by chance in 10 % of its verdicts, names whatever is shown first in 20 % and whatever is longer
in 10 %. Each candidate is two responses under a preference that one of them follows further: the truth is known. Beside
each other, on the same verdicts: the naive judge (one verdict, one order) and every mix of votes, min_agreement and
min_margin. `judge` counts what the judge names; `pairs` what the stage `pair` keeps, which turns away a winner that was
not written for the side, while one response in ten was written for the contrary.

Writes results/bench_judge.json and .png (--small: bench_judge_small). The bar: 98 % of the kept are right, 70 % of the
candidates are kept.
"""

import argparse
import asyncio
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random
from typing import Any

from machine import machine

from metaalign_data.prompting import Library
from metaalign_data.queries import read_queries
from metaalign_data.queries.settings import QuerySettings
from metaalign_data.records import (
    Comparison,
    Judgement,
    Preference,
    Query,
    Response,
    ResponseSet,
    Scenario,
    Side,
    Vote,
)
from metaalign_data.report.judging import figures, votes_of
from metaalign_data.stages.judge import Judge, decided
from metaalign_data.stages.pair import Pair
from metaalign_data.taxonomy import Taxonomy, Value
from metaalign_data.teacher.simulated import Faults, SimulatedTeacher
from metaalign_data.teacher.simulated.truth import follows
from metaalign_data.testing import context

RESULTS = Path(__file__).parent / "results"
FAULTS = Faults(judge_error=0.10, position_bias=0.20, length_bias=0.10)
WRONG_ANSWERS = 0.10
VOTES = (1, 2, 4, 6, 8)
AGREEMENTS = (0.51, 0.6, 0.66, 0.75, 0.83, 1.0)
MARGINS = (0.0, 1.0, 2.0, 2.5, 3.0, 4.0)
ACCURACY, YIELD = 0.98, 0.70
SYSTEM_INFO = "You are an AI assistant."


@dataclass(frozen=True)
class Candidate:
    """A comparison with its verdicts in the order in which they were asked, and the response that is right, or tie."""

    comparison: Comparison
    truth: str
    chars: tuple[int, int]
    row: str


@dataclass(frozen=True)
class Point:
    """What one mix of settings gives. Shares are 0 to 1; `accuracy` is None where nothing was kept."""

    votes: int
    min_agreement: float
    min_margin: float
    judge_yield: float
    judge_accuracy: float | None
    pairs_yield: float
    pairs_accuracy: float | None

    @property
    def passes(self) -> bool:
        """The stricter of the two: what the judge says, without the help of who was meant to win."""
        return self.judge_accuracy is not None and self.judge_accuracy >= ACCURACY and self.judge_yield >= YIELD


async def write_rows(n: int) -> list[ResponseSet]:
    """Rows of two contrasting values each, stated by the teacher, with a response written for either."""
    rng, library = Random(0), Library()
    taxonomy = library.taxonomy("default")
    queries = [q for q in read_queries(QuerySettings(source="bundled"), Path()) if isinstance(q, Query)]
    return [await write_row(rng.choice(queries), taxonomy, library, rng, i) for i in range(n)]


async def write_row(query: Query, taxonomy: Taxonomy, library: Library, rng: Random, i: int) -> ResponseSet:
    dimension = rng.choice(taxonomy.suitable(taxonomy.kind_of(query.text)))
    values = rng.sample(dimension.values, 2)
    teacher = context(
        teacher=SimulatedTeacher(SimulatedTeacher.Config(faults=Faults(wrong_answer=WRONG_ANSWERS)))
    ).teacher

    async def side(value: Value) -> Side:
        asked = {"speaker": "user", "dimension": dimension.name, "value": value.name, "meaning": value.meaning}
        request = library.prompt("write_explicit_preference").render(**asked, style=rng.choice(taxonomy.styles))
        text = json.loads((await teacher.complete(request.again(i))).text)["text"]
        preference = Preference(
            text=text, kind="explicit", form="statement", dimension=dimension.name, value=value.name
        )
        return Side(
            system_info=SYSTEM_INFO,
            user_info=text,
            preference=preference,
            placement="user_info",
            target=value.meaning,
            rejected_because="contrasting_preference",
        )

    async def response(n: int, of: Side) -> Response:
        request = library.prompt("generate_response").render(
            system_info=SYSTEM_INFO, user_info=of.user_info, history="", query=query.text, target=of.target
        )
        return Response(side=n, text=(await teacher.complete(request.again(i))).text, model="simulated")

    sides = (await side(values[0]), await side(values[1]))
    scenario = Scenario(subset="helpful", query=query, question=query.text, sides=sides)
    return ResponseSet(scenario=scenario, responses=tuple([await response(n, of) for n, of in enumerate(sides)]))


async def judge_rows(rows: Sequence[ResponseSet]) -> list[Candidate]:
    """Every comparison, with as many verdicts as any setting takes."""
    judge = Judge(Judge.Config(votes=max(VOTES), min_agreement=0.51))
    ctx = context(judge=SimulatedTeacher(SimulatedTeacher.Config(faults=FAULTS)), stage="judge")
    found: list[Candidate] = []
    for row in rows:
        for made in await judge.process(row, ctx):
            if isinstance(made, Judgement):
                found.extend(candidates(made))
    return found


def candidates(row: Judgement) -> Iterator[Candidate]:
    for comparison in row.comparisons:
        side = row.responses.scenario.sides[comparison.side]
        texts = [row.responses.responses[i].text for i in (comparison.a, comparison.b)]
        a, b = (follows(text, side.system_info, side.user_info, row.responses.scenario.question) for text in texts)
        truth = "tie" if a == b else "a" if a > b else "b"
        yield Candidate(comparison, truth, (len(texts[0]), len(texts[1])), row.responses.id)


def point(found: Sequence[Candidate], votes: int, min_agreement: float, min_margin: float) -> Point:
    """What these settings make of the first `votes` verdicts of each candidate."""
    named = [(winner(each.comparison.votes[:votes], min_agreement, min_margin), each.truth) for each in found]
    kept = [(said, truth) for said, truth in named if said != "tie"]
    pairs = [(said, truth) for said, truth in kept if said == "a"]  # a was written for the side

    def accuracy(of: Sequence[tuple[str, str]]) -> float | None:
        return sum(said == truth for said, truth in of) / len(of) if of else None

    n = len(found)
    return Point(votes, min_agreement, min_margin, len(kept) / n, accuracy(kept), len(pairs) / n, accuracy(pairs))


def winner(votes: Sequence[Vote], min_agreement: float, min_margin: float) -> str:
    """As the stages `judge` and `pair` see it."""
    said = decided(votes, min_agreement)
    lead = sum(vote.score_a - vote.score_b for vote in votes) / len(votes)
    return said if said != "tie" and (lead if said == "a" else -lead) >= min_margin else "tie"


def grid(found: Sequence[Candidate]) -> list[Point]:
    """Every mix of settings that differs from the others in what it can decide."""
    points = []
    for votes in VOTES:
        levels = {min(k for k in range(1, votes + 1) if k / votes >= a): a for a in AGREEMENTS}
        points += [point(found, votes, a, margin) for a in sorted(levels.values()) for margin in MARGINS]
    return points


def cheapest(points: Sequence[Point]) -> Point | None:
    """Of those that pass, the fewest votes; of equals the one that keeps most."""
    return min((p for p in points if p.passes), key=lambda p: (p.votes, -p.judge_yield), default=None)


def shown(found: Sequence[Candidate], points: Sequence[Point]) -> list[tuple[str, Point]]:
    """The rows of the table: naive, the defaults, and the best of each number of votes."""
    defaults, margin = Judge.Config(), Pair.Config().min_margin
    rows = [("naive: one verdict, one order", point(found, 1, 1.0, 0.0))]
    rows.append(("the defaults of the stages", point(found, defaults.votes, defaults.min_agreement, margin)))
    for votes in VOTES[1:]:
        own = [p for p in points if p.votes == votes and p.judge_yield >= YIELD and p.judge_accuracy]
        if own:
            rows.append((f"best of {votes} votes", max(own, key=lambda p: p.judge_accuracy or 0)))
    if best := cheapest(points):
        rows.append(("cheapest that passes", best))
    return rows


def print_table(rows: Sequence[tuple[str, Point]]) -> None:
    from rich.console import Console
    from rich.table import Table

    columns = ("", "votes", "agreement", "margin", "judge: kept", "right", "pairs: kept", "right", "errors, of naive's")
    table = Table(*columns, title=f"Bar: {ACCURACY:.0%} right, {YIELD:.0%} kept, by what the judge names")
    naive = 1 - (rows[0][1].judge_accuracy or 0)
    for name, p in rows:
        errors = (1 - p.judge_accuracy) / naive if p.judge_accuracy is not None else None
        numbers = (p.judge_yield, p.judge_accuracy, p.pairs_yield, p.pairs_accuracy, errors)
        mark = "[green]" if p.passes else ""
        table.add_row(
            mark + name,
            str(p.votes),
            f"{p.min_agreement:g}",
            f"{p.min_margin:g}",
            *("-" if x is None else f"{x:.1%}" for x in numbers),
        )
    Console(width=150).print(table)


def plot(points: Sequence[Point], naive: Point, defaults: Point, path: Path) -> None:
    """Accuracy over yield of what the judge names: one line of best trade-offs for each number of votes."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(8, 5.5), layout="constrained")
    axes.axhspan(ACCURACY, 1.002, xmin=0, color="tab:green", alpha=0.07)
    axes.axvline(YIELD, color="tab:green", linestyle=":", linewidth=1)
    axes.axhline(ACCURACY, color="tab:green", linestyle=":", linewidth=1)
    for votes in VOTES[1:]:
        own = [(p.judge_yield, p.judge_accuracy) for p in points if p.votes == votes and p.judge_accuracy is not None]
        best = front(own)
        (line,) = axes.plot(
            [x for x, _ in best], [y for _, y in best], marker="o", markersize=4, label=f"{votes} votes"
        )
        axes.scatter([x for x, _ in own], [y for _, y in own], s=8, alpha=0.35, color=line.get_color())
    axes.scatter(
        [naive.judge_yield], [naive.judge_accuracy or 0], marker="*", s=160, color="black", label="naive: one verdict"
    )
    ring: dict[str, Any] = {"s": 140, "facecolor": "none", "edgecolor": "black", "label": "the defaults"}
    axes.scatter([defaults.judge_yield], [defaults.judge_accuracy or 0], **ring)
    faults = (
        f"{FAULTS.judge_error:.0%} errors, {FAULTS.position_bias:.0%} position, {FAULTS.length_bias:.0%} length bias"
    )
    axes.set(
        xlabel="share of the candidates that are kept",
        ylabel="share of the kept that are right",
        title=f"A simulated judge with {faults}:\nmore votes, min_agreement and min_margin",
        xlim=(0, 1.02),
        ylim=(min(0.75, naive.judge_accuracy or 1) - 0.01, 1.002),
    )
    axes.legend(loc="lower left")
    figure.savefig(path, dpi=140)


def front(own: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Of (yield, accuracy), those that no other one beats in both, by yield."""
    return sorted({p for p in own if not any(q != p and q[0] >= p[0] and q[1] >= p[1] for q in own)})


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--small", action="store_true", help="a tenth of the rows, for a quick look")
    parser.add_argument("--rows", type=int, default=3000)
    args = parser.parse_args()
    rows = asyncio.run(write_rows(args.rows // 10 if args.small else args.rows))
    judged = asyncio.run(judge_rows(rows))
    found = [each for each in judged if each.truth != "tie"]
    equal = [each for each in judged if each.truth == "tie"]
    points = grid(found)
    table = shown(found, points)
    judging = figures(votes_of((each.row, each.comparison, each.chars) for each in judged))
    print(", ".join(f"{name} {value}" for name, value in machine("polars", "pydantic").items()))
    print(f"{len(rows)} rows; {len(found)} comparisons, {judging['votes']} verdicts")
    print_table(table)
    bias = {name: judging["all"][name] for name in ("swap_consistency", "position_bias", "length_bias", "kappa_orders")}
    print("measured on the votes:", ", ".join(f"{name} {value:.3f}" for name, value in bias.items()))
    named = {
        name: point(equal, p.votes, p.min_agreement, p.min_margin).judge_yield
        for name, p in (("naive", table[0][1]), ("defaults", table[1][1]))
    }
    told = ", ".join(f"{name} {share:.1%}" for name, share in named.items())
    print(f"of {len(equal)} more, whose responses follow equally far (one was written for the contrary), kept: {told}")
    RESULTS.mkdir(exist_ok=True)
    written = {
        "machine": machine("polars", "pydantic"),
        "faults": FAULTS.model_dump(include={"judge_error", "position_bias", "length_bias"}),
        "wrong_answers": WRONG_ANSWERS,
        "rows": len(rows),
        "candidates": len(found),
        "equal": {"comparisons": len(equal), "kept": named},
        "table": [{"name": name, **asdict(p)} for name, p in table],
        "points": [asdict(p) for p in points],
        "judging": judging,
    }
    name = "bench_judge_small" if args.small else "bench_judge"
    (RESULTS / f"{name}.json").write_text(json.dumps(written, indent=2) + "\n")
    plot(points, table[0][1], table[1][1], RESULTS / f"{name}.png")
    best = cheapest(points)
    print(f"the defaults {'pass' if table[1][1].passes else 'MISS THE BAR'}; cheapest that passes: {best}")
    return 0 if table[1][1].passes else 1


if __name__ == "__main__":
    sys.exit(main())
