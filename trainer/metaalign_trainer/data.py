"""Rows of the published dataset as tokens. What cannot be learnt is rejected with its reason, never cut."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from metaalign_trainer.errors import DataError
from metaalign_trainer.template import Message, Renderer

if TYPE_CHECKING:
    from datasets import Dataset

COLUMNS = {"pairs": ("id", "prompt", "chosen", "rejected"), "sft": ("id", "messages")}
"""What is read of each configuration; "sft" is split into prompt and chosen."""

Prompts = Literal["meta", "none"]


@dataclass(frozen=True, slots=True)
class Example:
    """One row as token ids: its prompt, and its answers, each with its end token.

    (chosen,) for SFT, (chosen, rejected) for preference training. Rows with one `flip` hold the same two answers in
    opposite order.
    """

    id: str
    prompt: tuple[int, ...]
    answers: tuple[tuple[int, ...], ...]
    flip: str | None = None


def length(example: Example) -> int:
    """Tokens that a row puts through the model: the prompt once, and each answer."""
    return len(example.prompt) + sum(map(len, example.answers))


@dataclass(frozen=True, slots=True)
class Rejected:
    """A row that is left out. Reasons: malformed, empty_answer, same_answers, too_long, template."""

    id: str
    reason: str
    detail: str


def load_rows(source: str, config: str, split: str) -> "Dataset":
    """The rows of a run directory, a dataset folder, or a dataset on the Hub.

    Raises DataError, with what there is, where the source, the split or a column is missing.
    """
    try:
        rows = _loaded(source, config, split)
    except DataError:
        raise
    except Exception as e:  # datasets raises errors of every library below it
        said = next(iter(str(e).splitlines()), type(e).__name__)
        place = "" if Path(source).exists() else "there is no such folder here, and from the Hub "
        raise DataError(f"{source}: {place}'{config}', split '{split}', cannot be loaded: {said}") from e
    wanted = COLUMNS.get(config, COLUMNS["pairs"])
    if missing := [name for name in wanted if name not in rows.column_names]:
        raise DataError(
            f"{source}: '{config}' has no column {', '.join(map(repr, missing))}; it has {', '.join(rows.column_names)}"
        )
    return rows


def _loaded(source: str, config: str, split: str) -> "Dataset":
    from datasets import Dataset, load_dataset

    folder = Path(source)
    if not folder.exists():
        if source.startswith((".", "/", "~")) or source.count("/") != 1:
            raise DataError(f"{source}: there is no such folder, and it is no name on the Hub (owner/name)")
        return load_dataset(source, config, split=split)
    folder = folder / "dataset" if (folder / "dataset").is_dir() else folder
    if files := sorted((folder / config).glob(f"{split}-*.parquet")):
        import pyarrow.parquet as pq

        # load_dataset, offline, takes what it has in its cache of any folder of the same name
        return Dataset(pq.read_table([str(file) for file in files]))
    if (folder / config).is_dir():
        splits = sorted({file.name.split("-")[0] for file in (folder / config).glob("*-*.parquet")})
        raise DataError(f"{source}: '{config}' has no split '{split}'; it has {', '.join(splits)}")
    return load_dataset(str(folder), config, split=split)


def encode(
    rows: Iterable[Mapping[str, Any]],
    renderer: Renderer,
    *,
    max_length: int,
    answers: Literal["chosen", "both"],
    prompts: Prompts = "meta",
) -> tuple[list[Example], list[Rejected]]:
    """Rows as tokens, and what was left out. `max_length` bounds the prompt with its longest answer, in tokens, and so
    does the context of the renderer's model.

    `prompts`: "none" leaves out the system message, which holds the meta-prompt (the static baseline).
    """
    made = [
        _encoded(row, str(row.get("id") or number), renderer, max_length, answers, prompts)
        for number, row in enumerate(rows, 1)
    ]
    return [each for each in made if isinstance(each, Example)], [each for each in made if isinstance(each, Rejected)]


def _encoded(
    row: Mapping[str, Any], row_id: str, renderer: Renderer, max_length: int, answers: str, prompts: Prompts
) -> Example | Rejected:
    try:
        prompt, texts = _parts(row, answers)
    except (KeyError, IndexError, TypeError, ValueError) as e:
        return Rejected(row_id, "malformed", f"{type(e).__name__}: {e}")
    if not all(text.strip() for text in texts):
        return Rejected(row_id, "empty_answer", "an answer holds no text")
    if len(texts) == 2 and texts[0] == texts[1]:
        return Rejected(row_id, "same_answers", "chosen and rejected are equal")
    if prompts == "none":
        prompt = [message for message in prompt if message["role"] != "system"]
    try:
        ids = renderer.prompt(prompt)
        told = tuple(tuple(renderer.answer(prompt, text)) for text in texts)
    except DataError as e:
        return Rejected(row_id, "template", str(e))
    length = len(ids) + max(map(len, told))
    if renderer.context is not None and length > renderer.context:
        return Rejected(row_id, "too_long", f"{length} tokens, and the context of the model is {renderer.context}")
    if length > max_length:
        return Rejected(row_id, "too_long", f"{length} tokens, and max_length is {max_length}")
    return Example(row_id, tuple(ids), told, row.get("flip_id"))


def _parts(row: Mapping[str, Any], answers: str) -> tuple[list[Message], list[str]]:
    """The prompt's messages and the texts of the answers. Raises ValueError and its like on a row of another shape."""
    if "messages" in row:
        *prompt, last = row["messages"]
        told = [last]
    else:
        prompt = list(row["prompt"])
        told = [row[name][-1] for name in (("chosen", "rejected") if answers == "both" else ("chosen",))]
    if not prompt or prompt[-1]["role"] != "user":
        raise ValueError("the prompt does not end with the user")
    if any(message["role"] != "assistant" for message in told):
        raise ValueError("an answer is not the assistant's")
    if not all(isinstance(message["content"], str) for message in (*prompt, *told)):
        raise ValueError("a message has no text")
    return prompt, [message["content"] for message in told]
