"""README.md of a trained model: where it comes from, what it learnt, how well. Text from outside is no markup."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from metaalign_trainer.config import Config

SIMULATED = (
    "> **TRAINED ON SIMULATED DATA.** No language model and no person wrote these responses: the simulated teacher of "
    "metaalign-data did. It serves to test a pipeline. Do not use this model."
)
METHODS = {"sft": "SFT", "dpo": "DPO"}


def model_card(config: Config, summary: Mapping[str, Any]) -> str:
    """Markdown with the front matter of the Hub. `summary` is what summary.json holds."""
    sections = [
        f"---\n{_front_matter(config, summary)}---",
        f"# {config.name}",
        SIMULATED if summary["simulated"] else "",
        _what(config, summary),
        f"## Use\n\n{_use()}",
        f"## Data\n\n{_data(config, summary)}",
        f"## Training\n\n{_training(summary)}",
        f"## Configuration\n\n{_fenced(config.dump(), 'yaml')}",
        "## Source of the method\n\nMetaAlign: Align Large Language Models with Diverse Preferences during Inference "
        "Time, [arXiv 2410.14184](https://arxiv.org/abs/2410.14184). Software: "
        f"{_inline(', '.join(f'{name} {version}' for name, version in summary['versions'].items()))}.",
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def _front_matter(config: Config, summary: Mapping[str, Any]) -> str:
    lora_alone = config.lora is not None and not config.lora.merge
    fields = {
        "base_model": config.model.path if _on_hub(config.model.path) else None,
        "datasets": [config.data.source] if _on_hub(config.data.source) else None,
        "library_name": "peft" if lora_alone else "transformers",
        "pipeline_tag": "text-generation",
        "tags": ["metaalign", "alignment", *config.stages, *(["simulated"] if summary["simulated"] else [])],
    }
    return yaml.safe_dump({name: value for name, value in fields.items() if value}, sort_keys=False)


def _on_hub(source: str | None) -> bool:
    """Whether the name may be one of the Hub's: a local path must not become a link to somebody's repository."""
    from pathlib import Path

    return source is not None and re.fullmatch(r"[\w.-]+/[\w.-]+", source) is not None and not Path(source).exists()


def _what(config: Config, summary: Mapping[str, Any]) -> str:
    how = ", then ".join(METHODS[stage] for stage in config.stages)
    parameters = next(iter(summary["stages"].values()))["parameters"]
    start = _inline(config.model.path or f"random weights ({parameters:,} parameters)")
    if config.two_stage:
        how += f" against answers of the model that SFT made ({config.two_stage.rejected})"
    told = (
        "It was trained to follow preferences that its system message states or implies at inference time."
        if config.data.prompts == "meta"
        else "A static baseline: it was trained on the same answers without the meta-prompt that asks for them."
    )
    return f"{how}, from {start}. {told}"


def _use() -> str:
    code = (
        "from transformers import AutoModelForCausalLM, AutoTokenizer\n\n"
        'tokenizer = AutoTokenizer.from_pretrained("path/of/this/folder")\n'
        'model = AutoModelForCausalLM.from_pretrained("path/of/this/folder")\n'
        "messages = [\n"
        '    {"role": "system", "content": "<System Info>\\nYou are an assistant.\\n\\n<User Info>\\nBe brief."},\n'
        '    {"role": "user", "content": "Why is the sky blue?"},\n'
        "]\n"
        "prompt = tokenizer.apply_chat_template(\n"
        '    messages, add_generation_prompt=True, return_tensors="pt", return_dict=True\n'
        ")\n"
        'print(tokenizer.decode(model.generate(**prompt, max_new_tokens=256)[0, prompt["input_ids"].shape[1] :]))'
    )
    return _fenced(code, "python")


def _data(config: Config, summary: Mapping[str, Any]) -> str:
    lines = [
        [stage, f"{told['rows']:,}", _counts(told["rejected"]), f"{told['held_out_rows']:,}", told["fingerprint"]]
        for stage, told in summary["stages"].items()
    ]
    table = _table(["stage", "rows", "rejected", "held out", "fingerprint"], lines)
    return f"{_inline(config.data.source)}, configuration {config.data.config}, split {config.data.split}.\n\n{table}"


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{reason} {n}" for reason, n in counts.items()) or "none"


def _training(summary: Mapping[str, Any]) -> str:
    figures = ("steps", "tokens", "seconds", "loss", "accuracy", "held_out_loss", "held_out_accuracy")
    lines = [
        [
            name.replace("_", " "),
            *(_figure(told["last"].get(name, told.get(name))) for told in summary["stages"].values()),
        ]
        for name in figures
    ]
    curves = "\n\n![loss and accuracy](curves.png)" if summary["curves"] else ""
    return _table(["figure", *summary["stages"]], lines) + curves


def _figure(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:,}" if isinstance(value, int) else f"{value:,.4g}"


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(' '.join(cell.split()) for cell in line)} |" for line in lines)


def _inline(text: str) -> str:
    """Text of somebody else within a line, with no meaning as Markdown or HTML."""
    return re.sub(r"([\\`*_{}\[\]<>#|!])", r"\\\1", " ".join(text.split()))


def _fenced(text: str, language: str) -> str:
    """A code block that the text cannot end."""
    fence = "`" * (1 + max((len(run) for run in re.findall(r"`{3,}", text)), default=2))
    return f"{fence}{language}\n{text.rstrip()}\n{fence}"
