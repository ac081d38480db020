import json
import shutil
from pathlib import Path

import pytest

from metaalign_data.api import run
from metaalign_data.cli import main
from metaalign_data.engine.folder import RunFolder
from metaalign_data.recipe import Recipe
from metaalign_data.report import leaks
from metaalign_data.report.audit import flip_checks, preferences_apart
from rows import flip, pair
from runs import RECIPE, frame, made_run


@pytest.fixture(scope="module")
def quickstart(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of the quickstart."""
    return run("quickstart", out=tmp_path_factory.mktemp("run") / "quickstart").folder


@pytest.fixture
def finished(quickstart: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return Path(shutil.copytree(quickstart, tmp_path / "quickstart"))


def audited(capsys: pytest.CaptureFixture[str], *args: str | Path) -> dict:
    assert main(["audit", "--json", *map(str, args)]) == 0
    return json.loads(capsys.readouterr().out)


def test_an_audit_of_a_real_run_measures_everything_and_leaves_the_dataset_as_it_was(
    finished: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {path: path.read_bytes() for path in (finished / "dataset").rglob("*") if path.is_file()}
    found = audited(capsys, finished)
    assert found["left_out"] == {}
    assert {check["name"] for check in found["checks"]} == {
        "guessed without the meta-prompt",
        "the longer one is chosen",
        "response alone",
        "length alone",
        "refusal alone",
        "swap consistency",
        "flips are whole",
    }
    assert found["coverage"]["cells"]["covered"] == sum(cell["rows"] > 0 for cell in found["coverage"]["rows"]) > 0
    assert found["judging"]["votes"] > 0
    assert json.loads((finished / "audit.json").read_text(encoding="utf-8")) == found
    assert {path: path.read_bytes() for path in before} == before
    assert (finished / "tables/judge").is_dir()


def test_a_second_audit_asks_nothing_again(finished: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = (audited(capsys, finished) for _ in range(2))
    assert first["guesses"]["asked"] > 0
    assert (second["guesses"]["asked"], second["guesses"]["replayed"]) == (0, first["guesses"]["asked"])
    assert first["checks"] == second["checks"]


def test_the_judge_is_asked_about_no_more_than_the_sample(finished: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert audited(capsys, finished, "--sample", "3")["guesses"]["asked"] == 2 * 3


def test_a_judge_who_looks_at_the_order_shows_in_swap_consistency_more_so_before_ties_are_dropped(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    overrides = ["judge.provider=simulated", "judge.faults.position_bias=0.3", "queries.limit=10"]
    biased = run(Recipe.load("quickstart", overrides=overrides), out=tmp_path / "run").folder
    found = audited(capsys, biased, "--no-judge")["checks"]
    shares = {check["scope"]: check["value"] for check in found if check["name"] == "swap consistency"}
    assert shares["all comparisons"] < shares["decided comparisons"]
    assert shares["all comparisons"] < 0.9


def test_without_the_judge_the_guesses_are_left_out_and_everything_else_is_there(
    finished: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = audited(capsys, finished, "--no-judge")
    assert set(found["left_out"]) == {"guessing without the meta-prompt"}
    assert "guesses" not in found
    assert "response alone" in {check["name"] for check in found["checks"]}


def test_without_scikit_learn_the_rest_is_measured_and_the_extra_named(
    finished: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leaks, "find_spec", lambda name: None)
    assert main(["audit", str(finished)]) == 0
    told = capsys.readouterr().out
    assert "metaalign-data[report]" in told
    assert "guessed without the meta-prompt" in told
    assert "response alone" not in told


def test_a_reached_budget_leaves_the_guesses_out(finished: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe = (finished / "recipe.yaml").read_text(encoding="utf-8")
    assert "calls: null" in recipe
    (finished / "recipe.yaml").write_text(recipe.replace("calls: null", "calls: 1"), encoding="utf-8")
    found = audited(capsys, finished)
    assert "budget" in found["left_out"]["some guesses without the meta-prompt"]
    assert found["guesses"]["answers"] == 0


def test_an_unknown_taxonomy_leaves_the_coverage_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made_run(tmp_path, [pair()], RECIPE + "preferences: {taxonomy: mine}\n")
    found = audited(capsys, tmp_path, "--no-judge")
    assert "mine" in found["left_out"]["coverage"]
    assert {"swap consistency of all comparisons", "swap consistency of decided comparisons"} < set(found["left_out"])
    assert "coverage" not in found


def test_a_directory_in_which_a_run_is_at_work_is_refused(finished: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with RunFolder(finished).held():
        assert main(["audit", str(finished)]) == 2
    assert "another run is at work" in capsys.readouterr().err


def test_no_run_is_no_audit(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["audit", str(tmp_path / "nothing")]) == 2
    assert "no run here" in capsys.readouterr().err
    assert not (tmp_path / "nothing").exists()


def test_flips_that_lost_a_row_are_seen() -> None:
    (check,) = flip_checks(frame([*flip("A", "B", "f1"), *flip("C", "D", "f2")[:1], pair(query="n")]))
    assert (check.share.value, check.share.n) == (2 / 3, 3)
    assert flip_checks(frame([pair()])) == []


def test_preferences_that_differ_in_a_letter_are_one() -> None:
    texts = ("I like short answers, please.", "I like short answers, please!", "Tell me a story about every answer.")
    assert preferences_apart(frame([pair(preference=text, query=text) for text in texts])) == 2


def test_a_report_takes_the_audit_of_its_rows_and_makes_one_where_there_is_none(
    finished: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def judge_was_asked() -> bool:
        assert main(["report", str(finished)]) == 0
        assert f"wrote {finished / 'report.html'}" in capsys.readouterr().out
        return "the judge was not to be asked" not in (finished / "report.html").read_text(encoding="utf-8")

    assert not judge_was_asked()
    audited(capsys, finished)
    assert judge_was_asked()
    foreign = json.loads((finished / "audit.json").read_text(encoding="utf-8")) | {"fingerprint": "of other rows"}
    (finished / "audit.json").write_text(json.dumps(foreign), encoding="utf-8")
    assert not judge_was_asked()
