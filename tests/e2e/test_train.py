"""The command line as a process: from a recipe to a model that plain transformers loads."""

from pathlib import Path

import pytest
from transformers import AutoModelForCausalLM, AutoTokenizer

from commands import metaalign_data
from loopback_hub.server import LoopbackHub
from metaalign_data.cli import main
from metaalign_trainer.data import encode, load_rows
from metaalign_trainer.start import renderer_of
from pushing import contents
from training import pair, pairs, save_dataset, settings, write_config


def test_a_model_trained_by_the_bundled_command_is_loaded_by_plain_transformers_and_pushed(tmp_path: Path) -> None:
    metaalign_data("run", "quickstart", "--limit", "10", cwd=tmp_path).check()
    fewer = ("--set", "sft.max_steps=4", "--set", "data.held_out=null")
    with LoopbackHub() as hub:
        environment = {
            "HF_ENDPOINT": hub.url,
            "HF_TOKEN": "hf_writer",
            "HF_HUB_OFFLINE": "0",
            "HF_HUB_DISABLE_XET": "1",
        }
        push = ("--push-to", "tester/model", "--allow-simulated")
        done = metaalign_data("train", "train-sft", *fewer, *push, cwd=tmp_path, env=environment).check()
        there = contents(hub, "tester/model", kind="model")
    assert "sft 4/4  loss" in done.err  # in a pipe, a line
    assert "tokens/s" in done.err
    assert "trained on simulated data" in done.out
    assert done.out.splitlines()[-1] == f"pushed   {hub.url}/tester/model"

    folder = tmp_path / "runs/train-sft/model"
    assert {path.name for path in folder.iterdir()} <= set(there)
    assert there["model.safetensors"] == (folder / "model.safetensors").read_bytes()
    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModelForCausalLM.from_pretrained(folder)
    rows = load_rows(str(tmp_path / "runs/quickstart"), "pairs", "train").to_list()
    learnt, _ = encode(rows, renderer_of(str(folder)), max_length=4096, answers="chosen")
    for row, example in zip(rows, learnt, strict=True):
        plain = tokenizer.apply_chat_template([*row["prompt"], *row["chosen"]], return_dict=True)["input_ids"]
        assert plain[: len(example.prompt) + len(example.answers[0])] == [*example.prompt, *example.answers[0]]
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


def test_a_model_that_would_learn_simulated_data_is_not_trained_for_a_push(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    data = save_dataset(tmp_path / "data", [row | {"judge_model": "simulated"} for row in pairs()])
    monkeypatch.chdir(tmp_path)
    assert main(["train", str(write_config(tmp_path / "c.yaml", settings(data))), "--push-to", "tester/model"]) == 2
    assert "not to be published; --allow-simulated publishes" in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("name", "token", "told"),
    [
        ("nonsense", "hf_writer", "nonsense: is no name on the Hub; write user/name"),
        ("tester/model", None, "no token of the Hub is set; set HF_TOKEN"),
        ("tester/model", "hf_unknown", "the Hub does not accept the token"),
    ],
)
def test_what_would_keep_a_model_from_the_hub_is_told_before_it_is_trained(
    tmp_path: Path, name: str, token: str | None, told: str
) -> None:
    config = write_config(tmp_path / "c.yaml", settings(save_dataset(tmp_path / "data")))
    with LoopbackHub() as hub:
        environment = {"HF_ENDPOINT": hub.url, "HF_HUB_OFFLINE": "0", "HF_HUB_DISABLE_XET": "1"}
        environment |= {"HF_TOKEN": token} if token else {"HF_HUB_DISABLE_IMPLICIT_TOKEN": "1"}
        done = metaalign_data("train", config, "--push-to", name, cwd=tmp_path, env=environment)
    assert done.code == 2
    assert told in done.err
    assert not (tmp_path / "runs").exists()
