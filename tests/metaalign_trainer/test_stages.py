"""Whole runs in this process, on a dataset of 24 rows with a model of 20,000 weights."""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from metaalign_trainer.config import Config
from metaalign_trainer.errors import ConfigError, DataError, Diverged, TrainerError
from metaalign_trainer.evaluate.answer import Answering
from metaalign_trainer.stages import train
from training import metrics, pair, pairs, save_dataset, settings


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_dataset(tmp_path_factory.mktemp("data") / "dataset")


@pytest.fixture(scope="module")
def base(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that knows the two answers and does not read who wants which."""
    out = tmp_path_factory.mktemp("base")
    run(out, settings(data, sft={"rows_per_step": 8, "epochs": 15, "learning_rate": 1e-2}))
    return out / "model"


def run(out: Path, config: Mapping[str, Any], **options: Any) -> dict[str, Any]:
    return train(Config.model_validate(config), out, quiet=True, **options)


def weights(out: Path) -> dict[str, torch.Tensor]:
    return load_file(out / "model/model.safetensors")


def largest_difference(a: Path, b: Path) -> float:
    first, second = weights(a), weights(b)
    assert first.keys() == second.keys()
    return max((first[name] - second[name]).abs().max().item() for name in first)


def from_base(base: Path, data: Path, **changes: Any) -> dict[str, Any]:
    config = settings(data, model={"path": str(base)}, **changes)
    return {key: value for key, value in config.items() if value is not None}


DPO = {"rows_per_step": 8, "epochs": 6, "learning_rate": 1e-2}


def test_a_model_trained_from_scratch_is_loaded_by_plain_transformers_and_says_what_it_learnt(base: Path) -> None:
    tokenizer, model = AutoTokenizer.from_pretrained(base), AutoModelForCausalLM.from_pretrained(base)
    prompt = tokenizer.apply_chat_template(
        pair(3, "short")["prompt"], add_generation_prompt=True, return_tensors="pt", return_dict=True
    )
    said = model.generate(**prompt, max_new_tokens=40, do_sample=False)[0, prompt["input_ids"].shape[1] :]
    assert tokenizer.decode(said, skip_special_tokens=True).startswith("Yes")


def test_dpo_teaches_which_answer_each_meta_prompt_wants(base: Path, data: Path, tmp_path: Path) -> None:
    summary = run(tmp_path, from_base(base, data, sft=None, dpo=DPO))
    rows = metrics(tmp_path)
    assert rows[0]["loss"] == pytest.approx(0.693147, abs=1e-6)
    assert rows[0]["ties"] == 1
    assert rows[-1]["loss"] < 0.6
    assert summary["stages"]["dpo"]["last"]["held_out_accuracy"] >= 0.75


def test_without_the_meta_prompt_both_halves_of_a_flip_cannot_be_right(base: Path, data: Path, tmp_path: Path) -> None:
    config = from_base(base, data, sft=None, dpo=DPO)
    config["data"] = config["data"] | {"prompts": "none"}
    summary = run(tmp_path, config)
    assert summary["stages"]["dpo"]["last"]["held_out_accuracy"] == 0.5
    assert "static baseline" in (tmp_path / "model/README.md").read_text()


def test_one_preference_is_baked_in_by_learning_only_its_rows(data: Path, tmp_path: Path) -> None:
    config = settings(data)
    config["data"] = config["data"] | {"prompts": "none", "where": {"value": "short"}, "held_out": None}
    assert run(tmp_path, config)["stages"]["sft"]["rows"] == 12
    config["data"] = config["data"] | {"where": {"colour": "red"}}
    with pytest.raises(DataError, match="has no column 'colour'"):
        run(tmp_path / "other", config)


@pytest.mark.parametrize("stage", ["sft", "dpo"])
def test_one_step_in_many_passes_is_the_step_in_one(base: Path, data: Path, tmp_path: Path, stage: str) -> None:
    steps = {"rows_per_step": 8, "epochs": 1, "learning_rate": 1e-2, "schedule": "constant", "max_steps": 2}
    for name, tokens in (("one", 16384), ("many", 1)):
        blocks = {"sft": None, stage: steps | {"tokens_at_once": tokens}}
        run(tmp_path / name, from_base(base, data, **blocks))
    one, many = metrics(tmp_path / "one"), metrics(tmp_path / "many")
    assert [row["loss"] for row in one] == pytest.approx([row["loss"] for row in many], rel=1e-5)
    assert [row["grad_norm"] for row in one] == pytest.approx([row["grad_norm"] for row in many], rel=1e-4)


def test_gradient_checkpointing_changes_memory_not_results(base: Path, data: Path, tmp_path: Path) -> None:
    run(tmp_path / "plain", from_base(base, data))
    run(tmp_path / "checkpointed", from_base(base, data, gradient_checkpointing=True))
    assert largest_difference(tmp_path / "plain", tmp_path / "checkpointed") < 1e-5


@pytest.mark.parametrize("precision", ["bf16-mixed", "bf16"])
def test_bfloat16_is_about_float32_and_the_model_keeps_the_type_that_it_had(
    base: Path, data: Path, tmp_path: Path, precision: str
) -> None:
    for name in ("float32", precision):
        run(tmp_path / name, from_base(base, data, dpo=DPO | {"epochs": 1}, precision=name))
    exact, rounded = metrics(tmp_path / "float32"), metrics(tmp_path / precision)
    assert rounded[0]["loss"] == pytest.approx(exact[0]["loss"], rel=0.02)
    assert rounded[0]["loss"] != exact[0]["loss"]
    [first] = [row for row in rounded if row["stage"] == "dpo" and row["step"] == 1]
    assert first["ties"] == 1  # the reference is computed as the policy is
    assert {tensor.dtype for tensor in weights(tmp_path / precision).values()} == {torch.float32}


@pytest.mark.parametrize("loss", ["ipo", "length-normalised"])
def test_the_other_preference_losses_teach_the_same(base: Path, data: Path, tmp_path: Path, loss: str) -> None:
    config = from_base(base, data, sft=None, dpo=DPO | {"loss": loss, "beta": 0.5})
    assert run(tmp_path, config)["stages"]["dpo"]["last"]["held_out_accuracy"] >= 0.75


@pytest.fixture(scope="module")
def gpt2(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model with dropout, and with positions that end."""
    from transformers import GPT2Config, GPT2LMHeadModel

    folder = tmp_path_factory.mktemp("gpt2")
    tokenizer = AutoTokenizer.from_pretrained(base)
    tokenizer.save_pretrained(folder)
    sizes = {"vocab_size": len(tokenizer), "n_embd": 16, "n_layer": 1, "n_head": 2, "n_positions": 160}
    GPT2LMHeadModel(GPT2Config(**sizes, eos_token_id=tokenizer.eos_token_id)).save_pretrained(folder)
    return folder


def test_policy_and_reference_are_one_before_the_first_step_of_dpo_also_where_a_model_has_dropout(
    gpt2: Path, data: Path, tmp_path: Path
) -> None:
    run(tmp_path, from_base(gpt2, data, sft=None, dpo=DPO | {"max_steps": 1}))
    [first] = metrics(tmp_path)
    assert (first["ties"], first["margin"]) == (1, 0)
    assert first["loss"] == pytest.approx(math.log(2), rel=1e-12)


def test_a_row_longer_than_the_context_of_the_model_is_rejected_whatever_max_length_says(
    gpt2: Path, tmp_path: Path
) -> None:
    rows = pairs(4)
    rows[0]["chosen"] = [{"role": "assistant", "content": "word " * 40}]
    config = from_base(gpt2, save_dataset(tmp_path / "data", rows))
    config["data"] = config["data"] | {"max_length": 100_000}
    assert run(tmp_path / "out", config)["stages"]["sft"]["rejected"] == {"too_long": 1}
    [left_out] = [json.loads(line) for line in (tmp_path / "out/sft/rejects.jsonl").read_text().splitlines()]
    assert "tokens, and the context of the model is 160" in left_out["detail"]


def test_answers_end_where_the_context_of_the_model_does(gpt2: Path) -> None:
    answering = Answering.load(str(gpt2), max_new_tokens=10_000, temperature=1.0, seed=0)
    assert len(answering.answers([""], "Is 1 a number?")) == 1
    with pytest.raises(DataError, match="the context of the model is 160"):
        answering.answers(["many words " * 160], "Is 1 a number?")


def test_too_little_memory_is_told_with_what_would_take_less(
    base: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*args: Any) -> None:
        raise torch.OutOfMemoryError

    monkeypatch.setattr("metaalign_trainer.lap.fit", full)
    with pytest.raises(TrainerError, match=r"sft\.tokens_at_once: 16384; the same command goes on with a lower one"):
        run(tmp_path, from_base(base, data))


def test_two_stages_learn_from_queries_of_their_own_and_from_what_the_first_model_says(
    data: Path, tmp_path: Path
) -> None:
    sft = {"rows_per_step": 4, "epochs": 15, "learning_rate": 1e-2}
    summary = run(
        tmp_path,
        settings(data, sft=sft, dpo=DPO, two_stage={"max_new_tokens": 60, "rows_at_once": 5, "temperature": 1.6}),
    )
    stages = summary["stages"]
    assert stages["sft"]["rows"] == 12
    assert stages["dpo"]["rows"] + sum(stages["dpo"]["rejected"].values()) == 12
    drawn = [json.loads(line) for line in (tmp_path / "dpo/pairs.jsonl").read_text().splitlines()]
    kept = [row for row in drawn if "chosen" in row]
    assert len(kept) == stages["dpo"]["rows"] > 0
    assert all(row["chosen"] != row["rejected"] for row in kept)
    assert (tmp_path / "sft/model/model.safetensors").exists()
    assert {row["stage"] for row in metrics(tmp_path)} == {"sft", "dpo"}
    left_out = [json.loads(line) for line in (tmp_path / "dpo/rejects.jsonl").read_text().splitlines()]
    assert {row["reason"] for row in left_out} <= {"cut_off", "empty", "equals_chosen"}


def test_a_judge_decides_which_of_chosen_and_sampled_answer_wins(data: Path, tmp_path: Path) -> None:
    asked: list[str] = []

    def judge(rows: Sequence[Mapping[str, Any]], answers: Sequence[str]) -> list[Any]:
        asked.extend(row["user_info"] for row in rows)
        return (["sampled", "tie", None] + ["chosen"] * len(rows))[: len(rows)]

    sft = {"rows_per_step": 4, "epochs": 15, "learning_rate": 1e-2}
    two_stage = {"max_new_tokens": 60, "rejected": "judged", "temperature": 1.6}
    config = settings(data, sft=sft, dpo=DPO, two_stage=two_stage, judge="quickstart")
    with pytest.raises(TrainerError, match="asks a judge"):
        run(tmp_path, config)
    summary = run(tmp_path, config, judge=judge)
    rejected = summary["stages"]["dpo"]["rejected"]
    assert (rejected["tie"], rejected["no_verdict"]) == (1, 1)
    assert summary["stages"]["dpo"]["rows"] == len(asked) - 2
    first = json.loads((tmp_path / "dpo/pairs.jsonl").read_text().splitlines()[0])
    assert first["rejected"] in ("Yes.", "Yes, and there is a good deal more to be said about it.")


def test_adapters_are_merged_or_saved_alone_and_both_say_the_same(base: Path, data: Path, tmp_path: Path) -> None:
    from peft import AutoPeftModelForCausalLM

    for name, merge in (("merged", True), ("alone", False)):
        run(tmp_path / name, from_base(base, data, lora={"rank": 4, "merge": merge}))
    ids = torch.tensor([[5, 6, 7, 8]])
    merged = AutoModelForCausalLM.from_pretrained(tmp_path / "merged/model")
    alone = AutoPeftModelForCausalLM.from_pretrained(tmp_path / "alone/model")
    start = AutoModelForCausalLM.from_pretrained(base)
    with torch.no_grad():
        assert torch.allclose(merged(ids).logits, alone(ids).logits, atol=1e-4)
        assert not torch.allclose(merged(ids).logits, start(ids).logits, atol=1e-2)
    assert [(tmp_path / name / "model/model.safetensors").exists() for name in ("merged", "alone")] == [True, False]


def test_a_loss_that_is_no_number_stops_with_the_ids_of_its_rows(base: Path, data: Path, tmp_path: Path) -> None:
    spoilt = tmp_path / "spoilt"
    spoilt.mkdir()
    for path in base.iterdir():
        (spoilt / path.name).write_bytes(path.read_bytes())
    tensors = load_file(spoilt / "model.safetensors")
    tensors["model.norm.weight"][0] = float("nan")
    save_file(tensors, spoilt / "model.safetensors", {"format": "pt"})
    with pytest.raises(Diverged, match=r"the loss is nan in step 1; its rows: row\d+(short|long), .*the weights are"):
        run(tmp_path / "out", from_base(spoilt, data))
    assert not (tmp_path / "out/model").exists()


def test_an_output_directory_keeps_to_its_configuration_but_for_what_does_not_matter(
    data: Path, tmp_path: Path
) -> None:
    run(tmp_path, settings(data))
    before = (tmp_path / "model/model.safetensors").stat().st_mtime_ns
    assert run(tmp_path, settings(data, checkpoint_every=3))["stages"]["sft"]["steps"] == 6
    assert (tmp_path / "model/model.safetensors").stat().st_mtime_ns == before
    with pytest.raises(TrainerError, match=r"sft\.learning_rate was 0\.01, is 0\.02"):
        run(tmp_path, settings(data, sft={"rows_per_step": 8, "epochs": 2, "learning_rate": 2e-2}))


def test_a_directory_that_holds_something_else_is_left_alone(data: Path, tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text("{}")
    with pytest.raises(TrainerError, match="holds something else"):
        run(tmp_path, settings(data))


def test_rows_that_have_changed_since_training_began_are_noticed(tmp_path: Path) -> None:
    import shutil

    data = save_dataset(tmp_path / "data")
    run(tmp_path / "out", settings(data))
    shutil.rmtree(tmp_path / "out/model")
    shutil.rmtree(data)
    save_dataset(data, pairs(11))
    with pytest.raises(TrainerError, match="the rows of sft have changed"):
        run(tmp_path / "out", settings(data))


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda row: {key: value for key, value in row.items() if key != "rejected"}, "rejected"),
        (lambda row: row | {"chosen": [{"role": "assistant", "content": " "}]}, "empty"),
        (lambda row: row | {"chosen": [{"role": "assistant", "content": "word " * 300}]}, "too_long"),
    ],
    ids=["missing column", "empty response", "longer than the context"],
)
def test_a_broken_dataset_gets_a_clear_message(base: Path, tmp_path: Path, spoil: Any, told: str) -> None:
    data = save_dataset(tmp_path / "data", [spoil(row) for row in pairs(4)])
    config = from_base(base, data, sft=None, dpo=DPO)
    config["data"] = config["data"] | {"held_out": None}
    with pytest.raises((DataError, ConfigError), match=told):
        run(tmp_path / "out", config)


def test_rows_that_cannot_be_learnt_are_counted_and_kept_while_the_others_are_learnt(
    base: Path, tmp_path: Path
) -> None:
    rows = pairs(4)
    rows[0]["chosen"] = [{"role": "assistant", "content": "word " * 300}]
    summary = run(tmp_path / "out", from_base(base, save_dataset(tmp_path / "data", rows)))
    assert summary["stages"]["sft"]["rejected"] == {"too_long": 1}
    [left_out] = [json.loads(line) for line in (tmp_path / "out/sft/rejects.jsonl").read_text().splitlines()]
    assert (left_out["id"], left_out["split"]) == (rows[0]["id"], "train")


def test_held_out_rows_that_cannot_be_measured_are_counted_and_kept_too(base: Path, tmp_path: Path) -> None:
    data = save_dataset(tmp_path / "data", test=[pair(0, "short"), pair(1, "long") | {"rejected": []}])
    facts = run(tmp_path / "out", from_base(base, data))["stages"]["sft"]
    assert (facts["held_out_rows"], facts["held_out_rejected"], facts["rejected"]) == (1, 1, {})
    [left_out] = [json.loads(line) for line in (tmp_path / "out/sft/rejects.jsonl").read_text().splitlines()]
    assert (left_out["id"], left_out["split"], left_out["reason"]) == ("row1long", "test", "malformed")


def test_sft_is_measured_by_how_often_the_chosen_answer_is_the_likelier(base: Path, data: Path, tmp_path: Path) -> None:
    run(tmp_path, from_base(base, data, sft=DPO))
    [*_, last] = metrics(tmp_path)
    assert 0.5 <= last["held_out_accuracy"] <= 1
    assert "accuracy" not in last


def test_the_card_tells_base_data_fingerprint_figures_and_says_loudly_what_is_simulated(tmp_path: Path) -> None:
    rows = [row | {"chosen_model": "simulated"} for row in pairs()]
    data = save_dataset(tmp_path / "data", rows)
    summary = run(tmp_path / "out", settings(data))
    card = (tmp_path / "out/model/README.md").read_text()
    assert "**TRAINED ON SIMULATED DATA.**" in card
    assert summary["stages"]["sft"]["fingerprint"] in card
    assert "random weights" in card
    assert "learning_rate: 0.01" in card
    assert (tmp_path / "out/model/curves.png").read_bytes()[:4] == b"\x89PNG"


def test_figures_are_kept_as_lines_and_as_a_table(data: Path, tmp_path: Path) -> None:
    import csv

    run(tmp_path, settings(data, evaluate_every=2))
    rows = metrics(tmp_path)
    with (tmp_path / "metrics.csv").open() as file:
        table = list(csv.DictReader(file))
    assert [row["step"] for row in rows] == [int(row["step"]) for row in table] == [1, 2, 3, 4, 5, 6]
    assert [row["step"] for row in rows if "held_out_loss" in row] == [2, 4, 6]
    assert [float(row["loss"]) for row in table] == [row["loss"] for row in rows]


def test_the_loss_of_sft_is_the_mean_over_all_answer_tokens_of_the_step(base: Path, data: Path, tmp_path: Path) -> None:
    run(tmp_path, from_base(base, data, sft={"rows_per_step": 24, "tokens_at_once": 300}))
    tokenizer, model = AutoTokenizer.from_pretrained(base), AutoModelForCausalLM.from_pretrained(base)
    nats, labels = 0.0, 0
    for row in pairs():
        prompt = tokenizer.apply_chat_template(row["prompt"], add_generation_prompt=True, return_dict=False)
        answer = [*tokenizer.encode(row["chosen"][0]["content"]), tokenizer.eos_token_id]
        with torch.no_grad():
            logps = model(torch.tensor([[*prompt, *answer]])).logits[0, len(prompt) - 1 : -1].double().log_softmax(-1)
        nats -= logps[range(len(answer)), answer].sum().item()
        labels += len(answer)
    assert metrics(tmp_path)[0]["loss"] == pytest.approx(nats / labels, rel=1e-5)
