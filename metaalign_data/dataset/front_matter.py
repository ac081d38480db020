"""The YAML head of a card: what the Hub and `datasets.load_dataset` read."""

import re
from collections.abc import Mapping
from typing import Any

import yaml

from metaalign_data.dataset.columns import SCHEMAS, features
from metaalign_data.dataset.facts import DatasetFacts
from metaalign_data.dataset.shards import SplitSize
from metaalign_data.hub.licences import hub_name

Sizes = Mapping[str, Mapping[str, SplitSize]]
"""By config and split; splits without rows are left out."""

DEFAULT_CONFIG = "pairs"
_LIMITS = ("1K", "10K", "100K", "1M", "10M", "100M", "1B")


def front_matter(sizes: Sizes, facts: DatasetFacts) -> str:
    """Lines between the two `---`: licence, language, size, tags, and each config with its files and typed features."""
    rows = sum(split.rows for split in sizes[DEFAULT_CONFIG].values())
    fields: dict[str, Any] = {
        "pretty_name": title(facts),
        **_licence(facts.license),
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
            for config, splits in sizes.items()
        ],
        "dataset_info": [_info(config, splits) for config, splits in sizes.items()],
    }
    kept = {name: value for name, value in fields.items() if value}
    return yaml.safe_dump(kept, sort_keys=False, allow_unicode=True)


def _info(config: str, splits: Mapping[str, SplitSize]) -> dict[str, Any]:
    """`datasets` believes it only where each split has all three: else it warns at every load, and types the columns
    by what it finds.
    """
    return {
        "config_name": config,
        "features": features(SCHEMAS[config]),
        "splits": [
            {"name": split, "num_bytes": size.memory_bytes, "num_examples": size.rows} for split, size in splits.items()
        ],
        "download_size": sum(size.file_bytes for size in splits.values()),
        "dataset_size": sum(size.memory_bytes for size in splits.values()),
    }


def _licence(name: str | None) -> dict[str, str]:
    """The Hub refuses a licence that it has no name for, except as "other" with a name of one's own."""
    if not name:
        return {}
    if known := hub_name(name):
        return {"license": known}
    return {"license": "other", "license_name": re.sub(r"[^a-z0-9.]+", "-", name.lower()).strip("-") or "own"}


def title(facts: DatasetFacts) -> str:
    return " ".join((facts.pretty_name or facts.name).split())


def size(rows: int) -> str:
    """The range of the number of rows, as the Hub spells it."""
    above = next((i for i in range(len(_LIMITS)) if rows < 10 ** (i + 3)), len(_LIMITS) - 1)
    return f"{_LIMITS[above - 1]}<n<{_LIMITS[above]}" if above else f"n<{_LIMITS[0]}"
