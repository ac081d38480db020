"""Responses to a scenario's question: one for what each side wants, and rivals that want nothing of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from metaalign_data.chat import ChatRequest
from metaalign_data.errors import UserError
from metaalign_data.records import Response, ResponseSet, Scenario, Side, Source, merged
from metaalign_data.stage import Context, Reject
from metaalign_data.stages.asking import all_ended, transcript, unless_useless
from metaalign_data.teacher.base import Teacher

Rival = Literal["generic", "ignores", "weaker"]
Share = Annotated[float, Field(ge=0.0, le=1.0)]
RIVALS: dict[Rival, float] = {"generic": 0.1, "ignores": 0.1}


@dataclass(frozen=True)
class _Task:
    """One response to be written: for which side, as what, by whom."""

    side: int
    source: Source
    request: ChatRequest
    teacher: Teacher


class GenerateResponses:
    """Has the teacher answer the question under each side's meta-prompt.

    `rivals` adds, to that share of the scenarios, a response that one side's own is to be preferred to: "generic"
    (without the meta-prompt), "ignores" (heedless of it) or "weaker" (as the recipe's weak_teacher follows it). Rejects
    with "refused", "length", "empty" or "bad_request" when a side is left without a response for that reason, and with
    "identical_responses" when no response differs from those of the other side.
    """

    class Config(BaseModel):
        model_config = ConfigDict(frozen=True, extra="forbid")
        candidates: int = Field(default=2, ge=2, description="responses, in turn for each side; 2 is one for each")
        rivals: dict[Rival, Share] = Field(
            default_factory=lambda: dict(RIVALS),
            description="shares of the scenarios with another rejected response: generic, ignores, weaker",
        )

    def __init__(self, config: Config) -> None:
        self.config = config

    async def process(self, row: Scenario, ctx: Context) -> Sequence[ResponseSet | Reject]:
        tasks = [*self._for_sides(row, ctx), *self._rivals(row, ctx)]
        outcomes = await all_ended(unless_useless(task.teacher.complete(task.request)) for task in tasks)
        responses: dict[str, Response] = {}
        useless: list[Reject] = []
        for task, outcome in zip(tasks, outcomes, strict=True):
            if isinstance(outcome, Reject):
                useless.append(outcome)
            elif text := outcome.text.strip():
                response = Response(side=task.side, source=task.source, text=text, model=outcome.model)
                responses.setdefault(text, response)
        if {response.side for response in responses.values() if response.source == "side"} == {0, 1}:
            versions = merged([task.request.prompt for task in tasks])
            return [ResponseSet(scenario=row, responses=tuple(responses.values()), prompt_versions=versions)]
        return useless[:1] or [Reject("identical_responses", next(iter(responses), "")[:200])]

    def _for_sides(self, row: Scenario, ctx: Context) -> list[_Task]:
        tasks = []
        for k in range(self.config.candidates):
            side = k % 2
            of = row.sides[min(side, len(row.sides) - 1)]
            target = of.target if side < len(row.sides) else of.rival_target
            request = ctx.render("generate_response", **shown(of, row.question), target=target)
            tasks.append(_Task(side, "side", request.again(k // 2), ctx.teacher))
        return tasks

    def _rivals(self, row: Scenario, ctx: Context) -> list[_Task]:
        rng = ctx.rng(row)
        wanted = [rival for rival, share in self.config.rivals.items() if rng.random() < share]
        return [self._rival(row, rival, rng, ctx) for rival in wanted]

    def _rival(self, row: Scenario, rival: Rival, rng: Random, ctx: Context) -> _Task:
        side = rng.randrange(len(row.sides))
        of = row.sides[side]
        if rival == "generic":
            return _Task(side, rival, ctx.render("generate_generic_response", query=row.question), ctx.teacher)
        if rival == "ignores":
            request = ctx.render("generate_heedless_response", **shown(of, row.question))
            return _Task(side, rival, request, ctx.teacher)
        if ctx.weak_teacher is None:
            raise UserError("rivals: weaker needs a weaker model", fix="name it in the recipe's weak_teacher")
        return _Task(side, rival, ctx.render("follow_meta_prompt", **shown(of, row.question)), ctx.weak_teacher)


def shown(side: Side, question: str) -> dict[str, str]:
    """A meta-prompt and the question, as prompts take them."""
    return {
        "system_info": side.system_info,
        "user_info": side.user_info,
        "history": transcript(side.history),
        "query": question,
    }
