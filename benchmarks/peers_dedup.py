"""One search by one peer, as a process of its own: what bench_dedup.py starts with the interpreter of --peers.

    python peers_dedup.py ENGINE INPUT THRESHOLD OUTPUT

INPUT is an .npy of unit vectors, or a .json list of texts. Pairs of row numbers go to OUTPUT (.npy); figures to stdout.
"""

import json
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np


def faiss_flat(vectors, threshold):  # type: ignore[no-untyped-def]
    import faiss

    index = faiss.IndexFlatIP(vectors.shape[1])
    index.add(vectors)
    return _ranges(index, vectors, threshold)


def faiss_ivf8(vectors, threshold):  # type: ignore[no-untyped-def]
    import faiss

    index = faiss.IndexIVFFlat(
        faiss.IndexFlatIP(vectors.shape[1]), vectors.shape[1], int(4 * len(vectors) ** 0.5), faiss.METRIC_INNER_PRODUCT
    )
    index.cp.max_points_per_centroid = 40
    index.train(vectors)
    index.add(vectors)
    index.nprobe = 8
    return _ranges(index, vectors, threshold)


def _ranges(index, vectors, threshold):  # type: ignore[no-untyped-def]
    parts = []
    for start in range(0, len(vectors), 4096):
        limits, _, found = index.range_search(vectors[start : start + 4096], threshold)
        rows = np.repeat(np.arange(len(limits) - 1), np.diff(limits).astype(int)) + start
        parts.append(np.stack([rows, found], axis=1)[rows < found])
    return np.concatenate(parts)


def semhash(vectors, threshold):  # type: ignore[no-untyped-def]
    from semhash import SemHash

    records = [{"text": str(row)} for row in range(len(vectors))]
    made = SemHash.from_embeddings(vectors, records, model=None, columns=["text"])
    done = made.self_deduplicate(threshold=threshold)
    return np.array([(int(each.duplicate_of["text"]), int(each.record["text"])) for each in done.filtered])


def datasketch(texts, threshold):  # type: ignore[no-untyped-def]
    import re

    from datasketch import MinHash, MinHashLSH

    index, hashes, pairs = MinHashLSH(num_perm=128, params=(32, 4)), [], []
    for row, text in enumerate(texts):
        words = re.findall(r"\w+", text.lower())
        made = MinHash(num_perm=128)
        made.update_batch([" ".join(words[i : i + 3]).encode() for i in range(max(1, len(words) - 2))])
        near = [other for other in index.query(made) if hashes[other].jaccard(made) >= threshold]
        hashes.append(made)
        if near:
            pairs.append((min(near), row))
        else:
            index.insert(row, made)
    return np.array(pairs).reshape(-1, 2)


ENGINES: dict[str, Callable] = {  # type: ignore[type-arg]
    "faiss_flat": faiss_flat,
    "faiss_ivf8": faiss_ivf8,
    "semhash": semhash,
    "datasketch": datasketch,
}

if __name__ == "__main__":
    engine, source, threshold, target = sys.argv[1:]
    for package in ("faiss", "semhash", "datasketch"):
        if engine.startswith(package):
            __import__(package)  # its import is not the search
    given = np.load(source) if source.endswith(".npy") else json.loads(Path(source).read_text(encoding="utf-8"))
    wall_s, cpu_s = time.perf_counter(), time.process_time()
    np.save(target, ENGINES[engine](given, float(threshold)))
    print(
        json.dumps(
            {
                "wall_s": time.perf_counter() - wall_s,
                "cpu_s": time.process_time() - cpu_s,
                "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
            }
        )
    )
