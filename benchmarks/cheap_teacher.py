"""A client that answers every prompt of the default pipeline at once, from a hash: what is measured is the engine."""

import json
import re
from collections.abc import Sequence
from functools import cache
from hashlib import sha256

from pydantic import BaseModel

from metaalign_data.answers import PairwiseVerdict
from metaalign_data.chat import ChatRequest, Completion, Usage
from metaalign_data.records import digest
from metaalign_data.teacher.simulated.instance import instance_of

_RESPONSES = re.compile(r"<response_[ab]>(.*?)</response_[ab]>", re.DOTALL)
MARK = "0123456789abcdef"
_SYLLABLES = ["ba", "de", "fi", "go", "ku", "la", "me", "ni", "po", "ru", "sa", "te", "vi", "zo", "chu", "sha"]
_WORDS = [one + other for one in _SYLLABLES for other in _SYLLABLES]


class CheapTeacher:
    """Implements teacher.base.Client. Of two responses the one with the higher hash wins, in either order."""

    class Config(BaseModel):
        pass

    model = "cheap"
    identity = "cheap"

    def __init__(self, config: Config | None = None) -> None: ...

    async def complete(self, request: ChatRequest) -> Completion:
        said = request.messages[-1].content
        mark = digest(said, str(request.sample))
        text = _words(mark) if request.output is None else self._json(request.output, said, mark)
        return Completion(text=text, model=self.model, usage=Usage(prompt_tokens=len(said) // 4, completion_tokens=70))

    def _json(self, output: type[BaseModel], said: str, mark: str) -> str:
        if output is PairwiseVerdict:
            first, second = (digest(part) for part in _RESPONSES.findall(said))
            scores = {"score_a": 9, "score_b": 2} if first > second else {"score_a": 2, "score_b": 9}
            return json.dumps({"reason": "It is nearer.", **scores, "winner": "a" if first > second else "b"})
        return _instance(output).replace(MARK, _words(mark))

    def check(self) -> Sequence[str]:
        return []

    async def probe(self) -> dict[str, object]:
        return {}

    def remember(self, facts: dict[str, object]) -> None: ...

    async def aclose(self) -> None: ...


def _words(mark: str) -> str:
    """32 words that have next to nothing in common with those of another mark: alike texts are the work of `dedup`."""
    return " ".join(_WORDS[byte] for byte in sha256(mark.encode()).digest())


@cache
def _instance(output: type[BaseModel]) -> str:
    """JSON that fits, with MARK where the mark of an answer is to stand."""
    return json.dumps(instance_of(output.model_json_schema(), f"Whoever asks wants it that way, {MARK}."))
