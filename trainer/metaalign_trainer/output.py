"""The output directory of a training run: where everything lies, and whose it is."""

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from filelock import FileLock, Timeout

from metaalign_trainer.config import Config, Stage
from metaalign_trainer.errors import TrainerError
from metaalign_trainer.files import write_atomically
from metaalign_trainer.metrics import Metrics

MAY_CHANGE = (
    "tensorboard",
    "checkpoint_every",
    "keep_checkpoints",
    "evaluate_every",
    "gradient_checkpointing",
    "compile",
    "sft.tokens_at_once",
    "dpo.tokens_at_once",
    "two_stage.rows_at_once",
)
"""Keys that decide how much is kept, told or held in memory, not what is learnt."""


class Output:
    """Paths of one run."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.config = root / "config.yaml"
        self.start = root / "start"
        self.references = root / "references"
        self.samples = root / "dpo" / "samples"
        self.pairs = root / "dpo" / "pairs.jsonl"
        self.metrics = Metrics(root)
        self.curves = root / "curves.png"
        self.tensorboard = root / "tensorboard"
        self.summary = root / "summary.json"
        self.model = root / "model"

    def checkpoints(self, stage: str) -> Path:
        return self.root / stage / "checkpoints"

    def facts(self, stage: str) -> Path:
        """What the stage learns from and how it ended."""
        return self.root / stage / "stage.json"

    def rejects(self, stage: str) -> Path:
        return self.root / stage / "rejects.jsonl"

    def model_after(self, stage: Stage, config: Config) -> Path:
        """Where the model of a stage goes; that of the last one is the model of the run."""
        return self.model if stage == list(config.stages)[-1] else self.root / stage / "model"

    @contextmanager
    def held(self) -> Iterator[None]:
        """Make the directory and hold it for this process; the end of the process, however it comes, lets go.

        Raises TrainerError where it cannot be written, or another process trains in it.
        """
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            lock = FileLock(self.root / ".lock", timeout=0)
            lock.acquire()
        except Timeout as e:
            raise TrainerError(
                f"{self.root}: another process trains in this directory; wait for it, or give another one with --out"
            ) from e
        except OSError as e:
            raise TrainerError(f"{self.root}: cannot write the output directory: {e.strerror}") from e
        try:
            yield
        finally:
            lock.release()

    def settle(self, config: Config) -> None:
        """Note the configuration. Raises TrainerError where the directory holds what another one has trained."""
        if self.config.exists():
            before = yaml.safe_load(self.config.read_text(encoding="utf-8"))
            changed = [
                f"{key} was {was!r}, is {now!r}"
                for key, was, now in _differences(before, config.model_dump(mode="json"))
                if not key.startswith(MAY_CHANGE)
            ]
            if changed:
                raise TrainerError(
                    f"{self.root}: was trained with another configuration ({'; '.join(changed)}); give another "
                    "directory with --out, or remove this one"
                )
        elif any(path.name != ".lock" for path in self.root.iterdir()):
            raise TrainerError(f"{self.root}: holds something else; give another directory with --out")
        write_atomically(self.config, config.dump())

    def forget_checkpoints(self, stage: str) -> None:
        """Once the model of a stage is written, nothing goes back to them."""
        shutil.rmtree(self.checkpoints(stage), ignore_errors=True)


def _differences(before: Any, now: Any, key: str = "") -> Iterator[tuple[str, Any, Any]]:
    if isinstance(before, Mapping) and isinstance(now, Mapping):
        for name in dict.fromkeys([*before, *now]):
            yield from _differences(before.get(name), now.get(name), f"{key}.{name}" if key else name)
    elif before != now:
        yield key, before, now
