from pathlib import Path
from typing import Any

import pytest

from golden_batch import FOLDER, renderer
from metaalign_trainer.errors import DataError, TrainerError
from metaalign_trainer.template import CHAT_TEMPLATE, Renderer
from tiny_model import save_tiny_model

PROMPT = [
    {"role": "system", "content": "<System Info>\nBe kind.\n\n<User Info>\nI like cats."},
    {"role": "user", "content": "Which pet?"},
]


def tokenizer(folder: Path, template: str | None, **special: Any) -> Any:
    from transformers import AutoTokenizer

    made = AutoTokenizer.from_pretrained(save_tiny_model(folder, template))
    for name, value in special.items():
        setattr(made, name, value)
    return made


def test_without_a_template_ours_lays_out_the_tiers(tmp_path: Path) -> None:
    render = Renderer(tokenizer(tmp_path, None))
    ids = [*render.prompt(PROMPT), *render.answer(PROMPT, "A cat.")]
    assert render.tokenizer.decode(ids) == (
        "<s><|system|>\n<System Info>\nBe kind.\n\n<User Info>\nI like cats.\n"
        "<|user|>\nWhich pet?\n<|assistant|>\nA cat.</s>"
    )
    assert render.tokenizer.chat_template == CHAT_TEMPLATE, "it is saved with the model"


def test_there_is_one_bos_and_the_template_puts_it(tmp_path: Path) -> None:
    from tokenizers.processors import TemplateProcessing

    own = tokenizer(tmp_path, CHAT_TEMPLATE)
    own.backend_tokenizer.post_processor = TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 1)]
    )
    render = Renderer(own)
    ids = [*render.prompt(PROMPT), *render.answer(PROMPT, "A cat.")]
    assert ids.count(own.bos_token_id) == 1
    assert ids.index(own.bos_token_id) == 0
    assert ids.count(own.eos_token_id) == 1


@pytest.mark.parametrize("pad", ["</s>", "<s>", None])
def test_an_answer_ends_with_the_end_token_whatever_fills_batches_up(tmp_path: Path, pad: str | None) -> None:
    render = Renderer(tokenizer(tmp_path, CHAT_TEMPLATE, pad_token=pad))
    assert render.answer(PROMPT, "A cat.")[-1] == render.end_id == render.tokenizer.eos_token_id


def test_the_end_of_a_turn_is_learnt_where_it_is_not_the_end_of_a_text() -> None:
    render = renderer()
    assert render.tokenizer.decode([render.answer(PROMPT, "A cat.")[-1]]) == "<|end|>"


def test_an_answer_that_melts_into_its_prompt_is_refused() -> None:
    """A template without a border: the space that ends the prompt belongs to the answer's first token."""
    from transformers import AutoTokenizer

    own = AutoTokenizer.from_pretrained(FOLDER / "policy")
    merged = next(token for token in own.get_vocab() if token.startswith("Ġ") and len(token) > 3)
    own.chat_template = "{% for m in messages %}{{ m.content }}{% if m.role == 'user' %} {% endif %}{% endfor %}"
    render = Renderer(own)
    with pytest.raises(DataError, match="melt into a token of the prompt"):
        render.answer([{"role": "user", "content": "So"}], merged[1:])


def test_a_template_that_rewrites_the_prompt_is_refused(tmp_path: Path) -> None:
    template = "{{ messages | length }}{% for m in messages %}{{ m.content }}{% endfor %}"
    with pytest.raises(DataError, match="changes what stands before an answer"):
        Renderer(tokenizer(tmp_path, template)).answer(PROMPT, "A cat.")


def test_a_template_that_refuses_a_system_message_is_told_in_its_words(tmp_path: Path) -> None:
    template = "{% if messages[0].role == 'system' %}{{ raise_exception('no system here') }}{% endif %}x"
    with pytest.raises(DataError, match="no system here"):
        Renderer(tokenizer(tmp_path, template)).prompt(PROMPT)


def test_a_tokenizer_without_an_end_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TrainerError, match="eos_token"):
        Renderer(tokenizer(tmp_path, CHAT_TEMPLATE, eos_token=None))


@pytest.mark.parametrize(("role", "text"), [("system", "Be </s> kind."), ("user", "<s>Which?"), ("assistant", "A</s>")])
def test_only_the_template_puts_special_tokens(tmp_path: Path, role: str, text: str) -> None:
    """A query that spells the end of a turn would end it, and a dataset's text comes from anyone."""
    chat = [*PROMPT, {"role": "assistant", "content": "A cat."}]
    given = [message | {"content": text} if message["role"] == role else message for message in chat]
    with pytest.raises(DataError, match=rf"a message of the {role} spells </?s>"):
        Renderer(tokenizer(tmp_path, None)).answer(given[:-1], given[-1]["content"])


def test_a_template_that_begins_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="puts <s>, which begins a text, twice"):
        Renderer(tokenizer(tmp_path, "{{ bos_token }}" + CHAT_TEMPLATE)).prompt(PROMPT)


def test_a_prompt_that_its_caller_goes_on_writing_is_rendered_anew(tmp_path: Path) -> None:
    render, chat = Renderer(tokenizer(tmp_path, None)), [dict(message) for message in PROMPT]
    first = render.prompt(chat)
    chat += [{"role": "assistant", "content": "A cat."}, {"role": "user", "content": "Why?"}]
    assert len(render.prompt(chat)) > len(first)
    chat[0]["content"] = "Be brief."
    assert "Be brief." in render.tokenizer.decode(render.prompt(chat))
