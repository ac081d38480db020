"""Implied preferences that are implied indeed: not stated, and yet there to be inferred."""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from pydantic import BaseModel, ConfigDict, Field

from metaalign_data.answers import Implicitness, Inference
from metaalign_data.records import Scenario, Side, merged
from metaalign_data.stage import Context, Reject
from metaalign_data.stages.asking import all_ended, unless_useless

NONE_OF_THEM = 0


@dataclass(frozen=True)
class _Case:
    """An implied preference: what it must not state, and what it must not be taken for."""

    text: str
    meaning: str
    contrast: str


class CheckPreferences:
    """Has the judge read each implied preference blind; passes scenarios whose implied preferences hold.

    Rejects a scenario with "not_implicit" when a text states what it is to imply, with "not_recoverable" when a reader
    who is shown both meanings infers the other one or none, and with "refused", "malformed", "length", "empty" or
    "bad_request" when the reader's answer is of no use. Where only the twins fail, the scenario passes without them.
    """

    class Config(BaseModel):
        model_config = ConfigDict(frozen=True, extra="forbid")
        implicitness: bool = Field(default=True, description="ask whether the text states the preference")
        recoverability: bool = Field(default=True, description="ask a blind reader which preference the text implies")

    def __init__(self, config: Config) -> None:
        self.config = config

    async def process(self, row: Scenario, ctx: Context) -> Sequence[Scenario | Reject]:
        rng = ctx.rng(row)
        groups = [cases(row.sides), cases(row.twins)]
        found = await all_ended(
            unless_useless(self._first_flaw(group, Random(rng.random()), ctx), row.subset) for group in groups
        )
        flaw, of_twins = found
        if flaw is not None:
            return [flaw]
        kept = {"prompt_versions": merged(row.prompt_versions, self._versions(groups, ctx))}
        if of_twins is not None:
            return [row.model_copy(update={**kept, "twins": ()}), of_twins]
        return [row.model_copy(update=kept)]

    async def _first_flaw(self, group: Sequence[_Case], rng: Random, ctx: Context) -> Reject | None:
        seeds = [rng.random() for _ in group]
        flaws = await all_ended(self._flaw(case, Random(seed), ctx) for case, seed in zip(group, seeds, strict=True))
        return next((flaw for flaw in flaws if flaw), None)

    async def _flaw(self, case: _Case, rng: Random, ctx: Context) -> Reject | None:
        if self.config.implicitness:
            asked = ctx.render("check_implicitness", text=case.text, meaning=case.meaning)
            if Implicitness.model_validate_json((await ctx.judge.complete(asked)).text).stated:
                return Reject("not_implicit", case.text[:200])
        if self.config.recoverability:
            options = rng.sample((case.meaning, case.contrast), 2)
            asked = ctx.render("infer_preference", text=case.text, options=numbered(options))
            option = Inference.model_validate_json((await ctx.judge.complete(asked)).text).option
            if option == NONE_OF_THEM or options[min(option, len(options)) - 1] != case.meaning:
                return Reject("not_recoverable", case.text[:200])
        return None

    def _versions(self, groups: Sequence[Sequence[_Case]], ctx: Context) -> list[str]:
        if not any(groups):
            return []
        asked = {"check_implicitness": self.config.implicitness, "infer_preference": self.config.recoverability}
        inputs = {
            "check_implicitness": {"text": "", "meaning": ""},
            "infer_preference": {"text": "", "options": ""},
        }
        return [ctx.render(name, **inputs[name]).prompt for name, wanted in asked.items() if wanted]


def cases(sides: Sequence[Side]) -> list[_Case]:
    """What is implied on the sides and decides there, against what the other side wants; each once."""
    found = [
        _Case(side.preference.text, side.target, other.target)
        for side, other in zip(sides, reversed(sides), strict=True)
        if side.preference.kind == "implicit"
    ]
    return list(dict.fromkeys(found))


def numbered(options: Sequence[str]) -> str:
    return "\n".join(f"{i}. {option}" for i, option in enumerate(options, 1))
