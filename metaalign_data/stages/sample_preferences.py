"""From a query to scenarios: the query under contrasting meta-prompts."""

from collections.abc import Sequence
from random import Random
from typing import Self

from pydantic import Field, model_validator

from metaalign_data.answers import ConsensusQuestions, OpinionQuestions, PreferenceText
from metaalign_data.priorities import Risk
from metaalign_data.records import SUBSETS, Query, Scenario, Slot, Subset, merged
from metaalign_data.stage import Context, Reject
from metaalign_data.stages.asking import all_ended, unless_useless
from metaalign_data.stages.sampling.coverage import cells_for, matrix_cell_at
from metaalign_data.stages.sampling.people import Person, person_with
from metaalign_data.stages.sampling.settings import TOLERANCE, PreferenceSettings, Share
from metaalign_data.stages.sampling.slots import drawn_slots
from metaalign_data.stages.sampling.wishes import Contrast, aim_at, draw_contrast
from metaalign_data.stages.sampling.wording import put_into_words, request_for
from metaalign_data.stages.subsets import consensus, diverse_opinion, given, helpful, priority
from metaalign_data.stages.subsets.draft import Draft
from metaalign_data.taxonomy import Cell


class SamplePreferences:
    """Samples preferences for a query and has the teacher put them into words.

    Rejects a scenario, not its query, with the reason "refused", "malformed", "length", "empty" or "bad_request" when
    the teacher's answer is of no use, "no_contrast" when both sides came out alike, "repeated" when the query has the
    scenario already, "no_cell" when the priority matrix has no cell for the query's risk. A teacher that cannot be
    reached fails the row.
    """

    class Config(PreferenceSettings):
        subsets: dict[Subset, Share] = Field(
            default_factory=lambda: dict.fromkeys(SUBSETS, 0.25), description="shares of the scenarios"
        )

        @model_validator(mode="after")
        def _subsets_sum_to_one(self) -> Self:
            if abs(sum(self.subsets.values()) - 1) > TOLERANCE:
                raise ValueError(f"subsets must sum to 1, they sum to {sum(self.subsets.values()):g}")
            return self

    def __init__(self, config: Config) -> None:
        self.config = config

    async def process(self, row: Query, ctx: Context) -> Sequence[Scenario | Reject]:
        rng = ctx.rng(row)
        salt = rng.random()
        slots = row.slots or drawn_slots(row, self.config.subsets, self.config.per_query, rng)
        query = row.model_copy(update={"slots": ()})  # a scenario is the same whatever it was planned with
        work = [self._scenario(query, s, Random(f"{salt} {s.subset} {s.ordinal}"), ctx) for s in slots]
        return without_repeats(await all_ended(work))

    async def _scenario(self, query: Query, slot: Slot, rng: Random, ctx: Context) -> Scenario | Reject:
        made = await unless_useless(self._written(query, slot, rng, ctx), slot.subset)
        if isinstance(made, Scenario) and (same := in_common(made)):
            return Reject("no_contrast", f"{slot.subset}: both sides have {same!r}")
        return made

    async def _written(self, query: Query, slot: Slot, rng: Random, ctx: Context) -> Scenario | Reject:
        match slot.subset:
            case "consensus":
                return await self._consensus(query, slot, rng, ctx)
            case "diverse_opinion":
                return await self._diverse_opinion(query, slot, rng, ctx)
            case "helpful" if self.config.source:
                book = ctx.preference_book(self.config.source)
                matrix, taxonomy = ctx.priorities(self.config.priorities), ctx.taxonomy(self.config.taxonomy)
                return given.scenario(query, book, matrix, taxonomy, rng)
            case "helpful" | "priority":
                draft = self._draft(query, slot, rng, ctx)
                return draft if isinstance(draft, Reject) else await put_into_words(draft, query, ctx)

    def _draft(self, query: Query, slot: Slot, rng: Random, ctx: Context) -> Draft | Reject:
        config, taxonomy = self.config, ctx.taxonomy(self.config.taxonomy)
        matrix = ctx.priorities(config.priorities)
        twin = rng.random() < config.twins
        if slot.subset == "helpful":
            contrast, person = self._wanted(query, slot, rng, ctx)
            return helpful.draft(
                taxonomy,
                matrix,
                contrast,
                person,
                explicit=config.explicit,
                placements=config.placements,
                twin=twin,
                rng=rng,
            )
        risk: Risk = "harmful" if query.harmful else "harmless"
        cell = matrix_cell_at(matrix, ctx.seed, query.kind, risk, slot.ordinal)
        if cell is None:
            return Reject("no_cell", f"the priority matrix has no cell for {risk} queries")
        if risk == "harmful":
            return priority.draft_of_risk(taxonomy, matrix, cell, rng.randrange(priority.WORDINGS), ctx.seed, rng)
        contrast, person = self._wanted(query, slot, rng, ctx)
        return priority.draft(taxonomy, matrix, cell, contrast, person, explicit=config.explicit, twin=twin, rng=rng)

    def _wanted(self, query: Query, slot: Slot, rng: Random, ctx: Context) -> tuple[Contrast, Person | None]:
        """What one side wants and the other does not, and who it is, if it is somebody with a profile."""
        config, taxonomy = self.config, ctx.taxonomy(self.config.taxonomy)
        cell = Cell(*slot.cell) if slot.cell else rng.choice(cells_for(taxonomy, query.kind))
        if config.people and rng.random() < config.profiled:
            aim = aim_at(taxonomy, cell, rng)
            person = person_with(taxonomy, aim, config.people, ctx.seed, rng)
            if person:
                return person.contrast(aim, composed=rng.random() < config.composed, seed=ctx.seed), person
        return (
            draw_contrast(
                taxonomy,
                cell,
                composed=config.composed,
                variants=config.variants,
                seed=ctx.seed,
                rng=rng,
            ),
            None,
        )

    async def _consensus(self, query: Query, slot: Slot, rng: Random, ctx: Context) -> Scenario:
        matrix, taxonomy = ctx.priorities(self.config.priorities), ctx.taxonomy(self.config.taxonomy)
        times, number = divmod(slot.ordinal, self.config.questions)
        axis = consensus.draw_axis(matrix, ctx.seed, rng)
        requests = [
            ctx.render("write_consensus_questions", query=query.text, questions=str(self.config.questions)).again(
                times
            ),
            *(request_for(c.wish("provider", "statement", taxonomy.styles), ctx) for c in (axis, axis.reversed)),
        ]
        answers = await all_ended(ctx.teacher.complete(request) for request in requests)
        written, *rules = [answer.text for answer in answers]
        return consensus.scenario(
            query,
            ConsensusQuestions.model_validate_json(written),
            number,
            (PreferenceText.model_validate_json(rules[0]).text, PreferenceText.model_validate_json(rules[1]).text),
            rng.choice(matrix.neutral),
            merged([request.prompt for request in requests]),
        )

    async def _diverse_opinion(self, query: Query, slot: Slot, rng: Random, ctx: Context) -> Scenario:
        times, number = divmod(slot.ordinal, self.config.questions)
        request = ctx.render("write_opinion_questions", query=query.text, questions=str(self.config.questions))
        answer = await ctx.teacher.complete(request.again(times))
        written = OpinionQuestions.model_validate_json(answer.text)
        frame = rng.choice(ctx.priorities(self.config.priorities).neutral)
        return diverse_opinion.scenario(query, written, number, frame, (request.prompt,))


def in_common(scenario: Scenario) -> str | None:
    """The target that is the same on both sides, or what they tell alike; None where they contrast."""
    if len(scenario.sides) == 1:
        return None
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
