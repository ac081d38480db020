"""From a query to scenarios: the query under two contrasting meta-prompts."""

import asyncio
from bisect import bisect
from collections.abc import Mapping, Sequence
from itertools import accumulate
from random import Random
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from metaalign_data.answers import ConsensusQuestion, OpinionQuestion, PreferenceText
from metaalign_data.chat import ChatRequest
from metaalign_data.errors import TeacherError
from metaalign_data.records import SUBSETS, Preference, Query, Scenario, Side, Subset, merged
from metaalign_data.stage import Context, Reject
from metaalign_data.stages.subsets import consensus, diverse_opinion, helpful, priority
from metaalign_data.stages.subsets.draft import Draft, DraftSide, Wish

ENDINGS = ("refused", "malformed", "length", "empty")


class SamplePreferences:
    """Samples preferences for a query and has the teacher put them into words.

    Rejects a scenario, not its query, with the reason "refused", "malformed", "length" or "empty" when the teacher's
    answer is of no use, "no_contrast" when both sides came out alike. A teacher that cannot be reached fails the row.
    """

    class Config(BaseModel):
        model_config = ConfigDict(frozen=True, extra="forbid")
        subsets: dict[Subset, float] = Field(default_factory=lambda: dict.fromkeys(SUBSETS, 0.25))
        per_query: int = Field(default=3, ge=1, description="scenarios for each query")
        explicit: float = Field(default=0.5, ge=0.0, le=1.0, description="share of preferences that are stated")
        implicit: float = Field(default=0.5, ge=0.0, le=1.0, description="share of preferences to be inferred")
        taxonomy: str = Field(default="default", description="prompts/taxonomies/NAME.yaml")
        priorities: str = Field(default="default", description="prompts/priorities/NAME.yaml")

        @model_validator(mode="after")
        def _shares_sum_to_1(self) -> Self:
            for shares in (list(self.subsets.values()), [self.explicit, self.implicit]):
                if abs(sum(shares) - 1) > 1e-6:
                    raise ValueError(f"shares must sum to 1, they sum to {sum(shares):g}")
            return self

    def __init__(self, config: Config) -> None:
        self.config = config

    async def process(self, row: Query, ctx: Context) -> Sequence[Scenario | Reject]:
        rng = ctx.rng(row)
        subsets = allotted(self.config.subsets, self.config.per_query, rng)
        work = [self._scenario(row, subset, k, Random(rng.random()), ctx) for k, subset in enumerate(subsets)]
        ended = await asyncio.gather(*work, return_exceptions=True)
        for outcome in ended:
            if isinstance(outcome, BaseException):
                raise outcome
        distinct = {each.id if isinstance(each, Scenario) else k: each for k, each in enumerate(ended)}
        return [each for each in distinct.values() if not isinstance(each, BaseException)]

    async def _scenario(self, query: Query, subset: Subset, k: int, rng: Random, ctx: Context) -> Scenario | Reject:
        try:
            scenario = await self._written(query, subset, k, rng, ctx)
        except TeacherError as e:
            if e.reason not in ENDINGS:
                raise
            return Reject(e.reason, f"{subset}: {e}")
        first, second = scenario.sides
        if (first.system_info, first.user_info) == (
            second.system_info,
            second.user_info,
        ) or first.target == second.target:
            return Reject("no_contrast", f"{subset}: both sides are {first.user_info or first.system_info!r}")
        return scenario

    async def _written(self, query: Query, subset: Subset, k: int, rng: Random, ctx: Context) -> Scenario:
        matrix = ctx.priorities(self.config.priorities)
        match subset:
            case "consensus":
                request = ctx.render("write_consensus_question", query=query.text).again(k)
                text = (await ctx.teacher.complete(request)).text
                shared = ConsensusQuestion.model_validate_json(text)
                return consensus.scenario(query, shared, matrix, rng, request.prompt)
            case "diverse_opinion":
                request = ctx.render("write_opinion_question", query=query.text).again(k)
                text = (await ctx.teacher.complete(request)).text
                open_ = OpinionQuestion.model_validate_json(text)
                return diverse_opinion.scenario(query, open_, matrix, rng, request.prompt)
            case "helpful" | "priority":
                make = helpful.draft if subset == "helpful" else priority.draft
                taxonomy = ctx.taxonomy(self.config.taxonomy)
                return await put_into_words(make(taxonomy, matrix, self.config.explicit, rng), query, rng, ctx)


def allotted(shares: Mapping[Subset, float], n: int, rng: Random) -> list[Subset]:
    """`n` subsets by systematic sampling: each comes up its share of `n` times, rounded up or down at random."""
    names = [name for name, share in shares.items() if share > 0]
    edges = list(accumulate(shares[name] for name in names))
    offset = rng.random()
    drawn = [names[min(bisect(edges, (i + offset) / n), len(names) - 1)] for i in range(n)]
    rng.shuffle(drawn)
    return drawn


async def put_into_words(draft: Draft, query: Query, rng: Random, ctx: Context) -> Scenario:
    """The draft with its wishes written by the teacher."""
    requests = [_request(wish, rng, ctx) for wish in draft.wishes]
    answers = await asyncio.gather(*(ctx.teacher.complete(request) for request in requests))
    written = {
        wish: Preference(
            text=PreferenceText.model_validate_json(answer.text).text.strip(),
            kind=wish.kind,
            dimension=wish.dimension,
            value=wish.value.name,
        )
        for wish, answer in zip(draft.wishes, answers, strict=True)
    }

    def side(of: DraftSide) -> Side:
        return Side(
            system_info=" ".join(part for part in (of.frame, written[of.rule].text if of.rule else "") if part),
            user_info=written[of.wish].text if of.wish else "",
            preference=written[of.decides],
            target=of.decides.value.meaning,
            rejected_because=draft.rejected_because,
        )

    return Scenario(
        subset=draft.subset,
        query=query,
        question=query.text,
        sides=(side(draft.sides[0]), side(draft.sides[1])),
        prompt_versions=merged([request.prompt for request in requests]),
    )


def _request(wish: Wish, rng: Random, ctx: Context) -> ChatRequest:
    """The teacher's task. A random sample number keeps equal wishes of different queries from being worded alike."""
    inputs = {"dimension": wish.dimension, "value": wish.value.name, "meaning": wish.value.meaning, "style": wish.style}
    sample = rng.randrange(1_000_000)
    if wish.kind == "implicit":
        return ctx.render("write_implicit_preference", contrast=wish.contrast.meaning, **inputs).again(sample)
    return ctx.render("write_explicit_preference", speaker=wish.speaker, **inputs).again(sample)
