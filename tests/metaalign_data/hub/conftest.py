"""A loopback Hub, the real client for it, and a folder to push."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from huggingface_hub import HfApi, constants
from huggingface_hub.utils import disable_progress_bars, enable_progress_bars

from loopback_hub.server import LoopbackHub

CARD = "---\nlicense: cc-by-4.0\ntags:\n- preference\n---\n\n# A dataset\n\nTwo splits.\n"


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[LoopbackHub]:
    """Nobody waits: neither the client nor we between two tries."""
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    disable_progress_bars()
    with LoopbackHub() as served:
        yield served
    enable_progress_bars()


@pytest.fixture
def api(hub: LoopbackHub) -> HfApi:
    return HfApi(endpoint=hub.url, token="hf_writer")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A card, two splits (one of several parts in LFS), a figure, and a regular file."""
    folder = tmp_path / "dataset"
    (folder / "pairs").mkdir(parents=True)
    (folder / "README.md").write_text(CARD)
    (folder / "pairs/train-00000-of-00001.parquet").write_bytes(b"train" * 30_000)
    (folder / "pairs/test-00000-of-00001.parquet").write_bytes(b"test" * 100)
    (folder / "plot.png").write_bytes(b"\x89PNG")
    (folder / "figures.json").write_text(json.dumps({"rows": 3}))
    return folder
