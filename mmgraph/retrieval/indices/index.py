"""What an index does: it holds vectors under ids, and finds those with the largest products."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Bool, Float32, Int64

from mmgraph.formats.json_object import JsonObject
from mmgraph.graph.errors import MmgraphError, suggestion
from mmgraph.graph.memory_budget import check_required, default_memory_budget

Id = str | int
Vectors = Float32[np.ndarray, "items width"]
Hits = tuple[Int64[np.ndarray, "queries k"], Float32[np.ndarray, "queries k"]]

_LONGEST = 1e15
"""Products of vectors up to this length are numbers of single precision."""
_BYTES_PER_HIT = 32
"""A position, a score, and their copies in order."""


class Index(ABC):
    """Vectors in the order in which they were added, each under an id of its own.

    Parameters
    ----------
    width : int
        How many numbers a vector has.
    """

    kind: ClassVar[str]

    def __init__(self, width: int) -> None:
        self.width = width
        self._positions: dict[Id, int] = {}
        self._ids: list[Id] = []

    def __len__(self) -> int:
        return len(self._positions)

    def __contains__(self, name: object) -> bool:
        return name in self._positions

    @property
    def ids(self) -> list[Id]:
        """The ids by position; not to be written to."""
        return self._ids

    @property
    @abstractmethod
    def vectors(self) -> Vectors:
        """The vectors by position; not to be written to."""

    @abstractmethod
    def content(self) -> bytes:
        """The vectors, as a file holds them for :meth:`view`."""

    @property
    def settings(self) -> dict[str, Any]:
        """What :meth:`view` must know beside the ids, as JSON holds it."""
        return {}

    def view(self, file: Path, ids: Sequence[Id], settings: JsonObject) -> None:
        """Hold what an index of the same kind and width held, without reading all of its content.

        Raises
        ------
        FormatError
            If the file holds something else; MmgraphError, if an id is given twice or is none.
        """
        self._positions, self._ids = {}, []
        places = self._places(ids)
        self._view(file, len(places), settings)
        self._positions, self._ids = places, list(places)

    def add(self, ids: Sequence[Id], vectors: Vectors) -> None:
        """Add vectors behind those that are there.

        Parameters
        ----------
        ids : sequence of str or int
            An id for each vector; 1 and "1" are two.
        vectors : array of float32, shape (items, width)
            Products are cosines where all lengths are one.

        Raises
        ------
        MmgraphError
            If an id is given twice or is there already, is no text and no whole number, or a vector
            is not finite (which); nothing is added then.
        """
        places, rows = self._places(ids), self._checked(vectors, "vectors", ids)
        if len(places) != len(rows):
            raise MmgraphError(f"there are {len(places)} ids for {len(rows)} vectors")
        if places:
            self._append(rows)
            self._positions |= places
            self._ids.extend(places)

    def delete(self, ids: Sequence[Id]) -> None:
        """Delete vectors; those behind them move up.

        Raises
        ------
        MmgraphError
            If an id is not there (with the nearest one); nothing is deleted then.
        """
        stays = np.ones(len(self), bool)
        for name in ids:
            if name not in self._positions:
                hint = suggestion(name, self._positions)
                raise MmgraphError(f"the index has no id {name!r}{hint}")
            stays[self._positions[name]] = False
        self._retain(stays)
        self._ids = [name for name, stay in zip(self._ids, stays, strict=True) if stay]
        self._positions = {name: place for place, name in enumerate(self._ids)}

    def search(self, vectors: Vectors, k: int = 10) -> Hits:
        """Find the vectors whose products with each query are the largest.

        Parameters
        ----------
        vectors : array of float32, shape (queries, width)
            The queries.
        k : int
            How many are found of each; all, where the index holds fewer.

        Returns
        -------
        positions : array of int64, shape (queries, k)
            Best first; of equal scores, the lower position first.
        scores : array of float32, shape (queries, k)
            Products, computed in double precision and rounded.

        Raises
        ------
        MmgraphError
            If k is no number from 1 on, or queries are of another width or not finite (which).
        MemoryBudgetError
            If the answers would take more than half of the machine's memory.
        """
        queries = self._checked(vectors, "queries")
        if isinstance(k, bool) or not isinstance(k, int | np.integer) or k < 1:
            raise MmgraphError(f"k is how many are found, 1 at least, not {k!r}")
        k = min(int(k), len(self))
        what, required = f"the best {k:,} of {len(queries):,} queries", k * len(queries)
        budget = default_memory_budget()
        check_required(what, _BYTES_PER_HIT * required, budget, "Ask fewer queries at a time")
        positions, scores = np.empty((len(queries), k), np.int64), np.empty((len(queries), k), "f4")
        if k and len(queries):
            self._fill(queries, positions, scores)
        return positions, scores

    def _checked(self, vectors: object, what: str, ids: Sequence[Id] | None = None) -> Vectors:
        rows = np.ascontiguousarray(vectors, dtype=np.float32)
        if rows.ndim != 2 or rows.shape[1] != self.width:
            raise MmgraphError(f"{what} have shape (any, {self.width}) here, not {rows.shape}")
        # A length that is no number is not below the limit either.
        wrong = ~(np.einsum("ij,ij->i", rows, rows, dtype=np.float64) < _LONGEST**2)
        if wrong.any():
            row = int(wrong.argmax())
            named = f" (the id {ids[row]!r})" if ids is not None and row < len(ids) else ""
            raise MmgraphError(
                f"row {row} of the {what}{named} holds NaN, infinity or numbers beyond {_LONGEST:g}"
            )
        return rows

    def _places(self, ids: Sequence[Id]) -> dict[Id, int]:
        """The positions of new ids behind those that are there."""
        places: dict[Id, int] = {}
        for place, one in enumerate(ids, len(self)):
            if isinstance(one, bool) or not isinstance(one, str | int | np.integer):
                raise MmgraphError(f"an id is a text or a whole number, not {one!r:.60}")
            name: Id = str(one) if isinstance(one, str) else int(one)
            if name in self._positions or name in places:
                where = "given twice" if name in places else "in the index already"
                raise MmgraphError(f"the id {name!r} is {where}")
            places[name] = place
        return places

    # What each kind does with vectors that were checked.

    @abstractmethod
    def _append(self, vectors: Vectors) -> None: ...

    @abstractmethod
    def _retain(self, stays: Bool[np.ndarray, " items"]) -> None: ...

    @abstractmethod
    def _view(self, file: Path, items: int, settings: JsonObject) -> None: ...

    @abstractmethod
    def _fill(self, queries: Vectors, positions: np.ndarray, scores: np.ndarray) -> None: ...
