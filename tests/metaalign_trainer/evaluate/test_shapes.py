from typing import Any

import pytest
import torch
from pydantic import ValidationError

from golden_batch import model, renderer
from metaalign_trainer.errors import DataError
from metaalign_trainer.evaluate import score
from metaalign_trainer.evaluate.score import Scorer
from metaalign_trainer.evaluate.shapes import Mapped, benchmark, items


def mapped(shape: Any, **columns: Any) -> Mapped:
    return Mapped(shape=shape, query="q", **columns)


def layout(system_info: str, user_info: str) -> str:
    return f"S:{system_info} U:{user_info}"


ROW = {"q": "Which pet?", "a": "A cat.", "b": "A dog.", "x": "cats", "y": "dogs", "list": ["One.", "Two.", "Three."]}


@pytest.mark.parametrize(
    ("how", "contexts", "answers", "right"),
    [
        (mapped("pair", contexts=("x",), answers=("a", "b")), ("cats",), ("A cat.", "A dog."), [{0}]),
        (
            mapped("two-contexts", contexts=("x", "y"), answers=("a", "b")),
            ("cats", "dogs"),
            ("A cat.", "A dog."),
            [{0}, {1}],
        ),
        (mapped("choices", contexts=("x",), answers=("list",), label="letter"), ("cats",), tuple(ROW["list"]), [{1}]),
        (mapped("choices", answers=("list",), label="text"), ("",), tuple(ROW["list"]), [{2}]),
        (mapped("choices", answers=("list",), label="number"), ("",), tuple(ROW["list"]), [{2}]),
        (mapped("choices", answers=("list",)), ("",), tuple(ROW["list"]), [{0}]),
        (
            mapped("matrix", contexts=("list",), answers=("list",)),
            tuple(ROW["list"]),
            tuple(ROW["list"]),
            [{0}, {1}, {2}],
        ),
        (mapped("best-of", answers=("rights", "b")), ("",), ("A cat.", "Cats.", "A dog."), [{0, 1}]),
        (mapped("pair", answers=("chat", "b")), ("",), ("A cat.", "A dog."), [{0}]),
    ],
)
def test_each_shape_says_which_answers_fit_which_context(
    how: Mapped, contexts: tuple[str, ...], answers: tuple[str, ...], right: list[set[int]]
) -> None:
    row = ROW | {
        "letter": "(b)",
        "text": "Three.",
        "number": 2,
        "rights": ["A cat.", "Cats."],
        "chat": [{"role": "assistant", "content": "A cat."}],
    }
    (item,) = items([row], how, "file")
    assert (item.contexts, item.answers, list(item.right)) == (contexts, answers, [frozenset(r) for r in right])


@pytest.mark.parametrize(
    ("how", "row", "told"),
    [
        (mapped("pair", answers=("a", "nope")), ROW, r"file: has no column 'nope'; it has q, a"),
        (mapped("two-contexts", contexts=("x",), answers=("a", "b")), ROW, "row 0: 1 contexts for 2 answers"),
        (mapped("choices", answers=("list",), label="a"), ROW, "the label 'A cat.' names none of 3 answers"),
        (mapped("pair", answers=("a", "b")), ROW | {"b": " "}, "none of them empty"),
        (mapped("pair", answers=("a", "b")), ROW | {"b": None}, "None is no text"),
        (mapped("pair", contexts=("x", "y"), answers=("a", "b")), ROW, "2 contexts, where 'pair' takes 1"),
    ],
)
def test_a_row_that_does_not_fit_is_named(how: Mapped, row: dict[str, Any], told: str) -> None:
    with pytest.raises(DataError, match=told):
        items([row], how, "file")


def test_rows_of_one_name_are_refused() -> None:
    with pytest.raises(DataError, match="row 1: its q 'Which pet\\?' is that of an earlier row"):
        items([ROW, ROW], mapped("pair", answers=("a", "b"), id="q"), "file")


def test_contexts_and_questions_are_counted_apart_and_a_tie_is_no_success(monkeypatch: pytest.MonkeyPatch) -> None:
    how = mapped("two-contexts", contexts=("x", "y"), answers=("a", "b"), id="q")
    rows = [ROW | {"q": name} for name in ("both", "one", "tie")]
    told = {"both": [[2, 1], [1, 2]], "one": [[2, 1], [2, 1]], "tie": [[1, 1], [1, 2]]}
    monkeypatch.setattr(
        score, "logps_of", lambda _, examples: {e.id: told[e.id.split()[0]][int(e.id.split()[1])] for e in examples}
    )
    scorer = Scorer(model("policy", torch.float32), renderer(), 2048)
    found = benchmark(scorer, items(rows, how, "file"), how, layout, "sum")
    assert (found["contexts"]["value"], found["contexts"]["n"]) == (pytest.approx((1 + 0.5 + 0.5) / 3), 3)
    assert found["questions"]["value"] == pytest.approx(1 / 3)


def test_the_context_stands_where_a_dataset_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = {}

    def noted(_: Any, examples: Any) -> dict[str, list[float]]:
        seen.update({e.id: renderer().tokenizer.decode(e.prompt) for e in examples})
        return {e.id: [1.0, 0.0] for e in examples}

    monkeypatch.setattr(score, "logps_of", noted)
    scorer = Scorer(model("policy", torch.float32), renderer(), 2048)
    for tier, expected in (("user_info", "S: U:cats"), ("system_info", "S:cats U:")):
        how = mapped("pair", contexts=("x",), answers=("a", "b"), tier=tier)
        benchmark(scorer, items([ROW], how, "f"), how, layout, "sum")
        assert expected in seen["0 0"]
    how = mapped("pair", answers=("a", "b"))
    benchmark(scorer, items([ROW], how, "f"), how, layout, "sum")
    assert "S:" not in seen["0 0"]


def test_questions_that_the_model_cannot_take_are_left_out_and_counted() -> None:
    how = mapped("best-of", answers=("a", "b"))
    scorer = Scorer(model("policy", torch.float32), renderer(), 40)
    rows = [ROW, ROW | {"a": "cat " * 50}, ROW | {"a": f"A {renderer().tokenizer.eos_token}"}]
    found = benchmark(scorer, items(rows, how, "f"), how, layout, "sum")
    assert (found["questions"]["n"], found["left_out"]) == (1, {"too_long": 1, "template": 1})


def test_listed_options_are_shuffled_and_the_right_letter_goes_with_its_answer() -> None:
    how = mapped("choices", answers=("list",), label="text", listed=True)
    row = ROW | {"text": "Two.", "list": ["(a) One.", "(b) Two.", "(c) Three."]} | {"text": "b"}
    made = items([row] * 40, how, "f")
    for item in made:
        assert item.answers == ("(a)", "(b)", "(c)")
        (place,) = item.right[0]
        assert f"{item.answers[place]} Two." in item.query
        assert item.query.startswith("Which pet?\n\n(a) ")
    assert {place for item in made for place in item.right[0]} == {0, 1, 2}
    assert made == items([row] * 40, how, "f")
    assert made != items([row] * 40, how, "f", seed=1)


def test_a_controllability_matrix_says_how_often_each_answer_comes_first_under_each_context(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    how = mapped("matrix", contexts=("x", "y"), answers=("a", "b"), id="q")
    told = {"first": [[2, 1], [1, 2]], "other": [[2, 1], [1, 1]]}
    monkeypatch.setattr(
        score, "logps_of", lambda _, examples: {e.id: told[e.id.split()[0]][int(e.id.split()[1])] for e in examples}
    )
    scorer = Scorer(model("policy", torch.float32), renderer(), 2048)
    found = benchmark(scorer, items([ROW | {"q": name} for name in told], how, "f"), how, layout, "sum")
    assert found["matrix"] == [[1.0, 0.0], [0.25, 0.75]]
    assert (found["contexts"]["value"], found["questions"]["value"]) == (0.75, 0.5)


@pytest.mark.parametrize(
    ("columns", "told"),
    [
        ({"shape": "pair"}, "'pair' takes columns of answers"),
        ({"shape": "rubrics", "answers": ("a",)}, "'rubrics' takes a column of rubrics and no answers"),
        ({"shape": "pair", "answers": ("a", "b"), "rubrics": "r"}, "'pair' takes columns of answers and no rubrics"),
        ({"shape": "pair", "answers": ("a", "b"), "listed": True}, "only 'choices' can be listed"),
    ],
)
def test_a_mapping_that_does_not_fit_its_shape_is_refused(columns: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        Mapped(query="q", **columns)
