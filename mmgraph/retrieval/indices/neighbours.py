"""The index of usearch: a graph of neighbours, searched from one to the next."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool

from mmgraph.formats.json_object import JsonObject
from mmgraph.graph.errors import FormatError, needs
from mmgraph.retrieval.indices.index import Index, Vectors
from mmgraph.retrieval.indices.kernels import scores_at


class NeighbourIndex(Index):
    """Vectors of length one in a graph that finds most of the best; right beyond some 1e5.

    Hierarchical navigable small worlds (Malkov and Yashunin, "Efficient and robust approximate
    nearest neighbor search using hierarchical navigable small world graphs", IEEE Transactions on
    Pattern Analysis and Machine Intelligence, 2020), by the package usearch. What is found is
    scored as in an exact search.

    Parameters
    ----------
    width : int
        How many numbers a vector has.
    connectivity, expansion_add, expansion_search : int
        The neighbours of a vector, and how many candidates are held when one is added or searched:
        more find more of the best, and take longer.
    threads : int
        Of additions; with more than one the graph differs from run to run.

    Raises
    ------
    MissingExtraError
        If usearch is not installed (extra ``retrieval``).
    """

    kind = "neighbours"

    def __init__(
        self,
        width: int,
        *,
        connectivity: int = 16,
        expansion_add: int = 128,
        expansion_search: int = 128,
        threads: int = 1,
    ) -> None:
        super().__init__(width)
        self._options: dict[str, Any] = {
            "connectivity": connectivity,
            "expansion_add": expansion_add,
            "expansion_search": expansion_search,
        }
        self._threads, self._is_view = threads, False
        self._graph = self._empty()
        self._keys = np.zeros(0, np.uint64)  # of the graph by position, rising

    def _empty(self) -> Any:
        with needs("retrieval", "usearch", "an index of neighbours"):
            from usearch.index import Index as Graph
        return Graph(ndim=self.width, metric="ip", dtype="f32", **self._options)

    @property
    def settings(self) -> dict[str, Any]:
        """The options of the graph, and its keys by position."""
        return {**self._options, "keys": self._keys.tolist()}

    @property
    def vectors(self) -> Vectors:
        """The vectors by position."""
        return self._vectors_of(self._keys)

    def content(self) -> bytes:
        """The graph and its vectors as usearch writes them."""
        return bytes(self._graph.save())

    def _view(self, file: Path, items: int, settings: JsonObject) -> None:
        self._options = {name: settings.get(name, int) for name in self._options}
        graph, keys = self._empty(), np.array(settings.get("keys", list), np.uint64)
        try:
            graph.view(file)
        except (RuntimeError, ValueError) as error:
            raise FormatError(f"{file}: usearch cannot read it ({error})") from None
        if graph.ndim != self.width or len(keys) != items or not np.all(graph.contains(keys)):
            raise FormatError(f"{file} does not hold {items} vectors of {self.width} numbers")
        self._graph, self._keys, self._is_view = graph, keys, True

    def _append(self, vectors: Vectors) -> None:
        first = int(self._keys[-1]) + 1 if len(self) else 0
        keys = np.arange(first, first + len(vectors), dtype=np.uint64)
        self._own()
        self._graph.add(keys, vectors, threads=self._threads)
        self._keys = np.concatenate([self._keys, keys])

    def _retain(self, stays: Bool[np.ndarray, " items"]) -> None:
        self._own()
        self._graph.remove(self._keys[~stays])
        self._keys = self._keys[stays]

    def _own(self) -> None:
        """Copy a graph that lies in a file before it changes; usearch crashes otherwise."""
        if self._is_view:
            self._graph, self._is_view = self._graph.copy(), False

    def _vectors_of(self, keys: np.ndarray) -> Vectors:
        return np.array(self._graph.get(keys), np.float32).reshape(-1, self.width)

    def _fill(self, queries: Vectors, positions: np.ndarray, scores: np.ndarray) -> None:
        every = np.arange(k := positions.shape[1])
        for row, query in enumerate(queries):
            found = self._graph.search(query, k, threads=1).keys
            if len(found) < k:  # the graph fell apart where much was deleted
                found = self._graph.search(query, k, threads=1, exact=True).keys
            exact = scores_at(self._vectors_of(found), query, every)
            places = np.searchsorted(self._keys, found)
            best = np.lexsort((places, -exact))
            positions[row], scores[row] = places[best], exact[best]
