"""What each set of sources tells of a target, and how the whole is shared among them."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
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
    told = {s: mutual_information(part) for s, part in subset_margins(table, called)}
    told[frozenset()] = 0.0
    every, weights = frozenset(called), shapley_weights(called)
    return ModalityInformation(
        called,
        told,
        np.array([sum(w * told[s] for s, w in weights[name].items()) for name in called]),
        np.array([max(told[every] - told[every - {name}], 0.0) for name in called]),
        o_information(table),
    )


def shapley_weights(
    players: Sequence[Hashable],
) -> dict[Hashable, dict[frozenset[Any], float]]:
    """Return by player what the value of each set of players weighs in the player's share."""
    count = len(players)
    sets = [frozenset(s) for size in range(count + 1) for s in combinations(players, size)]
    return {
        player: {
            members: 1 / (count * comb(count - 1, len(members) - 1))
            if player in members
            else -1 / (count * comb(count - 1, len(members)))
            for members in sets
        }
        for player in players
    }


def subset_margins(
    table: np.ndarray,
    names: Sequence[Hashable],
    axis: int | None = None,
    members: frozenset[Any] = frozenset(),
) -> Iterator[tuple[frozenset[Any], np.ndarray]]:
    """Yield each set of sources with its margin, the target last; sums are shared among sets."""
    axis = len(names) - 1 if axis is None else axis
    if axis < 0:
        yield members, table
        return
    yield from subset_margins(table, names, axis - 1, members | {names[axis]})
    yield from subset_margins(table.sum(axis), names, axis - 1, members)


def o_information(table: np.ndarray) -> float:
    """Return the O-information of all axes of a table, in bits."""
    axes = range(table.ndim)
    total = (table.ndim - 2) * entropy(table)
    for axis in axes:
        others = tuple(other for other in axes if other != axis)
        total += entropy(table.sum(others)) - entropy(table.sum(axis))
    return total
