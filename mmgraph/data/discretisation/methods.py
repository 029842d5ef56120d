"""Intervals of several columns by any of the methods."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from jaxtyping import Int64

from mmgraph.data.discretisation.cut_points import (
    Numbers,
    equal_width_cuts,
    quantile_cuts,
    warn_of_fewer,
)
from mmgraph.data.discretisation.hartemink import hartemink_cuts
from mmgraph.data.discretisation.intervals import Intervals
from mmgraph.data.discretisation.supervised import entropy_cuts
from mmgraph.graph.errors import LearningError, check_choice

METHODS = ("quantile", "equal_width", "hartemink", "entropy")
"""How columns are cut."""


def discretised(
    columns: Mapping[str, Numbers],
    method: str,
    bins: Mapping[str, int],
    initial_bins: int = 60,
    target: Int64[np.ndarray, " rows"] | None = None,
    units: Mapping[str, str] | None = None,
) -> dict[str, Intervals]:
    """Return the intervals of columns of numbers, NaN where missing.

    Parameters
    ----------
    columns : mapping of str to ndarray
    method : {"quantile", "equal_width", "hartemink", "entropy"}
    bins : mapping of str to int
        Of each column; ``entropy`` finds their number.
    initial_bins : int
        Of ``hartemink``, which merges them.
    target : ndarray, optional
        The class of each row for ``entropy``, negative where missing.
    units : mapping of str to str, optional
        What columns are measured in.

    Raises
    ------
    LearningError
        If a column is constant or empty (which), or as the method says.

    Warns
    -----
    BinsWarning
        If a column has fewer bins than were asked for, since its numbers repeat.
    """
    check_choice("method", method, METHODS, LearningError)
    if method == "entropy":
        if target is None:
            raise LearningError("to cut by entropy takes a target: what the columns are to tell")
        classes = int(target.max(initial=0)) + 1
        cuts = {n: entropy_cuts(n, c, target, classes) for n, c in columns.items()}
    elif method == "hartemink":
        cuts = hartemink_cuts(columns, bins, initial_bins)
        for name, few in cuts.items():
            warn_of_fewer(name, len(few) + 1, bins[name])
    else:
        cut = quantile_cuts if method == "quantile" else equal_width_cuts
        cuts = {name: cut(name, column, bins[name]) for name, column in columns.items()}
    units = units or {}
    return {n: Intervals.of(n, cuts[n], c, units.get(n)) for n, c in columns.items()}
