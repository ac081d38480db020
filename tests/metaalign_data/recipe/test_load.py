"""Mistakes in a recipe: all at once, each with file, line, path and a way out."""

import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metaalign_data.errors import RecipeError, UserError
from metaalign_data.recipe import Recipe

HEAD = "name: q\nteacher: {provider: simulated}\nqueries: {source: bundled}\n"
"""Three lines that are in order: what a test adds begins in line 4."""


def mistakes(folder: Path, text: str, *overrides: str, trust: bool = False) -> list[str]:
    path = folder / "recipe.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(RecipeError) as e:
        Recipe.load(path, overrides=overrides, trust=trust)
    return str(e.value).replace(f"{folder}/", "").splitlines()


BROKEN = [
    ("stages:\n  - sample_preferences\n  - generate_responses\n  - jugde\n",
     "recipe.yaml:7: stages: unknown stage 'jugde'; did you mean 'judge'?"),
    ("seed: x\n", "recipe.yaml:4: seed: must be a whole number, is 'x'"),
    ("seed: 1\nseed: 2\n", "recipe.yaml:5: seed: is given twice, first in line 4"),
    ("sed: 1\n", "recipe.yaml:4: unknown key 'sed'; did you mean 'seed'?"),
    ("folder: /\n", "recipe.yaml:4: unknown key 'folder'; valid: budget, dataset, judge, name, preferences, queries, "
                    "run, seed, stages, subsets, teacher"),
    ("judge:\n  provider: simulatd\n",
     "recipe.yaml:5: judge.provider: unknown teacher 'simulatd'; did you mean 'simulated'?"),
    ("judge:\n  max_concurency: 2\n",
     "recipe.yaml:5: judge: unknown key 'max_concurency'; did you mean 'max_concurrency'?"),
    ("judge: {faults: {judge_eror: 0.1}}\n",
     "recipe.yaml:4: judge.faults: unknown key 'judge_eror'; did you mean 'judge_error'?"),
    ("judge: {max_concurrency: 0}\n", "recipe.yaml:4: judge.max_concurrency: must be at least 1, is 0"),
    ("judge: {timeout_s: 0}\n", "recipe.yaml:4: judge.timeout_s: must be more than 0, is 0"),
    ("judge: {price: {input: 1}}\n", "recipe.yaml:4: judge.price.output: is missing"),
    ("judge: {price: {input: 1, output: 1, cached: 1}}\n",
     "recipe.yaml:4: judge.price: unknown key 'cached'; did you mean 'cached_input'?"),
    ("judge: {options: {}}\n", "recipe.yaml:4: judge: unknown key 'options'; valid: "),
    ("judge: simulated\n", "recipe.yaml:4: judge: must be a block of keys, is 'simulated'"),
    ("budget: {usd: much}\n", "recipe.yaml:4: budget.usd: must be a number, is 'much'"),
    ("budget:\n  # usd: 5\n", "recipe.yaml:4: budget: must be a block of keys, is null"),
    ("subsets: {priority: 0.5, helpful: 0.4}\n", "recipe.yaml:4: subsets: the shares must sum to 1, they sum to 0.9"),
    ("subsets: {priority: 0.5, helpfull: 0.5}\n",
     "recipe.yaml:4: subsets: unknown key 'helpfull'; did you mean 'helpful'?"),
    ("subsets: {priority: 2}\n", "recipe.yaml:4: subsets.priority: must be at most 1, is 2"),
    ("preferences: {explicit: 0.5, implicit: 0.4}\n",
     "recipe.yaml:4: preferences: explicit and implicit must sum to 1, they sum to 0.9"),
    ("preferences: {per_query: 0}\n", "recipe.yaml:4: preferences.per_query: must be at least 1, is 0"),
    (
        "dataset: {language: [en, English]}\n",
        "recipe.yaml:4: dataset.language: 'English' is no code of ISO 639: two or three small letters, such as en",
    ),
    ("dataset: {language: en}\n", "recipe.yaml:4: dataset.language: must be a list, is 'en'"),
    ("dataset: {license: 4}\n", "recipe.yaml:4: dataset.license: must be text, is 4"),
    ("stages: []\n", "recipe.yaml:4: stages: needs at least one stage"),
    ("stages: judge\n", "recipe.yaml:4: stages: must be a list of stages, is 'judge'"),
    ("stages:\n  - sample_preferences\n  -\n", "recipe.yaml:6: stages: must be the name of a stage, is null"),
    ("stages:\n  - judge:\n    votes: 2\n",
     "recipe.yaml:5: stages: an entry is one stage, this one has keys judge, votes; indent its settings"),
    ("stages:\n  - sample_preferences:\n      per_query: 0\n",
     "recipe.yaml:6: stages.sample_preferences.per_query: must be at least 1, is 0"),
    ("preferences: {per_query: 3}\nstages:\n  - sample_preferences: {per_query: 3}\n",
     "recipe.yaml:6: stages.sample_preferences.per_query: is given twice, also as 'preferences.per_query'; "
     "keep one of them"),
    ("subsets: {helpful: 1}\nstages:\n  - sample_preferences:\n      subsets: {helpful: 1}\n",
     "recipe.yaml:7: stages.sample_preferences.subsets: is given twice, also as 'subsets'; keep one of them"),
    ("stages:\n  - sample_preferences: {taxonom: x}\n",
     "recipe.yaml:5: stages.sample_preferences: unknown key 'taxonom'; did you mean 'taxonomy'?"),
    ("stages:\n  - sample_preferences\n  - judge: 3\n",
     "recipe.yaml:6: stages.judge: must be a block of settings, is 3"),
    ("stages:\n  - sample_preferences\n  - judge\n  - pair\n",
     "recipe.yaml:6: stages: judge takes ResponseSet, but sample_preferences gives Scenario; "
     "put generate_responses between"),
    ("stages:\n  - pair\n", "recipe.yaml:5: stages: pair takes Judgement, but the queries give Query; "
                            "put sample_preferences, generate_responses and judge between"),
    ("stages:\n  - sample_preferences\n  - generate_responses\n",
     "recipe.yaml:6: stages: a recipe makes PreferencePair rows, but generate_responses gives ResponseSet; "
     "put judge and pair at the end"),
    ("stages:\n  - dedup\n",
     "recipe.yaml:5: stages: dedup needs the table of a stage before it, so it cannot be the first"),
    ("stages:\n  - sample_preferences\n  - dedup: {on: [preference]}\n",
     "recipe.yaml:6: stages: dedup reads the column 'preference', which Scenario rows do not have"),
    ("stages: [sample_preferences, generate_responses, judge, pair, {dedup: {on: [chosn]}}]\n",
     "recipe.yaml:4: stages: dedup reads the column 'chosn', which PreferencePair rows do not have; "
     "did you mean 'chosen'?"),
    ("stages:\n  - sample_preferences\n  - pair:\n      flips: onyl\n",
     "recipe.yaml:7: stages.pair.flips: must be true or false, is 'onyl', or must be 'only', is 'onyl'"),
    ("stages:\n  - use: own:Stage\n",
     "recipe.yaml:5: stages: 'use: own:Stage' runs Python that the recipe names; if you trust it, add --trust-recipe"),
    ("  seed: 1\n", "recipe.yaml:4: not valid YAML: expected <block end>, but found '<block mapping start>'; "
                     "look at how this line and the one before it are indented"),
    ("dataset:\n\tlicense: mit\n", "recipe.yaml:5: not valid YAML: found character '\\t' that cannot start any token; "
                                    "indent with spaces, not with tabs"),
    ("dataset: {license: mit\n", "recipe.yaml:5: not valid YAML: expected ',' or '}', but got '<stream end>'"),
    ("---\nname: r\n", "recipe.yaml:4: a recipe is one YAML document; '---' starts a second one"),
    ("seed: !!python/object/apply:os.system [ls]\n", "recipe.yaml:4: tags (!name) are not allowed"),
    ("seed: &a 1\ndataset: {license: *a}\n", "recipe.yaml:5: aliases (*name) are not allowed; write the value out"),
    ("? [a, b]\n: 1\n", "recipe.yaml:4: a key must be plain text"),
    ("dataset: {pretty_name: a\x07b}\n", "recipe.yaml:4: not valid YAML: character U+0007"),
    ("dataset: " + "[" * 30 + "\n", "recipe.yaml:4: more than 20 levels deep"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), BROKEN, ids=[text.strip()[:40] for text, _ in BROKEN])
def test_a_mistake_is_told_with_its_line_and_a_way_out(tmp_path: Path, text: str, expected: str) -> None:
    assert expected in "\n".join(mistakes(tmp_path, HEAD + text))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "recipe.yaml: a recipe is a block of keys, such as 'name:' and 'teacher:'"),
        ("- name\n", "recipe.yaml: a recipe is a block of keys, such as 'name:' and 'teacher:'"),
        ("name: q\nqueries: {source: bundled}\n", "recipe.yaml: teacher: is missing"),
        (HEAD.replace("name: q", "name: ../q"), "recipe.yaml:1: name: must be at most 100 letters, digits,"),
        (HEAD.replace("bundled", "[a]"), "recipe.yaml:3: queries.source: must be text, is a list"),
        (HEAD.replace("source", "sorce"), "recipe.yaml:3: queries: unknown key 'sorce'; did you mean 'source'?"),
        (HEAD.replace("}\n", ", limit: 0}\n"), "recipe.yaml:3: queries.limit: must be at least 1, is 0"),
        (HEAD.replace("provider: simulated", "model: gpt, max_attempt: 1"),
         "recipe.yaml:2: teacher: unknown key 'max_attempt'; did you mean 'max_attempts'?"),
        (HEAD.replace("provider: simulated", "modell: gpt"),
         "recipe.yaml:2: teacher: unknown key 'modell'; did you mean 'model'?"),
        (HEAD.replace("provider: simulated", "provider: openai"), "recipe.yaml:2: teacher.model: is missing"),
    ],
)  # fmt: skip
def test_what_every_recipe_needs_is_asked_for(tmp_path: Path, text: str, expected: str) -> None:
    assert expected in "\n".join(mistakes(tmp_path, text))


def test_all_mistakes_are_told_at_once_in_order_and_each_once(tmp_path: Path) -> None:
    text = (
        "name: a b\nteacher:\n  max_attempts: 0\n  model: m\nqueries: {limit: 2}\nstages:\n- jugde\n- par: {}\nsed: 1\n"
    )
    assert mistakes(tmp_path, text, "seed=x", "judge.timeout_s=-1") == [
        "--set judge.timeout_s: judge.timeout_s: must be more than 0, is -1",
        "--set seed: seed: must be a whole number, is 'x'",
        "recipe.yaml:1: name: must be at most 100 letters, digits, '.', '_' and '-', and start with a letter or digit",
        "recipe.yaml:3: teacher.max_attempts: must be at least 1, is 0",
        "recipe.yaml:5: queries.source: is missing",
        "recipe.yaml:7: stages: unknown stage 'jugde'; did you mean 'judge'?",
        "recipe.yaml:8: stages: unknown stage 'par'; did you mean 'pair'?",
        "recipe.yaml:9: unknown key 'sed'; did you mean 'seed'?",
    ]


def test_a_broken_stage_does_not_make_its_neighbours_look_wrong(tmp_path: Path) -> None:
    text = HEAD + "stages: [sample_preferences, generate_respnses, judge, pair]\n"
    assert len(mistakes(tmp_path, text)) == 1


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"name: q\nseed: \xff\n", "recipe.yaml:2: is not UTF-8"),
        (b"#" * 300_000, "recipe.yaml: is larger than 256 KiB: not a recipe"),
    ],
)
def test_a_file_that_is_no_text_of_a_recipe_is_refused(tmp_path: Path, raw: bytes, message: str) -> None:
    (tmp_path / "recipe.yaml").write_bytes(raw)
    with pytest.raises(UserError) as e:
        Recipe.load(tmp_path / "recipe.yaml")
    assert message in str(e.value)


def test_a_recipe_that_is_not_there_is_answered_with_the_nearest_bundled_one() -> None:
    with pytest.raises(UserError, match=r"there is no recipe 'quickstrt': .*; did you mean 'quickstart'\?"):
        Recipe.load("quickstrt")


def test_a_bundled_recipe_counts_paths_from_the_current_folder_a_file_from_its_own(tmp_path: Path) -> None:
    assert Recipe.load("quickstart").folder == Path()
    (tmp_path / "r.yaml").write_text(HEAD)
    assert Recipe.load(tmp_path / "r.yaml").folder == tmp_path


def test_a_file_of_the_same_name_comes_before_the_bundled_recipe(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "quickstart").write_text(HEAD)
    monkeypatch.chdir(tmp_path)
    assert Recipe.load("quickstart").name == "q"
    shutil.rmtree(tmp_path, ignore_errors=True)


def test_plain_words_of_yaml_1_1_are_text_and_numbers_are_numbers(tmp_path: Path) -> None:
    (tmp_path / "r.yaml").write_text(
        HEAD + "dataset: {language: [no, on, yes], license: 2024-01-01, pretty_name: 12:30}\nbudget: {usd: 1e-3}\n"
    )
    recipe = Recipe.load(tmp_path / "r.yaml")
    assert recipe.dataset.language == ("no", "on", "yes")
    assert (recipe.dataset.license, recipe.dataset.pretty_name) == ("2024-01-01", "12:30")
    assert str(recipe.budget.usd) == "0.001"


@given(st.text())
def test_any_text_is_either_a_recipe_or_refused_in_words(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.mktemp("r") / "recipe.yaml"
    path.write_text(text, encoding="utf-8", newline="")
    with pytest.raises(UserError):
        Recipe.load(path)
