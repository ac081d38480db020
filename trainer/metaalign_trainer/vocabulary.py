"""A small byte-level BPE tokenizer, trained on the texts that a model from scratch is to learn."""

import re
from collections.abc import Iterable

from transformers import PreTrainedTokenizerFast

from metaalign_trainer.template import CHAT_TEMPLATE

SPECIAL = {"bos_token": "<|begin|>", "eos_token": "<|end|>", "pad_token": "<|pad|>"}
_MARKER = re.compile(r"<\|\w+\|>")


def train_tokenizer(texts: Iterable[str], vocabulary: int) -> PreTrainedTokenizerFast:
    """At most `vocabulary` tokens, of which the markers of the chat template are one each; any text can be spelt."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    markers = list(dict.fromkeys([*SPECIAL.values(), *_MARKER.findall(CHAT_TEMPLATE)]))
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=markers,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **SPECIAL)
