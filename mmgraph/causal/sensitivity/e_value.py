"""E-values: how strong a hidden confounder must be, as risk ratios, to explain an effect away."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

from mmgraph.graph.arrays import float_array
from mmgraph.graph.errors import CausalError, check_choice


class EValue(NamedTuple):
    """How strong the ties of a confounder to treatment and outcome must both be.

    Attributes
    ----------
    estimate : float
        The least risk ratio, with both, that could move the estimate to the null; 1 if it is there.
    limit : float or None
        The same of the end of the interval that is nearer to the null; 1 if the interval holds it.
    risk_ratio : float
        The estimate on the scale of risk ratios, relative to the null.
    """

    estimate: float
    limit: float | None
    risk_ratio: float


def _hazard_to_risk(ratio: float) -> float:
    above, below = (math.expm1(-math.log(2) * math.sqrt(r)) for r in (ratio, 1 / ratio))
    return above / below


_TO_RISK_RATIO: dict[str, tuple[Callable[[float], float], Callable[[float], float]]] = {
    "risk_ratio": (float, float),
    "odds_ratio": (float, math.sqrt),
    "hazard_ratio": (float, _hazard_to_risk),
    "mean_difference": (lambda d: math.exp(0.91 * d), lambda d: math.exp(0.91 * d)),
}
"""By measure, the risk ratio that it stands for where the outcome is rare, and where it is not."""


def e_value(
    estimate: float,
    interval: Sequence[float] | None = None,
    measure: str = "risk_ratio",
    rare: bool = False,
    null: float | None = None,
    standard_deviation: float = 1.0,
) -> EValue:
    """Return the E-value of an estimate and of its confidence interval.

    Parameters
    ----------
    estimate : float
        A ratio, or a difference of means.
    interval : (low, high), optional
        Its confidence interval.
    measure : {"risk_ratio", "odds_ratio", "hazard_ratio", "mean_difference"}
        Odds and hazard ratios are approximated by risk ratios: as they are where the outcome is
        ``rare`` (below 15% at the end), and by a root and by a ratio of halves where it is not.
    rare : bool
        See ``measure``.
    null : float, optional
        The value to be explained by confounding: by default 1 of ratios, 0 of differences.
    standard_deviation : float
        Of the outcome, in which differences of means are measured.

    Raises
    ------
    CausalError
        If a ratio or the deviation is not positive, a number not finite, the measure unknown, or
        the interval does not hold the estimate.

    References
    ----------
    VanderWeele & Ding (2017), "Sensitivity analysis in observational research: introducing the
    E-value", Annals of Internal Medicine 167; Chinn (2000) of differences of means.
    """
    check_choice("measure", measure, _TO_RISK_RATIO, CausalError)
    is_difference = measure == "mean_difference"
    if null is None:
        null = 0.0 if is_difference else 1.0
    if not 0 < standard_deviation < math.inf:
        raise CausalError(f"standard_deviation is a positive number, not {standard_deviation!r}")

    def risk_ratio(number: float, name: str, reference: float = 1.0) -> float:
        if not (math.isfinite(number) and (is_difference or number > 0)):
            raise CausalError(f"{name}: {number!r} is no {measure.replace('_', ' ')}")
        scaled = number / standard_deviation if is_difference else number
        try:
            ratio = _TO_RISK_RATIO[measure][0 if rare else 1](scaled) / reference
        except (OverflowError, ZeroDivisionError):
            ratio = math.inf
        if not 0 < ratio < math.inf or 1 / ratio == math.inf:
            raise CausalError(f"{name}: {number!r} is beyond all risk ratios that are numbers")
        return ratio

    reference = risk_ratio(_number(null, "null"), "null")
    estimate = _number(estimate, "estimate")
    ratio = risk_ratio(estimate, "estimate", reference)
    limit = None
    if interval is not None:
        ends = float_array(interval, "interval", CausalError)
        if ends.shape != (2,):
            raise CausalError(f"an interval has two ends, not the shape {ends.shape}")
        low, high = ends.tolist()
        if not low <= estimate <= high:
            raise CausalError(f"the interval ({low}, {high}) does not hold the estimate {estimate}")
        low, high = (risk_ratio(end, "interval", reference) for end in (low, high))
        limit = 1.0 if low <= 1 <= high else _bound(low if ratio > 1 else high)
    return EValue(_bound(ratio), limit, ratio)


def _number(number: object, name: str) -> float:
    array = float_array(number, name, CausalError)
    if array.ndim:
        raise CausalError(f"{name} is one number, not an array of shape {array.shape}")
    return float(array)


def _bound(ratio: float) -> float:
    """The least strength of both ties of a confounder that makes a ratio of one (Ding 2016)."""
    ratio = max(ratio, 1 / ratio)
    return ratio + math.sqrt(ratio) * math.sqrt(ratio - 1)
