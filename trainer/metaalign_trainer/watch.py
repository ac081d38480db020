"""Where the figures of each step go: metrics.jsonl, the person who waits, TensorBoard; in the end table and plot."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from metaalign_trainer.errors import TrainerError
from metaalign_trainer.metrics import Row
from metaalign_trainer.output import Output
from metaalign_trainer.plots import plot_curves
from metaalign_trainer.progress import showing

Watch = Callable[[int, int], AbstractContextManager[Callable[[Row], None]]]
"""From the steps done and the steps in all to what is told of each step."""


def watching(output: Output, stage: str, *, tensorboard: bool, quiet: bool) -> Watch:
    """For the one process that tells."""

    @contextmanager
    def watch(done: int, total: int) -> Iterator[Callable[[Row], None]]:
        output.metrics.go_back_to(stage, done)
        board = _board(output, stage, done) if tensorboard else None
        with showing(stage, done, total, quiet=quiet) as shown:

            def tell(row: Row) -> None:
                output.metrics.add(row)
                if shown:
                    shown.step(row)
                if board:
                    for name in row.keys() - {"stage", "step"}:
                        board.add_scalar(f"{stage}/{name}", row[name], row["step"])

            try:
                yield tell
            finally:
                if board:
                    board.close()
                output.metrics.write_table()
                if rows := output.metrics.rows():
                    plot_curves(rows, output.curves)

    return watch


@contextmanager
def unwatched(done: int, total: int) -> Iterator[Callable[[Row], None]]:
    """For the processes that keep silent."""
    yield lambda row: None


def _board(output: Output, stage: str, done: int) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as e:
        raise TrainerError("tensorboard: true needs a package: pip install tensorboard") from e
    return SummaryWriter(str(output.tensorboard / stage), purge_step=done + 1)
