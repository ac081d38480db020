"""From verdicts to rows: chosen and rejected, and the flip that exchanges them."""

from collections.abc import Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from metaalign_data.chat import Message
from metaalign_data.records import Comparison, Judgement, PreferencePair, digest, merged
from metaalign_data.stage import Context, Reject

SideComparisons = tuple[Comparison, Comparison]


class Pair:
    """Makes a row of each comparison that the response written for the side has won.

    Two responses that win under one meta-prompt each are a flip: two rows, chosen and rejected exchanged, one flip_id.
    Of several candidates each response stands in one pair at most, the clearest pairs first. What makes no row is
    rejected: "tie", "wrong_winner" (the response that was written for the other side won), "low_margin", and
    "no_flip" where only flips are wanted; "identical" for two responses of the same text.
    """

    class Config(BaseModel):
        model_config = ConfigDict(frozen=True, extra="forbid")
        flips: bool | Literal["only"] = Field(
            default=True, description="true: both directions where both are confirmed; only: nothing else; false: one"
        )
        min_margin: float = Field(default=1.0, ge=0.0, le=9.0, description="least lead in mean score, of 9 at most")

    def __init__(self, config: Config) -> None:
        self.config = config

    async def process(self, row: Judgement, ctx: Context) -> Sequence[PreferencePair | Reject]:
        ended: list[PreferencePair | Reject] = []
        for comparisons in self._matched(row):
            ended.extend(self._rows(row, comparisons, ctx))
        return ended

    def _matched(self, row: Judgement) -> list[SideComparisons]:
        """Both comparisons of each pair of responses; each response once, flips first, then by smaller margin."""
        by_pair: dict[tuple[int, int], dict[int, Comparison]] = {}
        for comparison in row.comparisons:
            by_pair.setdefault((comparison.a, comparison.b), {})[comparison.side] = comparison
        pairs = [(both[0], both[1]) for both in by_pair.values()]

        def clearness(pair: SideComparisons) -> tuple[int, float]:
            margins = [_margin(c) if self._flaw(c) is None else 0.0 for c in pair]
            return sum(self._flaw(c) is None for c in pair), min(margins) or max(margins)

        taken: set[int] = set()
        matched: list[SideComparisons] = []
        for pair in sorted(pairs, key=clearness, reverse=True):
            if not taken & {pair[0].a, pair[0].b}:
                taken |= {pair[0].a, pair[0].b}
                matched.append(pair)
        return matched

    def _rows(self, row: Judgement, pair: SideComparisons, ctx: Context) -> list[PreferencePair | Reject]:
        texts = {row.responses.responses[i].text for i in (pair[0].a, pair[0].b)}
        if len(texts) == 1:
            return [Reject("identical", f"responses {pair[0].a} and {pair[0].b}")]
        confirmed = [c for c in pair if self._flaw(c) is None]
        rejects: list[PreferencePair | Reject] = [
            Reject(flaw, f"under side {c.side}: margin {_margin(c):.1f}, agreement {c.agreement:.2f}")
            for c in pair
            if (flaw := self._flaw(c))
        ]
        if len(confirmed) < 2 and self.config.flips == "only":
            return [Reject("no_flip", "; ".join(r.reason for r in rejects if isinstance(r, Reject)))]
        if self.config.flips is False:
            ctx.rng(row).shuffle(confirmed)  # margins are often equal: neither side may win all of those
            confirmed = sorted(confirmed, key=lambda c: -_margin(c))[:1]
        flip_id = _flip_id(row, pair[0]) if len(confirmed) == 2 else None
        return [*(_pair(row, c, flip_id, ctx) for c in confirmed), *rejects]

    def _flaw(self, comparison: Comparison) -> str | None:
        """Why this comparison gives no row; None when it does."""
        if comparison.winner == "tie":
            return "tie"
        if comparison.winner != ("a", "b")[comparison.side]:
            return "wrong_winner"
        return "low_margin" if _margin(comparison) < self.config.min_margin else None


def _margin(comparison: Comparison) -> float:
    """Mean score of the side's own response less that of the other."""
    a, b = comparison.scores
    return a - b if comparison.side == 0 else b - a


def _flip_id(row: Judgement, comparison: Comparison) -> str:
    texts = sorted(row.responses.responses[i].text for i in (comparison.a, comparison.b))
    return digest("flip", row.responses.scenario.id, *texts)


def _pair(row: Judgement, comparison: Comparison, flip_id: str | None, ctx: Context) -> PreferencePair:
    scenario, responses = row.responses.scenario, row.responses.responses
    side = scenario.sides[comparison.side]
    ends = [(responses[i], score) for i, score in zip((comparison.a, comparison.b), comparison.scores, strict=True)]
    (chosen, chosen_score), (rejected, rejected_score) = ends if comparison.side == 0 else reversed(ends)
    system = ctx.meta_prompt(side.system_info, side.user_info)
    asked = Message(role="user", content=scenario.question)
    return PreferencePair(
        prompt=(Message(role="system", content=system), asked) if system else (asked,),
        chosen=(Message(role="assistant", content=chosen.text),),
        rejected=(Message(role="assistant", content=rejected.text),),
        subset=scenario.subset,
        system_info=side.system_info,
        user_info=side.user_info,
        query=scenario.question,
        query_id=scenario.query.id,
        preference=side.preference.text,
        preference_id=side.preference.id,
        preference_kind=side.preference.kind,
        dimension=side.preference.dimension,
        value=side.preference.value,
        rejected_because=side.rejected_because,
        chosen_score=chosen_score,
        rejected_score=rejected_score,
        margin=chosen_score - rejected_score,
        agreement=comparison.agreement,
        votes=len(comparison.votes),
        chosen_model=chosen.model,
        rejected_model=rejected.model,
        judge_model=", ".join(sorted({vote.model for vote in comparison.votes})),
        flip_id=flip_id,
        prompt_versions=merged(scenario.prompt_versions, row.responses.prompt_versions, row.prompt_versions),
        judgement_id=row.id,
    )
