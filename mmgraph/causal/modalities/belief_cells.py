"""Beliefs in cells: sources of any size as variables of few states, for decompositions and tests.

What a source tells of a target is in the beliefs ``p(target | source)``, of which near ones share
a cell. Cells tell less than beliefs, never more.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float64, Int64

from mmgraph.causal.modalities.information.broja import least_information
from mmgraph.causal.modalities.information.partial_information import PartialInformation
from mmgraph.causal.modalities.information.tables import mutual_information

Beliefs = Float64[np.ndarray, "rows states"]

_ROUNDS = 50
_ROUNDING = 1e-12


def cells_of(
    beliefs: Beliefs, weights: Float64[np.ndarray, " rows"], count: int
) -> Int64[np.ndarray, " rows"]:
    """Return the cell of each belief, of at most so many.

    Cells are those of k-means (Lloyd 1982) on square roots of probabilities, where distances are
    Hellinger's; it starts from beliefs that lie far from each other. Where there are no more
    distinct beliefs than cells, each has its own.
    """
    points, place = np.unique(np.round(np.sqrt(beliefs), 9), axis=0, return_inverse=True)
    place = place.reshape(-1)
    if len(points) <= count:
        return place
    weight = np.bincount(place, weights, len(points))
    centres = _far_apart(points, weight, count)
    cell = np.zeros(len(points), np.int64)
    for _ in range(_ROUNDS):
        distance = (centres**2).sum(1) - 2 * points @ centres.T
        nearest = distance.argmin(1)
        if (nearest == cell).all():
            break
        cell = nearest
        total = np.bincount(cell, weight, count)
        sums = np.stack([np.bincount(cell, weight * column, count) for column in points.T], 1)
        centres = np.where(total[:, None] > 0, sums / np.maximum(total, 1e-300)[:, None], centres)
    return np.unique(cell, return_inverse=True)[1].reshape(-1)[place]


def _far_apart(points: np.ndarray, weight: np.ndarray, count: int) -> np.ndarray:
    """Points of which each is the farthest from those before it, by distance times weight."""
    chosen = [int(weight.argmax())]
    distance = np.full(len(points), np.inf)
    for _ in range(count - 1):
        distance = np.minimum(distance, ((points - points[chosen[-1]]) ** 2).sum(1))
        chosen.append(int((distance * weight).argmax()))
    return points[chosen]


def table_of_cells(
    cells: Int64[np.ndarray, " rows"], truth: Float64[np.ndarray, "rows states"]
) -> Float64[np.ndarray, "cells states"]:
    """Return the joint distribution of cells and target, rows counting for states as they say."""
    count = int(cells.max()) + 1
    table = np.stack([np.bincount(cells, column, count) for column in truth.T], 1)
    return np.asarray(table / table.sum())


def pair_information(
    first: Float64[np.ndarray, "cells states"],
    second: Float64[np.ndarray, "cells states"],
    told: Sequence[float],
) -> PartialInformation:
    """Return the BROJA decomposition of two sources from the table of each with the target.

    ``told`` is what the first tells, the second and both, in bits: atoms add up to it, negative
    figures as zero. Of the tables, whose own information may be less (cells) or more (counts of few
    rows), is taken which share of the lesser information is redundant.
    """
    target = first.sum(0)
    first, second = (t[t.any(1)][:, target > 0] for t in (first, second))
    target = target[target > 0]
    least = least_information(first[:, None, :] * (second / second.sum(0))[None, :, :])
    one, two = mutual_information(first), mutual_information(second)
    shared = one + two - mutual_information(least.table)
    first_alone, second_alone, both = (max(bits, 0.0) for bits in told)
    lesser, greater = sorted((first_alone, second_alone))
    scale = lesser / min(one, two) if min(one, two) > _ROUNDING else 0.0
    redundant = float(np.clip(shared * scale, max(lesser + greater - both, 0.0), None))
    redundant = min(redundant, lesser)
    return PartialInformation(
        redundant,
        (first_alone - redundant, second_alone - redundant),
        max(both - (lesser + greater - redundant), 0.0),
        "broja",
        least.gap * scale / float(np.log(2)),
    )
