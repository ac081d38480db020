"""Can chosen be told from rejected by the responses alone: by their words, their length, or by who declines?

A set that can be solved without its meta-prompts does not teach a model to read them. Rows in flips hold each response
once as chosen and once as rejected, so what leaks, leaks outside them: those rows are measured on their own as well.
"""

import re
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import polars as pl

from metaalign_data.errors import MissingExtra
from metaalign_data.records import digest
from metaalign_data.report.shares import Check, clustered, counted

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

Floats = npt.NDArray[np.float64]

MAX_ROWS = 8_000
"""Rows that the classifiers see, whole groups of them: more would not change a figure by a point."""
FOLDS = 5
HIGHEST_ACCURACY = 0.60
_WILL_NOT = r"(?:can(?:no|')?t|won't|will not)"
REFUSAL = re.compile(
    r"\b(?:i(?:'m| am) (?:sorry|afraid|unable|not able|not going)"
    rf"|i (?:{_WILL_NOT}|(?:must|have to) decline)|we {_WILL_NOT} (?:help|assist|provide)|as an ai)\b",
    re.IGNORECASE,
)
REFUSAL_CHARS = 200
"""A refusal says so at its beginning."""


def refuses(text: str) -> bool:
    """Whether an answer in English opens by declining."""
    return REFUSAL.search(text[:REFUSAL_CHARS].replace("’", "'")) is not None


def refusal_shares(pairs: pl.DataFrame) -> dict[str, float | None]:
    """Shares of refusals among the chosen and among the rejected responses, 0 to 1."""
    texts = {"chosen": pairs["chosen_text"], "rejected": pairs["rejected_text"]}
    return {name: sum(map(refuses, column)) / len(column) if len(column) else None for name, column in texts.items()}


def leak_checks(pairs: pl.DataFrame) -> list[Check]:
    """Accuracies in picking the chosen one of two responses: over all rows, and over those outside flips.

    `pairs` as `rows.derived` gives them. Cross-validated by groups, so that no query, flip or twin is in training and
    test. Raises MissingExtra where scikit-learn is not installed.
    """
    if find_spec("sklearn") is None:
        raise MissingExtra("the check for leaks from the responses", "report")
    outside = pairs.filter(~pl.col("in_flip"))
    scopes = {"all rows": pairs} | ({"rows outside flips": outside} if 0 < outside.height < pairs.height else {})
    return [check for scope, rows in scopes.items() for check in _checks(_capped(rows), scope)]


def longer_is_chosen(pairs: pl.DataFrame, scope: str) -> Check:
    """The share of rows in which the longer response is the chosen one; of equal lengths, half."""
    chosen, rejected = (pl.col(name).str.len_chars() for name in ("chosen_text", "rejected_text"))
    hits = pairs.filter(chosen > rejected).height + pairs.filter(chosen == rejected).height / 2
    meaning = "share of rows whose chosen response is the longer one"
    return Check("the longer one is chosen", scope, counted(hits, pairs.height), 0.40, HIGHEST_ACCURACY, meaning)


def _capped(rows: pl.DataFrame) -> pl.DataFrame:
    """Whole groups, drawn by a hash of their first row, of about MAX_ROWS rows."""
    if rows.height <= MAX_ROWS:
        return rows
    sizes = rows.sort("id").group_by("group", maintain_order=True).agg(pl.len(), pl.col("id").first())
    drawn = sizes.with_columns(rank=pl.Series(map(digest, sizes["id"]), dtype=pl.String)).sort("rank")
    taken = drawn.filter(pl.col("len").cum_sum() <= MAX_ROWS)["group"]
    return rows.filter(pl.col("group").is_in(taken.implode()))


def _checks(rows: pl.DataFrame, scope: str) -> list[Check]:
    groups = np.unique(rows["group"].to_numpy(), return_inverse=True)[1]
    found = [longer_is_chosen(rows, scope)]
    if len(np.unique(groups)) < 2 * FOLDS:
        return found
    texts = [*rows["chosen_text"], *rows["rejected_text"]]
    by = {
        "response alone": (_ngrams(texts), "their words and letters"),
        "length alone": (_lengths(texts), "their length"),
        "refusal alone": (np.array([[refuses(text)] for text in texts], dtype=np.float64), "whether they decline"),
    }
    for name, (features, told_by) in by.items():
        chosen, rejected = _scores(features, groups)
        share = clustered((np.sign(chosen - rejected) + 1) / 2, groups)
        meaning = f"share of rows whose two responses a classifier ranks rightly, by {told_by} alone"
        found.append(Check(name, scope, share, 0.0, HIGHEST_ACCURACY, meaning))
    return found


def _lengths(texts: list[str]) -> Floats:
    lengths = np.array([[np.log1p(len(text)), np.log1p(len(text.split()))] for text in texts])
    spread = lengths.std(axis=0)
    standard: Floats = (lengths - lengths.mean(axis=0)) / np.where(spread, spread, 1)
    return standard


def _ngrams(texts: list[str]) -> "csr_matrix":
    """Words, pairs of words, and three and four letters in a row, hashed; each distinct text is read once."""
    from scipy.sparse import hstack
    from sklearn.feature_extraction.text import HashingVectorizer

    place = {text: i for i, text in enumerate(dict.fromkeys(texts))}
    words = HashingVectorizer(ngram_range=(1, 2), n_features=2**18)
    letters = HashingVectorizer(analyzer="char_wb", ngram_range=(3, 4), n_features=2**17)
    read = hstack([words.transform(place), letters.transform(place)], format="csr")
    return read[[place[text] for text in texts]]


def _scores(features: Any, groups: npt.NDArray[np.intp]) -> tuple[Floats, Floats]:
    """How much the chosen responses, the first half of the cases, look chosen, and how much the rejected ones do.

    Each case is scored by a classifier of single responses that was trained on the other groups. `groups` numbers the
    rows' groups.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GroupKFold

    rows = len(groups)
    labels, both = np.repeat([True, False], rows), np.tile(groups, 2)
    scores = np.zeros(2 * rows)
    wide = features.shape[1] > features.shape[0]  # the dual form is faster there by far
    for train, test in GroupKFold(n_splits=FOLDS).split(features, labels, both):
        classifier = LogisticRegression(solver="liblinear", dual=wide, tol=0.01, random_state=0)
        classifier.fit(features[train], labels[train])
        scores[test] = classifier.decision_function(features[test])
    return scores[:rows], scores[rows:]
