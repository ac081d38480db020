"""The YAML head of a card: what the Hub and `datasets.load_dataset` read."""

from collections.abc import Mapping
from typing import Any

import polars as pl
import yaml

from metaalign_data.dataset.columns import features
from metaalign_data.dataset.facts import DatasetFacts

Tables = Mapping[str, Mapping[str, pl.DataFrame]]

DEFAULT_CONFIG = "pairs"
_LIMITS = ("1K", "10K", "100K", "1M", "10M", "100M", "1B")


def front_matter(tables: Tables, facts: DatasetFacts) -> str:
    """Lines between the two `---`: licence, language, size, tags, and each config with its files and typed features."""
    rows = sum(table.height for table in tables[DEFAULT_CONFIG].values())
    fields: dict[str, Any] = {
        "pretty_name": title(facts),
        "license": facts.license,
        "language": list(facts.language),
        "task_categories": ["text-generation"],
        "size_categories": [size(rows)],
        "tags": ["preference", "alignment", "dpo", "metaalign", "synthetic", *(["simulated"] * facts.simulated)],
        "configs": [
            {
                "config_name": config,
                "data_files": [{"split": split, "path": f"{config}/{split}-*.parquet"} for split in splits],
                **({"default": True} if config == DEFAULT_CONFIG else {}),
            }
            for config, splits in tables.items()
        ],
        "dataset_info": [
            {
                "config_name": config,
                "features": features(next(iter(splits.values())).schema),
                "splits": [
                    {"name": split, "num_bytes": int(table.estimated_size()), "num_examples": table.height}
                    for split, table in splits.items()
                ],
            }
            for config, splits in tables.items()
        ],
    }
    kept = {name: value for name, value in fields.items() if value}
    return yaml.safe_dump(kept, sort_keys=False, allow_unicode=True)


def title(facts: DatasetFacts) -> str:
    return " ".join((facts.pretty_name or facts.name).split())


def size(rows: int) -> str:
    """The range of the number of rows, as the Hub spells it."""
    above = next((i for i in range(len(_LIMITS)) if rows < 10 ** (i + 3)), len(_LIMITS) - 1)
    return f"{_LIMITS[above - 1]}<n<{_LIMITS[above]}" if above else f"n<{_LIMITS[0]}"
