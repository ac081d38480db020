"""Runs that end in the middle, runs of several processes, and two that want the same directory."""

import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from metaalign_trainer.__main__ import main
from metaalign_trainer.config import Config
from metaalign_trainer.output import Output
from metaalign_trainer.stages import train
from metaalign_trainer.stopping import Interrupted
from training import metrics, run_trainer, save_dataset, settings, start_trainer, write_config


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """As in the processes that the tests start: the number of threads decides the last bits of a sum."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def wait_for(pattern: str, folder: Path, process: subprocess.Popen[str] | None = None, timeout_s: float = 60) -> None:
    """Until the folder has something of this pattern."""
    deadline_s = time.monotonic() + timeout_s
    while not list(folder.glob(pattern)):
        assert process is None or process.poll() is None, process.communicate()
        assert time.monotonic() < deadline_s, f"no {pattern}"
        time.sleep(0.01)


def run(config: dict[str, Any], out: Path) -> None:
    train(Config.model_validate(config), out, quiet=True)


def test_a_run_that_was_killed_and_interrupted_ends_in_the_same_bits_as_one_that_was_not(tmp_path: Path) -> None:
    steps = {"rows_per_step": 4, "learning_rate": 1e-2}
    config = settings(
        save_dataset(tmp_path / "data"),
        sft=steps | {"epochs": 15},
        dpo=steps | {"epochs": 2},
        two_stage={"max_new_tokens": 40, "temperature": 1.6},
        checkpoint_every=7,
        evaluate_every=20,
    )
    file, whole, broken = write_config(tmp_path / "c.yaml", config), tmp_path / "whole", tmp_path / "broken"
    run(config, whole)

    process = start_trainer(file, "--out", broken)
    wait_for("sft/checkpoints/step-000014", broken, process)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    assert not (broken / "sft/model").exists()

    process = start_trainer(file, "--out", broken)
    wait_for("sft/checkpoints/step-000028", broken, process)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "the same command goes on" in err
    [*_, last] = sorted((broken / "sft/checkpoints").iterdir())
    assert int(last.name.removeprefix("step-")) == metrics(broken)[-1]["step"]

    run(config, broken)
    for name in ("sft/model/model.safetensors", "dpo/pairs.jsonl", "model/model.safetensors"):
        assert (broken / name).read_bytes() == (whole / name).read_bytes(), name
    told = ("stage", "step", "loss", "grad_norm", "held_out_loss")
    assert [[row.get(name) for name in told] for row in metrics(broken)] == [
        [row.get(name) for name in told] for row in metrics(whole)
    ]
    assert not (broken / "sft/checkpoints").exists()


def test_a_run_with_dropout_that_was_interrupted_ends_in_the_same_bits(tmp_path: Path) -> None:
    data = save_dataset(tmp_path / "data")
    run(settings(data), tmp_path / "base")
    config = settings(
        data,
        model={"path": str(tmp_path / "base/model")},
        lora={"rank": 4, "dropout": 0.2},
        sft={"rows_per_step": 4, "epochs": 4, "learning_rate": 1e-2},
        checkpoint_every=4,
    )

    def interrupt() -> None:
        wait_for("sft/checkpoints/step-*", tmp_path / "broken")
        os.kill(os.getpid(), signal.SIGINT)

    run(config, tmp_path / "whole")
    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(Interrupted, match="stopped after step"):
        run(config, tmp_path / "broken")
    thread.join()
    run(config, tmp_path / "broken")
    weights = [(tmp_path / name / "model/model.safetensors").read_bytes() for name in ("whole", "broken")]
    assert weights[0] == weights[1]


def test_only_the_last_checkpoints_stay(tmp_path: Path) -> None:
    config = settings(save_dataset(tmp_path / "data"), checkpoint_every=1, keep_checkpoints=2)
    config["sft"] |= {"epochs": 100}
    thread = threading.Thread(
        target=lambda: (wait_for("sft/checkpoints/step-000005", tmp_path / "out"), os.kill(os.getpid(), signal.SIGINT))
    )
    thread.start()
    with pytest.raises(Interrupted):
        run(config, tmp_path / "out")
    thread.join()
    assert len(list((tmp_path / "out/sft/checkpoints").iterdir())) == 2


def test_a_second_run_in_the_same_directory_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = write_config(tmp_path / "c.yaml", settings(save_dataset(tmp_path / "data")))
    with Output(tmp_path / "out").held():
        assert main([str(config), "--out", str(tmp_path / "out")]) == 2
    assert "another process trains in this directory" in capsys.readouterr().err
    assert main([str(config), "--out", str(tmp_path / "out")]) == 0


def test_two_processes_that_were_told_to_stop_end_in_the_same_bits_as_two_that_were_not(tmp_path: Path) -> None:
    """Rows are held out and a checkpoint is written at the same steps: evaluation leaves weights gathered behind it."""
    steps = {"rows_per_step": 4, "epochs": 5, "learning_rate": 1e-2, "tokens_at_once": 300}
    data = save_dataset(tmp_path / "data")
    file = write_config(tmp_path / "c.yaml", settings(data, sft=steps, checkpoint_every=5, evaluate_every=5))
    run_trainer(file, "--out", tmp_path / "whole", processes=2).check()

    process = start_trainer(file, "--out", tmp_path / "broken", processes=2)
    wait_for("sft/checkpoints/step-000010", tmp_path / "broken", process)
    process.terminate()
    process.communicate(timeout=60)
    assert not (tmp_path / "broken/model").exists()
    assert len(metrics(tmp_path / "broken")) < len(metrics(tmp_path / "whole"))

    run_trainer(file, "--out", tmp_path / "broken", processes=2).check()
    weights = [(tmp_path / name / "model/model.safetensors").read_bytes() for name in ("whole", "broken")]
    assert weights[0] == weights[1]


def test_two_processes_that_share_the_weights_see_the_losses_of_one(tmp_path: Path) -> None:
    steps = {"rows_per_step": 8, "epochs": 1, "learning_rate": 1e-2, "tokens_at_once": 300}
    config = settings(save_dataset(tmp_path / "data"), sft=steps, dpo=steps)
    run(config, tmp_path / "one")
    file = write_config(tmp_path / "c.yaml", config)
    run_trainer(file, "--out", tmp_path / "two", processes=2).check()
    one, two = metrics(tmp_path / "one"), metrics(tmp_path / "two")
    for name in ("stage", "rows", "tokens"):
        assert [row[name] for row in two] == [row[name] for row in one]
    for name in ("loss", "grad_norm", "held_out_loss", "margin"):
        values = [[row[name] for row in rows if name in row] for rows in (one, two)]
        assert values[1] == pytest.approx(values[0], rel=1e-4, abs=1e-7)
