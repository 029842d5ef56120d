"""Rows that belong together because they have something in common."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence

import numpy as np
from jaxtyping import Int
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components


def groups_by_keys(keys: Sequence[Iterable[Hashable]]) -> Int[np.ndarray, "rows"]:
    """Number of the group of each row: rows that share a key, directly or through others, share it.

    Parameters
    ----------
    keys : sequence of iterables, one a row
        What each row has; a row without any is a group of its own.

    Returns
    -------
    array of int, shape (rows,)
        Groups are numbered from 0 in the order of their first rows.
    """
    places: dict[Hashable, int] = {}
    pairs = [
        (row, places.setdefault(key, len(places))) for row, own in enumerate(keys) for key in own
    ]
    rows, columns = np.array(pairs, int).reshape(-1, 2).T
    size = len(keys) + len(places)
    links = coo_array((np.ones(len(pairs)), (rows, len(keys) + columns)), shape=(size, size))
    labels = connected_components(links, directed=False)[1][: len(keys)]
    _, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[inverse]
