"""Rows of different lengths as one flat sequence: no padding, and each prompt once for all of its answers.

A row is laid out as its prompt and then each answer. Every answer takes the positions that follow the prompt, sees the
prompt and itself, and nothing else. The end token of an answer is only ever predicted, so it is left out of the input.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, pairwise

import torch
from torch import Tensor

from metaalign_trainer.data import Example


@dataclass(frozen=True, slots=True)
class Row:
    """Where a row's tokens stand in the flat sequence: the prompt from `start` to `prompt_end`, its answers after it.

    `answers` are (begin, end) of each.
    """

    start: int
    prompt_end: int
    answers: tuple[tuple[int, int], ...]

    @property
    def first_end(self) -> int:
        """Where the first answer ends, which the prompt goes on into."""
        return self.answers[0][1] if self.answers else self.prompt_end

    @property
    def later_answers(self) -> list[tuple[int, int]]:
        """The others that have an input: an answer of nothing but its end token has none."""
        return [(begin, end) for begin, end in self.answers[1:] if begin < end]


@dataclass(frozen=True, slots=True)
class Branches:
    """What attends to what, in the order of the flat sequence: a prompt with its first answer, each further answer.

    seen                     shape (keys,), int64: the tokens that the branches see, branch after branch; None where
                             every branch sees just itself
    query_ends, key_ends     shape (branches + 1,), int32: where each branch begins and ends, from 0 on
    longest_query, longest_key   tokens of the longest branch
    """

    seen: Tensor | None
    query_ends: Tensor
    key_ends: Tensor
    longest_query: int
    longest_key: int


class Layout:
    """`examples` flat, on `device`.

    ids, positions   shape (1, tokens), int64
    labelled         shape (labels,): which tokens predict a label; the last one of a prompt does so for each answer
    labels           shape (labels,): the token that each of them predicts
    answer           shape (labels,): number of the answer that the label belongs to, counted over all rows
    """

    def __init__(self, examples: Sequence[Example], device: torch.device | str = "cpu") -> None:
        ids: list[int] = []
        positions: list[int] = []
        labelled: list[int] = []
        labels: list[int] = []
        answer: list[int] = []
        rows: list[Row] = []
        for example in examples:
            start, length = len(ids), len(example.prompt)
            ids += example.prompt
            positions += range(length)
            spans = []
            for tokens in example.answers:
                begin = len(ids)
                ids += tokens[:-1]
                positions += range(length, length + len(tokens) - 1)
                spans.append((begin, len(ids)))
                labelled += [start + length - 1, *range(begin, len(ids))]
                labels += tokens
                answer += [self.answers_of(rows) + len(spans) - 1] * len(tokens)
            rows.append(Row(start, start + length, tuple(spans)))
        self.rows: Sequence[Row] = rows
        self.ids, self.positions = (torch.tensor([each], device=device) for each in (ids, positions))
        self.labelled, self.labels, self.answer = (
            torch.tensor(each, dtype=torch.long, device=device) for each in (labelled, labels, answer)
        )

    @staticmethod
    def answers_of(rows: Sequence[Row]) -> int:
        return sum(len(row.answers) for row in rows)

    @cached_property
    def answers(self) -> int:
        return self.answers_of(self.rows)

    @cached_property
    def lengths(self) -> list[int]:
        """Of the branches, in tokens: each prompt with its first answer, each further answer."""
        return [
            length
            for row in self.rows
            for length in (row.first_end - row.start, *(end - begin for begin, end in row.later_answers))
        ]

    @cached_property
    def visible(self) -> dict[tuple[int, int], Tensor]:
        """(prompt, answer) in tokens -> what the tokens of such an answer see, shape (answer, prompt + answer)."""
        return {
            (length, own): torch.ones(own, length + own, dtype=torch.bool, device=self.ids.device).tril(length)
            for length, own in {
                (row.prompt_end - row.start, end - begin) for row in self.rows for begin, end in row.later_answers
            }
        }

    @cached_property
    def branches(self) -> Branches:
        seen: list[int] = []
        key_ends = [0]
        for row in self.rows:
            seen += range(row.start, row.first_end)
            key_ends.append(len(seen))
            for begin, end in row.later_answers:
                seen += [*range(row.start, row.prompt_end), *range(begin, end)]
                key_ends.append(len(seen))
        query_ends = [0, *accumulate(self.lengths)]
        device = self.ids.device
        return Branches(
            None if key_ends == query_ends else torch.tensor(seen, device=device),
            torch.tensor(query_ends, dtype=torch.int32, device=device),
            torch.tensor(key_ends, dtype=torch.int32, device=device),
            max(self.lengths),
            max(end - begin for begin, end in pairwise(key_ends)),
        )
