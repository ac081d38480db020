import html
import re
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import duckdb
import pandas as pd
import polars as pl
import pytest
import yaml
from markdown_it import MarkdownIt

import loopback_hub.store
from metaalign_data.chat import Message
from metaalign_data.dataset.columns import COLUMNS
from metaalign_data.dataset.configs import CONFIGS
from metaalign_data.dataset.export import write_dataset
from metaalign_data.dataset.facts import DatasetFacts
from metaalign_data.dataset.front_matter import size
from metaalign_data.records import PreferencePair, to_frame
from rows import flip, pair

FACTS = DatasetFacts(
    name="small",
    recipe_yaml="name: small\n",
    seed=1,
    license="cc-by-4.0",
    language=("en",),
    pretty_name=None,
    teacher_model="org/teacher",
    judge_model="judge",
    simulated=False,
    versions={"metaalign-data": "0"},
    stages={"pair": "Makes a row of each comparison."},
    counts={"pair": {"in": 3, "out": 4, "rejected": 1, "failed": 0, "reasons": {"rejected: tie": 2}}},
    judging={"agreement": 0.9, "all": {"position_bias": 0.125, "length_bias": None}},
    sources={"queries.jsonl": ("cc-by-4.0",), "org/other": ()},
    cost_usd=Decimal("0.5"),
    tokens=10,
)

ROWS = [
    *flip("Yes – 是的 👍", "No", "f1", split="train"),
    pair(query="Where?", chosen="```\n</div>\n| a | b |\n# not a heading\n```", split="train"),
    pair(query="When?", split="test"),
]


def write(folder: Path, rows: list[PreferencePair] = ROWS, facts: DatasetFacts = FACTS) -> dict[str, dict[str, int]]:
    table = folder.with_name("table.parquet")
    to_frame(rows, PreferencePair).write_parquet(table)
    counts = write_dataset([table], folder, facts)
    table.unlink()
    return counts


def files(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_splits_without_rows_are_left_out_and_rows_are_counted(tmp_path: Path) -> None:
    rows = write(tmp_path / "d")
    assert rows["pairs"] == {"train": 3, "test": 1}
    assert set(files(tmp_path / "d")) == {
        "README.md",
        *(f"{config}/{split}-00000-of-00001.parquet" for config in CONFIGS for split in ("train", "test")),
    }
    assert [p.name for p in tmp_path.iterdir()] == ["d"]


def test_equal_rows_give_equal_bytes_and_take_the_place_of_what_was_there(tmp_path: Path) -> None:
    write(tmp_path / "a")
    write(tmp_path / "b", [pair()])
    write(tmp_path / "b")
    assert files(tmp_path / "a") == files(tmp_path / "b")


def test_the_bytes_do_not_depend_on_how_the_rows_are_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("metaalign_data.dataset.shards.ROWS_PER_GROUP", 10)
    monkeypatch.setattr("metaalign_data.dataset.shards.ROWS_PER_FILE", 40)
    rows = to_frame([pair(query=f"{i}?", split=("train", "test")[i % 3 == 0]) for i in range(100)], PreferencePair)
    for name, step in (("a", 100), ("b", 7)):
        cut = [tmp_path / f"{name}-{i:02d}.parquet" for i in range(-(-100 // step))]
        for part, path in zip(rows.iter_slices(step), cut, strict=True):
            part.write_parquet(path)
        assert write_dataset(cut, tmp_path / name, FACTS)["pairs"] == {"train": 66, "test": 34}
    assert files(tmp_path / "a") == files(tmp_path / "b")
    assert sorted(p.name for p in (tmp_path / "a/pairs").glob("train-*")) == [
        "train-00000-of-00002.parquet",
        "train-00001-of-00002.parquet",
    ]
    train = pl.concat(pl.read_parquet(p) for p in sorted((tmp_path / "a/pairs").glob("train-*")))
    assert train["id"].to_list() == rows.filter(pl.col("split") == "train")["id"].to_list()
    assert train["prompt"].to_list() == rows.filter(pl.col("split") == "train")["prompt"].to_list()


def test_rows_without_a_split_are_train(tmp_path: Path) -> None:
    assert write(tmp_path / "d", [pair(), pair(query="Who?")])["pairs"] == {"train": 2}


def test_sft_holds_each_conversation_once_and_preferences_each_preference_once(tmp_path: Path) -> None:
    same = [pair(query_id="1"), pair(query_id="2", rejected="Something else.")]
    assert write(tmp_path / "d", same) == {"pairs": {"train": 2}, "sft": {"train": 1}, "preferences": {"train": 1}}
    sft = pl.read_parquet(tmp_path / "d/sft/*.parquet")
    assert [m["role"] for m in sft["messages"][0]] == ["system", "user", "assistant"]
    assert not {"margin", "rejected_because", "flip_id"} & set(sft.columns)
    assert pl.read_parquet(tmp_path / "d/preferences/*.parquet")["pairs"].to_list() == [2]


def test_datasets_polars_and_pandas_read_the_same_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "hf"))
    import datasets

    write(tmp_path / "d")
    loaded = datasets.load_dataset(str(tmp_path / "d"), "pairs", cache_dir=str(tmp_path / "hf"))
    assert {split: rows.num_rows for split, rows in loaded.items()} == {"train": 3, "test": 1}
    path = tmp_path / "d/pairs/train-00000-of-00001.parquet"
    assert loaded["train"][0]["chosen"] == [{"role": "assistant", "content": "Yes – 是的 👍"}]
    assert "Ignoring part of dataset_info" not in caplog.text
    assert loaded["train"].to_list() == pl.read_parquet(path).to_dicts()
    assert pd.read_parquet(path)["id"].tolist() == loaded["train"]["id"]
    assert duckdb.sql(f"SELECT id FROM '{path}'").fetchall() == [(name,) for name in loaded["train"]["id"]]


def test_the_features_are_typed_as_the_card_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "hf"))
    from datasets import Features, List, Value, load_dataset

    write(tmp_path / "d")
    told = yaml.safe_load((tmp_path / "d/README.md").read_text().split("---\n")[1])["dataset_info"]
    for info in told:
        for split in info["splits"]:
            loaded = load_dataset(
                str(tmp_path / "d"), info["config_name"], split=split["name"], cache_dir=tmp_path / "hf"
            )
            assert loaded.features == Features._from_yaml_list(info["features"])
            assert loaded.num_rows == split["num_examples"]
            assert loaded.info.splits[split["name"]].num_bytes == pytest.approx(split["num_bytes"], rel=0.01)
        assert info["dataset_size"] == sum(split["num_bytes"] for split in info["splits"])
        files = (tmp_path / "d" / info["config_name"]).iterdir()
        assert info["download_size"] == sum(file.stat().st_size for file in files)
    pairs = Features._from_yaml_list(told[0]["features"])
    assert pairs["prompt"] == List({"role": Value("string"), "content": Value("string")})
    assert (pairs["margin"], pairs["votes"], pairs["harmful"]) == (Value("float64"), Value("int64"), Value("bool"))
    assert pairs["prompt_versions"] == List(Value("string"))


def test_every_column_is_described(tmp_path: Path) -> None:
    write(tmp_path / "d")
    text = (tmp_path / "d/README.md").read_text()
    for config in CONFIGS:
        columns = pl.read_parquet(tmp_path / f"d/{config}/train-*.parquet").columns
        assert columns == list(COLUMNS[config])
        assert all(COLUMNS[config].values())
        section = text.split(f"### `{config}`")[1].split("\n#")[0]
        own = [line.split("`")[1] for line in section.splitlines() if line.startswith("| `")]
        as_in_pairs = re.findall("`(.*?)`", section.partition("As in `pairs`:")[2])
        assert sorted(own + as_in_pairs) == sorted(columns)
        assert all(COLUMNS[config][name] == COLUMNS["pairs"][name] for name in as_in_pairs)


def test_the_card_names_licences_sources_and_how_to_cite(tmp_path: Path) -> None:
    write(tmp_path / "d")
    text = (tmp_path / "d/README.md").read_text()
    assert "This dataset: cc-by-4.0." in text
    assert "| queries.jsonl | cc-by-4.0 |\n| org/other | not known |" in text
    assert "eprint = {2410.14184}" in text


def test_the_card_has_front_matter_that_names_every_file(tmp_path: Path) -> None:
    write(tmp_path / "d")
    front = yaml.safe_load((tmp_path / "d/README.md").read_text().split("---\n")[1])
    named = {
        str(p.relative_to(tmp_path / "d"))
        for c in front["configs"]
        for f in c["data_files"]
        for p in (tmp_path / "d").glob(f["path"])
    }
    assert named == {name for name in files(tmp_path / "d") if name != "README.md"}
    assert (front["license"], front["language"]) == ("cc-by-4.0", ["en"])


@pytest.mark.parametrize(
    ("licence", "told"),
    [
        ("cc-by-4.0", {"license": "cc-by-4.0"}),
        ("Apache-2.0", {"license": "apache-2.0"}),
        ("CC BY-NC 4.0", {"license": "cc-by-nc-4.0"}),
        ("llama3.1", {"license": "llama3.1"}),
        ("apache", {"license": "other", "license_name": "apache"}),
        ("GPL-3.0-or-later", {"license": "other", "license_name": "gpl-3.0-or-later"}),
        ("Our own terms, v2", {"license": "other", "license_name": "our-own-terms-v2"}),
        (None, {}),
    ],
)
def test_a_licence_that_the_hub_has_no_name_for_is_another(
    tmp_path: Path, licence: str | None, told: dict[str, str]
) -> None:
    write(tmp_path / "d", facts=replace(FACTS, license=licence))
    front = yaml.safe_load((tmp_path / "d/README.md").read_text().split("---\n")[1])
    assert {name: value for name, value in front.items() if name.startswith("license")} == told
    assert loopback_hub.store.front_matter((tmp_path / "d/README.md").read_bytes()), "the Hub takes it"


def test_simulated_data_is_said_loudly(tmp_path: Path) -> None:
    write(tmp_path / "real")
    write(tmp_path / "simulated", facts=replace(FACTS, simulated=True))
    assert "SIMULATED DATA" not in (tmp_path / "real/README.md").read_text()
    card = (tmp_path / "simulated/README.md").read_text()
    assert "**SIMULATED DATA.**" in card
    assert "simulated" in yaml.safe_load(card.split("---\n")[1])["tags"]


def test_text_from_outside_is_shown_as_it_is_and_is_never_markup(tmp_path: Path) -> None:
    text = "````\n# heading\n- a | b \\| c\n\n<script>alert(1)</script> &lt; **bold** ![x](http://x.y/z)\n````"
    nasty = pair(chosen=text, query="---\nlicense: none\n---", system_info="| a |\n| --- |", rejected="*it*")
    write(tmp_path / "d", [nasty], replace(FACTS, pretty_name="# <b>T</b>", recipe_yaml="```\n<i>\n"))
    card = (tmp_path / "d/README.md").read_text()
    assert yaml.safe_load(card.split("---\n")[1])["license"] == "cc-by-4.0"
    page = MarkdownIt("commonmark", {"html": True}).enable("table").render(card.split("\n---\n", 1)[1])
    assert not re.search("<(script|b|i|em|img)[ >]", page)
    cells = [html.unescape(cell.replace("<br>", "\n")) for cell in re.findall("<td.*?>(.*?)</td>", page)]
    assert "\n".join(line.strip() for line in text.splitlines()) in cells
    assert {"---\nlicense: none\n---", "| a |\n| --- |", "*it*"} <= set(cells)
    assert "<h1># &lt;b&gt;T&lt;/b&gt;</h1>" in page


def test_an_example_shows_earlier_turns_and_cuts_what_is_long(tmp_path: Path) -> None:
    row = pair(chosen="x" * 2_000)
    turns = (Message(role="user", content="Hello."), Message(role="assistant", content="Good day."))
    write(tmp_path / "d", [row.model_copy(update={"prompt": (row.prompt[0], *turns, row.prompt[1])})])
    text = (tmp_path / "d/README.md").read_text()
    assert "| **earlier turns** | user: Hello.<br>assistant: Good day. |" in text
    assert f"| **Chosen** | {'x' * 1_000} … |" in text
    assert "**System Info**" not in text, "nothing is shown that no row has"


def test_a_flip_is_shown_side_by_side(tmp_path: Path) -> None:
    write(tmp_path / "d")
    text = (tmp_path / "d/README.md").read_text()
    assert "| **Chosen** | Yes – 是的 👍 | No |" in text
    assert "| **Rejected** | No | Yes – 是的 👍 |" in text


@pytest.mark.parametrize(
    ("rows", "told"),
    [(1, "n<1K"), (999, "n<1K"), (1_000, "1K<n<10K"), (99_999, "10K<n<100K"), (38_900_000, "10M<n<100M")],
)
def test_the_size_is_spelled_as_the_hub_does(rows: int, told: str) -> None:
    assert size(rows) == told


def test_the_title_is_one_line_and_the_prompts_are_named(tmp_path: Path) -> None:
    write(tmp_path / "d", facts=replace(FACTS, pretty_name="A [title]\u2028---\n---\nlicense: none"))
    text = (tmp_path / "d/README.md").read_text(encoding="utf-8")
    front = yaml.safe_load(text.split("\n---\n")[0])
    assert (front["pretty_name"], front["license"]) == ("A [title] --- --- license: none", "cc-by-4.0")
    assert "# A \\[title\\] --- --- license: none\n" in text
    assert "judge\\_pairwise@1" in text


@pytest.mark.parametrize(("cost", "said"), [(Decimal("0.5"), "0.5000 USD"), (None, "unknown (no price was given)")])
def test_an_unknown_cost_is_said_to_be_unknown(tmp_path: Path, cost: Decimal | None, said: str) -> None:
    write(tmp_path / "d", facts=replace(FACTS, cost_usd=cost))
    assert said in (tmp_path / "d/README.md").read_text()


def test_the_card_tells_the_figures_of_the_rows_and_of_the_judge(tmp_path: Path) -> None:
    harmful = pair(
        query="How do I pick a lock?", harmful=True, matrix_cell="harmful/safety_first/silent", split="train"
    )
    write(tmp_path / "d", [*ROWS, harmful])
    text = (tmp_path / "d" / "README.md").read_text(encoding="utf-8")
    for line in (
        "| rows in flips | 40.0% |",
        "| rows with a harmful query | 1 |",
        "| rejected because | contrasting_preference 5 |",
        "| pair | Makes a row of each comparison. | 3 | 4 | 1 | 0 | tie 2 |",
        "| agreement of the judge's votes | 90.0% |",
        "| the judge's position bias | 12.5% |",
        "| the judge's length bias | not known |",
    ):
        assert line in text
