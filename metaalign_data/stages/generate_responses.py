"""Responses to a scenario's question, each written for one of its sides."""

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict, Field

from metaalign_data.chat import ChatRequest
from metaalign_data.records import Response, ResponseSet, Scenario
from metaalign_data.stage import Context, Reject
from metaalign_data.stages.asking import all_ended, unless_useless


class GenerateResponses:
    """Has the teacher answer the question under each side's meta-prompt.

    Rejects with "refused", "length", "empty" or "bad_request" when a side is left without a response for that reason,
    and with "identical_responses" when no response differs from those of the other side.
    """

    class Config(BaseModel):
        model_config = ConfigDict(frozen=True, extra="forbid")
        candidates: int = Field(default=2, ge=2, description="responses, in turn for each side; 2 is one for each")

    def __init__(self, config: Config) -> None:
        self.config = config

    async def process(self, row: Scenario, ctx: Context) -> Sequence[ResponseSet | Reject]:
        sides = [k % 2 for k in range(self.config.candidates)]
        requests = [self._request(row, side, k // 2, ctx) for k, side in enumerate(sides)]
        outcomes = await all_ended(unless_useless(ctx.teacher.complete(request)) for request in requests)
        responses: dict[str, Response] = {}
        useless: list[Reject] = []
        for side, outcome in zip(sides, outcomes, strict=True):
            if isinstance(outcome, Reject):
                useless.append(outcome)
            else:
                text = outcome.text.strip()
                responses.setdefault(text, Response(side=side, text=text, model=outcome.model))
        if {response.side for response in responses.values()} == {0, 1}:
            versions = (requests[0].prompt,)
            return [ResponseSet(scenario=row, responses=tuple(responses.values()), prompt_versions=versions)]
        return useless[:1] or [Reject("identical_responses", next(iter(responses))[:200])]

    def _request(self, row: Scenario, side: int, sample: int, ctx: Context) -> ChatRequest:
        of = row.sides[side]
        request = ctx.render(
            "generate_response",
            system_info=of.system_info,
            user_info=of.user_info,
            query=row.question,
            target=of.target,
        )
        return request.again(sample)
