"""The pairs of the second stage: what the model of the first one answers, against what it should have learnt."""

import dataclasses
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch

from metaalign_trainer.config import Config, TwoStageSettings
from metaalign_trainer.data import Example, Rejected, encode
from metaalign_trainer.files import write_atomically
from metaalign_trainer.model import load_model
from metaalign_trainer.output import Output
from metaalign_trainer.parallel import World
from metaalign_trainer.rows import with_answers
from metaalign_trainer.sample import Answer, Sampling, sample
from metaalign_trainer.start import dtype_of
from metaalign_trainer.template import Renderer

if TYPE_CHECKING:
    from datasets import Dataset

Verdict = Literal["chosen", "sampled", "tie"]
Judge = Callable[[Sequence[Mapping[str, Any]], Sequence[str]], Sequence[Verdict | None]]
"""Compares the chosen answer of each row with a sampled one; None where it cannot say."""

SHOWN_CHARS = 200


def against_itself(
    rows: "Dataset",
    start: str,
    renderer: Renderer,
    config: Config,
    output: Output,
    world: World,
    judge: Judge | None,
) -> tuple["Dataset", list[Rejected]]:
    """The rows with answers of the model in `start` as rejected, or, with a judge, with the loser of the two.

    Left out are rows whose prompt is too long, whose answer has no end, is empty, or is the chosen one to the letter,
    and with a judge those that it cannot decide. What is drawn or judged once is kept in the output directory.
    """
    how = config.two_stage
    if how and not output.pairs.exists():
        prompts, too_long = encode(
            rows, renderer, max_length=config.data.max_length, answers="chosen", prompts=config.data.prompts
        )
        answers = _draw(prompts, start, renderer, config, how, output.samples, world)
        if world.is_main:
            pairs = [*map(_left_out, too_long), *_paired(rows, answers, judge if how.rejected == "judged" else None)]
            write_atomically(output.pairs, "".join(json.dumps(pair) + "\n" for pair in pairs))
    world.wait()
    pairs = [json.loads(line) for line in output.pairs.read_text(encoding="utf-8").splitlines()]
    decided = {pair["id"]: (pair["chosen"], pair["rejected"]) for pair in pairs if "chosen" in pair}
    return with_answers(rows, decided), [Rejected(**pair) for pair in pairs if "chosen" not in pair]


def _draw(
    prompts: Sequence[Example],
    start: str,
    renderer: Renderer,
    config: Config,
    how: TwoStageSettings,
    folder: Path,
    world: World,
) -> dict[str, Answer]:
    """An answer to each prompt, by row id. Each process draws its share; what `folder` holds is not drawn again."""
    batches = [prompts[i : i + how.rows_at_once] for i in range(0, len(prompts), how.rows_at_once)]
    known = _known_answers(folder)
    missing = [
        (number, rows)
        for number, rows in enumerate(batches)
        if number % world.size == world.rank and not all(row.id in known for row in rows)
    ]
    own = folder / f"answers-{world.rank}.jsonl"
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(own, "".join(_whole_lines(own)))
    dtype, mixed = dtype_of(config, world.device)
    model: Any = load_model(start, torch.bfloat16 if mixed else dtype)
    model.to(world.device)
    sampling = Sampling(how.temperature, how.top_p, how.max_new_tokens, config.seed)
    with own.open("a", encoding="utf-8") as file:
        for answers in sample(model, renderer, missing, sampling):
            file.write("".join(json.dumps(dataclasses.asdict(answer)) + "\n" for answer in answers))
            file.flush()
    world.wait()
    return _known_answers(folder)


def _known_answers(folder: Path) -> dict[str, Answer]:
    lines = [line for path in folder.glob("answers-*.jsonl") for line in _whole_lines(path)]
    return {answer.id: answer for answer in (Answer(**json.loads(line)) for line in lines)}


def _whole_lines(path: Path) -> list[str]:
    """Without a last one that a crash has cut short."""
    if not path.exists():
        return []
    return [line for line in path.read_text(encoding="utf-8").splitlines(keepends=True) if line.endswith("\n")]


def _paired(rows: "Dataset", answers: Mapping[str, Answer], judge: Judge | None) -> list[dict[str, str]]:
    """Chosen and rejected text of each row that has an answer, or the reason why it is left out."""
    known = rows.select([i for i, row_id in enumerate(rows["id"]) if row_id in answers])
    left_out, usable = [], []
    for row in known:
        answer = answers[row["id"]]
        if reason := _useless(answer, row["chosen"][0]["content"]):
            left_out.append(_left_out(Rejected(row["id"], reason, answer.text[:SHOWN_CHARS])))
        else:
            usable.append(row)
    texts = [answers[row["id"]].text for row in usable]
    verdicts: Sequence[Verdict | None] = judge(usable, texts) if judge else ["chosen"] * len(usable)
    pairs = []
    for row, text, verdict in zip(usable, texts, verdicts, strict=True):
        told = row["chosen"][0]["content"]
        match verdict:
            case "chosen":
                pairs.append({"id": row["id"], "chosen": told, "rejected": text})
            case "sampled":
                pairs.append({"id": row["id"], "chosen": text, "rejected": told})
            case _:
                left_out.append(_left_out(Rejected(row["id"], verdict or "no_verdict", text[:SHOWN_CHARS])))
    return [*pairs, *left_out]


def _left_out(row: Rejected) -> dict[str, str]:
    return dataclasses.asdict(row)


def _useless(answer: Answer, chosen: str) -> str | None:
    if answer.cut_off:
        return "cut_off"
    if not answer.text.strip():
        return "empty"
    return "equals_chosen" if answer.text == chosen else None
