"""One renderer of conversations for training, evaluation and chat."""

import re
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from metaalign_trainer.errors import DataError, TrainerError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Message = Mapping[str, str]

CHAT_TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}"
    "{{ '<|' + message['role'] + '|>\n' + message['content'] }}"
    "{{ (eos_token if message['role'] == 'assistant' else '') + '\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% endif %}"
)
"""For tokenizers without a template. The system message holds System Info and User Info, laid out by the dataset."""

_PROBE = "\N{BLACK FOUR POINTED STAR}"


class Renderer:
    """Messages to tokens, by the tokenizer's own chat template or, where it has none, by CHAT_TEMPLATE.

    The template alone puts special tokens: what a tokenizer adds by itself is left out, so that there is one BOS at
    most, and none that the text of a message spells. An answer's tokens end with the token that ends a turn. `context`
    is the longest sequence, in tokens, that the model takes; None where it sets no bound. Raises TrainerError where
    template or tokenizer cannot be used.
    """

    def __init__(self, tokenizer: "PreTrainedTokenizerBase", context: int | None = None) -> None:
        self.tokenizer, self.context = tokenizer, context
        self._last: tuple[Sequence[dict[str, str]], str, list[int]] = ([], "", [])
        if tokenizer.eos_token_id is None:
            raise TrainerError("the tokenizer has no token that ends a text (eos_token): answers could not end")
        if not tokenizer.chat_template:
            tokenizer.chat_template = CHAT_TEMPLATE

    @property
    def pad_id(self) -> int:
        """What fills a batch up; where it stands is told by position, so it may be the end token."""
        return self.end_id if self.tokenizer.pad_token_id is None else int(self.tokenizer.pad_token_id)

    @cached_property
    def end_id(self) -> int:
        """The token that ends an answer: the first special one that the template puts after it, else EOS."""
        after = self._rendered([{"role": "user", "content": _PROBE}, {"role": "assistant", "content": _PROBE}])
        special = set(self.tokenizer.all_special_ids)
        ids = self._ids(after.rpartition(_PROBE)[2])
        return next((token for token in ids if token in special), int(self.tokenizer.eos_token_id))

    @cached_property
    def special(self) -> re.Pattern[str]:
        """What the tokenizer reads as one special token wherever it stands, in a message too."""
        tokens = [str(token) for token in self.tokenizer.added_tokens_decoder.values() if token.special]
        return re.compile("|".join(map(re.escape, tokens)) or r"(?!)")

    def prompt(self, messages: Sequence[Message]) -> list[int]:
        """Tokens of a conversation that ends where the assistant's answer begins."""
        return list(self._before(messages)[1])

    def _before(self, messages: Sequence[Message]) -> tuple[str, list[int]]:
        """A prompt as text and as tokens; that of the last call is kept, for the other answer of its row."""
        told = [dict(message) for message in messages]
        if self._last[0] != told:
            text = self._rendered(told, add_generation_prompt=True)
            self._last = (told, text, self._ids(text))
        return self._last[1:]

    def answer(self, prompt: Sequence[Message], text: str) -> list[int]:
        """Tokens of an answer to `prompt`, the end token last.

        Raises DataError where the prompt's tokens are not how the tokens of prompt and answer together begin: a model
        would learn an answer that it cannot be asked for.
        """
        before, prompt_ids = self._before(prompt)
        whole = self._rendered([*prompt, {"role": "assistant", "content": text}])
        if not whole.startswith(before):
            raise DataError("the chat template changes what stands before an answer when the answer is there")
        ids = self._ids(whole)
        if ids[: len(prompt_ids)] != prompt_ids:
            raise DataError("the first letters of the answer melt into a token of the prompt")
        answer = ids[len(prompt_ids) :]
        end = len(answer) - 1 - answer[::-1].index(self.end_id) if self.end_id in answer else len(answer)
        return [*answer[:end], self.end_id]

    def text(self, ids: Sequence[int]) -> str:
        """What the tokens of an answer say, without special tokens."""
        return str(self.tokenizer.decode(list(ids), skip_special_tokens=True))

    def _rendered(self, messages: Sequence[Message], *, add_generation_prompt: bool = False) -> str:
        told: Any = [dict(message) for message in messages]
        for message in told:
            if spelt := self.special.search(message["content"]):
                raise DataError(
                    f"a message of the {message['role']} spells {spelt[0]}, which only the template may put"
                )
        try:
            text = str(
                self.tokenizer.apply_chat_template(told, tokenize=False, add_generation_prompt=add_generation_prompt)
            )
        except Exception as e:  # whatever a template raises: Jinja's errors, or its own by raise_exception
            raise DataError(f"the chat template refuses these messages: {e}") from e
        begin = self.tokenizer.bos_token
        if begin and text.startswith(begin * 2):  # once more before later turns is how some models know them
            raise DataError(f"the chat template puts {begin}, which begins a text, twice")
        return text

    def _ids(self, text: str) -> list[int]:
        return list(self.tokenizer(text, add_special_tokens=False)["input_ids"])
