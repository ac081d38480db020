"""The command line as a process: from a recipe to a model that plain transformers loads."""

from pathlib import Path

import pytest
from transformers import AutoModelForCausalLM, AutoTokenizer

from commands import metaalign_data
from loopback_hub.server import LoopbackHub
from metaalign_data.cli import main
from pushing import contents
from training import pair, pairs, save_dataset, settings, write_config


def test_a_model_trained_by_the_bundled_command_is_loaded_by_plain_transformers_and_answers(tmp_path: Path) -> None:
    metaalign_data("run", "quickstart", "--limit", "10", cwd=tmp_path).check()
    fewer = ("--set", "sft.max_steps=4", "--set", "data.held_out=null")
    done = metaalign_data("train", "train-sft", *fewer, cwd=tmp_path).check()
    assert "sft 4/4  loss" in done.err  # in a pipe, a line
    assert "tokens/s" in done.err
    assert "trained on simulated data" in done.out
    folder = tmp_path / "runs/train-sft/model"
    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModelForCausalLM.from_pretrained(folder)
    prompt = tokenizer.apply_chat_template(
        pair(1, "short")["prompt"], add_generation_prompt=True, return_tensors="pt", return_dict=True
    )
    assert tokenizer.decode(prompt["input_ids"][0]).startswith("<|begin|><|system|>\n<System Info>\nYou are")
    assert model.generate(**prompt, max_new_tokens=5, min_new_tokens=5).shape[1] == prompt["input_ids"].shape[1] + 5


@pytest.mark.parametrize(
    ("args", "told"),
    [
        (("train-sfd",), "there is no training configuration 'train-sfd'"),
        (("train-sft", "--set", "sft.epochs=0", "--set", "seed=x"), "--set sft.epochs: sft.epochs: must be greater"),
        (("train-sft",), "runs/quickstart: there is no such folder here"),
        (("train-dpo", "--set", "data.source=./data"), "runs/train-sft/model: there is no such folder here"),
    ],
)
def test_what_cannot_be_trained_is_told_in_a_sentence(
    tmp_path: Path,
    args: tuple[str, ...],
    told: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    save_dataset(tmp_path / "data")
    monkeypatch.chdir(tmp_path)
    assert main(["train", *args]) == 2
    assert told in capsys.readouterr().err


def test_a_trained_model_is_pushed_and_loads_back_but_not_a_simulated_one_by_mistake(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    data = save_dataset(tmp_path / "data")
    config = str(write_config(tmp_path / "c.yaml", settings(data)))
    monkeypatch.chdir(tmp_path)
    with LoopbackHub() as hub:
        environment = {
            "HF_ENDPOINT": hub.url,
            "HF_TOKEN": "hf_writer",
            "HF_HUB_OFFLINE": "0",
            "HF_HUB_DISABLE_XET": "1",
        }
        command = ("train", config, "--push-to", "tester/model")
        done = metaalign_data(*command, cwd=tmp_path, env=environment).check()
        assert done.out.splitlines()[-1] == f"pushed   {hub.url}/tester/model"
        there = contents(hub, "tester/model", kind="model")
    folder = tmp_path / "runs/tiny/model"
    assert {path.name for path in folder.iterdir()} <= set(there)
    assert there["model.safetensors"] == (folder / "model.safetensors").read_bytes()

    save_dataset(tmp_path / "made-up", [row | {"judge_model": "simulated"} for row in pairs()])
    assert main([*command, "--set", "data.source=made-up", "--out", "other"]) == 2
    assert "not to be published; --allow-simulated publishes" in capsys.readouterr().err
    assert not (tmp_path / "other").exists()
