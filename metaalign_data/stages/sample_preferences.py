"""From a query to scenarios: the query under two contrasting meta-prompts."""

from bisect import bisect
from collections.abc import Mapping, Sequence
from itertools import accumulate
from random import Random
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from metaalign_data.answers import ConsensusQuestion, OpinionQuestion, PreferenceText
from metaalign_data.chat import ChatRequest
from metaalign_data.records import SUBSETS, Preference, Query, Scenario, Side, Subset, merged
from metaalign_data.stage import Context, Reject
from metaalign_data.stages.asking import all_ended, unless_useless
from metaalign_data.stages.subsets import consensus, diverse_opinion, helpful, priority
from metaalign_data.stages.subsets.draft import Draft, DraftSide, Wish

Share = Annotated[float, Field(ge=0.0, le=1.0)]


class SamplePreferences:
    """Samples preferences for a query and has the teacher put them into words.

    Rejects a scenario, not its query, with the reason "refused", "malformed", "length", "empty" or "bad_request" when
    the teacher's answer is of no use, "no_contrast" when both sides came out alike, "repeated" when the query has the
    scenario already. A teacher that cannot be reached fails the row.
    """

    class Config(BaseModel):
        model_config = ConfigDict(frozen=True, extra="forbid")
        subsets: dict[Subset, Share] = Field(
            default_factory=lambda: dict.fromkeys(SUBSETS, 0.25), description="shares of the scenarios"
        )
        per_query: int = Field(default=3, ge=1, description="scenarios for each query")
        explicit: Share = Field(default=0.5, description="share of preferences that are stated")
        implicit: Share = Field(default=0.5, description="share of preferences to be inferred")
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
        return without_repeats(await all_ended(work))

    async def _scenario(self, query: Query, subset: Subset, k: int, rng: Random, ctx: Context) -> Scenario | Reject:
        made = await unless_useless(self._written(query, subset, k, rng, ctx), subset)
        if isinstance(made, Scenario) and (same := in_common(made)):
            return Reject("no_contrast", f"{subset}: both sides have {same!r}")
        return made

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


def in_common(scenario: Scenario) -> str | None:
    """The preference or the target that is the same on both sides; None where they contrast."""
    first, second = scenario.sides
    for one, other in ((first.preference.text, second.preference.text), (first.target, second.target)):
        if one.casefold().split() == other.casefold().split():
            return one
    return None


def without_repeats(outcomes: Sequence[Scenario | Reject]) -> list[Scenario | Reject]:
    """Each scenario once, and a Reject for each time that it came again."""
    kept: dict[str, Scenario] = {}
    rejects: list[Reject] = []
    for outcome in outcomes:
        if isinstance(outcome, Reject):
            rejects.append(outcome)
        elif kept.setdefault(outcome.id, outcome) is not outcome:
            rejects.append(Reject("repeated", f"{outcome.subset}: {outcome.question}"))
    return [*kept.values(), *rejects]


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
    answers = await all_ended(ctx.teacher.complete(request) for request in requests)
    written = {
        wish: Preference(
            text=PreferenceText.model_validate_json(answer.text).text,
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
