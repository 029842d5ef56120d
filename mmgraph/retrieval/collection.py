"""The items of a retriever: where their pictures and texts lie, and what is shown of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool

from mmgraph.graph.errors import LearningError, suggestion
from mmgraph.retrieval.indices.exact import ExactIndex
from mmgraph.retrieval.indices.index import Id, Index
from mmgraph.retrieval.indices.neighbours import NeighbourIndex
from mmgraph.retrieval.spaces.space import SIDES, Places, Side

SEARCHES = ("auto", "exact", "neighbours")
MOST_EXACT = 100_000
"""Beyond so many items an exact search takes more than some milliseconds."""


class Item(NamedTuple):
    """What hits show of an item: its text, and the file of its picture."""

    caption: str | None
    picture: str | None


class NewItems(NamedTuple):
    """Items that are to be added, row by row.

    Attributes
    ----------
    ids : list of str or int
    places : dict of str to ndarray, shape (rows, width)
        Of ``images`` and ``texts``.
    present : dict of str to ndarray of bool
        Which rows have the one and the other.
    shown : list of Item
    """

    ids: list[Id]
    places: Mapping[Side, Places]
    present: Mapping[Side, Bool[np.ndarray, " rows"]]
    shown: list[Item]


class Collection:
    """Items with a picture, a text, or both, each under an id of its own.

    Attributes
    ----------
    indices : dict of str to Index
        The places of ``images`` and of ``texts`` by id.
    items : dict of (str or int) to Item
        In the order in which they were added.
    """

    def __init__(self, indices: Mapping[Side, Index], items: Mapping[Id, Item]) -> None:
        self.indices = dict(indices)
        self.items = dict(items)

    @classmethod
    def empty(cls, width: int, search: str = "exact") -> Collection:
        """Return a collection without items, of places with so many numbers."""
        kind = NeighbourIndex if search == "neighbours" else ExactIndex
        return cls({side: kind(width) for side in SIDES}, {})

    @property
    def next_number(self) -> int:
        """The first number from which on no item has one as its id."""
        return 1 + max((name for name in self.items if isinstance(name, int)), default=-1)

    def __len__(self) -> int:
        return len(self.items)

    def add(self, new: NewItems) -> None:
        """Add items, all or none.

        Raises
        ------
        LearningError
            If an item has neither picture nor text, or an id is there already or twice (which).
        """
        told = np.logical_or(*(new.present[side] for side in SIDES))
        if not told.all():
            row = int((~told).argmax())
            raise LearningError(
                f"the item {new.ids[row]!r} (row {row}) has no picture and no text with a word "
                "that is known"
            )
        names: set[Id] = set()
        for name in new.ids:
            if name in names or name in self.items:
                where = "twice among the new items" if name in names else "indexed already"
                raise LearningError(f"the id {name!r} is {where}")
            names.add(name)
        added: list[tuple[Index, list[Id]]] = []
        try:
            for side in SIDES:
                rows = np.flatnonzero(new.present[side])
                here = [new.ids[row] for row in rows]
                self.indices[side].add(here, new.places[side][rows])
                added.append((self.indices[side], here))
        except BaseException:
            for index, here in added:
                index.delete(here)
            raise
        self.items |= dict(zip(new.ids, new.shown, strict=True))

    def delete(self, ids: Sequence[Id]) -> None:
        """Delete items, all or none.

        Raises
        ------
        LearningError
            If an id is not there; the message offers the nearest.
        """
        ids = list(ids)
        for name in ids:
            if name not in self.items:
                raise LearningError(f"no item has the id {name!r}{suggestion(name, self.items)}")
        for index in self.indices.values():
            index.delete([name for name in dict.fromkeys(ids) if name in index])
        for name in dict.fromkeys(ids):
            del self.items[name]
