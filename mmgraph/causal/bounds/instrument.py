"""Bounds of an effect from an instrument: an experiment that not all comply with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float64

from mmgraph.causal.bounds.interval import ROUNDING, Interval, distributions
from mmgraph.causal.bounds.response_program import ResponseProgram
from mmgraph.causal.graph.causal_graph import CausalGraph
from mmgraph.graph.errors import CausalError, GraphError

_WHAT = "p_xy_given_z"


@dataclass(frozen=True)
class InstrumentBounds:
    """Sharp bounds of what setting x does, where z is set at random and acts through x alone.

    Attributes
    ----------
    lower, upper : array (x, y)
        Bounds of P(y | do(x)).
    effect : Interval
        Of the average effect: the mean of y under the last state of x (or ``contrast[1]``) minus
        that under the first.
    """

    lower: Float64[np.ndarray, "x y"]
    upper: Float64[np.ndarray, "x y"]
    effect: Interval


def instrument_bounds(
    p_xy_given_z: Any, values: Any = None, contrast: tuple[int, int] = (0, -1)
) -> InstrumentBounds:
    """Return sharp bounds of P(y | do(x)) from the table of an instrument (Balke and Pearl 1997).

    The model is z → x → y with hidden causes of x and y; the bounds are the ends of a linear
    programme over the responses of x to z and of y to x, for any small numbers of states.

    Parameters
    ----------
    p_xy_given_z : array (z, x, y)
        P(x, y | z): each ``[z]`` sums to one.
    values : array (y,), optional
        What the states of y count in the average effect; by default 0, 1, …
    contrast : (int, int), optional
        The states of x that the average effect compares.

    Raises
    ------
    GraphError
        If the table has another shape or is no distribution.
    CausalError
        If no model explains the table: with the figures of the instrumental inequality (Pearl
        1995), or of the nearest model.
    MemoryBudgetError
        If there are too many responses; nothing has been allocated.
    """
    table = distributions(p_xy_given_z, _WHAT, ("z", "x", "y"), over=2)
    _check_inequality(table)
    sizes = dict(zip("zxy", table.shape, strict=True))
    score = np.arange(sizes["y"], dtype=np.float64) if values is None else np.asarray(values, float)
    if score.shape != (sizes["y"],) or not np.isfinite(score).all():
        raise GraphError(f"values have the shape {score.shape}, y has {sizes['y']} states")
    if any(not -sizes["x"] <= x < sizes["x"] for x in contrast):
        raise GraphError(f"the contrast {contrast} names no states: x has {sizes['x']}")
    graph = CausalGraph("zxy", [("z", "x"), ("x", "y")], [("x", "y")])
    program = ResponseProgram(graph, "xy", sizes, table)
    program.check_feasible(_WHAT)
    outcome = [program.cells("y", {"x": x}) for x in range(sizes["x"])]
    ends = [
        [program.bounds((cell == y).astype(float), _WHAT) for y in range(sizes["y"])]
        for cell in outcome
    ]
    difference = score[outcome[contrast[1]]] - score[outcome[contrast[0]]]
    effect = program.bounds(difference, _WHAT)
    bounds = np.clip(np.array(ends), 0, 1)
    return InstrumentBounds(bounds[..., 0], bounds[..., 1], effect)


def _check_inequality(table: Float64[np.ndarray, "z x y"]) -> None:
    sums = table.max(0).sum(1)
    if sums.max() > 1 + ROUNDING:
        x = int(sums.argmax())
        terms = " + ".join(f"{p:.6g}" for p in table[:, x].max(0))
        raise CausalError(
            f"no model explains p_xy_given_z: it violates the instrumental inequality at x = {x}, "
            f"where the largest P(x, y | z) of each y sum to {terms} = {sums[x]:.6g} > 1"
        )
