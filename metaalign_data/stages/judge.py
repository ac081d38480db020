"""Blind pairwise verdicts, in both orders, under the meta-prompt of each side."""

from collections import Counter
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from itertools import product
from random import Random
from typing import NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from metaalign_data.answers import PairwiseVerdict, RubricVerdict, Winner, rubric_verdict
from metaalign_data.chat import ChatRequest
from metaalign_data.records import Comparison, Judgement, ResponseSet, Vote
from metaalign_data.rubrics import Rubric
from metaalign_data.stage import Context, Reject
from metaalign_data.stages.asking import all_ended, transcript, unless_useless
from metaalign_data.stages.matchups import Matchup, matchups
from metaalign_data.teacher.base import Teacher

MIRRORED: dict[Winner, Winner] = {"a": "b", "b": "a", "tie": "tie"}


class Ballot(NamedTuple):
    """Whom to ask for a verdict, and in which order to show the responses. `sample` tells repeats apart."""

    judge: int
    swapped: bool
    sample: int


class Judge:
    """Has the judges compare responses under the meta-prompt of each side, blind and in both orders.

    A response that was written for a side is compared with those that do what the other side wants, and with its rivals
    (generic, heedless, by a weaker model); responses that were brought in for no side, each with each. A judge sees a
    meta-prompt, the question and two responses; not what they were written for. What was shown first is drawn anew for
    each comparison, and swapped for half of each judge's votes. A verdict whose winner has not the higher score is a
    tie.

    Ties stay in the record: without them, what it tells of a judge's bias would be too good. Votes of no use are left
    out, and so is a comparison with fewer than half of its votes or, with `swap_positions`, with votes in one order
    only: that is a Reject beside the Judgement. Rejects with the most frequent of "refused", "malformed", "length",
    "empty" and "bad_request" when no comparison is left, and with "nothing_to_compare" when no two responses differ.
    """

    class Config(BaseModel):
        model_config = ConfigDict(frozen=True, extra="forbid")
        votes: int = Field(default=4, ge=1, description="verdicts of each judge on each comparison, linear cost")
        swap_positions: bool = Field(default=True, description="show half of them the responses in the other order")
        independent: bool = Field(
            default=True, description="leave out judges whose model wrote one of the two, where others are left"
        )
        min_agreement: float = Field(
            default=0.75, gt=0.5, le=1.0, description="share of votes that decides; else a tie"
        )
        rubric: str | None = Field(
            default=None, description="prompts/rubrics/NAME.yaml: a score for each criterion; null: one overall score"
        )

        @model_validator(mode="after")
        def _half_can_be_swapped(self) -> Self:
            if self.swap_positions and self.votes % 2:
                raise ValueError(f"votes must be even, is {self.votes}: half of them see the other order")
            return self

    def __init__(self, config: Config) -> None:
        self.config = config

    async def process(self, row: ResponseSet, ctx: Context) -> Sequence[Judgement | Reject]:
        planned = matchups(row)
        if not planned:
            return [Reject("nothing_to_compare", f"{len(row.responses)} responses, no two that differ face each other")]
        rng = ctx.rng(row)
        outcomes = await all_ended(self.compare(row, each, Random(rng.random()), ctx) for each in planned)
        left_out = [outcome for outcome in outcomes if isinstance(outcome, Reject)]
        comparisons = [outcome for outcome in outcomes if isinstance(outcome, Comparison)]
        if not comparisons:
            return [_most_frequent(left_out)]
        version = self._request(row, planned[0], swapped=False, ctx=ctx).prompt
        return [Judgement(responses=row, comparisons=tuple(comparisons), prompt_versions=(version,)), *left_out]

    async def compare(self, row: ResponseSet, pair: Matchup, rng: Random, ctx: Context) -> Comparison | Reject:
        """All votes on one pair, and what they decide; a Reject where too few of them are of use."""
        writers = {row.responses[pair.a].model, row.responses[pair.b].model} if self.config.independent else set()
        ballots = self._ballots(others(ctx.judges, writers), b_first=rng.random() < 0.5)
        shown = {swapped: self._request(row, pair, swapped, ctx) for swapped in {b.swapped for b in ballots}}
        outcomes = await all_ended(unless_useless(self._vote(shown[b.swapped], b, ctx)) for b in ballots)
        votes = [outcome for outcome in outcomes if isinstance(outcome, Vote)]
        useless = [outcome for outcome in outcomes if isinstance(outcome, Reject)]
        if not self._enough(votes, len(ballots)):
            worst = _most_frequent(useless)
            what = (
                f"{len(useless)} of {len(ballots)} votes on {pair.a} and {pair.b} under side {pair.side} are of no use"
            )
            return Reject(worst.reason, f"{what}: {worst.detail}")
        winner = decided(votes, self.config.min_agreement)
        return Comparison(side=pair.side, a=pair.a, b=pair.b, votes=tuple(votes), winner=winner)

    def _ballots(self, judges: Sequence[int], *, b_first: bool) -> list[Ballot]:
        swapping = self.config.swap_positions
        return [
            Ballot(judge, swapped=b_first ^ (swapping and bool(k % 2)), sample=k // 2 if swapping else k)
            for judge, k in product(judges, range(self.config.votes))
        ]

    def _enough(self, votes: Sequence[Vote], asked: int) -> bool:
        one_order = len({vote.swapped for vote in votes}) < 2
        return 2 * len(votes) >= asked and not (self.config.swap_positions and one_order)

    async def _vote(self, shown: ChatRequest, ballot: Ballot, ctx: Context) -> Vote:
        completion = await ctx.judges[ballot.judge].complete(shown.again(ballot.sample))
        winner, score_a, score_b, reason = _read(completion.text, self._rubric(ctx))
        if ballot.swapped:
            winner, score_a, score_b = MIRRORED[winner], score_b, score_a
        return Vote(
            winner=winner,
            score_a=score_a,
            score_b=score_b,
            swapped=ballot.swapped,
            reason=reason,
            model=completion.model,
            judge=ballot.judge,
        )

    def _request(self, row: ResponseSet, pair: Matchup, swapped: bool, ctx: Context) -> ChatRequest:
        """All that the judge sees, `b` of the pair first where they are swapped."""
        side, rubric = row.scenario.all_sides[pair.side], self._rubric(ctx)
        first, second = (pair.b, pair.a) if swapped else (pair.a, pair.b)
        request = ctx.render(
            "judge_pairwise",
            system_info=side.system_info,
            user_info=side.user_info,
            history=transcript(side.history),
            query=row.scenario.question,
            response_a=row.responses[first].text,
            response_b=row.responses[second].text,
            criteria=rubric.text if rubric else "",
        )
        return request.model_copy(update={"output": rubric_verdict(rubric.names)}) if rubric else request

    def _rubric(self, ctx: Context) -> Rubric | None:
        return ctx.rubric(self.config.rubric) if self.config.rubric else None


def others(judges: Sequence[Teacher], writers: AbstractSet[str]) -> list[int]:
    """Places of the judges that are none of these models, as far as they tell; of all where none is left."""
    found = [place for place, judge in enumerate(judges) if writers.isdisjoint(getattr(judge, "models", ()))]
    return found or list(range(len(judges)))


def believed(winner: Winner, score_a: float, score_b: float) -> Winner:
    """The winner, where the scores say the same; else a tie."""
    if score_a == score_b:
        return "tie"
    higher: Winner = "a" if score_a > score_b else "b"
    return higher if winner == higher else "tie"


def decided(votes: Sequence[Vote], min_agreement: float) -> Winner:
    """The response that at least this share of the votes names, "tie" where there is none."""
    for side in ("a", "b"):
        if sum(vote.winner == side for vote in votes) / len(votes) >= min_agreement:
            return side
    return "tie"


def _read(text: str, rubric: Rubric | None) -> tuple[Winner, float, float, str]:
    """Winner, scores and reason of a verdict, for the responses in the order in which they were shown."""
    if rubric is None:
        plain = PairwiseVerdict.model_validate_json(text)
        scores, winner, reason = (float(plain.score_a), float(plain.score_b)), plain.winner, plain.reason
    else:
        verdict: RubricVerdict = rubric_verdict(rubric.names).model_validate_json(text)
        scores = (
            rubric.mean({each.name: each.score_a for each in verdict.criteria}),
            rubric.mean({each.name: each.score_b for each in verdict.criteria}),
        )
        winner, reason = verdict.winner, "; ".join(f"{each.name}: {each.reason}" for each in verdict.criteria)
    return believed(winner, *scores), *scores, reason


def _most_frequent(rejects: Sequence[Reject]) -> Reject:
    """The first one with the most frequent reason."""
    reason = Counter(reject.reason for reject in rejects).most_common(1)[0][0]
    return next(reject for reject in rejects if reject.reason == reason)
