"""Whether each stage of a chain takes what the stages before it give."""

from collections import deque
from collections.abc import Iterator, Sequence

from pydantic import ValidationInfo

from metaalign_data.errors import did_you_mean
from metaalign_data.recipe.flaws import Flaw, reject
from metaalign_data.recipe.settings import DatasetSettings
from metaalign_data.records import AnsweredQuery, PreferencePair, Query, Record, schema
from metaalign_data.registry import BUILT_IN, stage_class, stage_types
from metaalign_data.stage import Stage, TableStage


def misfits(chain: Sequence[tuple[str, Stage] | None], source: type[Record] = Query) -> Iterator[Flaw]:
    """Where a stage does not take what reaches it. None is an entry that is broken: what it gives is unknown.

    `source` is what the queries are read as.
    """
    record: type[Record] | None = source
    giver = "the queries give"
    for i, link in enumerate(chain):
        if link is None:
            record = None
            continue
        name, stage = link
        types = stage_types(type(stage))
        if types is None:
            yield from _table_misfits(i, name, stage, record)
        else:
            takes, gives = types
            if record and not issubclass(record, takes):
                yield Flaw(
                    (i,),
                    f"{name} takes {takes.__name__}, but {giver} {record.__name__}" + _help(record, takes),
                )
            record, giver = gives, f"{name} gives"
    if record and not issubclass(record, PreferencePair):
        yield Flaw(
            (len(chain) - 1,),
            f"a recipe makes PreferencePair rows, but {giver} {record.__name__}"
            + _bridge(record, PreferencePair, "at the end"),
        )


def reachable(dataset: DatasetSettings, info: ValidationInfo) -> DatasetSettings:
    """A pydantic validator: a target needs a chain that makes its pairs from queries before any table stage."""
    specs = info.data.get("stage_specs")
    if dataset.target and specs:
        types = [stage_types(type(spec.stage)) for spec in specs]
        rows = [found for found in types if found]
        if types[: len(rows)] != rows or rows[0][0] is not Query or not issubclass(rows[-1][1], PreferencePair):
            reject(
                [Flaw(("target",), "needs stages that make pairs from queries, and no row stage after a table stage")]
            )
    return dataset


def _table_misfits(i: int, name: str, stage: Stage, record: type[Record] | None) -> Iterator[Flaw]:
    if i == 0:
        yield Flaw((i,), f"{name} needs the table of a stage before it, so it cannot be the first")
    elif record and isinstance(stage, TableStage):
        columns = list(schema(record))
        for missing in (column for column in stage.columns if column not in columns):
            near = did_you_mean(missing, columns)
            yield Flaw((i,), f"{name} reads the column '{missing}', which {record.__name__} rows do not have{near}")


def _help(given: type[Record], wanted: type[Record]) -> str:
    if given is Query and issubclass(AnsweredQuery, wanted):
        return "; name the columns of their responses in queries.responses, or in queries.chosen and queries.rejected"
    return _bridge(given, wanted, "between")


def _bridge(given: type[Record], wanted: type[Record], where: str) -> str:
    """Which built-in stages would lead from one record to the other, as a hint; "" when none do."""
    paths: deque[tuple[type[Record], tuple[str, ...]]] = deque([(given, ())])
    seen = {given}
    while paths:
        record, names = paths.popleft()
        if issubclass(record, wanted):
            return f"; put {_listed(names)} {where}"
        for name in BUILT_IN["stage"]:
            types = stage_types(stage_class(name))
            if types and issubclass(record, types[0]) and types[1] not in seen:
                seen.add(types[1])
                paths.append((types[1], (*names, name)))
    return ""


def _listed(names: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))
