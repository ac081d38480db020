import numpy as np
import pytest

from metaalign_data.embed import HASHED_NGRAMS, embedded, embedder, room
from metaalign_data.errors import UserError


def test_vectors_that_the_disk_has_no_room_for_are_refused_with_a_sentence() -> None:
    with pytest.raises(UserError, match=r"no room for 4,000,000,000\.0 GB of vectors; set TMPDIR to another folder"):
        room(10**15, 1000)


@pytest.mark.parametrize(("texts", "in_file"), [(0, False), (1, False), (7, False), (8, True), (30, True)])
def test_vectors_made_some_at_a_time_are_those_made_at_once(
    texts: int, in_file: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("metaalign_data.embed.vectors.AT_ONCE", 7)
    monkeypatch.setattr("metaalign_data.embed.vectors.IN_MEMORY_BYTES", 1)
    given, embed = [f"text {i}" for i in range(texts)], embedder(HASHED_NGRAMS).embed
    made = embedded(given, embed)
    assert np.array_equal(made, embed(given))
    assert isinstance(made, np.memmap) == in_file
