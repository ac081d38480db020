"""Each figure of a card, computed anew from the files of the run by another engine."""

import sqlite3
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest

from metaalign_data import Recipe, run


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with a judge that errs, so that its figures are not all alike."""
    recipe = Recipe.from_dict(
        {
            "name": "card",
            "teacher": {"provider": "simulated", "price": {"input": 1.0, "output": 2.0}},
            "judge": {"provider": "simulated", "faults": {"wrong_answer": 0.2, "position_bias": 0.2}},
            "queries": {"source": "bundled", "harmful": "bundled:harmful", "limit": 30},
            "stages": [
                "sample_preferences",
                "generate_responses",
                "judge",
                {"pair": {"min_margin": 7.0}},
                "dedup",
                "split",
            ],
        }
    )
    folder = tmp_path_factory.mktemp("card") / "run"
    assert run(recipe, out=folder).state == "done"
    return folder


def tables_of(card: str, heading: str) -> list[list[list[str]]]:
    """Cells of each table below a heading, its header left out."""
    section = card.split(f"## {heading}\n")[1].split("\n## ")[0]
    blocks = [block.splitlines() for block in section.strip().split("\n\n") if block.startswith("| ")]
    return [[line[2:-2].split(" | ") for line in block[2:]] for block in blocks]


def sql(made: Path, query: str) -> list[tuple[Any, ...]]:
    """`query` over `pairs`: all splits, the split's name in `split`."""
    files = f"read_parquet('{made}/dataset/pairs/*.parquet', filename = true)"
    named = f"SELECT *, regexp_extract(parse_filename(filename), '^(.*)-\\d+-of', 1) AS split FROM {files}"
    return duckdb.sql(f"WITH pairs AS ({named}) {query}").fetchall()


def test_the_tables_of_rows_count_what_the_files_hold(made: Path) -> None:
    by_split, by_subset = tables_of((made / "dataset/README.md").read_text(), "Rows")
    told = {
        (config, split.strip("`")): number
        for split, _, *numbers in by_split
        for config, number in zip(("pairs", "sft", "preferences"), numbers, strict=True)
    }
    assert told == {
        (file.parent.name, file.name.split("-")[0]): f"{pl.scan_parquet(file).select(pl.len()).collect().item():,}"
        for file in (made / "dataset").glob("*/*.parquet")
    }
    recounted = sql(
        made,
        """SELECT subset, count(*), count(DISTINCT preference_id), count_if(preference_kind = 'explicit'),
        count_if(preference_kind = 'implicit'), count(flip_id) FROM pairs GROUP BY subset""",
    )
    assert {name.strip("`"): numbers for name, _, *numbers in by_subset} == {
        name: [f"{n:,}" for n in counts] for name, *counts in recounted
    }


def test_every_figure_is_what_the_files_give(made: Path) -> None:
    (table,) = tables_of((made / "dataset/README.md").read_text(), "In figures")
    ((n, preferences, users, flips, twins, harmful),) = sql(
        made,
        """SELECT count(*), count(DISTINCT preference_id), count(DISTINCT user_id), count(flip_id), count(twin_id),
        count_if(harmful) FROM pairs""",
    )
    ((largest,),) = sql(made, "SELECT count(*) AS n FROM pairs GROUP BY preference_id ORDER BY n DESC LIMIT 1")
    expected = {
        "distinct preferences": f"{preferences:,}",
        "the most frequent preference": f"{largest / n:.2%} of the rows",
        "users with a profile or background": f"{users:,}",
        "rows in flips": f"{flips / n:.1%}",
        "rows with a twin": f"{twins / n:.1%}",
        "rows with a harmful query": f"{harmful:,}",
        "cost": f"{spent(made)[1]:.4f} USD",
        **judging(made),
    }
    for column in ("preference_form", "placement", "rejected_because"):
        counts = sql(made, f"SELECT {column}, count(*) AS n FROM pairs GROUP BY 1 ORDER BY n DESC, 1")
        expected[column.replace("_", " ")] = ", ".join(f"{value} {n:,}" for value, n in counts)
    assert dict(table) == expected


def judging(made: Path) -> dict[str, str]:
    """From the votes as the stage `judge` left them."""
    votes = f"""
        WITH comparisons AS (
            SELECT j.id || '-' || generate_subscripts(j.comparisons, 1) AS comparison, unnest(j.comparisons) AS c,
                   j.id AS judgement, j.responses.responses AS responses
            FROM read_parquet('{made}/tables/judge/*.parquet') AS j
        )
        SELECT comparison, judgement, c.winner AS decided, unnest(c.votes) AS vote, c.side AS side, c.a AS a, c.b AS b,
               length(responses[c.a + 1].text) AS a_chars, length(responses[c.b + 1].text) AS b_chars
        FROM comparisons
    """
    ((agreement,),) = duckdb.sql(
        f"""SELECT avg(share) FROM (SELECT avg((vote.winner = decided)::INT) AS share FROM ({votes})
        WHERE decided != 'tie' GROUP BY comparison)"""
    ).fetchall()
    ((first,),) = duckdb.sql(
        f"SELECT avg(((vote.winner = 'a') != vote.swapped)::INT) - 0.5 FROM ({votes}) WHERE vote.winner != 'tie'"
    ).fetchall()
    ((longer,),) = duckdb.sql(
        f"""SELECT avg(share) - 0.5 FROM (
            SELECT avg(share) AS share FROM (
                SELECT judgement, least(a, b) AS x, greatest(a, b) AS y, side % 2 AS side,
                       avg(((vote.winner = 'a') = (a_chars > b_chars))::INT) AS share
                FROM ({votes}) WHERE vote.winner != 'tie' AND a_chars != b_chars GROUP BY 1, 2, 3, 4
            ) GROUP BY judgement, x, y HAVING count(*) = 2)"""
    ).fetchall()
    return {
        "agreement of the judge's votes": f"{agreement:.1%}",
        "the judge's position bias": f"{first:.1%}",
        "the judge's length bias": f"{longer:.1%}",
    }


def spent(made: Path) -> tuple[int, Decimal]:
    """Tokens and USD of all answers in the ledger."""
    with sqlite3.connect(made / "ledger.sqlite") as ledger:
        rows = ledger.execute("SELECT prompt_tokens + completion_tokens, cost_usd FROM completions").fetchall()
    return sum(tokens for tokens, _ in rows), sum((Decimal(usd) for _, usd in rows), Decimal(0))


def test_the_answers_of_this_run_cost_something(made: Path) -> None:
    """Else the line of the card about its cost would prove nothing."""
    assert spent(made)[1] > 0


def test_how_it_was_made_is_what_the_files_say(made: Path) -> None:
    (table,) = tables_of((made / "dataset/README.md").read_text(), "How it was made")
    told = {name: value.replace("\\", "") for name, value in table}
    prompts = [name for (name,) in sql(made, "SELECT DISTINCT unnest(prompt_versions) AS p FROM pairs ORDER BY p")]
    assert told.pop("software").startswith("python ")
    assert told == {
        "teacher, for the responses": "simulated",
        "judge, for the verdicts": "simulated",
        "seed": "0",
        "tokens": f"{spent(made)[0]:,}",
        "prompts, as name@hash": ", ".join(prompts),
    }


def test_each_stage_gave_as_many_rows_as_its_table_holds_and_the_next_one_took(made: Path) -> None:
    (table,) = tables_of((made / "dataset/README.md").read_text(), "What became of the rows")
    names = [row[0].replace("\\", "") for row in table]
    assert set(names) == {"queries", *(folder.name for folder in (made / "tables").iterdir())}
    given = {
        name: f"{pl.scan_parquet(made / 'tables' / name / '*.parquet').select(pl.len()).collect().item():,}"
        for name in names[1:]
    }
    assert {name: row[3] for name, row in zip(names[1:], table[1:], strict=True)} == given
    assert [row[2] for row in table[1:]] == [row[3] for row in table[:-1]]
    assert {name: row[4] for name, row in zip(names, table, strict=True)} == {
        name: str(rejected_whole(made, name)) for name in names
    }
    assert any(row[4] != "0" for row in table), "else the line above proves little"


def rejected_whole(made: Path, stage: str) -> int:
    """Rows that are among the rejects of a stage and that no row which it gave came from."""
    if not (made / f"rejects/{stage}.parquet").exists():
        return 0
    given = pl.read_parquet(made / f"tables/{stage}/*.parquet")
    rejects = pl.read_parquet(made / f"rejects/{stage}.parquet")["row_id"].unique()
    return len(set(rejects) - {*given["id"], *given["parents"].explode()})


def test_the_reasons_are_those_of_the_rejects_that_were_kept(made: Path) -> None:
    (table,) = tables_of((made / "dataset/README.md").read_text(), "What became of the rows")
    told = {stage: reasons.replace("\\", "") for stage, *_, reasons in table if reasons.strip()}
    kept = {
        file.stem: duckdb.sql(f"SELECT reason, count(*) AS n FROM '{file}' GROUP BY 1 ORDER BY n DESC, 1").fetchall()
        for file in (made / "rejects").glob("*.parquet")
    }
    assert told == {stage: ", ".join(f"{reason} {n:,}" for reason, n in rows) for stage, rows in kept.items()}
