"""What is exported is read by the trainers' own loaders, each installed without what else it needs to train."""

import os
import subprocess
from pathlib import Path

import pytest

from environments import Environment
from metaalign_data import Recipe, run
from metaalign_data.dataset.formats import export
from tiny_model import save_tiny_model

pytestmark = pytest.mark.loaders

PACKAGES = ("llamafactory==0.9.5", "axolotl==0.19.0", "openrlhf==0.11.2", "colorama", "addict", "pylatexenc")

LLAMA_FACTORY = """
import importlib.machinery, sys, types
from types import SimpleNamespace
audio = types.ModuleType("torchaudio")  # it is imported for speech
audio.__spec__ = importlib.machinery.ModuleSpec("torchaudio", None)
sys.modules["torchaudio"] = audio
from datasets import load_dataset
from llamafactory.data.converter import align_dataset
from llamafactory.data.parser import get_dataset_list
folder = sys.argv[1]
(told,) = get_dataset_list(["metaalign_train"], folder)
rows = load_dataset("json", data_files=f"{folder}/{told.dataset_name}", split="train")
data = SimpleNamespace(
    streaming=False, preprocessing_num_workers=1, overwrite_cache=True, media_dir="", dataset_dir=folder
)
read = align_dataset(rows, told, data, SimpleNamespace(local_process_index=0, should_log=True))
assert told.ranking and len(read) == len(rows)
for row, ours in zip(read, rows, strict=True):
    assert row["_system"] == ours["system"]
    assert row["_prompt"][-1] == {"role": "user", "content": ours["conversations"][-1]["value"]}
    assert [turn["content"] for turn in row["_response"]] == [ours["chosen"]["value"], ours["rejected"]["value"]]
print("read", len(read))
"""

AXOLOTL = """
import sys
import yaml
from axolotl.prompt_strategies.dpo.chat_template import default
from axolotl.utils.dict import DictDefault
from datasets import load_dataset
from transformers import AutoTokenizer
folder = sys.argv[1]
settings = yaml.safe_load(open(f"{folder}/axolotl.yaml"))
(block,) = settings["datasets"]
transform, *_ = default(DictDefault(settings | {"chat_template": "chatml"}), dataset_idx=0)
tokenizer = AutoTokenizer.from_pretrained(sys.argv[2])
rows = load_dataset(block["ds_type"], data_files=f"{folder}/{block['path']}", split="train")
for ours in rows:
    row = transform(dict(ours), tokenizer=tokenizer)
    assert ours["messages"][0]["content"] in row["prompt"] and ours["messages"][-1]["content"] in row["prompt"]
    assert row["chosen"].startswith(ours["chosen"]["content"])
    assert row["rejected"].startswith(ours["rejected"]["content"])
print("read", len(rows))
"""

OPENRLHF = """
import sys
from types import SimpleNamespace
from datasets import load_dataset
from openrlhf.datasets import RewardDataset
from transformers import AutoTokenizer
tokenizer = AutoTokenizer.from_pretrained(sys.argv[2])
tokenizer.pad_token = tokenizer.eos_token
rows = load_dataset("json", data_files=f"{sys.argv[1]}/train.jsonl", split="train")
keys = {f"{name}_key": name for name in ("prompt", "chosen", "rejected")}
data = SimpleNamespace(**keys, apply_chat_template=True, tokenizer_chat_template=None)
strategy = SimpleNamespace(args=SimpleNamespace(data=data))
read = RewardDataset(rows, tokenizer, 100_000, strategy, is_dpo=True, num_processors=1)
assert len(read) == len(rows)
for i, ours in enumerate(rows):
    assert ours["prompt"][0]["content"] in read.prompts[i] and ours["prompt"][-1]["content"] in read.prompts[i]
    assert ours["chosen"][0]["content"] in read.chosens[i] and ours["rejected"][0]["content"] in read.rejects[i]
print("read", len(read))
"""


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    recipe = {
        "name": "loaders",
        "teacher": {"provider": "simulated"},
        "queries": {"source": "bundled", "limit": 6},
        "preferences": {"placements": {"history": 0.5, "user_info": 0.5, "system_info": 0.0, "both": 0.0}},
    }
    return run(Recipe.from_dict(recipe), out=tmp_path_factory.mktemp("loaders") / "run").dataset


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of an environment that sees what ours has, and the loaders beside it."""
    environment = Environment.create(tmp_path_factory.mktemp("venv"))
    environment.borrow()
    environment.install("--no-deps", *PACKAGES)
    return environment.script("python")


@pytest.mark.parametrize(
    ("name", "code"), [("llama-factory", LLAMA_FACTORY), ("axolotl", AXOLOTL), ("openrlhf", OPENRLHF)]
)
def test_every_row_is_read_by_the_trainers_own_loader(
    dataset: Path, python: Path, tmp_path: Path, name: str, code: str
) -> None:
    export(dataset, name, tmp_path / "export")
    rows = (tmp_path / "export/train.jsonl").read_text().count("\n")
    model = save_tiny_model(tmp_path / "model")
    environment = {**os.environ, "HF_HOME": str(tmp_path / "hf"), "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        [python, "-c", code, tmp_path / "export", model],
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.stdout.splitlines()[-1:] == [f"read {rows}"], done.stderr
