from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoConfig, AutoModelForCausalLM

from golden_batch import plain_logps
from metaalign_trainer import attention, forward
from metaalign_trainer.attention import takes_flat
from metaalign_trainer.data import Example
from metaalign_trainer.forward import answer_logps

SIZES: dict[str, Any] = {
    "vocab_size": 60,
    "hidden_size": 16,
    "intermediate_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 64,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
FLAT = {
    "llama": {},
    "mistral": {"sliding_window": None},
    "qwen2": {"use_sliding_window": False},
    "qwen3": {"head_dim": 4},
    "gemma": {"head_dim": 4},
    "phi3": {"sliding_window": None, "original_max_position_embeddings": 64},
    "olmo2": {},
    "granite": {"attention_multiplier": 0.3, "logits_scaling": 3.0, "residual_multiplier": 0.7},
    "gpt_neox": {},
}
PADDED = {
    "mistral": {"sliding_window": 4},
    "gemma2": {"head_dim": 4, "sliding_window": 4, "final_logit_softcapping": 3.0},
    "gpt2": {"n_embd": 16, "n_head": 2, "n_layer": 2, "n_positions": 64},
}


def tiny(kind: str, extra: dict[str, Any]) -> Any:
    torch.manual_seed(0)
    sizes = {k: v for k, v in SIZES.items() if kind != "gpt2" or k in ("vocab_size", "bos_token_id", "eos_token_id")}
    config = AutoConfig.for_model(kind, **sizes | extra, attn_implementation="eager" if kind == "gemma2" else "sdpa")
    model = AutoModelForCausalLM.from_config(config).eval()
    return model if kind == "gemma2" else model.double()  # its masks do not go into float64


ROWS = [
    Example("a", (1, 5, 6, 7, 8, 9, 10), ((11, 12, 13, 14, 15, 2), (16, 2))),
    Example("b", (1, 20), ((21, 22, 2), (23, 24, 25, 26, 27, 28, 29, 2))),
    Example("c", (1, 5, 6, 7, 8, 9, 10), ((11, 12, 13, 14, 15, 2), (2,))),
]


@pytest.mark.parametrize(
    ("kind", "extra", "flat"), [*((k, v, True) for k, v in FLAT.items()), *((k, v, False) for k, v in PADDED.items())]
)
def test_every_kind_of_model_gives_what_it_gives_alone(kind: str, extra: dict[str, Any], flat: bool) -> None:
    expected = plain_logps(tiny(kind, extra), ROWS)
    model = tiny(kind, extra)
    assert takes_flat(model.config) == flat
    found = answer_logps(model, ROWS)
    exact = 1e-5 if kind == "gemma2" else 1e-10
    torch.testing.assert_close(found, expected, rtol=exact, atol=exact)
    found.sum().backward()
    gradients = [weights.grad for weights in model.parameters()]
    alone = tiny(kind, extra)
    plain_logps(alone, ROWS).sum().backward()
    for ours, theirs in zip(gradients, (weights.grad for weights in alone.parameters()), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=2e-6)  # the norms of these models are float32 inside


tokens = st.integers(3, 59)
example = st.builds(
    Example,
    st.text(max_size=2),
    st.lists(tokens, min_size=1, max_size=9).map(tuple),
    st.tuples(*[st.lists(tokens, max_size=7).map(lambda ids: (*ids, 2))] * 2),
)


@settings(max_examples=30, deadline=None)
@given(st.lists(example, min_size=1, max_size=6))
def test_rows_together_give_what_each_gives_alone(rows: list[Example]) -> None:
    model = tiny("llama", {})
    with torch.no_grad():
        together = answer_logps(model, rows)
        alone = torch.cat([answer_logps(model, [row]) for row in rows])
        plain = plain_logps(tiny("llama", {}), rows)
    torch.testing.assert_close(together, alone, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(together, plain, rtol=1e-10, atol=1e-10)


def test_an_answer_sees_neither_the_other_answer_nor_another_row() -> None:
    model = tiny("llama", {})
    changed = [
        Example("a", ROWS[0].prompt, (ROWS[0].answers[0], (40, 41, 42, 2))),
        Example("b", (1, 50), ((51, 2), (52, 2))),
    ]
    with torch.no_grad():
        torch.testing.assert_close(
            answer_logps(model, ROWS)[0, 0], answer_logps(model, changed)[0, 0], rtol=1e-12, atol=0
        )


def test_the_vocabulary_in_parts_is_the_vocabulary_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    def gradients() -> list[torch.Tensor]:
        model = tiny("llama", {})
        answer_logps(model, ROWS).sum().backward()
        return [weights.grad for weights in model.parameters()]

    whole = gradients()
    monkeypatch.setattr(forward, "LABELS_AT_ONCE", 3)
    for ours, theirs in zip(gradients(), whole, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-12)


def test_with_gradient_checkpointing_the_gradient_is_the_same() -> None:
    def gradients(*, checkpointing: bool) -> list[torch.Tensor]:
        model = tiny("llama", {}).train()
        if checkpointing:
            model.gradient_checkpointing_enable({"use_reentrant": False})
        answer_logps(model, ROWS).sum().backward()
        return [weights.grad for weights in model.parameters()]

    for ours, theirs in zip(gradients(checkpointing=True), gradients(checkpointing=False), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=0)


def test_eight_passes_of_one_row_give_the_gradient_of_one_pass_of_eight() -> None:
    rows = [Example(str(i), (1, 5 + i, 6), ((7 + i, 8, 2), (9 + i, 2))) for i in range(8)]

    def gradients(size: int) -> list[torch.Tensor]:
        model = tiny("llama", {})
        for start in range(0, 8, size):
            (-answer_logps(model, rows[start : start + size])[:, 0].sum() / 24).backward()
        return [weights.grad for weights in model.parameters()]

    for ours, theirs in zip(gradients(1), gradients(8), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("kind", list(FLAT))
def test_a_model_that_was_scored_is_called_as_before(kind: str) -> None:
    """With padding on the left, as generation has it, and without."""
    ids = torch.tensor([[0, 0, 5, 6, 7], [1, 20, 21, 22, 23]])
    mask = (ids > 0).long()
    before = tiny(kind, FLAT[kind])
    after = tiny(kind, FLAT[kind])
    with torch.no_grad():
        answer_logps(after, ROWS)
        for given in ({"attention_mask": mask}, {}):
            ours, plain = (model(input_ids=ids, **given).logits[:, -1] for model in (after, before))
            torch.testing.assert_close(ours, plain, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("mixed", [True, False])
def test_a_cpu_attends_in_float32_in_half_precision_too(mixed: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    expected, attend, kinds = plain_logps(tiny("llama", {}), ROWS), attention.scaled_dot_product_attention, set()

    def noted(query: torch.Tensor, *given: Any, **named: Any) -> torch.Tensor:
        kinds.add(query.dtype)
        return attend(query, *given, **named)

    monkeypatch.setattr(attention, "scaled_dot_product_attention", noted)
    model = tiny("llama", {}).to(torch.float32 if mixed else torch.bfloat16)
    with torch.autocast("cpu", torch.bfloat16, enabled=mixed):
        found = answer_logps(model, ROWS)
    torch.testing.assert_close(found, expected, rtol=0.02, atol=0.02)
    found.sum().backward()
    assert kinds == {torch.float32}
    assert all(weights.grad.isfinite().all() for weights in model.parameters() if weights.grad is not None)
