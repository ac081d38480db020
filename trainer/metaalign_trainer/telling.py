"""How a run ended, for people."""

from collections.abc import Iterator, Mapping
from typing import Any


def told(summary: Mapping[str, Any]) -> Iterator[str]:
    """Lines about what summary.json holds."""
    for stage, facts in summary["stages"].items():
        last = facts["last"]
        figures = [f"loss {last['loss']:.4f}"]
        figures += [f"accuracy {last['accuracy']:.1%}"] if last.get("accuracy") is not None else []
        figures += [f"held out {last['held_out_loss']:.4f}"] if last.get("held_out_loss") is not None else []
        figures += [f"{last['held_out_accuracy']:.1%}"] if last.get("held_out_accuracy") is not None else []
        speed = facts["tokens"] / facts["seconds"] if facts["seconds"] else 0
        yield (
            f"{stage:8} {facts['rows']:,} rows, {facts['steps']:,} steps, {facts['tokens']:,} tokens, "
            f"{speed:,.0f} tokens/s; {', '.join(figures)}"
        )
        for reason, count in facts["rejected"].items():
            yield f"rejected {count:,} rows of {stage}: {reason} (rejects.jsonl)"
        if facts["held_out_rejected"]:
            yield f"rejected {facts['held_out_rejected']:,} held-out rows of {stage} (rejects.jsonl)"
    if summary["simulated"]:
        yield "notice   trained on simulated data: this model is for testing a pipeline, not for use"
    if summary["curves"] is None:
        yield "notice   no curves.png: pip install 'metaalign-data[report]' for matplotlib"
    yield f"model    {summary['model']}"
