"""What a training run is asked to do. Every mistake of a configuration is told at once, each with its file and line."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal, Self

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from metaalign_trainer.document import read_document
from metaalign_trainer.errors import ConfigError
from metaalign_trainer.flaws import flaw

Positive = Annotated[int, Field(ge=1)]
Stage = Literal["sft", "dpo"]
Share = Annotated[float, Field(gt=0, lt=1)]

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


def _file_name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError("must be at most 100 letters, digits, '.', '_' and '-', and start with a letter or digit")
    return name


class Block(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class DataSettings(Block):
    """Which rows are learnt, and what of them."""

    source: str = Field(description="a run directory, a dataset folder, or a dataset on the Hub (owner/name)")
    config: str = Field(default="pairs", description="configuration of the dataset; sft can also be trained on 'sft'")
    split: str = Field(default="train", description="rows that are learnt")
    held_out: str | None = Field(default=None, description="split whose loss is measured along the way; null for none")
    prompts: Literal["meta", "none"] = Field(
        default="meta", description="none leaves out the meta-prompt: the static baseline"
    )
    where: dict[str, str | bool] = Field(
        default_factory=dict, description="only rows with these values by column, such as {dimension: length}"
    )
    max_length: Positive = Field(default=2048, description="tokens of prompt and answer; longer rows are rejected")
    limit: Positive | None = Field(default=None, description="rows at most, the first ones; null is all")


class NewModel(Block):
    """A Llama from scratch, with random weights and a byte-level BPE tokenizer trained on the data."""

    vocabulary: int = Field(default=4096, ge=300, description="tokens of the tokenizer at most")
    hidden: Positive = Field(default=256, description="width of the residual stream")
    layers: Positive = 4
    heads: Positive = 4
    kv_heads: Positive | None = Field(default=None, description="null is one for each head")
    intermediate: Positive | None = Field(
        default=None, description="width of the feed-forward part; null is 8/3 hidden"
    )
    context: Positive = Field(default=2048, description="longest sequence in tokens")

    @model_validator(mode="after")
    def _heads_fit(self) -> Self:
        if self.hidden % (2 * self.heads):
            raise ValueError(f"hidden ({self.hidden}) must be a multiple of twice heads ({self.heads})")
        if self.kv_heads and self.heads % self.kv_heads:
            raise ValueError(f"heads ({self.heads}) must be a multiple of kv_heads ({self.kv_heads})")
        return self


class ModelSettings(Block):
    """Where training starts."""

    path: str | None = Field(default=None, description="a model folder, or a model on the Hub (owner/name)")
    new: NewModel | None = None

    @model_validator(mode="after")
    def _one_of_them(self) -> Self:
        if (self.path is None) == (self.new is None):
            raise ValueError("give either 'path', a model to start from, or 'new', the sizes of one from scratch")
        return self


class LoraSettings(Block):
    rank: Positive = 16
    alpha: Positive = Field(default=32, description="the update is scaled by alpha / rank")
    dropout: float = Field(default=0.0, ge=0, lt=1)
    targets: str | tuple[str, ...] = Field(default="all-linear", description="names of the layers that get an adapter")
    merge: bool = Field(default=True, description="save a plain model; false saves the adapter alone")


class StageSettings(Block):
    """How one stage optimises."""

    epochs: Positive = 1
    max_steps: Positive | None = Field(
        default=None, description="end here, and let the schedule end here; null: epochs"
    )
    rows_per_step: Positive = Field(default=32, description="rows of one optimiser step")
    tokens_at_once: Positive = Field(
        default=16384, description="tokens of one forward and backward pass: memory, not results; a step takes several"
    )
    learning_rate: float = Field(gt=0)
    warmup: float = Field(default=0.05, ge=0, lt=1, description="share of the steps")
    schedule: Literal["cosine", "linear", "constant"] = "cosine"
    weight_decay: float = Field(default=0.0, ge=0, description="of matrices; norms and biases have none")
    max_grad_norm: float = Field(default=1.0, gt=0)


class SftSettings(StageSettings):
    learning_rate: float = Field(default=2e-5, gt=0)


class DpoSettings(StageSettings):
    learning_rate: float = Field(default=1e-6, gt=0)
    loss: Literal["sigmoid", "ipo", "length-normalised"] = "sigmoid"
    beta: float = Field(default=0.1, gt=0, description="lower lets the model move further from the reference")
    label_smoothing: float = Field(default=0.0, ge=0, lt=0.5, description="share of pairs taken to be labelled wrongly")


class TwoStageSettings(Block):
    """SFT on one part of the queries; DPO on the other, against answers of the model that SFT made."""

    sft_share: Share = Field(default=0.5, description="share of the queries that SFT learns; DPO gets the others")
    rejected: Literal["sampled", "judged"] = Field(
        default="sampled",
        description="sampled: the model's answer loses; judged: a judge compares it with the chosen one",
    )
    temperature: float = Field(default=1.0, gt=0)
    top_p: float = Field(default=1.0, gt=0, le=1)
    max_new_tokens: Positive = 512
    rows_at_once: Positive = Field(default=32, description="prompts that are answered together")


class Config(Block):
    """One training run: SFT where there is a block `sft`, DPO where there is a block `dpo`, in this order."""

    name: Annotated[str, AfterValidator(_file_name)] = Field(description="the output directory is runs/NAME")
    seed: int = Field(default=0, ge=0, lt=2**31)
    data: DataSettings
    model: ModelSettings
    sft: SftSettings | None = None
    dpo: DpoSettings | None = None
    two_stage: TwoStageSettings | None = None
    judge: str | None = Field(default=None, description="data recipe whose judges compare, for rejected: judged")
    lora: LoraSettings | None = None
    precision: Literal["auto", "float32", "bf16-mixed", "bf16"] = Field(
        default="auto", description="auto: bf16-mixed (weights in float32, products in bf16) on a GPU, float32 on a CPU"
    )
    gradient_checkpointing: bool = Field(default=False, description="less memory, a third more time")
    compile: bool = Field(default=False, description="torch.compile")
    checkpoint_every: Positive = Field(default=200, description="steps between checkpoints")
    keep_checkpoints: Positive = Field(default=2, description="the last so many stay")
    evaluate_every: Positive = Field(default=50, description="steps between measurements on data.held_out")
    tensorboard: bool = False

    @model_validator(mode="after")
    def _stages_fit(self) -> Self:
        if not (self.sft or self.dpo):
            raise ValueError("nothing to train: give a block 'sft', a block 'dpo', or both ('sft: {}' takes defaults)")
        if self.two_stage and not (self.sft and self.dpo):
            raise ValueError("'two_stage' needs both blocks, 'sft' and 'dpo'")
        if self.dpo and self.data.config == "sft":
            raise ValueError("'dpo' learns from pairs, which data.config 'sft' has not")
        if self.two_stage and self.two_stage.rejected == "judged" and self.judge is None:
            raise ValueError("'rejected: judged' needs 'judge', the data recipe whose judges compare")
        return self

    @property
    def stages(self) -> dict[Stage, StageSettings]:
        """In the order in which they run."""
        given: list[tuple[Stage, StageSettings | None]] = [("sft", self.sft), ("dpo", self.dpo)]
        return {name: settings for name, settings in given if settings}

    @classmethod
    def load(cls, path: Path | str, overrides: Sequence[str] = ()) -> Self:
        """Read a YAML file; `overrides` are "key.path=value". Raises ConfigError with every mistake, one a line."""
        document = read_document(Path(path), overrides)
        config = None
        try:
            config = cls.model_validate(document.data)
        except ValidationError as e:
            for details in e.errors(include_url=False):
                document.mistake(*flaw(details, cls))
        if config is None or document.mistakes:
            raise ConfigError("\n".join(dict.fromkeys(document.mistakes)))
        return config

    def dump(self) -> str:
        """The configuration as YAML with every default written out; `load` gives the same one."""
        return yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False, allow_unicode=True, width=120)
