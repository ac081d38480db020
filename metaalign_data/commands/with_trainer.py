"""The way from the command line into the trainer, which knows none of our errors."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec

from metaalign_data.errors import MetaalignError, MissingExtra, UserError


@contextmanager
def trainer() -> Iterator[None]:
    """Within it metaalign_trainer may be imported. Its errors leave as UserError, what diverged as MetaalignError."""
    if any(find_spec(package) is None for package in ("torch", "transformers", "peft")):
        raise MissingExtra("training", "train")
    from transformers.utils.logging import disable_progress_bar

    from metaalign_trainer.errors import Diverged, TrainerError

    disable_progress_bar()  # of loading weights: it stands between the lines of ours

    try:
        yield
    except Diverged as e:
        raise MetaalignError(str(e)) from e
    except TrainerError as e:
        raise UserError(str(e)) from e
