"""Seeded preference-conditioned pairs, a byte-level BPE tokenizer trained on them, and random Llamas to train.

A system message is shared by several queries, and a full prompt by about two pairs, which then share the chosen answer
too. Prompts have 55 to 183 tokens, answers 20 to 333, log-normal; chosen and rejected differ in length.
"""

import itertools
import json
import random
from pathlib import Path
from typing import Any

CHAT_TEMPLATE = (
    "{%- for m in messages -%}<|{{ m['role'] }}|>\n"
    "{%- if m['role'] == 'assistant' -%}{% generation %}{{ m['content'] }}<|end|>{% endgeneration %}"
    "{%- else -%}{{ m['content'] }}<|end|>{%- endif -%}"
    "{{ '\n' if not loop.last or add_generation_prompt }}{%- endfor -%}"
    "{%- if add_generation_prompt -%}<|assistant|>\n{%- endif -%}"
)
SPECIAL = ["<|pad|>", "<|bos|>", "<|end|>", "<|system|>", "<|user|>", "<|assistant|>"]
SIZES = {
    "tiny": {"num_hidden_layers": 2, "hidden_size": 64, "intermediate_size": 128, "num_attention_heads": 4},
    "small": {"num_hidden_layers": 12, "hidden_size": 384, "intermediate_size": 1024, "num_attention_heads": 6},
    "1b": {"num_hidden_layers": 16, "hidden_size": 2048, "intermediate_size": 8192, "num_attention_heads": 32},
}
VOCABULARY = {"tiny": 8192, "small": 8192, "1b": 8192}


def _words(rng: random.Random, n: int) -> list[str]:
    """Distinct pronounceable words, short ones first, so that frequent words are short."""
    consonants, vowels = ("b d f g k l m n p r s t v z ch st tr", "a e i o u ai")
    syllables = [c + v for c in consonants.split() for v in vowels.split()]
    seen: dict[str, None] = {}
    for length, target in ((1, 60), (2, 1200), (3, n - 200), (4, n)):
        while len(seen) < min(target, n):
            seen["".join(rng.choices(syllables, k=length))] = None
    return list(seen)


def make_pairs(n: int = 2000, seed: int = 0) -> list[dict[str, Any]]:
    """Rows with the columns of the config `pairs` that a trainer reads."""
    rng = random.Random(seed)
    vocabulary = _words(rng, 6000)
    zipf = list(itertools.accumulate(1.0 / (i + 5) for i in range(len(vocabulary))))

    def text(k: int, markers: list[str] | None = None) -> str:
        out = rng.choices(vocabulary, cum_weights=zipf, k=k)
        if markers:
            out = [rng.choice(markers) if rng.random() < 0.3 else word for word in out]
        for i in range(rng.randint(6, 12), k, 12):
            out[i] += "."
        return " ".join(out).capitalize()

    def length(mean_log: float, deviation: float, low: int, high: int) -> int:
        return max(low, min(high, round(rng.lognormvariate(mean_log, deviation))))

    preferences = [rng.sample(vocabulary[200:3000], 12) for _ in range(120)]
    systems = [text(length(3.1, 0.4, 12, 45)) for _ in range(12)]
    metas = []
    for _ in range(max(1, n // 8)):
        preference = rng.choice(preferences)
        wish = "Prefers " + " ".join(rng.sample(preference, 6))
        metas.append((rng.choice(systems), f"{wish}. {text(length(3.2, 0.5, 8, 68))}", preference))
    rows: list[dict[str, Any]] = []
    while len(rows) < n:
        system_info, user_info, preference = rng.choice(metas)
        query = text(length(2.9, 0.6, 6, 66)) + "?"
        system = f"<System Info>\n{system_info}\n\n<User Info>\n{user_info}"
        prompt = [{"role": "system", "content": system}, {"role": "user", "content": query}]
        chosen = text(length(4.25, 0.7, 18, 290), preference)
        for _ in range(rng.choice((1, 2, 2, 3))):
            other = rng.choice([each for each in preferences if each is not preference])
            rejected = text(length(4.25, 0.7, 18, 290), other)
            answers = {
                name: [{"role": "assistant", "content": told}]
                for name, told in (("chosen", chosen), ("rejected", rejected))
            }
            rows.append({"id": f"pair-{len(rows):05d}", "prompt": prompt, **answers})
    rng.shuffle(rows)
    return rows[:n]


def save(folder: Path, size: str, rows: int) -> int:
    """pairs/train as parquet, pairs.jsonl, and a random model of this size with its tokenizer in model/.

    Returns the number of its parameters.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    pairs = make_pairs()
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY[size], special_tokens=SPECIAL, initial_alphabet=alphabet, show_progress=False
    )
    told = (m["content"] for row in pairs for m in (*row["prompt"], *row["chosen"], *row["rejected"]))
    tokenizer.train_from_iterator(told, trainer)
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<|pad|>", bos_token="<|bos|>", eos_token="<|end|>", padding_side="right"
    )
    fast.chat_template = CHAT_TEMPLATE
    fast.save_pretrained(folder / "model")
    torch.manual_seed(0)
    special = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
    config = LlamaConfig(
        vocab_size=len(fast), max_position_embeddings=1024, tie_word_embeddings=True, **SIZES[size], **special
    )
    with torch.device("cuda" if torch.cuda.is_available() else "cpu"):
        model = LlamaForCausalLM(config)
    model.save_pretrained(folder / "model")
    (folder / "pairs").mkdir()
    pq.write_table(pa.Table.from_pylist(pairs[:rows]), folder / "pairs/train-00000-of-00001.parquet")
    (folder / "pairs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in pairs[:rows]), encoding="utf-8")
    return int(model.num_parameters())
