"""One row from its query on: through every stage, with what was asked, or to where it ended."""

from decimal import Decimal

import polars as pl
import pytest

from metaalign_data import Recipe, UserError, run
from metaalign_data.engine.folder import RunFolder
from metaalign_data.engine.story import Story, story

PRICE = {"input": 1, "output": 2}
STAGES = ["sample_preferences", "check_preferences", "generate_responses", "judge", "pair", "dedup", "split"]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """A run in which rows were rejected and failed, too: the teacher refuses some questions."""
    root = tmp_path_factory.mktemp("story") / "run"
    teacher = {"provider": "simulated", "price": PRICE, "faults": {"refusal": 0.03, "position_bias": 0.3}}
    given = {"name": "r", "teacher": teacher, "queries": {"source": "bundled", "limit": 12}, "stages": STAGES}
    assert run(Recipe.from_dict(given), out=root).state == "done"
    return RunFolder(root)


def told(folder: RunFolder, prefix: str) -> Story:
    return story(folder, folder.ledger, STAGES, prefix)


def test_a_pair_leads_back_to_its_query_through_every_stage(finished: RunFolder) -> None:
    pair = finished.pairs().row(0, named=True)
    found = told(finished, pair["id"][:9])
    assert found.row_id == pair["id"]
    assert [step.stage for step in found.steps] == STAGES
    assert found.steps[0].row_id == pair["query_id"]
    judged = found.steps[3]
    assert judged.made is not None
    assert judged.made["id"] == found.steps[4].row_id
    assert judged.made["comparisons"][0]["votes"]
    written = [question.answer.text for question in found.steps[2].asked]
    assert pair["chosen"][0]["content"] in [text.strip() for text in written]
    assert all(question.answer.prompt.startswith("judge_pairwise@") for question in judged.asked)
    assert found.endings == []


def test_the_cost_is_that_of_every_answer_that_went_into_it(finished: RunFolder) -> None:
    found = told(finished, finished.pairs()["id"][0])
    tokens = [(q.answer.prompt_tokens, q.answer.completion_tokens) for step in found.steps for q in step.asked]
    assert found.cost_usd == sum(Decimal(given + 2 * made) for given, made in tokens) / 1_000_000
    assert found.cost_usd


def test_a_reject_tells_where_and_why_it_ended(finished: RunFolder) -> None:
    rejects = pl.concat(pl.read_parquet(file) for file in finished.rejects.glob("*.parquet"))
    refused = rejects.filter(pl.col("reason") == "refused").row(0, named=True)
    found = told(finished, refused["row_id"])
    assert (refused["stage"], "refused") in [(ending["stage"], ending["reason"]) for ending in found.endings]
    last = found.steps[-1]
    assert (last.stage, last.made) == (refused["stage"], None)
    assert "refused" in [question.unusable for question in last.asked], "the raw answer is there to be read"


@pytest.mark.parametrize(
    ("prefix", "said"), [("zz", "no row has an id that begins with 'zz'"), ("", "give more digits")]
)
def test_an_id_that_fits_no_row_or_several_is_told(finished: RunFolder, prefix: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        told(finished, prefix)
