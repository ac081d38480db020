"""Blind pairwise verdicts, in both orders, under the meta-prompt of each side."""

from collections.abc import Sequence
from itertools import product
from random import Random
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from metaalign_data.answers import PairwiseVerdict
from metaalign_data.records import Comparison, Judgement, ResponseSet, Vote
from metaalign_data.stage import Context, Reject
from metaalign_data.stages.asking import all_ended, unless_useless
from metaalign_data.stages.generate_responses import shown

Winner = Literal["a", "b", "tie"]
MIRRORED: dict[Winner, Winner] = {"a": "b", "b": "a", "tie": "tie"}


class Judge:
    """Has the judge compare each response of one side with each of the other, under both meta-prompts.

    The judge sees a meta-prompt, the question and two responses; not what they were written for. What was shown first
    is drawn anew for each comparison, and swapped for half of its votes. A verdict whose winner has not the higher
    score is a tie. Rejects with "tie" when no comparison is decided, and with "refused", "malformed", "length", "empty"
    or "bad_request" when a verdict is of no use.
    """

    class Config(BaseModel):
        model_config = ConfigDict(frozen=True, extra="forbid")
        votes: int = Field(default=2, ge=1, description="verdicts for each comparison, linear cost")
        swap_positions: bool = Field(default=True, description="show half of them the responses in the other order")
        min_agreement: float = Field(default=1.0, gt=0.5, le=1.0, description="share of votes that decides; else a tie")

        @model_validator(mode="after")
        def _half_can_be_swapped(self) -> Self:
            if self.swap_positions and self.votes % 2:
                raise ValueError(f"votes must be even, is {self.votes}: half of them see the other order")
            return self

    def __init__(self, config: Config) -> None:
        self.config = config

    async def process(self, row: ResponseSet, ctx: Context) -> Sequence[Judgement | Reject]:
        rng = ctx.rng(row)
        work = [self._comparison(row, side, a, b, Random(rng.random()), ctx) for side, a, b in matches(row)]
        comparisons = await unless_useless(all_ended(work))
        if isinstance(comparisons, Reject):
            return [comparisons]
        if all(comparison.winner == "tie" for comparison in comparisons):
            return [Reject("tie", f"{len(comparisons)} comparisons, none decided")]
        version = ctx.render("judge_pairwise", **_shown(row, 0, "", "")).prompt
        return [Judgement(responses=row, comparisons=tuple(comparisons), prompt_versions=(version,))]

    async def _comparison(self, row: ResponseSet, side: int, a: int, b: int, rng: Random, ctx: Context) -> Comparison:
        b_first = rng.random() < 0.5
        orders = [b_first ^ (self.config.swap_positions and bool(k % 2)) for k in range(self.config.votes)]
        samples = [k // 2 if self.config.swap_positions else k for k in range(self.config.votes)]
        votes = await all_ended(
            self._vote(row, side, (a, b), swapped, k, ctx) for swapped, k in zip(orders, samples, strict=True)
        )
        return Comparison(side=side, a=a, b=b, votes=tuple(votes), winner=decided(votes, self.config.min_agreement))

    async def _vote(
        self, row: ResponseSet, side: int, pair: tuple[int, int], swapped: bool, sample: int, ctx: Context
    ) -> Vote:
        first, second = (row.responses[i].text for i in (reversed(pair) if swapped else pair))
        completion = await ctx.judge.complete(
            ctx.render("judge_pairwise", **_shown(row, side, first, second)).again(sample)
        )
        verdict = PairwiseVerdict.model_validate_json(completion.text)
        winner, score_a, score_b = believed(verdict), float(verdict.score_a), float(verdict.score_b)
        if swapped:
            score_a, score_b = score_b, score_a
            winner = MIRRORED[winner]
        return Vote(
            winner=winner,
            score_a=score_a,
            score_b=score_b,
            swapped=swapped,
            reason=verdict.reason,
            model=completion.model,
        )


def matches(row: ResponseSet) -> list[tuple[int, int, int]]:
    """Side, own response and rival for each comparison."""
    sides = len(row.scenario.all_sides)
    found = []
    for side in range(sides):
        for (a, own), (b, rival) in product(enumerate(row.responses), repeat=2):
            contrasting = own.source in ("side", "given") and own.side == side % 2 and rival.source in ("side", "given")
            if contrasting and rival.side == 1 - side % 2:
                found.append((side, a, b))
            elif own.source == "side" and own.side == rival.side == side and rival.source not in ("side", "given"):
                found.append((side, a, b))
    return found


def believed(verdict: PairwiseVerdict) -> Winner:
    """The winner, where the scores say the same; else a tie."""
    if verdict.score_a == verdict.score_b:
        return "tie"
    higher: Winner = "a" if verdict.score_a > verdict.score_b else "b"
    return higher if verdict.winner == higher else "tie"


def decided(votes: Sequence[Vote], min_agreement: float) -> Winner:
    """The response that at least this share of the votes names, "tie" where there is none."""
    for side in ("a", "b"):
        if sum(vote.winner == side for vote in votes) / len(votes) >= min_agreement:
            return side
    return "tie"


def _shown(row: ResponseSet, side: int, first: str, second: str) -> dict[str, str]:
    """All that the judge sees."""
    return shown(row.scenario.all_sides[side], row.scenario.question) | {"response_a": first, "response_b": second}
