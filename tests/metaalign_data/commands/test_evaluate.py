import json
from pathlib import Path
from typing import Any

import pytest

from metaalign_data.cli import main
from tiny_model import save_tiny_model
from training import pair, pairs, save_dataset


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
        (["--benchmark", "multifaceted-bench"], "with --judge"),
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


def test_rubrics_are_applied_by_a_judge_to_what_the_models_say(
    models: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The simulated judge finds in every criterion how far the system message is followed."""
    import polars as pl

    said = {"ours": "Bread, in short:\n- flour\n- water\n- heat", "theirs": ""}
    asked_of = {}

    def answers_to(asked: dict[str, Any], path: str, how: Any, max_length: int) -> dict[str, str]:
        asked_of.update(asked)
        return {"0": said[Path(path).name]}

    monkeypatch.setattr("metaalign_trainer.evaluate.answer.answers_to", answers_to)
    row = {"prompt": "How do I bake bread?", "system": "Use bullet points.", "reference_answer": "- Knead."}
    rubric = {"criteria": "Are there bullet points?", "score_descriptions": {"1": "none", "5": "all over"}}
    pl.DataFrame([row | {"rubrics": [rubric, rubric]}] * 2).write_parquet(tmp_path / "bench.parquet")
    both = [models["ours"], "--baseline", models["theirs"], "--data", str(tmp_path / "bench.parquet")]
    judged = ["--benchmark", "multifaceted-bench", "--judge", "quickstart", "--simulate"]
    assert evaluate(*both, *judged, out=tmp_path / "out") == 0
    assert "5.00 (5.00–5.00) of 1" in capsys.readouterr().out
    found = json.loads((tmp_path / "out/evaluation.json").read_text())["models"]
    assert (found["ours"]["score"]["value"], found["theirs"]["score"]["value"]) == (5, 1)
    assert found["ours"]["left_out"] == {"too_long_or_template": 1}
    assert asked_of["0"][0] == {"role": "system", "content": "<System Info>\nUse bullet points."}
    assert (tmp_path / "out/evaluation.png").read_bytes().startswith(b"\x89PNG")


def test_without_the_meta_prompt_models_answer_without_it_too_and_prompts_come_from_all_splits(
    models: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import polars as pl

    seen: list[dict[str, Any]] = []
    monkeypatch.setattr(
        "metaalign_trainer.evaluate.answer.answers_to",
        lambda asked, path, how, max_length: seen.append(asked) or dict.fromkeys(asked, "Yes."),
    )
    other = [row | {"id": f"new-{row['id']}", "prompt": row["prompt"] + row["chosen"]} for row in pairs(40)]
    data = save_dataset(tmp_path / "data", test=pairs(40))
    pl.DataFrame(other).write_parquet(data / "pairs/test_unseen_preferences-0.parquet")
    both = [models["ours"], "--baseline", models["theirs"], "--data", str(data)]
    judged = ["--judge", "quickstart", "--simulate", "--questions", "30"]
    assert evaluate(*both, *judged, "--no-meta-prompt", out=tmp_path / "out") == 0
    assert len(seen[0]) == 30
    assert not [turn for prompt in seen[0].values() for turn in prompt if turn["role"] == "system"]
    assert {name.startswith("new-") for name in seen[0]} == {True, False}


def test_the_table_tells_the_cells_of_conflicts_and_the_twins(
    models: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cells = ("harmless/user_first/conflicts", "harmless/none/alone")
    rows = [row | {"matrix_cell": cells[i // 2], "twin_id": f"t{i // 2}"} for i, row in enumerate(pairs(2))]
    data = save_dataset(tmp_path / "data", test=rows)
    assert evaluate(models["ours"], "--data", str(data), out=tmp_path / "out") == 0
    told = capsys.readouterr().out
    assert "conflict: harmless/user_first/conflicts" in told
    assert "alone" not in told
    assert "twins" in told


def test_a_judge_prefers_what_was_said_to_nothing_and_ties_what_is_the_same(
    models: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = {"ours": "Yes, it is a number.", "theirs": ""}
    monkeypatch.setattr(
        "metaalign_trainer.evaluate.answer.answers_to",
        lambda asked, path, how, max_length: dict.fromkeys(asked, said[Path(path).name]),
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
    assert "System Info: Be kind." in shown
    assert "User Info: I like dogs." in shown
    assert "no meta-prompt" in shown


def test_chat_shows_long_meta_prompts_whole(models: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    tiers = ["--as", f"{'Be patient. ' * 30}Be kind.", "--as", f"|{'I am tired. ' * 30}I like cats."]
    assert main(["chat", models["ours"], *tiers, "--ask", "Which pet?", "--max-new-tokens", "5"]) == 0
    shown = " ".join(word for word in capsys.readouterr().out.split() if word != "│")
    assert "Be kind." in shown
    assert "I like cats." in shown
    assert shown.count("patient.") == 30
