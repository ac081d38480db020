"""How fast near-duplicates are found, how much memory that takes, and which ones are found.

    python benchmarks/bench_dedup.py [--small | --large] [--peers PYTHON] [--real FILE.jsonl --text COLUMN]

Search: all pairs at a cosine of 0.9 among planted vectors of 384 dimensions (`pairs_above`) and the cover that dedup
makes (`cover`), each in a process of its own, beside the plain blocked product and, with --peers (an interpreter that
has faiss-cpu, semhash and datasketch), beside these. 10 k and 100 k vectors; --large: 1 M, the cover alone, exact and
with the index that more rows would get (`indexed`), held against plain products of 10,000 of its rows with all. Peak
memory includes interpreter and vectors.

Rules: which of the planted duplicates of each kind every rule finds, and how many rows it drops that are none. With
--real (and nothing else) the texts that are varied are those of a file.

Writes results/bench_dedup.json, but for --small. The bars: recall and precision 1 by pairs_above, at 100 k in at most
half of the plain product's time; at 1 M under 15 minutes and 6 GB with a recall of 0.99 and precision 1. One that is
missed is told, and the exit code is 1.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from duplicates_corpus import KINDS, Planted, planted_texts, planted_vectors
from machine import machine
from rich.console import Console
from rich.table import Table

from metaalign_data.duplicates import CheapRule, Exact, Lexical, Semantic, cover
from metaalign_data.embed import HASHED_NGRAMS, embedder
from metaalign_data.neighbours import TOLERANCE, greedy_cover, pairs_above

RESULTS = Path(__file__).parent / "results"
THRESHOLD, LEXICAL_THRESHOLD, TEXT_THRESHOLD = 0.9, 0.8, 0.92
PROBE, PROBED_AT_ONCE = 10_000, 2_000
PEERS = ("faiss_flat", "faiss_ivf8", "semhash")

Pairs = npt.NDArray[np.int64]


def plain(vectors: Any) -> Pairs:
    """Blocked products and nothing else, BLAS with its own threads."""
    parts = []
    for start in range(0, len(vectors), 2048):
        for other in range(start, len(vectors), 2048):
            cosines = vectors[start : start + 2048] @ vectors[other : other + 2048].T
            i, j = np.nonzero(cosines >= THRESHOLD - TOLERANCE)
            parts.append(np.stack([i + start, j + other], axis=1)[i + start < j + other])
    return np.concatenate(parts)


def ours(vectors: Any) -> Pairs:
    return np.concatenate([np.stack([i, j], axis=1) for i, j in pairs_above(vectors, THRESHOLD)])


def covered(vectors: Any) -> Pairs:
    verdicts = greedy_cover([vectors], THRESHOLD, [None] * len(vectors))
    return np.array([(each.of, row) for row, each in enumerate(verdicts) if each])


def indexed(vectors: Any) -> Pairs:
    """The cover as it is made for more rows than are compared exactly."""
    from metaalign_data.neighbours import cover as module

    module.INDEXED = 0
    return covered(vectors)


OWN = {"plain": plain, "pairs_above": ours, "cover": covered, "indexed": indexed}


def search_alone(engine: str, source: str, target: str) -> None:
    """The child process: one engine over one file."""
    vectors = np.load(source, mmap_mode="r")
    wall_s, cpu_s = time.perf_counter(), time.process_time()
    np.save(target, OWN[engine](vectors))
    wall_s, cpu_s = time.perf_counter() - wall_s, time.process_time() - cpu_s
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(json.dumps({"wall_s": wall_s, "cpu_s": cpu_s, "peak_mb": peak_mb}))


def searched(engine: str, source: Path, threshold: float, peers: str | None) -> tuple[dict[str, Any], Pairs]:
    target = source.with_name(f"{engine}.npy")
    command = [sys.executable, __file__, "--engine", engine, str(source), str(target)]
    if engine not in OWN:
        script = str(Path(__file__).with_name("peers_dedup.py"))
        command = [str(peers), script, engine, str(source), str(threshold), str(target)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{engine} failed: {done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1]), np.load(target)


def keys(pairs: Pairs, n: int) -> npt.NDArray[np.int64]:
    return np.asarray(np.unique(pairs[:, 0].astype(np.int64) * n + pairs[:, 1]))


def search(n: int, peers: str | None, folder: Path) -> list[dict[str, Any]]:
    vectors = folder / "vectors.npy"
    np.save(vectors, planted_vectors(n))
    rows = []
    truth = np.zeros(0, dtype=np.int64)
    for engine in ("plain", "pairs_above", "cover", *(PEERS if peers else ())):
        figures, pairs = searched(engine, vectors, THRESHOLD, peers)
        found = keys(pairs, n)
        truth = found if engine == "plain" else truth
        kept = {"kept": n - len(pairs)} if engine in ("cover", "semhash") else {}
        recall = {} if kept else {"recall": float(np.isin(truth, found).mean())}
        precision = float(np.isin(found, truth).mean())
        row = {"n": n, "engine": engine, **figures, "pairs": len(found), **recall, "precision": precision, **kept}
        rows.append(row)
        print(json.dumps(row), flush=True)
    return rows


def search_large(n: int, engine: str, folder: Path) -> dict[str, Any]:
    """A cover, held against plain products of some rows with all: who should have gone, and who went rightly."""
    source = folder / "vectors.npy"
    if not source.exists():
        np.save(source, planted_vectors(n))
    figures, pairs = searched(engine, source, THRESHOLD, None)
    vectors = np.load(source, mmap_mode="r")
    of = np.full(n, -1)
    of[pairs[:, 1]] = pairs[:, 0]
    rows = np.sort(np.random.default_rng(1).choice(n, PROBE, replace=False))
    near_a_kept_one = np.concatenate(
        [near_kept(vectors, of < 0, rows[start : start + PROBED_AT_ONCE]) for start in range(0, PROBE, PROBED_AT_ONCE)]
    )
    dropped = of[rows] >= 0
    right = np.einsum("ij,ij->i", vectors[rows[dropped]], vectors[of[rows[dropped]]]) >= THRESHOLD - 2 * TOLERANCE
    recall, precision = float(dropped[near_a_kept_one].mean()), float((right & (of[of[rows[dropped]]] < 0)).mean())
    found = {
        "kept": n - len(pairs),
        "near_probed": int(near_a_kept_one.sum()),
        "recall": recall,
        "precision": precision,
    }
    return {"n": n, "engine": engine, **figures, **found}


def near_kept(vectors: Any, kept: npt.NDArray[np.bool_], rows: Pairs) -> npt.NDArray[np.bool_]:
    """Which of the rows are near a kept one before them."""
    found = np.zeros(len(rows), dtype=bool)
    for start in range(0, len(vectors), 16_384):
        others = np.arange(start, min(start + 16_384, len(vectors)))
        near = vectors[rows] @ vectors[others].T >= THRESHOLD - TOLERANCE
        found |= (near & kept[others] & (others < rows[:, None])).any(axis=1)
    return found


def detection(texts: list[Planted], peers: str | None, folder: Path) -> list[dict[str, Any]]:
    """For each rule alone and all together: seconds, and the share of the planted duplicates of a kind that go."""
    columns, apart = [[each.text for each in texts]], [None] * len(texts)
    ids = [str(row) for row in range(len(texts))]
    embed = embedder(HASHED_NGRAMS).embed
    makers: dict[str, Any] = {
        "exact": lambda: Exact(columns, apart),
        "lexical": lambda: Lexical(columns, LEXICAL_THRESHOLD, apart),
        "semantic": lambda: Semantic(columns, TEXT_THRESHOLD, apart, embed, ids),
    }
    rows = []
    for name, used in {**{name: (name,) for name in makers}, "all three": tuple(makers)}.items():
        cheap: list[CheapRule] = [makers[each]() for each in used if each != "semantic"]
        semantic = makers["semantic"]() if "semantic" in used else None
        cpu_s = time.process_time()
        of = [found.of if found else None for found in cover(len(texts), cheap, semantic)]
        rows.append({"rule": name, "cpu_s": time.process_time() - cpu_s, **rates(texts, of)})
    if peers:
        source = folder / "texts.json"
        source.write_text(json.dumps(columns[0]), encoding="utf-8")
        figures, pairs = searched("datasketch", source, LEXICAL_THRESHOLD, peers)
        named = dict(zip(pairs[:, 1].tolist(), pairs[:, 0].tolist(), strict=True))
        rows.append(
            {"rule": "datasketch", "cpu_s": figures["cpu_s"], **rates(texts, [named.get(i) for i in range(len(texts))])}
        )
    return rows


def rates(texts: list[Planted], of: list[int | None]) -> dict[str, Any]:
    """Share of the planted rows that are dropped, by kind, and the number of dropped rows of another origin."""
    found = {}
    for kind in KINDS:
        planted = [row for row, each in enumerate(texts) if each.kind == kind]
        found[kind] = sum(of[row] is not None for row in planted) / len(planted)
    wrong = sum(1 for row, kept in enumerate(of) if kept is not None and texts[row].origin != texts[kept].origin)
    return {**found, "of another origin": wrong}


def shown(title: str, rows: list[dict[str, Any]]) -> None:
    table = Table(*dict.fromkeys(key for row in rows for key in row), title=title, title_justify="left")
    for row in rows:
        table.add_row(*(_cell(row.get(column.header)) for column in table.columns))
    Console(width=160).print(table)


def _cell(value: object) -> str:
    return "" if value is None else f"{value:.3f}" if isinstance(value, float) else f"{value}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--small", action="store_true", help="10 k vectors only")
    size.add_argument("--large", action="store_true", help="1 M vectors, the cover alone")
    parser.add_argument("--peers", metavar="PYTHON", help="an interpreter that has faiss-cpu, semhash and datasketch")
    parser.add_argument("--real", metavar="FILE.jsonl")
    parser.add_argument("--text", default="text", metavar="COLUMN")
    parser.add_argument("--engine", nargs=3, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.engine:
        search_alone(*args.engine)
        return 0
    target = RESULTS / "bench_dedup.json"
    results = json.loads(target.read_text()) if target.exists() else {}
    results["machine"] = machine("numpy", "rensa")
    missed: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        if args.large:
            results["1 M"] = [search_large(1_000_000, engine, Path(folder)) for engine in ("cover", "indexed")]
            shown("1 M vectors", results["1 M"])
            missed = missed_at_1m(results["1 M"])
        elif args.real:
            name = f"rules on {Path(args.real).name}"
            results[name] = detection(planted_texts(20_000, given=read(args.real, args.text)), args.peers, Path(folder))
            shown(name, results[name])
        else:
            sizes = (10_000,) if args.small else (10_000, 100_000)
            results["search"] = [row for n in sizes for row in search(n, args.peers, Path(folder))]
            shown("pairs at a cosine of 0.9", results["search"])
            missed = bars(results["search"])
            results["rules"] = detection(planted_texts(20_000), args.peers, Path(folder))
            shown("rules", results["rules"])
    if not args.small:
        RESULTS.mkdir(exist_ok=True)
        target.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    for bar in missed:
        print(f"missed: {bar}")
    return int(bool(missed))


def read(path: str, column: str) -> list[str]:
    lines = Path(path).read_text(encoding="utf-8").splitlines()
    return [text for line in lines if (text := json.loads(line)[column])]


def missed_at_1m(rows: list[dict[str, Any]]) -> list[str]:
    bars = {
        "15 minutes": lambda row: row["wall_s"] < 15 * 60,
        "6 GB": lambda row: row["peak_mb"] < 6_000,
        "a recall of 0.99": lambda row: row["recall"] >= 0.99,
        "a precision of 1": lambda row: row["precision"] == 1,
    }
    return [f"{row['engine']}: {bar}" for row in rows for bar, held in bars.items() if not held(row)]


def bars(rows: list[dict[str, Any]]) -> list[str]:
    """Tells how the searches compare, and returns the bars that are missed."""
    missed: list[str] = []
    by = {(row["engine"], row["n"]): row for row in rows}
    for n in dict.fromkeys(row["n"] for row in rows):
        reference, own = by["plain", n], by["pairs_above", n]
        ratio = {unit: own[unit] / reference[unit] for unit in ("cpu_s", "wall_s")}
        print(
            f"{n}: pairs_above takes {ratio['cpu_s']:.2f} of the plain product's CPU, {ratio['wall_s']:.2f} of its time"
        )
        missed += [f"{n}: {name} 1 by pairs_above" for name in ("recall", "precision") if own[name] < 1]
        missed += [f"{n}: half of the plain product's time"] if n == 100_000 and ratio["wall_s"] > 0.5 else []
    if ("plain", 100_000) in by:
        for engine in ("plain", "pairs_above", "cover"):
            growth = by[engine, 100_000]["cpu_s"] / by[engine, 10_000]["cpu_s"]
            print(f"{engine}: ten times the rows take {growth:.0f} times the CPU")
    return missed


if __name__ == "__main__":
    sys.exit(main())
