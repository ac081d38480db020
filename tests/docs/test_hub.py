"""What docs/hub.md tells people to type."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

from environments import CHECKOUT
from loopback_hub.server import LoopbackHub
from metaalign_data.cli import parser
from metaalign_data.hub import scan
from pushing import NAME, contents

TEXT = (CHECKOUT / "docs/hub.md").read_text(encoding="utf-8")


def test_its_commands_are_the_command_lines() -> None:
    lines = re.findall(r"^    metaalign-data (.*)$", TEXT, re.MULTILINE)
    assert len(lines) == 3
    for line in lines:
        parser().parse_args(shlex.split(line, comments=True))


def test_its_python_pushes_a_model(tmp_path: Path) -> None:
    (code,) = re.findall(r"^```python\n(.*?)^```$", TEXT, re.DOTALL | re.MULTILINE)
    shutil.copytree(CHECKOUT / "prompts/taxonomies", tmp_path / "runs/my-model")
    with LoopbackHub() as hub:
        environment = {"HF_ENDPOINT": hub.url, "HF_TOKEN": "hf_writer", "HF_HUB_DISABLE_XET": "1"}
        environment = os.environ | environment | {"PYTHONPATH": os.pathsep.join(sys.path)}
        command = [sys.executable, "-c", code.replace("user/name", NAME)]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60)
        assert done.stdout.endswith(f"{hub.url}/{NAME} v1 True\n"), done.stderr
        assert len(contents(hub, kind="model")) > 2


def test_it_counts_the_detectors() -> None:
    assert f"by {len(scan._DETECTORS)} detectors" in " ".join(TEXT.split())
