"""Bounds of the probabilities of causation: necessity, sufficiency, and both."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float64

from mmgraph.causal.bounds.interval import ROUNDING, Interval, distributions
from mmgraph.graph.errors import CausalError, GraphError


@dataclass(frozen=True)
class CausationBounds:
    """Sharp bounds of probabilities of causation of y = 1 by x = 1.

    Attributes
    ----------
    pn : Interval or None
        Necessity: that y = 1 would not be without x = 1, where both are; None if they never are.
    ps : Interval or None
        Sufficiency: that y = 1 would be with x = 1, where neither is; None if that never is.
    pns : Interval
        Both: that y = 1 if x = 1, and only then.
    """

    pn: Interval | None
    ps: Interval | None
    pns: Interval


def necessity_sufficiency_bounds(
    joint_xy: Any, experimental: Any = None, exogenous: bool = False, monotonic: bool = False
) -> CausationBounds:
    """Return sharp bounds of the probabilities of necessity and sufficiency (Tian and Pearl 2000).

    Parameters
    ----------
    joint_xy : array (x=2, y=2)
        The observed P(x, y).
    experimental : array (x=2, y=2) or (x=2,), optional
        P(y | do(x)) of an experiment, or P(y = 1 | do(x)) alone.
    exogenous : bool, optional
        Nothing confounds x and y: P(y | do(x)) = P(y | x).
    monotonic : bool, optional
        x = 1 prevents y = 1 in no unit. With an experiment (or ``exogenous``) all three are then
        numbers.

    Raises
    ------
    GraphError
        If a table has another shape or is no distribution.
    CausalError
        If no model explains the tables together, or with the assumptions (which figures clash); or
        ``exogenous`` comes with an experiment, or with an x that never is.
    """
    joint = distributions(joint_xy, "joint_xy", ("x", "y"), over=2)
    if joint.shape != (2, 2):
        raise GraphError(f"joint_xy has the shape {joint.shape}: x and y have two states each")
    if exogenous:
        if experimental is not None:
            raise CausalError("an experiment says P(y | do(x)); exogenous=True would say it again")
        if not (margin := joint.sum(1)).all():
            raise CausalError(f"P(x = {int(margin.argmin())}) is 0: P(y | x) is not known")
        effects = joint[:, 1] / margin
    elif experimental is None:
        return _observed(joint)
    else:
        effects = _experiment(experimental, joint)
    return _monotonic(joint, effects) if monotonic else _bounded(joint, effects)


def _experiment(
    experimental: Any, joint: Float64[np.ndarray, "x=2 y=2"]
) -> Float64[np.ndarray, "x=2"]:
    table = np.asarray(experimental, dtype=np.float64)
    if table.shape == (2,):
        table = np.stack([1 - table, table], 1)
    table = distributions(table, "experimental", ("x", "y"), over=1)
    if table.shape != (2, 2):
        raise GraphError(f"experimental has the shape {table.shape}, not (2, 2) or (2,)")
    for x in range(2):
        p, least, most = table[x, 1], joint[x, 1], 1 - joint[x, 0]
        if not least - ROUNDING <= p <= most + ROUNDING:
            raise CausalError(
                f"no model explains both tables: P(y = 1 | do(x = {x})) is {p:.6g}, outside of "
                f"P(x = {x}, y = 1) = {least:.6g} to 1 - P(x = {x}, y = 0) = {most:.6g}"
            )
    return np.asarray(np.clip(table[:, 1], joint[:, 1], 1 - joint[:, 0]))


def _observed(joint: Float64[np.ndarray, "x=2 y=2"]) -> CausationBounds:
    """Return the bounds without an experiment; that y is monotonic in x makes none narrower."""
    whole = Interval(0.0, 1.0)
    return CausationBounds(
        whole if joint[1, 1] else None,
        whole if joint[0, 0] else None,
        Interval(0.0, _share(joint[1, 1] + joint[0, 0])),
    )


def _bounded(
    joint: Float64[np.ndarray, "x=2 y=2"], effects: Float64[np.ndarray, "x=2"]
) -> CausationBounds:
    without, with_ = effects
    p = joint[:, 1].sum()
    both, neither = joint[1, 1], joint[0, 0]
    return CausationBounds(
        _ratios(p - without, 1 - without - neither, both),
        _ratios(with_ - p, with_ - both, neither),
        Interval(
            _share(max(with_ - without, p - without, with_ - p)),
            _share(
                min(
                    with_,
                    1 - without,
                    both + neither,
                    with_ - without + joint[1, 0] + joint[0, 1],
                )
            ),
        ),
    )


def _monotonic(
    joint: Float64[np.ndarray, "x=2 y=2"], effects: Float64[np.ndarray, "x=2"]
) -> CausationBounds:
    without, with_ = effects
    p = joint[:, 1].sum()
    if not without - ROUNDING <= p <= with_ + ROUNDING:
        raise CausalError(
            f"y is not monotonic in x: P(y = 1) = {p:.6g} is not between "
            f"P(y = 1 | do(x = 0)) = {without:.6g} and P(y = 1 | do(x = 1)) = {with_:.6g}"
        )
    exact = _share(with_ - without)
    return CausationBounds(
        _ratios(p - without, p - without, joint[1, 1]),
        _ratios(with_ - p, with_ - p, joint[0, 0]),
        Interval(exact, exact),
    )


def _ratios(lower: float, upper: float, of: float) -> Interval | None:
    return Interval(_share(lower / of), _share(upper / of)) if of else None


def _share(value: float) -> float:
    return min(max(float(value), 0.0), 1.0)
