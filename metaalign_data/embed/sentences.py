"""Embeddings by a sentence-transformers model."""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from metaalign_data.embed.vectors import Vectors
from metaalign_data.errors import UserError
from metaalign_data.records import digest

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer


BATCH = 32
CORES = os.cpu_count() or 1


class SentenceModel:
    """A sentence-transformers model, loaded when it is first used. It reads no further than its maximum length. Raises
    UserError at once for a folder that holds none; a name on the Hub is only looked up when the model is loaded.

    Where the processor multiplies bfloat16 natively, the layers do so: nearly twice as fast, with cosines to the
    float32 vectors above 0.9999. Batches are of texts of like length, so that they hold little padding: many texts at
    once are faster than a few at a time. On processors they go side by side, each on one core: threads that share a
    batch wait for each other, on a busy machine longer than they work.

    Blank texts that the model has no vector for are equal to each other and, but by chance, near to nothing.
    """

    def __init__(self, name: str) -> None:
        self.name = str(Path(name).expanduser()) if name.startswith("~") else name
        folder = Path(self.name)
        is_folder = folder.is_dir() or self.name.startswith((".", "/"))
        if is_folder and not any((folder / file).is_file() for file in ("modules.json", "config.json")):
            raise UserError("this folder holds no model: neither modules.json nor config.json", where=str(folder))

    @cached_property
    def identity(self) -> str:
        """All that shapes the vectors: name or path, the state of the files there, and how it multiplies."""
        files = (
            sorted(path for path in Path(self.name).rglob("*") if path.is_file()) if Path(self.name).is_dir() else []
        )
        state = [f"{path} {path.stat().st_size} {path.stat().st_mtime_ns}" for path in files]
        return f"sentence-transformers {self.name} {digest(*state)} {self._precision}"

    @cached_property
    def _model(self) -> "SentenceTransformer":
        from sentence_transformers import SentenceTransformer

        try:
            return SentenceTransformer(self.name, trust_remote_code=False)
        except (OSError, ValueError) as e:  # no such model, no network, or one that would run code of its own
            raise UserError(f"the embedding model '{self.name}' cannot be loaded: {e}") from e

    @cached_property
    def _precision(self) -> str:
        import torch

        if torch.cuda.is_available():
            return "bfloat16" if torch.cuda.is_bf16_supported() else "float32"
        native = [getattr(torch.cpu, f"_is_{unit}_supported", bool)() for unit in ("avx512_bf16", "amx_tile")]
        return "bfloat16" if any(native) else "float32"

    def _multiplying(self) -> AbstractContextManager[Any]:
        import torch

        if self._precision == "float32":
            return nullcontext()
        return torch.autocast(self._model.device.type, dtype=torch.bfloat16)

    def embed(self, texts: Sequence[str]) -> Vectors:
        if not texts:
            return np.zeros((0, 1), dtype=np.float32)
        order = sorted(range(len(texts)), key=lambda i: -len(texts[i]))
        batches = [[texts[i] for i in order[start : start + BATCH]] for start in range(0, len(texts), BATCH)]
        made = np.empty_like(vectors := np.concatenate(self._encoded(batches)))
        made[order] = vectors
        lengths = np.linalg.norm(made, axis=1, keepdims=True)
        blank = np.array([not text.strip() for text in texts]) & ~(lengths[:, 0] > 0)
        made[blank], lengths[blank] = np.eye(1, made.shape[1]), 1.0  # a model that reads no token of it has no vector
        return np.asarray(made / np.where(lengths > 0, lengths, np.nan), dtype=np.float32)

    def _encoded(self, batches: Sequence[Sequence[str]]) -> list[Vectors]:
        if self._model.device.type != "cpu" or CORES == 1:
            return [self._encode(batch) for batch in batches]
        import torch

        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            # The shortest texts go first, alone: the tokenizer must not be set up by two threads at once.
            last = self._encode(batches[-1])
            with ThreadPoolExecutor(CORES) as pool:
                return [*pool.map(self._encode, batches[:-1]), last]
        finally:
            torch.set_num_threads(threads)

    def _encode(self, batch: Sequence[str]) -> Vectors:
        with self._multiplying():  # of this thread alone
            encoded = self._model.encode(
                list(batch), batch_size=len(batch), convert_to_tensor=True, show_progress_bar=False
            )
        vectors: Vectors = encoded.float().cpu().numpy()
        return vectors
