"""TRL's trainers take the dataset from `load_dataset` as it is."""

import math
from pathlib import Path
from typing import Any

import pytest

from metaalign_data import Recipe, run
from metaalign_data.dataset.formats import export
from tiny_model import save_tiny_model

pytestmark = pytest.mark.trl

ARGUMENTS: dict[str, Any] = {"max_steps": 2, "per_device_train_batch_size": 2, "report_to": "none", "use_cpu": True}
ARGUMENTS |= {"save_strategy": "no", "logging_steps": 1, "bf16": False, "disable_tqdm": True}


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    recipe = {"name": "trl", "teacher": {"provider": "simulated"}, "queries": {"source": "bundled", "limit": 6}}
    return run(Recipe.from_dict(recipe), out=tmp_path_factory.mktemp("trl") / "run").dataset


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(save_tiny_model(tmp_path_factory.mktemp("model")))


def losses(trainer: Any) -> list[float]:
    trainer.train()
    found = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    assert all(map(math.isfinite, found)), found
    return found


def dpo_losses(model: str, rows: Any, folder: Path) -> list[float]:
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from trl import DPOConfig, DPOTrainer

    trainer = DPOTrainer(
        AutoModelForCausalLM.from_pretrained(model),
        args=DPOConfig(str(folder), max_length=None, **ARGUMENTS),
        processing_class=_padded(AutoTokenizer.from_pretrained(model)),
        train_dataset=rows,
    )
    return losses(trainer)


def _padded(tokenizer: Any) -> Any:
    tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def test_dpo_takes_the_pairs(dataset: Path, model: str, tmp_path: Path) -> None:
    from datasets import load_dataset

    rows = load_dataset(str(dataset), "pairs", split="train", cache_dir=str(tmp_path))
    found = dpo_losses(model, rows, tmp_path / "out")
    assert len(found) == 2
    assert found[0] == pytest.approx(0.6931, abs=1e-3), "ln 2 while policy and reference are the same"


def test_dpo_takes_the_export_of_plain_text(dataset: Path, model: str, tmp_path: Path) -> None:
    from datasets import load_dataset

    export(dataset, "trl-standard", tmp_path / "export")
    rows = load_dataset("json", data_files=str(tmp_path / "export/train.jsonl"), split="train", cache_dir=str(tmp_path))
    assert len(dpo_losses(model, rows, tmp_path / "out")) == 2


def test_sft_takes_the_conversations(dataset: Path, model: str, tmp_path: Path) -> None:
    from datasets import load_dataset
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from trl import SFTConfig, SFTTrainer

    trainer = SFTTrainer(
        AutoModelForCausalLM.from_pretrained(model),
        args=SFTConfig(str(tmp_path / "out"), max_length=None, **ARGUMENTS),
        processing_class=_padded(AutoTokenizer.from_pretrained(model)),
        train_dataset=load_dataset(str(dataset), "sft", split="train", cache_dir=str(tmp_path)),
    )
    assert len(losses(trainer)) == 2
