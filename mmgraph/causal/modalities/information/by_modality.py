"""What each set of sources tells of a target, and how the whole is shared among them."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import comb
from typing import Any

import numpy as np
from jaxtyping import Float64

from mmgraph.causal.modalities.information.tables import (
    entropy,
    joint_table,
    mutual_information,
)
from mmgraph.graph.errors import MmgraphError

MOST_SOURCES = 12
"""More have too many sets."""


@dataclass(frozen=True, eq=False)
class ModalityInformation:
    """What sources tell of a target, in bits.

    Attributes
    ----------
    names : tuple
        The sources: their numbers, or the names that were given.
    mutual_information : dict of frozenset to float
        Of each set of sources; of the empty one it is zero.
    shapley : array (sources,)
        How what all tell is shared among them (Shapley 1953): the mean of what a source adds to
        those before it, over all orders. They sum to what all tell.
    given_others : array (sources,)
        What each tells when all others are known.
    o_information : float
        Of sources and target together: positive where redundancy prevails, negative where synergy
        does (Rosas et al. 2019).
    """

    names: tuple[Hashable, ...]
    mutual_information: dict[frozenset[Any], float]
    shapley: Float64[np.ndarray, " sources"]
    given_others: Float64[np.ndarray, " sources"]
    o_information: float


def information_by_modality(
    joint: object, names: Sequence[Hashable] | None = None
) -> ModalityInformation:
    """Return what each set of sources tells of a target, with Shapley values, in bits.

    Parameters
    ----------
    joint : array
        The joint distribution, an axis a source, the target last; up to 12 sources.
    names : sequence, optional
        What the sources are called; by default their numbers.

    Raises
    ------
    MmgraphError
        If the joint is no distribution, has no source or more than 12, or names do not name each
        source once.
    """
    table = joint_table(joint, "the joint distribution")
    count = table.ndim - 1
    if not 1 <= count <= MOST_SOURCES:
        raise MmgraphError(
            f"the joint distribution has {count} sources beside the target; from 1 to "
            f"{MOST_SOURCES} have sets that can be listed"
        )
    called = tuple(range(count)) if names is None else tuple(names)
    if len(called) != count or len(set(called)) < count:
        raise MmgraphError(f"{count} sources are to have a name each, not {list(called)}")
    told = {s: mutual_information(part) for s, part in _margins(table, called)}
    told[frozenset()] = 0.0
    every = frozenset(called)
    return ModalityInformation(
        called,
        told,
        shapley_values(told, called),
        np.array([max(told[every] - told[every - {name}], 0.0) for name in called]),
        _o_information(table),
    )


def shapley_values(
    values: Mapping[frozenset[Any], float], players: Sequence[Hashable]
) -> Float64[np.ndarray, " players"]:
    """Return the Shapley value of each player from the value of each set of them."""
    count = len(players)
    shares = np.zeros(count)
    for members, value in values.items():
        size = len(members)
        for place, player in enumerate(players):
            if player in members:
                shares[place] += value / (count * comb(count - 1, size - 1))
            else:
                shares[place] -= value / (count * comb(count - 1, size))
    return shares


def _margins(
    table: np.ndarray,
    names: Sequence[Hashable],
    axis: int | None = None,
    members: frozenset[Any] = frozenset(),
) -> Iterator[tuple[frozenset[Any], np.ndarray]]:
    """Each set of sources with its margin, the target last; sums are shared among sets."""
    axis = len(names) - 1 if axis is None else axis
    if axis < 0:
        yield members, table
        return
    yield from _margins(table, names, axis - 1, members | {names[axis]})
    yield from _margins(table.sum(axis), names, axis - 1, members)


def _o_information(table: np.ndarray) -> float:
    axes = range(table.ndim)
    total = (table.ndim - 2) * entropy(table)
    for axis in axes:
        others = tuple(other for other in axes if other != axis)
        total += entropy(table.sum(others)) - entropy(table.sum(axis))
    return total
