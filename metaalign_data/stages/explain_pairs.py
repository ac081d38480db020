"""A labelled pair gets meta-prompts: one that explains its label, and one that reverses it."""

from collections.abc import Sequence
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from metaalign_data.answers import Explanation, PairExplanation
from metaalign_data.records import AnsweredQuery, Preference, Response, ResponseSet, Scenario, Side
from metaalign_data.stage import Context, Reject
from metaalign_data.stages.asking import unless_useless

Share = Annotated[float, Field(ge=0.0, le=1.0)]


class ExplainPairs:
    """Has the teacher name the preference under which the chosen response is the better one, and the contrary one.

    Of several responses the first and the last are taken: chosen and rejected. The teacher sees them in an order drawn
    anew for each row, so that the label does not show. Rejects with "refused", "malformed", "length", "empty" or
    "bad_request" when the teacher's answer is of no use, "no_contrast" when both preferences are the same.
    """

    class Config(BaseModel):
        model_config = ConfigDict(frozen=True, extra="forbid")
        in_system_info: Share = Field(default=0.25, description="share of the pairs whose preferences the provider has")
        taxonomy: str = Field(default="default", description="prompts/taxonomies/NAME.yaml, for the voices")

    def __init__(self, config: Config) -> None:
        self.config = config

    async def process(self, row: AnsweredQuery, ctx: Context) -> Sequence[ResponseSet | Reject]:
        made = await unless_useless(self._explained(row, ctx))
        return [made]

    async def _explained(self, row: AnsweredQuery, ctx: Context) -> ResponseSet | Reject:
        rng = ctx.rng(row)
        pair = (row.responses[0], row.responses[-1])
        swapped, by_provider = rng.random() < 0.5, rng.random() < self.config.in_system_info
        request = ctx.render(
            "explain_pair",
            query=row.query.text,
            response_a=pair[swapped],
            response_b=pair[not swapped],
            speaker="provider" if by_provider else "user",
            style=rng.choice(ctx.taxonomy(self.config.taxonomy).styles),
        )
        found = PairExplanation.model_validate_json((await ctx.teacher.complete(request)).text)
        explained = (found.first, found.second)
        reasons = (explained[swapped], explained[not swapped])
        if reasons[0].text.casefold() == reasons[1].text.casefold():
            return Reject("no_contrast", reasons[0].text[:200])
        frame = rng.choice(ctx.priorities("default").neutral)
        sides = tuple(_side(each, found.dimension, frame, by_provider=by_provider) for each in reasons)
        scenario = Scenario(
            subset="helpful",
            query=row.query,
            question=row.query.text,
            sides=sides,
            prompt_versions=(request.prompt,),
        )
        responses = tuple(Response(side=i, source="given", text=text, model=row.model) for i, text in enumerate(pair))
        return ResponseSet(scenario=scenario, responses=responses)


def _side(reason: Explanation, dimension: str, frame: str, *, by_provider: bool) -> Side:
    return Side(
        system_info=f"{frame} {reason.text}" if by_provider else frame,
        user_info="" if by_provider else reason.text,
        preference=Preference(
            text=reason.text, kind="explicit", form="statement", dimension=dimension, value=reason.value
        ),
        placement="system_info" if by_provider else "user_info",
        target=reason.meaning,
        rejected_because="contrasting_preference",
    )
