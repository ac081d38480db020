import json
import os
import pty
from pathlib import Path

import pytest

from metaalign_trainer import progress
from metaalign_trainer.metrics import COLUMNS, Metrics
from metaalign_trainer.output import Output
from metaalign_trainer.watch import watching


def row(step: int, **figures: float) -> dict[str, object]:
    return {"stage": "dpo", "step": step, "loss": 0.5, "tokens": 100, **figures}


def test_a_line_that_a_crash_has_cut_short_does_not_count(tmp_path: Path) -> None:
    metrics = Metrics(tmp_path)
    metrics.add(row(1))
    with metrics.jsonl.open("a") as file:
        file.write('{"stage": "dpo", "st')
    assert metrics.rows() == [row(1)]
    metrics.go_back_to("dpo", 1)
    metrics.add(row(2))
    assert metrics.rows() == [row(1), row(2)]


def test_what_is_done_again_is_told_once_and_other_stages_stay(tmp_path: Path) -> None:
    metrics = Metrics(tmp_path)
    for step in (1, 2, 3):
        metrics.add(row(step))
    metrics.add(row(3) | {"stage": "sft"})
    metrics.go_back_to("dpo", 1)
    assert [(each["stage"], each["step"]) for each in metrics.rows()] == [("dpo", 1), ("sft", 3)]


def test_in_a_pipe_a_line_tells_loss_accuracy_margin_speed_and_time_left(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "LINE_EVERY_S", 0.0)
    with watching(Output(tmp_path), "dpo", tensorboard=False, quiet=False)(0, 2) as tell:
        tell(row(1, accuracy=0.75, margin=0.25))
        tell(row(2, accuracy=1.0, margin=0.5, held_out_loss=0.6))
    first, last = capsys.readouterr().err.splitlines()
    assert first.startswith("dpo 1/2  loss 0.5000, accuracy 75.0%, margin 0.250, ")
    assert "tokens/s, ETA 0:0" in first
    assert "held out 0.6000" in last
    table = (tmp_path / "metrics.csv").read_text().splitlines()
    assert table[0] == ",".join(COLUMNS)
    assert len(table) == 3
    assert (tmp_path / "curves.png").read_bytes()[:4] == b"\x89PNG"


def test_tensorboard_gets_every_figure_of_every_step(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    with watching(Output(tmp_path), "dpo", tensorboard=True, quiet=True)(0, 2) as tell:
        tell(row(1))
        tell(row(2))
    events = EventAccumulator(str(tmp_path / "tensorboard/dpo"))
    events.Reload()
    assert [event.step for event in events.Scalars("dpo/loss")] == [1, 2]


def test_quiet_keeps_the_figures_and_says_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with watching(Output(tmp_path), "dpo", tensorboard=False, quiet=True)(0, 1) as tell:
        tell(row(1))
    assert capsys.readouterr().err == ""
    assert json.loads((tmp_path / "metrics.jsonl").read_text())["step"] == 1


def test_whoever_waits_at_a_terminal_sees_how_far_it_is_and_a_pipe_stays_empty(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert list(progress.followed(iter("abc"), 3, "scoring")) == ["a", "b", "c"]
    assert capsys.readouterr().err == ""
    ours, theirs = pty.openpty()
    with os.fdopen(theirs, "w") as terminal:
        monkeypatch.setattr("sys.stderr", terminal)
        assert list(progress.followed(iter("abc"), 3, "scoring")) == ["a", "b", "c"]
        print("done", file=terminal, flush=True)  # so that there is something to read, whatever was shown
        shown = os.read(ours, 65536).decode()
    os.close(ours)
    assert "scoring" in shown
    assert "100%" in shown
