"""From verdicts to rows: chosen and rejected, the flip that exchanges them, the twin that is told the other way."""

from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from metaalign_data.chat import Message
from metaalign_data.records import Comparison, Judgement, PreferencePair, RejectedBecause, Source, digest, merged
from metaalign_data.stage import Context, Reject

_BECAUSE: dict[Source, RejectedBecause] = {
    "generic": "generic_answer",
    "ignores": "ignores_preference",
    "weaker": "weaker_model",
}


class Won(NamedTuple):
    """A comparison that gives a row, and what ties the row to others."""

    comparison: Comparison
    flip_id: str | None
    twin_id: str | None


class Pair:
    """Makes a row of each comparison that the response written for the side has won.

    Two responses that win under one meta-prompt each are a flip: two rows, chosen and rejected exchanged, one flip_id.
    The same row under a meta-prompt that tells the same wish the other way, stated or implied, is its twin. Of several
    candidates each response stands in one pair at most, the clearest pairs first; rivals that follow no meta-prompt add
    rows of their own. What makes no row is rejected: "tie", "wrong_winner" (the response that was written for the
    other side won), "low_margin", and "no_flip" where only flips are wanted; "identical" for two responses of the same
    text.
    """

    class Config(BaseModel):
        model_config = ConfigDict(frozen=True, extra="forbid")
        flips: bool | Literal["only"] = Field(
            default=True, description="true: both directions where both are confirmed; only: nothing else; false: one"
        )
        min_margin: float = Field(default=2.5, ge=0.0, le=9.0, description="least lead in mean score, of 9 at most")

    def __init__(self, config: Config) -> None:
        self.config = config

    async def process(self, row: Judgement, ctx: Context) -> Sequence[PreferencePair | Reject]:
        ended: list[PreferencePair | Reject] = []
        contrasting, others = _sorted_out(row)
        for comparisons in self._matched(contrasting):
            ended.extend(self._rows(row, comparisons, ctx))
        for comparison in others:
            if flaw := self._flaw(row, comparison):
                ended.append(_reject(row, comparison, flaw))
            elif self.config.flips == "only":
                ended.append(Reject("no_flip", f"under side {comparison.side}: a rival without a side of its own"))
            else:
                ended.append(_pair(row, Won(comparison, None, None), ctx))
        return ended

    def _matched(self, comparisons: Iterable[Comparison]) -> list[list[Comparison]]:
        """The comparisons of each pair of responses; each response once, most confirmed first, then by margin."""
        pairs: dict[frozenset[int], list[Comparison]] = {}
        for comparison in comparisons:
            pairs.setdefault(frozenset((comparison.a, comparison.b)), []).append(comparison)

        def clearness(pair: list[Comparison]) -> tuple[int, float]:
            margins = [c.margin for c in pair if c.winner == "a" and c.margin >= self.config.min_margin]
            return len(margins), min(margins, default=0.0)

        taken: set[int] = set()
        matched: list[list[Comparison]] = []
        for pair in sorted(pairs.values(), key=clearness, reverse=True):
            if not taken & {pair[0].a, pair[0].b}:
                taken |= {pair[0].a, pair[0].b}
                matched.append(sorted(pair, key=lambda c: c.side))
        return matched

    def _rows(self, row: Judgement, pair: list[Comparison], ctx: Context) -> list[PreferencePair | Reject]:
        texts = {row.responses.responses[i].text for i in (pair[0].a, pair[0].b)}
        if len(texts) == 1:
            return [Reject("identical", f"responses {pair[0].a} and {pair[0].b}")]
        flaws = {c.side: self._flaw(row, c) for c in pair}
        won = [c for c in pair if flaws[c.side] is None]
        ties = [self._tied(row, c, [other.side for other in won]) for c in won]
        rejects: list[PreferencePair | Reject] = [_reject(row, c, flaw) for c in pair if (flaw := flaws[c.side])]
        if self.config.flips == "only":
            ties = [each for each in ties if each.flip_id]
            if not ties:
                return [Reject("no_flip", "; ".join(r.reason for r in rejects if isinstance(r, Reject)))]
        if self.config.flips is False:
            ctx.rng(row).shuffle(won)  # margins are often equal: neither side may win all of those
            ties = [Won(c, None, None) for c in sorted(won, key=lambda c: -c.margin)[:1]]
        return [*(_pair(row, each, ctx) for each in ties), *rejects]

    def _tied(self, row: Judgement, comparison: Comparison, won: Sequence[int]) -> Won:
        """Side s reverses side s ^ 1, and tells what side s ^ 2 does."""
        side, texts = comparison.side, sorted(row.responses.responses[i].text for i in (comparison.a, comparison.b))
        scenario = row.responses.scenario.id
        flip = digest("flip", scenario, str(side // 2), *texts) if side ^ 1 in won else None
        twin = digest("twin", scenario, str(side % 2), *texts) if side ^ 2 in won else None
        return Won(comparison, flip, twin)

    def _flaw(self, row: Judgement, comparison: Comparison) -> str | None:
        """Why this comparison gives no row; None when it does."""
        if comparison.winner == "tie":
            return "tie"
        if comparison.winner == "b" and not _brought_in(row, comparison):
            return "wrong_winner"
        return "low_margin" if abs(comparison.margin) < self.config.min_margin else None


def _sorted_out(row: Judgement) -> tuple[list[Comparison], list[Comparison]]:
    """Comparisons of what two sides want, and those with a response that no side wants."""
    responses = row.responses.responses
    contrasting: list[Comparison] = []
    others: list[Comparison] = []
    for comparison in row.comparisons:
        a, b = responses[comparison.a], responses[comparison.b]
        for_both = {a.source, b.source} <= {"side", "given"} and None not in (a.side, b.side)
        (contrasting if for_both else others).append(comparison)
    return contrasting, others


def _brought_in(row: Judgement, comparison: Comparison) -> bool:
    """Whether nobody knows which of the two should win."""
    return row.responses.responses[comparison.a].side is None


def _reject(row: Judgement, comparison: Comparison, flaw: str) -> Reject:
    detail = f"margin {comparison.margin:.1f}, agreement {comparison.agreement:.2f}"
    return Reject(flaw, f"under side {comparison.side}: {detail}")


def _pair(row: Judgement, won: Won, ctx: Context) -> PreferencePair:
    comparison = won.comparison
    scenario, responses = row.responses.scenario, row.responses.responses
    side = scenario.all_sides[comparison.side]
    ends = [(responses[i], score) for i, score in zip((comparison.a, comparison.b), comparison.scores, strict=True)]
    (chosen, chosen_score), (rejected, rejected_score) = ends if comparison.winner == "a" else reversed(ends)
    system = ctx.meta_prompt(side.system_info, side.user_info)
    opening = (Message(role="system", content=system),) if system else ()
    return PreferencePair(
        prompt=(*opening, *side.history, Message(role="user", content=scenario.question)),
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
        preference_form=side.preference.form,
        placement=side.placement,
        dimension=side.preference.dimension,
        value=side.preference.value,
        rejected_because=_BECAUSE.get(rejected.source, side.rejected_because),
        chosen_score=chosen_score,
        rejected_score=rejected_score,
        margin=chosen_score - rejected_score,
        agreement=comparison.agreement,
        votes=len(comparison.votes),
        chosen_model=chosen.model,
        rejected_model=rejected.model,
        judge_model=", ".join(sorted({vote.model for vote in comparison.votes})),
        flip_id=won.flip_id,
        twin_id=won.twin_id,
        user_id=side.user,
        matrix_cell=side.matrix_cell,
        harmful=scenario.query.harmful,
        prompt_versions=merged(scenario.prompt_versions, row.responses.prompt_versions, row.prompt_versions),
        judgement_id=row.id,
    )
