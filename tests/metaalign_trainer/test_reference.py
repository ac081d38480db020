from pathlib import Path

import pytest
import torch

from golden_batch import examples, model, renderer, rows, truth
from metaalign_trainer import reference
from metaalign_trainer.data import encode
from metaalign_trainer.reference import reference_logps
from metaalign_trainer.template import Renderer


def test_they_are_those_of_the_reference_row_by_row(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reference, "ROWS_AT_ONCE", 3)
    found = reference_logps(model("reference", torch.float64), examples())
    assert [found[example.id] for example in examples()] == [
        pytest.approx(pair, rel=1e-12) for pair in truth("reference").tolist()
    ]


def test_what_was_computed_once_is_read_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = reference_logps(model("reference", torch.float32), examples(), tmp_path)
    monkeypatch.setattr(reference, "answer_logps", None)
    assert reference_logps(model("reference", torch.float32), examples(), tmp_path) == first


def test_other_weights_and_other_rows_are_computed_anew(tmp_path: Path) -> None:
    reference_logps(model("reference", torch.float32), examples(), tmp_path)
    reference_logps(model("policy", torch.float32), examples(), tmp_path)
    reference_logps(model("reference", torch.float32), examples()[1:], tmp_path)
    assert len(list(tmp_path.iterdir())) == 3


def test_another_template_is_computed_anew(tmp_path: Path) -> None:
    own = renderer()
    given, told = rows(), []
    for template in (own.tokenizer.chat_template, "Chat: " + own.tokenizer.chat_template):
        own.tokenizer.chat_template = template
        made, _ = encode(given, Renderer(own.tokenizer), max_length=2048, answers="both")
        told.append(reference_logps(model("reference", torch.float32), made, tmp_path))
    assert len(list(tmp_path.iterdir())) == 2
    assert told[0] != told[1]


def test_dropout_is_off_and_the_model_is_left_as_it_was() -> None:
    own = model("reference", torch.float32)
    own.config.attention_dropout = 0.5
    for layer in own.model.layers:
        layer.self_attn.attention_dropout = 0.5
    own.train()
    assert reference_logps(own, examples()) == reference_logps(own, examples())
    assert own.training
