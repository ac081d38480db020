"""The simulated teacher: a model that answers every prompt of this package, for no money and with known truth."""

import asyncio
import hashlib
import json
from collections.abc import Sequence
from functools import cached_property
from random import Random

from pydantic import BaseModel, ConfigDict, Field

from metaalign_data.chat import ChatRequest, Completion, FinishReason, Message, Usage
from metaalign_data.errors import TeacherError
from metaalign_data.teacher.simulated import judge, material, write
from metaalign_data.teacher.simulated.asked import Asked, read_conversation
from metaalign_data.teacher.simulated.faults import Faults
from metaalign_data.teacher.simulated.instance import instance_of
from metaalign_data.teacher.simulated.world import world_digest

MODEL = "simulated"
CHARS_PER_TOKEN = 4
_REFUSAL = "I am sorry, but I cannot help with that."
_FAULTS_OF_TRANSPORT = {"latency_ms", "rate_limit", "server_error", "retry_after_s"}


class SimulatedTeacher:
    """A client (teacher/base.py) that answers from the messages alone, by what it reads in them.

    It recognises the prompts of this package by their tags, follows the meta-prompt of any other chat, and commits
    the faults that are ordered. Equal configurations give equal answers to equal requests.
    """

    class Config(BaseModel):
        model_config = ConfigDict(frozen=True, extra="forbid")
        seed: int = Field(default=0, description="another seed gives other answers")
        faults: Faults = Faults()

    def __init__(self, config: Config) -> None:
        self.config = config
        self._failures: dict[bytes, int] = {}

    @property
    def model(self) -> str:
        return MODEL

    @cached_property
    def identity(self) -> str:
        shaping = self.config.model_dump(exclude={"faults": _FAULTS_OF_TRANSPORT})
        return f"{MODEL} {hashlib.sha256(f'{world_digest()} {json.dumps(shaping)}'.encode()).hexdigest()[:16]}"

    def check(self) -> Sequence[str]:
        return []

    async def probe(self) -> dict[str, object]:
        return {}

    def remember(self, facts: dict[str, object]) -> None:
        """Nothing to take: `probe` finds out nothing."""

    async def aclose(self) -> None:
        """Nothing to close."""

    async def complete(self, request: ChatRequest) -> Completion:
        """Answer, or commit a fault. Raises TeacherError "rate_limited" or "server_error" where these are ordered."""
        conversation = self._conversation_key(request.messages)
        key = conversation + request.sample.to_bytes(8, "big")
        self._fail_if_ordered(key)
        if self.config.faults.latency_ms:
            await asyncio.sleep(self.config.faults.latency_ms / 1000)
        if self.config.faults.strikes("refusal", key):
            return _completion(request, _REFUSAL, refused=True)
        varied = key if request.temperature > 0 else conversation
        return _completion(request, self._answer(request.messages, key, Random(int.from_bytes(varied, "big"))))

    def _conversation_key(self, messages: Sequence[Message]) -> bytes:
        told = "\x1e".join((str(self.config.seed), *(f"{m.role}\x1f{m.content}" for m in messages)))
        return hashlib.blake2b(told.encode("utf-8", "surrogatepass"), digest_size=16).digest()

    def _fail_if_ordered(self, key: bytes) -> None:
        """A retry of the same request is another attempt with another draw; failures are counted until one passes."""
        faults = self.config.faults
        attempt = self._failures.get(key, 0)
        limited = faults.strikes("rate_limit", key, attempt)
        if limited or faults.strikes("server_error", key, attempt):
            self._failures[key] = attempt + 1
            if limited:
                raise TeacherError("rate_limited", "simulated rate limit", retry_after_s=faults.retry_after_s)
            raise TeacherError("server_error", "simulated server error")
        self._failures.pop(key, None)

    def _answer(self, messages: Sequence[Message], key: bytes, rng: Random) -> str:
        asked = read_conversation(messages)
        answer = self._known_answer(asked, key, rng)
        if not isinstance(answer, str):
            return self._as_json(asked, answer, key)
        if not asked.wants_json:
            return answer
        schema = asked.json_schema()
        shaped = instance_of(schema, answer) if schema else None
        return self._broken(json.dumps({"answer": answer} if shaped is None else shaped, ensure_ascii=False), key)

    def _known_answer(self, asked: Asked, key: bytes, rng: Random) -> str | dict[str, object]:
        """The answer to a prompt of this package, as its prompt wants it: text or an object; else to a plain chat."""
        if asked.has("response_a", "response_b") and not asked.names("first"):
            return self._verdict(asked, key)
        if asked.has("response", "criterion"):
            infos = asked.system_info, asked.user_info, asked.query
            return judge.on_criterion(*infos, asked.inputs["response"])
        return material.answer(asked, rng) or self._response(asked, key, rng)

    def _response(self, asked: Asked, key: bytes, rng: Random) -> str:
        given = asked.inputs
        if given.get("target"):
            plan = write.plan_for_target(given["target"])
        elif "heedless" in given:
            plan = write.Plan()
        else:
            plan = write.plan_for_meta_prompt(asked.system_info, asked.user_info, asked.query, asked.history, rng)
        if self.config.faults.strikes("wrong_answer", key):
            plan = write.contrary(plan, asked.query, rng)
        return write.write_response(asked.query, plan, rng)

    def _verdict(self, asked: Asked, key: bytes) -> dict[str, object]:
        a, b = asked.inputs["response_a"], asked.inputs["response_b"]
        faults = self.config.faults
        if faults.strikes("position_bias", key):
            verdict = judge.favouring(first=True)
        elif len(a) != len(b) and faults.strikes("length_bias", key):
            verdict = judge.favouring(first=len(a) > len(b))
        else:
            infos = asked.system_info, asked.user_info, asked.query
            verdict = judge.judge(*infos, a, b, history=asked.history, may_tie=asked.names("tie"))
        if faults.strikes("judge_error", key):
            verdict = verdict.flipped()
        criteria = judge.criteria(asked.frame)
        return verdict.by_criterion(criteria) if criteria else verdict.overall()

    def _as_json(self, asked: Asked, answer: dict[str, object], key: bytes) -> str:
        """Only what the prompt names, and JSON only where it asks for it: a prompt that forgets something shows."""
        named = asked.named(answer)
        if asked.wants_json:
            return self._broken(json.dumps(named, ensure_ascii=False), key)
        return "\n".join(f"{name}: {value}" for name, value in answer.items())

    def _broken(self, text: str, key: bytes) -> str:
        return text[: len(text) * 2 // 3] if self.config.faults.strikes("malformed_json", key) else text


def _completion(request: ChatRequest, text: str, *, refused: bool = False) -> Completion:
    """The answer with its tokens, estimated by length, and cut where it is longer than `max_tokens`."""
    cut = text[: request.max_tokens * CHARS_PER_TOKEN]
    usage = Usage(
        prompt_tokens=_tokens(sum(len(m.content) for m in request.messages)), completion_tokens=_tokens(len(cut))
    )
    finish: FinishReason = "refused" if refused else "length" if len(cut) < len(text) else "stop"
    return Completion(text=cut, model=MODEL, usage=usage, finish_reason=finish)


def _tokens(chars: int) -> int:
    return max(1, -(-chars // CHARS_PER_TOKEN))
