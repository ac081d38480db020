"""How a run ended, in a sentence."""

from collections import Counter

from metaalign_data.engine.counts import Counts
from metaalign_data.engine.target import Target


def done_sentence(counts: Counts, pairs: int, target: Target | None = None) -> str:
    failed = sum(c.failed for c in counts.values())
    tail = f"; {failed} rows failed (failures.parquet): {_frequent(counts, 'failed')}" if failed else ""
    if target and target.missing:
        lack = ", ".join(f"{n} {subset}" for subset, n in target.missing.items())
        tail = f"; short of the target of {target.pairs}: {lack} are missing after {target.candidates} candidates{tail}"
    return f"{pairs} pairs{tail}"


def biggest_losses(counts: Counts) -> str:
    """Which stages lost how many rows for what, the most frequent reason first."""
    lost = []
    for name, c in counts.items():
        if gone := c.rejected + c.failed:
            reasons = ", ".join(f"{reason} {n}" for reason, n in c.reasons.most_common(3))
            lost.append(f"{name} lost {gone} of {c.taken} rows ({reasons})")
    return "; ".join(lost) or "the queries are empty"


def _frequent(counts: Counts, ending: str) -> str:
    reasons = sum((c.reasons for c in counts.values()), Counter[str]())
    return ", ".join(f"{r.removeprefix(f'{ending}: ')} {n}" for r, n in reasons.most_common() if r.startswith(ending))
