import pytest
from huggingface_hub import constants

from metaalign_data.queries.settings import QuerySettings
from metaalign_data.queries.sources import query_sources


@pytest.mark.parametrize(
    ("block", "told"),
    [
        ({"source": "bundled"}, {"bundled (comes with metaalign-data)": ("Apache-2.0",)}),
        ({"source": "/home/me/secret-project/q.jsonl"}, {"q.jsonl": ()}),
        ({"source": "org/prompts", "license": ["cc-by-4.0", "mit"]}, {"org/prompts": ("cc-by-4.0", "mit")}),
        (
            {"source": "q.csv", "license": "mit", "harmful": "bundled:harmful"},
            {"q.csv": ("mit",), "bundled:harmful (comes with metaalign-data)": ("Apache-2.0",)},
        ),
    ],
)
def test_each_source_is_named_with_its_licence(block: dict[str, object], told: dict[str, tuple[str, ...]]) -> None:
    assert query_sources(QuerySettings.model_validate(block)) == told


def test_a_hub_that_cannot_be_reached_leaves_the_licence_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    assert query_sources(QuerySettings(source="org/prompts")) == {"org/prompts": ()}
