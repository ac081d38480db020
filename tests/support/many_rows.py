"""Takes so many rows through the runner and prints the most memory that took, in MB: `python many_rows.py 1000000`."""

import asyncio
import resource
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from metaalign_data.engine.context import StageContext
from metaalign_data.engine.folder import RunFolder
from metaalign_data.engine.run import Runner
from metaalign_data.prompting import Library
from metaalign_data.recipe import StageSpec
from metaalign_data.records import Query
from metaalign_data.stage import Context, Reject
from metaalign_data.teacher.simulated import SimulatedTeacher

TEXT = "Why does it matter to a careful reader? " * 6


class PassMost:
    """Rejects every tenth row."""

    async def process(self, row: Query, ctx: Context) -> Sequence[Query | Reject]:
        return [Reject("tenth")] if row.key.endswith("0") else [row.model_copy(update={"key": f"{row.key}x"})]


def run(rows: int) -> None:
    library, teacher = Library(), SimulatedTeacher(SimulatedTeacher.Config())
    queries = (Query(key=str(i), text=f"{i}: {TEXT}", source="test") for i in range(rows))
    with tempfile.TemporaryDirectory() as folder:
        runner = Runner(
            [StageSpec("pass_most", PassMost(), {})],
            RunFolder(Path(folder)),
            lambda stage: StageContext(library, teacher, (teacher,), 0, stage),
            window=64,
        )
        asyncio.run(runner.run(queries))
        assert runner.counts["pass_most"].passed == rows * 9 // 10


if __name__ == "__main__":
    run(int(sys.argv[1]))
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
