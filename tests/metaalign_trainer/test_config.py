from pathlib import Path

import pytest

from metaalign_trainer.config import Config
from metaalign_trainer.errors import ConfigError

GOOD = "name: a\ndata: {source: x}\nmodel: {path: m}\nsft: {}\n"


def load(tmp_path: Path, text: str, *overrides: str) -> Config:
    path = tmp_path / "c.yaml"
    path.write_text(text, encoding="utf-8")
    return Config.load(path, overrides)


def test_every_mistake_is_told_at_once_with_its_line(tmp_path: Path) -> None:
    text = (
        "name: a b\nseed: -1\ndata:\n  source: x\n  promts: none\n  limit: yes\nmodel: {new: {hidden: 65}}\nlora: 4\n"
    )
    with pytest.raises(ConfigError) as e:
        load(tmp_path, text, "precision=fp16")
    file = tmp_path / "c.yaml"
    assert set(str(e.value).splitlines()) == {
        f"{file}:1: name: must be at most 100 letters, digits, '.', '_' and '-', and start with a letter or digit",
        f"{file}:2: seed: must be greater than or equal to 0, is -1",
        f"{file}:5: data.promts: is an unknown key; did you mean 'prompts'?",
        f"{file}:6: data.limit: must be a whole number, is 'yes'",
        f"{file}:7: model.new: hidden (65) must be a multiple of twice heads (4)",
        f"{file}:8: lora: must be a block of keys, is 4",
        "--set precision: precision: must be 'auto', 'float32', 'bf16-mixed' or 'bf16', is 'fp16'",
    }


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("name: a\nname: b\n", ":2: name: is given twice"),
        ("a: &x 1\nb: *x\n", ":2: aliases (*name) and tags (!name) are not allowed"),
        ("a: !!python/object:os.system 1\n", ":1: aliases (*name) and tags"),
        ("a: [1\n", ":2: not valid YAML"),
        ("- a\n", "a configuration is a block of keys"),
        (GOOD.replace("sft: {}\n", ""), "nothing to train"),
        (GOOD + "two_stage: {}\n", "'two_stage' needs both blocks"),
        (GOOD.replace("{path: m}", "{}"), "model: give either 'path'"),
        (GOOD + "dpo: {}\ntwo_stage: {rejected: judged}\n", "'rejected: judged' needs 'judge'"),
        (GOOD.replace("source: x", "source: x, config: sft") + "dpo: {}\n", "'dpo' learns from pairs"),
        (GOOD + "sft_: 1\n", ":5: sft_: is an unknown key; did you mean 'sft'?"),
    ],
)
def test_a_configuration_that_cannot_be_followed_is_refused(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(ConfigError) as e:
        load(tmp_path, text)
    assert told in str(e.value)


def test_a_dump_holds_every_default_and_loads_as_the_same_configuration(tmp_path: Path) -> None:
    config = load(tmp_path, GOOD + "lora: {targets: [q_proj, v_proj]}\n", "sft.learning_rate=1e-4", "dpo={}")
    assert config.sft is not None
    assert config.sft.learning_rate == 1e-4
    assert load(tmp_path, config.dump()) == config
    assert "gradient_checkpointing: false" in config.dump()


def test_stages_run_in_order(tmp_path: Path) -> None:
    assert list(load(tmp_path, GOOD.replace("sft: {}", "dpo: {}\nsft: {}")).stages) == ["sft", "dpo"]


@pytest.mark.parametrize(
    ("pair", "told"),
    [
        ("seed", "--set seed: is not of the form KEY.PATH=VALUE"),
        ("seed.x=1", "--set seed.x: 'seed' is a value, not a block of keys"),
        ("seed=[1", "--set seed"),
    ],
)
def test_an_option_that_does_not_apply_is_told_among_the_mistakes(tmp_path: Path, pair: str, told: str) -> None:
    with pytest.raises(ConfigError) as e:
        load(tmp_path, GOOD + "seed: 1\nlora: 4\n", pair)
    assert told in str(e.value)
    assert "lora: must be a block" in str(e.value)


def test_a_file_that_is_no_configuration_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        Config.load(tmp_path / "none.yaml")
    (tmp_path / "big.yaml").write_text("#" * 300_000)
    with pytest.raises(ConfigError, match="larger than 256 KiB"):
        Config.load(tmp_path / "big.yaml")
    (tmp_path / "bytes.yaml").write_bytes(b"\xff\xfe\xfa")
    with pytest.raises(ConfigError, match="is not UTF-8"):
        Config.load(tmp_path / "bytes.yaml")
