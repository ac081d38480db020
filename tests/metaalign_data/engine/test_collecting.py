import gc

from metaalign_data.engine.collecting import rare_collections


def test_the_collector_is_as_before_whatever_happens() -> None:
    before = gc.get_threshold()
    try:
        with rare_collections():
            assert gc.get_threshold() != before
            raise ValueError
    except ValueError:
        pass
    assert gc.get_threshold() == before
    assert gc.get_freeze_count() == 0
