"""How much of a metric is left under disturbance, by the curve of it over levels.

As in MultiBench (Liang et al. 2021, NeurIPS Datasets and Benchmarks), which takes "effective" from
Taori et al. (2020), "Measuring robustness to natural distribution shifts in image classification".
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Float64

from mmgraph.graph.errors import MmgraphError

Curve = Sequence[float] | Float[np.ndarray, " levels"]


def relative_robustness(levels: Curve, values: Curve) -> float:
    """Return the mean of a metric over the range of levels: the area under its curve by its width.

    Parameters
    ----------
    levels : ndarray, shape (levels,)
        How strong the disturbance is, in any order; at least two differ.
    values : ndarray, shape (levels,)
        The metric at each.

    Raises
    ------
    MmgraphError
        If there are fewer than two levels, one is there twice, or a number is not finite.
    """
    x, y = _curve(levels, values)
    return float(np.trapezoid(y, x) / (x[-1] - x[0]))


def effective_robustness(levels: Curve, values: Curve, reference: Curve) -> float:
    """Return by how much a metric falls less than a reference model's, on average over levels.

    The reference's curve is moved to where the model's begins, at the weakest disturbance, so that
    being better without any counts for nothing. MultiBench sums the distances from late fusion;
    here they are averaged by their area, in the unit of the metric.

    Parameters
    ----------
    levels, values
        As of :func:`relative_robustness`.
    reference : ndarray, shape (levels,)
        The metric of the reference at each level.

    Raises
    ------
    MmgraphError
        As :func:`relative_robustness`.
    """
    _, y = _curve(levels, values)
    x, line = _curve(levels, reference)
    return relative_robustness(x, y - y[0] - (line - line[0]))


def _curve(
    levels: Curve, values: Curve
) -> tuple[Float64[np.ndarray, " levels"], Float64[np.ndarray, " levels"]]:
    """Both in the order of levels."""
    x, y = np.asarray(levels, np.float64), np.asarray(values, np.float64)
    if x.ndim != 1 or x.shape != y.shape:
        raise MmgraphError(f"a curve of values {y.shape} over levels {x.shape}")
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise MmgraphError("a level or value of the curve is not finite")
    order = np.argsort(x)
    if len(x) < 2 or (np.diff(x[order]) == 0).any():
        raise MmgraphError(f"a curve needs at least two levels, each once, not {x.tolist()}")
    return x[order], y[order]
