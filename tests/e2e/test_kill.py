"""kill -9 at any moment, then the same command: what was on disk is not paid for again, and the dataset is the same."""

import json
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from commands import dataset_bytes, metaalign_data, start
from counting_server import Count, counting_server, on_disk

CONCURRENCY = 8
UNSETTLED = 2 * CONCURRENCY
"""What a kill can cost: questions on their way, and answers that have come and wait for the commit under way."""
LATE = ("tables/.dedup.parquet", "tables/split", ".dataset.tmp", ".dataset.tmp/README.md", "dataset")
"""What comes into being after the last question, in this order."""
Moment = Callable[[Path], bool]


@dataclass(frozen=True)
class Undisturbed:
    """A run that nobody has disturbed, beside its recipe, and what it asked the server."""

    run: Path
    asked: Counter[str]

    @property
    def recipe(self) -> Path:
        return self.run.parent / "recipe.yaml"


@pytest.fixture(scope="module")
def server() -> Iterator[Count]:
    with counting_server(latency_s=0.005) as count:
        yield count


@pytest.fixture(scope="module")
def undisturbed(server: Count, tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    folder = tmp_path_factory.mktemp("undisturbed")
    recipe = {
        "name": "killed",
        "teacher": {
            "model": "simulated",
            "base_url": server.base_url,
            "max_concurrency": CONCURRENCY,
            "price": {"input": 1, "output": 2},
        },
        "queries": {"source": "bundled", "limit": 8},
    }
    (folder / "recipe.yaml").write_text(json.dumps(recipe))
    metaalign_data("run", "recipe.yaml", "--out", "run", cwd=folder).check()
    return Undisturbed(folder / "run", server.asked.copy())


def moments(server: Count, questions: int, kills: int, rng: random.Random) -> list[Moment]:
    """So many moments, spread at random over the asking and what comes after it, in order."""
    late = max(2, kills // 3)
    asked = sorted(rng.sample(range(1, questions), kills - late))
    named = sorted(rng.choices(range(len(LATE)), k=late))

    def when_asked(n: int) -> Moment:
        return lambda run: server.asked.total() >= n

    def when_there(name: str) -> Moment:
        return lambda run: (run / name).exists()

    return [*map(when_asked, asked), *(when_there(LATE[i]) for i in named)]


def killed_at(moment: Moment, recipe: Path, run: Path, rng: random.Random) -> bool:
    """Run until the moment, and some ms more, and kill. False where the run ended before."""
    process = start("run", recipe, "--out", run, cwd=run.parent)
    while not moment(run) and process.poll() is None:
        time.sleep(0.001)
    time.sleep(rng.random() / 50)
    ended = process.poll() is not None
    if not ended:
        os.kill(process.pid, signal.SIGKILL)
    process.communicate(timeout=30)
    return not ended


@pytest.mark.parametrize(
    "kills", [5, pytest.param(20, marks=pytest.mark.long)], ids=["five times", "twenty times over the whole run"]
)
def test_a_run_that_is_killed_at_random_moments_gives_the_same_bytes_and_repeats_only_what_was_in_flight(
    server: Count, undisturbed: Undisturbed, tmp_path: Path, kills: int
) -> None:
    rng, recipe, run = random.Random(kills), undisturbed.recipe, tmp_path / "run"
    server.asked.clear()
    settled: list[tuple[Counter[str], set[str]]] = []
    for moment in moments(server, undisturbed.asked.total(), kills, rng):
        if killed_at(moment, recipe, run, rng):
            kept = on_disk(run)
            all_there = {question for question, n in undisturbed.asked.items() if kept[question] >= n}
            settled.append((server.asked.copy(), all_there))
    assert len(settled) >= kills - 1, "a run can be over before the last moment comes, which is the last file"
    done = metaalign_data("run", recipe, "--out", run, "--json", cwd=tmp_path).check()
    assert all(all_there for _, all_there in settled[1:]), "the later ones leave questions behind that are answered"
    for asked_by_then, all_there in settled:
        again = {question for question in all_there if server.asked[question] > asked_by_then[question]}
        assert not again, "what was on disk was asked again"
    assert (server.asked - undisturbed.asked).total() <= len(settled) * UNSETTLED
    assert dataset_bytes(run) == dataset_bytes(undisturbed.run)
    assert json.loads(done.out)["counts"] == json.loads((undisturbed.run / "manifest.json").read_text())["counts"]
    assert tables(run) == tables(undisturbed.run)


def tables(run: Path) -> dict[str, bytes]:
    """What each stage made, what was dropped, and which answers went into it."""
    parts = [path for folder in ("tables", "rejects", "asked") for path in (run / folder).rglob("*.parquet")]
    return {str(path.relative_to(run)): path.read_bytes() for path in parts}
