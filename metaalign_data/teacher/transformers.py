"""The `transformers` provider: a causal language model in this process."""

import asyncio
import importlib.util
import json
import os
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from jinja2 import TemplateError
from pydantic import BaseModel, ConfigDict, Field

from metaalign_data.chat import ChatRequest, Completion, Message, Usage
from metaalign_data.errors import MissingExtra, TeacherError, TeacherUnusable
from metaalign_data.prompting import Library
from metaalign_data.teacher.ledger import ledger_key
from metaalign_data.teacher.schema import with_json_instructions

PLAIN_TURN = "{role}: {content}\n\n"
"""How a base model, which has no chat template, is shown a conversation."""


class TransformersTeacher:
    """Answers one request at a time, in a thread of its own, where the model is loaded when it is first asked.

    Sampling is seeded by the request, so the same request has the same answer on the same machine. Only safetensors are
    read, and no code that comes with a model is run.
    """

    class Config(BaseModel):
        model_config = ConfigDict(frozen=True, extra="forbid")
        model: str = Field(min_length=1, description="folder, or name on the Hugging Face Hub")
        device: str | None = Field(default=None, description='as PyTorch names it; null is "cuda" where there is one')
        dtype: str = Field(default="auto", description='as PyTorch names it; "auto" is what the weights are in')
        revision: str | None = Field(default=None, description="branch, tag or commit on the Hub")

    max_concurrency = 1

    def __init__(self, config: Config) -> None:
        self.config = config
        self._library = Library()
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="transformers")
        self._loaded: tuple[Any, Any] | None = None

    @property
    def model(self) -> str:
        return self.config.model

    @property
    def identity(self) -> str:
        """The device is left out: it changes the last digits, not the model."""
        return "transformers " + json.dumps(self.config.model_dump(exclude={"device"}), sort_keys=True)

    def check(self) -> Sequence[str]:
        """The packages, and the folder where `model` is one; a name on the Hub is only looked up when it is loaded."""
        if missing := _missing_packages():
            return [str(missing)]
        folder = Path(self.model).expanduser()
        if (folder.is_dir() or self.model.startswith((".", "/", "~"))) and not (folder / "config.json").is_file():
            return [f"{folder} holds no model: it has no config.json"]
        return []

    async def probe(self) -> dict[str, object]:
        return {}

    def remember(self, facts: dict[str, object]) -> None:
        """There is nothing to find out."""

    async def complete(self, request: ChatRequest) -> Completion:
        """JSON is asked for in words; nothing holds the model to them.

        Raises MissingExtra, TeacherUnusable when the model cannot be loaded, and TeacherError "bad_request" when it
        fails or the request is too long for it.
        """
        gone = threading.Event()
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, self._answer, request, gone)
        finally:
            gone.set()  # ends the generation where the one who waited was cancelled

    async def aclose(self) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _answer(self, request: ChatRequest, gone: threading.Event) -> Completion:
        if self._loaded is None:
            self._loaded = _load(self.config)
        tokenizer, model = self._loaded
        encoded = _encode(tokenizer, with_json_instructions(request, self._library))
        prompt_tokens = int(encoded["input_ids"].shape[1])
        room = getattr(model.config, "max_position_embeddings", None)
        if room is not None and prompt_tokens + request.max_tokens > room:
            raise TeacherError(
                "bad_request",
                f"{prompt_tokens} tokens of prompt and max_tokens {request.max_tokens} exceed the model's {room}",
            )
        try:
            made = _generate(model, encoded, request, int(ledger_key(self.identity, request)[:15], 16), gone)
        except (RuntimeError, ValueError, IndexError) as e:
            raise TeacherError("bad_request", f"the model failed: {str(e)[:300]}") from e
        return Completion(
            text=tokenizer.decode(made, skip_special_tokens=True).strip(),
            model=self.model,
            usage=Usage(prompt_tokens=prompt_tokens, completion_tokens=len(made)),
            finish_reason="stop" if made and made[-1] in _stop_tokens(model) else "length",
        )


def _missing_packages() -> MissingExtra | None:
    if all(importlib.util.find_spec(name) for name in ("torch", "transformers")):
        return None
    return MissingExtra("the transformers teacher", "train")


def _load(config: TransformersTeacher.Config) -> tuple[Any, Any]:
    """Tokenizer and model, ready to generate."""
    if missing := _missing_packages():
        raise missing
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    name = os.path.expanduser(config.model)
    safe = {"revision": config.revision or "main", "trust_remote_code": False}
    try:
        tokenizer = AutoTokenizer.from_pretrained(name, **safe)
        model: Any = AutoModelForCausalLM.from_pretrained(name, **safe, torch_dtype=config.dtype, use_safetensors=True)
        model.to(config.device or ("cuda" if torch.cuda.is_available() else "cpu")).eval()
    except Exception as e:  # the libraries raise nearly anything here
        raise TeacherUnusable(f"{config.model} cannot be loaded: {str(e)[:300]}") from e
    return tokenizer, model


def _encode(tokenizer: Any, messages: Sequence[Message]) -> Mapping[str, Any]:
    """The conversation as tokens, up to where the answer begins."""
    if tokenizer.chat_template is None:
        turns = "".join(PLAIN_TURN.format(role=m.role.title(), content=m.content) for m in messages)
        encoded: Mapping[str, Any] = tokenizer(turns + "Assistant:", return_tensors="pt")
        return encoded
    turns_as_dicts = [m.model_dump() for m in messages]
    options = {"add_generation_prompt": True, "return_dict": True, "return_tensors": "pt"}
    try:
        encoded = tokenizer.apply_chat_template(turns_as_dicts, **options)
    except TemplateError:  # some templates know no system role
        encoded = tokenizer.apply_chat_template(_without_system(turns_as_dicts), **options)
    return encoded


def _without_system(turns: list[dict[str, str]]) -> list[dict[str, str]]:
    """The system message as the beginning of the user's first one."""
    if len(turns) < 2 or turns[0]["role"] != "system" or turns[1]["role"] != "user":
        return turns
    system, user, *rest = turns
    return [{"role": "user", "content": f"{system['content']}\n\n{user['content']}"}, *rest]


def _generate(
    model: Any, encoded: Mapping[str, Any], request: ChatRequest, seed: int, gone: threading.Event
) -> list[int]:
    """Tokens of the answer, stop token included."""
    import torch
    from transformers import StoppingCriteriaList

    def nobody_waits(input_ids: Any, *_: Any, **__: Any) -> Any:
        return torch.full((input_ids.shape[0],), gone.is_set(), dtype=torch.bool, device=input_ids.device)

    criteria: Any = StoppingCriteriaList()
    criteria.append(nobody_waits)

    inputs = {name: encoded[name].to(model.device) for name in ("input_ids", "attention_mask")}
    sampling = {"do_sample": True, "temperature": request.temperature} if request.temperature else {"do_sample": False}
    torch.manual_seed(seed)
    with torch.inference_mode():
        output = model.generate(
            **inputs,
            **sampling,
            max_new_tokens=request.max_tokens,
            pad_token_id=min(_stop_tokens(model), default=0),
            stopping_criteria=criteria,
        )
    made: list[int] = output[0, inputs["input_ids"].shape[1] :].tolist()
    return made


def _stop_tokens(model: Any) -> set[int]:
    """Ids that end an answer."""
    found = model.generation_config.eos_token_id
    return set(found if isinstance(found, list) else [found]) - {None}
