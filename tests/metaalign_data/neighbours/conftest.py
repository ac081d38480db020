import pytest

from metaalign_data.neighbours import cover, pairs


@pytest.fixture(params=["small blocks, screened", "small blocks", "as shipped"])
def sizes_of_blocks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A few dozen rows must meet every border between blocks, tiles and strips, and the screen too."""
    if request.param == "as shipped":
        return
    for module in (cover, pairs):
        monkeypatch.setattr(module, "TILE", 3)
        monkeypatch.setattr(module, "STRIP", 6)
        if "screened" in request.param:
            monkeypatch.setattr(module, "SCREENED", 4)
    monkeypatch.setattr(cover, "BLOCK", 7)
