"""Models beside each other on the test splits of a dataset."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from metaalign_trainer.data import Prompts, load_rows
from metaalign_trainer.errors import DataError
from metaalign_trainer.evaluate.figures import Leads, Row, by_group, difference, unseen_combinations
from metaalign_trainer.evaluate.score import Measure, Scorer
from metaalign_trainer.model import model_in_use
from metaalign_trainer.start import renderer_of

SPLITS = ("test", "test_unseen_preferences", "test_unseen_queries_and_preferences")
UNSEEN_COMBINATIONS = "unseen combinations"


@dataclass(frozen=True)
class Settings:
    """`limit`: rows of each split at most, whole flips; `prompts`: "none" shows the models no meta-prompt."""

    source: str
    splits: Sequence[str] = SPLITS
    limit: int | None = None
    measure: Measure = "sum"
    reference: str | None = None
    prompts: Prompts = "meta"
    max_length: int = 2048
    seed: int = 0


def test_rows(settings: Settings) -> list[Row]:
    """The rows of all splits that are there, each with its `split`. Raises DataError where there is none."""
    rows: list[Row] = []
    problems = []
    for split in settings.splits:
        try:
            found = load_rows(settings.source, "pairs", split)
        except DataError as e:
            problems.append(str(e))
            continue
        rows += [{**row, "split": split} for row in limited(list(found), settings.limit)]
    if not rows:
        raise DataError(problems[0] if problems else f"{settings.source}: no split is named")
    return rows


def limited(rows: Sequence[Row], limit: int | None) -> list[Row]:
    """The first rows, and with each the other row of its flip."""
    if limit is None:
        return list(rows)
    first = rows[:limit]
    flips = {row["flip_id"] for row in first if row.get("flip_id") is not None}
    return [*first, *(row for row in rows[limit:] if row.get("flip_id") in flips)]


def evaluated(models: Mapping[str, str], settings: Settings) -> dict[str, Any]:
    """`models` by their names in the tables, the first held against each of the others.

    Returns, for JSON: "models": name -> figures by column and value, rejected rows; "gains": name of a baseline ->
    column -> value -> the paired difference in pair accuracy.
    """
    rows = test_rows(settings)
    leads: dict[str, Leads] = {}
    rejected: dict[str, list[dict[str, str]]] = {}
    for name, path in models.items():
        leads[name], left_out = _scorer(path, settings).leads(rows, settings.measure)
        rejected[name] = [asdict(each) for each in left_out]
        if not leads[name]:
            raise DataError(f"{path}: none of {len(rows)} rows can be scored: {left_out[0].detail}")
    first, *others = models
    groups = {name: by_group(rows, of, settings.seed) for name, of in leads.items()}
    composed = _combinations(rows, settings)
    for name, of in leads.items():
        if composed:
            groups[name][UNSEEN_COMBINATIONS] = by_group(composed, of, settings.seed)["all"]
    return {
        "data": settings.source,
        "rows": len(rows),
        "measure": settings.measure,
        "models": {
            name: {"path": models[name], "rejected": rejected[name], "figures": groups[name]} for name in models
        },
        "gains": {name: _gains(rows, leads[first], leads[name], settings.seed) for name in others},
    }


def _scorer(path: str, settings: Settings) -> Scorer:
    reference = model_in_use(settings.reference) if settings.reference else None
    return Scorer(model_in_use(path), renderer_of(path), settings.max_length, settings.prompts, reference)


def _combinations(rows: Sequence[Row], settings: Settings) -> list[Row]:
    if not any(" + " in str(row.get("dimension")) for row in rows):
        return []
    try:
        train = load_rows(settings.source, "pairs", "train").select_columns(["dimension", "value"])
    except DataError:
        return []
    return unseen_combinations(rows, train)


def _gains(rows: Sequence[Row], leads: Leads, other: Leads, seed: int) -> dict[str, dict[str, Any]]:
    splits = {
        split: [row for row in rows if row["split"] == split] for split in dict.fromkeys(r["split"] for r in rows)
    }
    told = {"all": list(rows), **splits}
    found = {name: difference(members, leads, other, seed) for name, members in told.items()}
    return {name: asdict(each) for name, each in found.items() if each}
