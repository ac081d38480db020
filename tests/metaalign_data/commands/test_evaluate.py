import json
from pathlib import Path

import pytest

from metaalign_data.cli import main
from tiny_model import save_tiny_model
from training import pair, save_dataset


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("models")
    return {name: str(save_tiny_model(folder / name)) for name in ("ours", "theirs")}


def evaluate(*args: str, out: Path) -> int:
    return main(["evaluate", *args, "--out", str(out)])


def test_models_stand_side_by_side_with_figures_a_plot_and_the_paired_gain(
    models: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = save_dataset(tmp_path / "data")
    assert evaluate(models["ours"], "--baseline", models["theirs"], "--data", str(data), out=tmp_path / "out") == 0
    told = capsys.readouterr().out
    assert "split: test" in told
    assert "ours against theirs: +0.0% of the pairs" in told
    found = json.loads((tmp_path / "out/evaluation.json").read_text())
    assert (tmp_path / "out/evaluation.png").read_bytes().startswith(b"\x89PNG")
    figures = found["models"]["ours"]["figures"]
    assert figures["all"]["all"]["flips"]["n"] == 2
    assert figures == found["models"]["theirs"]["figures"], "the two are the same model"
    assert found["gains"]["theirs"]["all"]["value"] == 0


def test_a_model_that_sees_no_meta_prompt_gets_half_of_the_pairs_and_no_flip(
    models: dict[str, str], tmp_path: Path
) -> None:
    """Each answer is chosen in one row of its flip and rejected in the other."""
    data = save_dataset(tmp_path / "data")
    assert evaluate(models["ours"], "--data", str(data), "--no-meta-prompt", "--json", out=tmp_path / "out") == 0
    figures = json.loads((tmp_path / "out/evaluation.json").read_text())["models"]["ours"]["figures"]["all"]["all"]
    assert (figures["pairs"]["value"], figures["flips"]["value"]) == (0.5, 0.0)


@pytest.mark.parametrize(
    ("args", "told"),
    [
        (["--measure", "reward"], "--reference"),
        (["--split", "nosplit"], "nosplit"),
        (["--judge", "quickstart"], "--baseline"),
        (["--baseline", "/nowhere/model"], "nowhere"),
        (["--benchmark", "rprr"], "did you mean 'rpr'"),
        (["--max-length", "5"], "none of 4 rows can be scored"),
    ],
)
def test_mistakes_are_told_in_a_sentence(
    models: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str], args: list[str], told: str
) -> None:
    data = save_dataset(tmp_path / "data")
    assert evaluate(models["ours"], "--data", str(data), *args, out=tmp_path / "out") == 2
    assert told in capsys.readouterr().err


@pytest.mark.parametrize("suffix", [".jsonl", ".parquet"])
def test_a_benchmark_of_the_field_is_read_by_its_mapping(models: dict[str, str], tmp_path: Path, suffix: str) -> None:
    import polars as pl

    row = {"id": "1", "prompt": "Which pet?", "response_a": "A cat.", "response_b": "A dog."}
    rows = pl.DataFrame([row | {"criteria_x": "Likes cats.", "criteria_y": "Likes dogs."}])
    rows.write_ndjson(tmp_path / "rpr.jsonl")
    rows.write_parquet(tmp_path / "rpr.parquet")
    source = str(tmp_path / f"rpr{suffix}")
    assert evaluate(models["ours"], "--data", source, "--benchmark", "rpr", out=tmp_path / "out") == 0
    (told,) = json.loads((tmp_path / "out/evaluation.json").read_text())["models"].values()
    assert (told["contexts"]["n"], told["questions"]["n"]) == (1, 1)


def test_a_judge_prefers_what_was_said_to_nothing_and_ties_what_is_the_same(
    models: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = {"ours": "Yes, it is a number.", "theirs": ""}
    monkeypatch.setattr(
        "metaalign_trainer.evaluate.answer.answers_to",
        lambda rows, path, how, max_length: {row["id"]: said[Path(path).name] for row in rows},
    )
    data = save_dataset(tmp_path / "data")
    judged = ["--judge", "quickstart", "--simulate", "--questions", "3"]
    both = [models["ours"], "--baseline", models["theirs"], "--data", str(data)]
    for answer, expected in (("", (3, 0, 0)), ("Yes, it is a number.", (0, 3, 0))):
        said["theirs"] = answer
        assert evaluate(*both, *judged, out=tmp_path / "out") == 0
        met = json.loads((tmp_path / "out/evaluation.json").read_text())["win_rates"]["theirs"]
        assert (met["wins"], met["ties"], met["losses"]) == expected


def test_a_judge_compares_what_the_models_say(models: dict[str, str], tmp_path: Path) -> None:
    data = save_dataset(tmp_path / "data")
    judged = ["--judge", "quickstart", "--simulate", "--questions", "4", "--max-new-tokens", "8", "--seed", "1"]
    other = models["theirs"]
    assert evaluate(models["ours"], "--baseline", other, "--data", str(data), *judged, out=tmp_path / "out") == 0
    met = json.loads((tmp_path / "out/evaluation.json").read_text())["win_rates"]["theirs"]
    assert sum(met[name] for name in ("wins", "ties", "losses", "undecided")) == 4


def test_chat_asks_what_a_training_row_asks(
    models: dict[str, str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from metaalign_data.prompting import meta_prompt
    from metaalign_trainer.data import encode
    from metaalign_trainer.evaluate.answer import Answering, messages

    row = pair(1, "short")
    answering = Answering.load(models["ours"], max_new_tokens=4, temperature=0.0, seed=0)
    (example,), _ = encode([row], answering.renderer, max_length=2048, answers="both")
    asked = messages(meta_prompt(row["system_info"], row["user_info"]), row["query"])
    assert tuple(answering.renderer.prompt(asked)) == example.prompt


def test_chat_answers_under_each_meta_prompt(models: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    tiers = ["--as", "Be kind.|I like cats.", "--as", "|I like dogs.", "--as", ""]
    assert main(["chat", models["ours"], *tiers, "--ask", "Which pet?", "--max-new-tokens", "5", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [(a["system_info"], a["user_info"]) for a in told["answers"]] == [
        ("Be kind.", "I like cats."),
        ("", "I like dogs."),
        ("", ""),
    ]
    assert main(["chat", models["ours"], *tiers, "--ask", "Which pet?", "--max-new-tokens", "5"]) == 0
    shown = capsys.readouterr().out
    assert "Be kind." in shown
    assert "I like dogs." in shown
