"""What is found wrong before a cent is spent, all of it at once."""

from pathlib import Path

import pytest

from metaalign_data.engine.preflight import preflight, problems
from metaalign_data.engine.wiring import library_of, make_client
from metaalign_data.errors import UserError
from metaalign_data.recipe import Recipe
from mock_openai import mock_openai


def recipe(folder: Path, **blocks: object) -> Recipe:
    data = {"name": "r", "teacher": {"provider": "simulated"}, "queries": {"source": "bundled"}, **blocks}
    return Recipe.from_dict(data, folder=folder)


def found(folder: Path, **blocks: object) -> list[str]:
    given = recipe(folder, **blocks)
    return problems(given, library_of(given))


def served(url: str, **keys: object) -> dict[str, object]:
    return {"provider": "openai", "base_url": url, "model": "mock-model", **keys}


def test_a_recipe_in_order_has_no_problems(tmp_path: Path) -> None:
    assert found(tmp_path) == []


def test_every_problem_is_told_at_once(tmp_path: Path) -> None:
    own = tmp_path / "prompts"
    own.mkdir()
    (own / "judge_pairwise.md").write_text("---\nid: judge_pairwise\ninputs: [query]\n---\n## user\n{{ query }}\n")
    (own / "unrelated_notes.md").write_text("# Not a prompt of ours\n")
    with mock_openai() as server:
        sentences = found(
            tmp_path,
            teacher=served(server.base_url, model="mock-modle"),
            queries={"source": "gone.jsonl"},
            preferences={"taxonomy": "nope"},
            budget={"usd": 5},
        )
    told = "\n".join(sentences)
    assert len(sentences) == 5
    for part in ("gone.jsonl", "judge_pairwise.md", "nope", "the price of the teacher is unknown", "'mock-model'"):
        assert part in told
    assert "unrelated" not in told


def test_every_judge_and_its_rubric_are_looked_at(tmp_path: Path) -> None:
    with mock_openai() as server:
        judges = [{}, served(server.base_url), served(server.base_url, model="mock-modle")]
        stages = ["sample_preferences", "generate_responses", {"judge": {"rubric": "defalt"}}, "pair"]
        sentences = found(tmp_path, judge=judges, stages=stages, budget={"usd": 5})
    told = "\n".join(sentences)
    assert len(sentences) == 4
    assert "no rubrics 'defalt'; did you mean 'default'?" in told
    assert told.count("the price of the judge is unknown") == 2
    assert "'mock-model'" in told


@pytest.mark.parametrize(
    ("faults", "said"), [({"api_key": "sk-right"}, "wants a key"), ({"model": "another"}, "no model 'mock-model'")]
)
def test_the_server_is_asked_for_key_and_model(tmp_path: Path, faults: dict[str, str], said: str) -> None:
    with mock_openai(**faults) as server:
        (sentence,) = found(tmp_path, teacher=served(server.base_url, api_key_env="NO_SUCH_KEY"))
    assert said in sentence
    assert sentence.startswith("teacher: ")


def test_a_judge_of_its_own_is_checked_too(tmp_path: Path) -> None:
    with mock_openai() as server:
        judge = served(server.base_url, model="not-there")
        (sentence,) = found(tmp_path, teacher=served(server.base_url), judge=judge)
    assert sentence.startswith("judge: ")


def test_preflight_raises_what_problems_finds(tmp_path: Path) -> None:
    given = recipe(tmp_path, queries={"source": "gone.jsonl"})
    with pytest.raises(UserError, match="there is no such file"):
        preflight(given, library_of(given))


def test_a_benchmark_that_is_not_there_is_told_before_anything_is_asked(tmp_path: Path) -> None:
    (tmp_path / "bench.jsonl").write_text('{"question": "Why?"}')
    chain = ["sample_preferences", "generate_responses", "judge", "pair"]
    decontaminate = {"decontaminate": {"against": ["bench.jsonl", "gone.jsonl", "bench.txt"]}}
    missing, unknown = found(tmp_path, stages=[*chain, decontaminate])
    assert missing == f"{tmp_path / 'gone.jsonl'}: there is no such file"
    assert unknown.startswith("stages.decontaminate: 'bench.txt' is neither a .jsonl")


def test_one_of_several_that_has_answered_before_is_down_and_not_mistaken(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    price = {"price": {"input": 1, "output": 2}}
    with mock_openai() as up, mock_openai() as other:
        both = recipe(tmp_path, teacher=[served(up.base_url, **price), served(other.base_url, **price)])
        gone = other.base_url
        other_identity = make_client(both.teachers[1]).identity
    with mock_openai() as up:
        both = recipe(tmp_path, teacher=[served(up.base_url, **price), served(gone, **price)])
        assert [f"{gone} does not answer" in told for told in problems(both, library_of(both))] == [True]
        assert problems(both, library_of(both), frozenset({other_identity})) == []
        assert f"{gone} does not answer" in caplog.text
        assert "others stand in for it" in caplog.text
        alone = recipe(tmp_path, teacher=served(gone, **price))
        assert problems(alone, library_of(alone), frozenset({other_identity}))
    everybody = frozenset(make_client(each).identity for each in both.teachers)
    assert len(problems(both, library_of(both), everybody)) == 2
