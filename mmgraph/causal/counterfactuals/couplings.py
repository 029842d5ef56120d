"""Which structural functions a table's rows share: couplings of conditional distributions."""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Float64, Int64
from scipy.spatial import ConvexHull, HalfspaceIntersection
from torch import Tensor

from mmgraph.graph.conditionals.parametric_table import TABLE_BUDGET_BYTES
from mmgraph.graph.errors import CausalError, GraphError, check_choice
from mmgraph.graph.memory_budget import check_required

COUPLINGS = ("monotone", "gumbel_max")

_MOST_STATES = 6
"""Volumes of polytopes of more dimensions take minutes."""

_NEGLIGIBLE = 1e-14
"""Probabilities of exogenous states below this are rounding."""

_LOWEST = -35.0
"""Ratios below exp(-35) are taken for that: the noise that tells them apart is as unlikely."""

Coupled = tuple[Float64[np.ndarray, " noise"], Int64[np.ndarray, "noise *parents"]]
"""The distribution of an exogenous variable, and the child's states by it and the parents."""


def check_coupling(coupling: object) -> None:
    """Raise CausalError unless a coupling has this name."""
    check_choice("coupling", coupling, COUPLINGS, CausalError)


def coupled(name: str, table: Float64[Tensor, "*parents child"], coupling: str) -> Coupled:
    """Return exogenous noise and a function that give a variable its conditional table.

    Raises
    ------
    MemoryBudgetError
        If the function would be too large.
    GraphError
        If ``gumbel_max`` is asked of too many states, or ratios of probabilities lie too close for
        doubles to tell regions of noise apart.
    """
    array = table.numpy()
    *parents, states = array.shape
    rows, place = np.unique(array.reshape(-1, states), axis=0, return_inverse=True)
    gumbel = coupling == "gumbel_max" and min(states, len(rows) + 1) > 2
    if gumbel and states > _MOST_STATES:
        raise GraphError(f"gumbel_max couples at most {_MOST_STATES} states; '{name}' has {states}")
    most = math.comb(len(rows) + states - 1, states - 1) if gumbel else len(rows) * states
    check_required(
        f"the {coupling} coupling of '{name}', of {most:,} states of noise,",
        8 * most * place.size * states,
        TABLE_BUDGET_BYTES,
        "Fewer parents or states are needed.",
    )
    prior, functions = _gumbel_max(rows) if gumbel else _monotone(rows)
    again = np.stack([(prior[:, None] * (functions == k)).sum(0) for k in range(states)], -1)
    if not np.abs(again - rows).max() < 1e-9:
        raise GraphError(f"'{name}': its rows lie too close for doubles to couple by {coupling}")
    return prior, functions[:, place.reshape(-1)].reshape(len(prior), *parents)


def _monotone(rows: Float64[np.ndarray, "rows states"]) -> Coupled:
    """Cut the unit interval wherever a row's quantile function steps."""
    steps = np.cumsum(rows, -1)[:, :-1]
    cuts = np.unique(np.concatenate([[0.0], steps.reshape(-1).clip(0, 1), [1.0]]))
    cuts = cuts[np.concatenate([[True], np.diff(cuts) > _NEGLIGIBLE])]
    middle = (cuts[1:] + cuts[:-1]) / 2
    prior = np.diff(cuts)
    return prior / prior.sum(), (steps[None] <= middle[:, None, None]).sum(-1)


def _gumbel_max(rows: Float64[np.ndarray, "rows states"]) -> Coupled:
    """Cut the simplex of racing times into regions with one winner in each row.

    With exponential times ``t``, state ``i`` wins row ``p`` where ``t_j p_i >= t_i p_j`` for all
    ``j`` (the Gumbel-max trick in other words), and ``t / Σt`` is uniform on the simplex. A region
    is a matrix of lower bounds on ``log t_j - log t_i``, closed under addition.
    """
    states = rows.shape[1]
    start = np.full((states, states), _LOWEST)
    np.fill_diagonal(start, 0.0)
    regions: list[tuple[np.ndarray, list[int]]] = [(start, [])]
    with np.errstate(divide="ignore"):
        logs = np.maximum(np.log(rows), 3 * _LOWEST)
    for row in logs:
        cut = []
        for lower, winners in regions:
            for i in np.flatnonzero(row > 2 * _LOWEST):
                bounds = lower.copy()
                bounds[:, i] = np.maximum(bounds[:, i], row - row[i])
                for k in range(states):
                    bounds = np.maximum(bounds, bounds[:, [k]] + bounds[[k]])
                width = bounds + bounds.T + np.diag(np.full(states, -1.0))
                if width.max() < -_NEGLIGIBLE:
                    np.fill_diagonal(bounds, 0.0)
                    cut.append((bounds, [*winners, int(i)]))
        regions = cut
    prior = np.array([_volume(lower) for lower, _ in regions])
    return prior / prior.sum(), np.array([winners for _, winners in regions])


def _volume(lower: Float64[np.ndarray, "states states"]) -> float:
    """The share of the simplex in which ``t_j >= exp(lower[j, i]) t_i`` for all pairs."""
    states = len(lower)
    unit = np.eye(states)
    pairs = [(i, j) for i in range(states) for j in range(states) if i != j]
    planes = [unit[i] * np.exp(lower[j, i]) - unit[j] for i, j in pairs]
    # In the coordinates but the last, which is one less their sum; a row is a·t + b <= 0.
    halves = np.array([[*(p[:-1] - p[-1]), p[-1]] for p in planes])
    halves /= np.linalg.norm(halves[:, :-1], axis=1, keepdims=True)
    inside = np.exp(lower.mean(1) - lower.mean(1).max())
    corners = HalfspaceIntersection(halves, (inside / inside.sum())[:-1]).intersections
    return float(ConvexHull(corners).volume) * math.factorial(states - 1)
