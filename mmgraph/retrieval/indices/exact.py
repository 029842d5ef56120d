"""The index that compares a query with every vector, and gives exact answers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from jaxtyping import Bool

from mmgraph.formats.json_object import JsonObject
from mmgraph.graph.errors import FormatError
from mmgraph.retrieval.indices.index import Index, Vectors
from mmgraph.retrieval.indices.kernels import as_bytes, candidates, products_of_bytes, scores_at

_STORED = np.dtype("<f4")
_FEW = 32
"""So many queries are compared one by one; more share a matrix product."""
_BLOCK_BYTES = 1 << 26
"""The products of a block of queries take no more, unless those of one query do."""


class ExactIndex(Index):
    """Vectors in one array, each compared with every query; right for some 1e5 of them.

    A first pass finds approximate products and bounds on their errors: of a few queries, products
    with vectors rounded to bytes, which read a quarter of the memory; of many, one matrix product
    in single precision. What may be among the best by these bounds is scored again in double
    precision, so that answers are exact and do not depend on the first pass.
    """

    kind = "exact"

    def __init__(self, width: int) -> None:
        super().__init__(width)
        self._blocks: list[Vectors] = [np.zeros((0, width), np.float32)]
        self._rounded: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray] | None = None

    @property
    def vectors(self) -> Vectors:
        """The vectors by position; not to be written to."""
        if len(self._blocks) > 1:  # joined once, however often some were added
            self._blocks = [np.concatenate(self._blocks)]
        return self._blocks[0]

    def content(self) -> bytes:
        """The numbers, row by row, in single precision with the lowest byte first."""
        return self.vectors.astype(_STORED, copy=False).tobytes()

    def _view(self, file: Path, items: int, settings: JsonObject) -> None:
        if file.stat().st_size != _STORED.itemsize * items * self.width:
            raise FormatError(f"{file} does not hold {items} vectors of {self.width} numbers")
        shape = (items, self.width)
        mapped = np.memmap(file, _STORED, "r", shape=shape) if items else np.zeros(shape)
        self._blocks, self._rounded = [np.asarray(mapped, np.float32)], None

    def _append(self, vectors: Vectors) -> None:
        self._blocks, self._rounded = [*self._blocks, vectors.copy()], None

    def _retain(self, stays: Bool[np.ndarray, " items"]) -> None:
        self._blocks, self._rounded = [self.vectors[stays]], None

    def _fill(self, queries: Vectors, positions: np.ndarray, scores: np.ndarray) -> None:
        vectors, k = self.vectors, positions.shape[1]
        self._rounded = self._rounded or as_bytes(vectors)
        codes, scales, rests, lengths = self._rounded
        # In single precision, a sum of products is off by width times its epsilon at most
        # (Higham, "Accuracy and Stability of Numerical Algorithms", section 3.1).
        margins = lengths * (2.0 * (self.width + 16) * np.finfo(np.float32).eps)
        if len(queries) <= _FEW:
            margins += 1.001 * rests
            rough = (products_of_bytes(codes, scales, query) for query in queries)
        else:
            step = max(1, _BLOCK_BYTES // (vectors.itemsize * len(vectors)))
            starts = range(0, len(queries), step)
            rough = (row for start in starts for row in queries[start : start + step] @ vectors.T)
        reach = np.linalg.norm(queries.astype(np.float64), axis=1)
        for row, (query, products) in enumerate(zip(queries, rough, strict=True)):
            places = candidates(products, margins, reach[row], k)
            exact = scores_at(vectors, query, places)
            best = np.argsort(-exact, kind="stable")[:k]
            positions[row], scores[row] = places[best], exact[best]
