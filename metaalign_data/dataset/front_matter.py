"""The YAML head of a card: what the Hub and `datasets.load_dataset` read."""

import re
from collections.abc import Mapping
from typing import Any

import yaml

from metaalign_data.dataset.columns import SCHEMAS, features
from metaalign_data.dataset.facts import DatasetFacts
from metaalign_data.hub.licences import hub_name

Rows = Mapping[str, Mapping[str, int]]
"""Number of rows by config and split."""

DEFAULT_CONFIG = "pairs"
_LIMITS = ("1K", "10K", "100K", "1M", "10M", "100M", "1B")


def front_matter(counts: Rows, facts: DatasetFacts) -> str:
    """Lines between the two `---`: licence, language, size, tags, and each config with its files and typed features."""
    rows = sum(counts[DEFAULT_CONFIG].values())
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
            for config, splits in counts.items()
        ],
        "dataset_info": [
            {
                "config_name": config,
                "features": features(SCHEMAS[config]),
                "splits": [{"name": split, "num_examples": n} for split, n in splits.items()],
            }
            for config, splits in counts.items()
        ],
    }
    kept = {name: value for name, value in fields.items() if value}
    return yaml.safe_dump(kept, sort_keys=False, allow_unicode=True)


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
