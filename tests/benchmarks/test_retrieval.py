"""The ten best of 1e5 vectors of 128 numbers, on one thread: mmgraph, numpy and usearch.

`pytest tests/benchmarks/test_retrieval.py --benchmark-only -s` prints the figures of the README.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from mmgraph.retrieval.indices.exact import ExactIndex

ITEMS, WIDTH, K, QUERIES = 100_000, 128, 10, 50


def directions(rows: int, seed: int) -> np.ndarray:
    """Vectors of length one that 16 numbers describe, as what is learned from pictures does."""
    axes = np.random.default_rng(2).standard_normal((16, WIDTH), np.float32)
    vectors = np.tanh(np.random.default_rng(seed).standard_normal((rows, 16), np.float32) @ axes)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def test_query_time(benchmark: Any):
    usearch = pytest.importorskip("usearch.index")
    vectors, queries = directions(ITEMS, 0), directions(QUERIES, 1)
    index, graph = ExactIndex(WIDTH), usearch.Index(ndim=WIDTH, metric="ip", dtype="f32")
    index.add(range(ITEMS), vectors)
    some = 1000 if benchmark.disabled else ITEMS
    graph.add(np.arange(some, dtype=np.uint64), vectors[:some])

    def by_numpy(query: np.ndarray) -> np.ndarray:
        products = vectors @ query
        best = np.argpartition(products, -K)[-K:]
        return best[np.argsort(-products[best])]

    searches: dict[str, Callable[[np.ndarray], np.ndarray]] = {
        "mmgraph, exact": lambda query: index.search(query[None], K)[0][0],
        "numpy: product and argpartition": by_numpy,
        "usearch, exact": lambda query: (
            usearch.search(vectors, query, K, metric="ip", exact=True, threads=1).keys
        ),
        "usearch, neighbours": lambda query: graph.search(query, K, threads=1).keys,
    }
    ours, *_ = searches
    benchmark.pedantic(searches[ours], args=(queries[0],), rounds=QUERIES, warmup_rounds=1)
    seconds, recall, found = {}, {}, {}
    for name, search in searches.items():
        took, found[name] = [], []
        for query in queries[: 2 if benchmark.disabled else None]:
            begin = time.perf_counter()
            found[name].append(search(query))
            took.append(time.perf_counter() - begin)
        seconds[name] = float(np.median(took))
        pairs = zip(found[ours], found[name], strict=True)
        recall[name] = np.mean([np.isin(places, right).mean() for right, places in pairs])
        figures = f"{1e3 * seconds[name]:6.2f} ms, {seconds[name] / seconds[ours]:5.2f} of ours"
        print(f"\n{name:32} {figures}, recall {recall[name]:.3f}", end="")
    assert min(recall["numpy: product and argpartition"], recall["usearch, exact"]) > 0.99
