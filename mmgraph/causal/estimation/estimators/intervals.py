"""Intervals of anything that is computed from weights of rows.

An estimator is a function of the weights of distinct rows. Its derivative by them is the influence
of each row (the infinitesimal jackknife, Jaeckel 1972; Efron 1982), which gives standard errors
that are those of the efficient influence function where tables are saturated, and of the sandwich
where nuisance models are regressions. The bootstrap draws the counts of all distinct rows at once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float64, Int64
from scipy.special import ndtr, ndtri, stdtrit
from torch import Tensor

from mmgraph.causal.estimation.estimators.sample import Sample
from mmgraph.graph.errors import CausalError, LearningError, check_choice, warn_caller
from mmgraph.inference.options import check_count

Functional = Callable[[Float64[Tensor, "batch cells"]], Float64[Tensor, "batch quantities"]]
"""Estimates from the weights of distinct rows."""

INTERVALS = ("analytical", "percentile", "BCa")

_CELLS_AT_ONCE = 2_000_000
"""Numbers of a batch of bootstrap weights, 16 MB."""
_DEFINED_SHARE = 0.9
"""Of bootstrap samples, for an interval to be made of them."""
_FEWEST_GROUPS = 10
"""With fewer, standard errors from groups are too small (Cameron, Gelbach and Miller 2008)."""


class FewGroupsWarning(UserWarning):
    """An interval from few groups, which is too narrow; says how many."""


@dataclass(frozen=True)
class IntervalSettings:
    """How intervals are made: ``kind`` is one of ``INTERVALS``, ``draws`` of the bootstrap."""

    kind: str = "analytical"
    level: float = 0.95
    draws: int = 1000
    generator: torch.Generator | None = None

    def __post_init__(self) -> None:
        check_choice("interval", self.kind, INTERVALS, CausalError)
        if not 0 < self.level < 1:
            raise CausalError(f"the level of an interval lies between 0 and 1, not {self.level!r}")
        check_count(self.draws, "draws")


@dataclass(frozen=True, eq=False)
class Estimates:
    """Quantities with their standard errors and intervals, ``(quantities,)`` each."""

    values: Float64[np.ndarray, " quantities"]
    errors: Float64[np.ndarray, " quantities"]
    low: Float64[np.ndarray, " quantities"]
    high: Float64[np.ndarray, " quantities"]


def estimates(
    functional: Functional, sample: Sample, settings: IntervalSettings, terms: int = 0
) -> Estimates:
    """Return a functional's values at a sample, with standard errors and intervals.

    Analytical ones are normal; with groups they have Student's quantiles of one degree of freedom
    less than groups, and after a regression of so many ``terms`` those of its residuals.

    Raises
    ------
    LearningError
        If the sample is too small: a value, or every tenth of the bootstrap, is undefined.
    """
    values, influence = influences(functional, sample)
    if not np.isfinite(values).all() or not np.isfinite(influence).all():
        raise LearningError(f"{sample.rows} rows do not determine the effect")
    by_unit, repeats = _by_unit(influence, sample)
    units = repeats.sum()
    if units < 2:
        raise LearningError("an interval needs at least two rows, or groups of them")
    errors = np.sqrt((repeats[:, None] * by_unit**2).sum(0) * units / (units - 1))
    if not np.isfinite(errors).all():
        raise LearningError("the numbers are too large to compute a standard error: scale them")
    if sample.groups is not None and units < _FEWEST_GROUPS:
        warn_caller(
            f"{units:g} groups are few: intervals may be too narrow below {_FEWEST_GROUPS}",
            FewGroupsWarning,
        )
    tail = ndtri(0.5 + settings.level / 2)
    if settings.kind == "analytical":
        if sample.groups is not None or terms:
            free = units - 1 if sample.groups is not None else max(units - terms, 1)
            tail = stdtrit(free, 0.5 + settings.level / 2)
        return Estimates(values, errors, values - tail * errors, values + tail * errors)
    drawn = bootstrap(functional, sample, settings)
    errors = drawn.std(0, ddof=1)
    ranks = np.tile(ndtr([-tail, tail])[:, None], len(values))
    if settings.kind == "BCa":
        ranks = _bca_ranks(drawn, values, by_unit, repeats, tail)
    ends = np.stack([np.quantile(drawn[:, i], ranks[:, i]) for i in range(len(values))], 1)
    return Estimates(values, errors, ends[0], ends[1])


def influences(
    functional: Functional, sample: Sample
) -> tuple[Float64[np.ndarray, " quantities"], Float64[np.ndarray, "cells quantities"]]:
    """Return a functional's values, and their derivative by how often each distinct row counts."""
    weights = sample.weights[None].clone().requires_grad_(True)
    values = functional(weights)[0]
    slopes = [
        torch.autograd.grad(value, weights, retain_graph=True, allow_unused=True)[0]
        for value in values
    ]
    known = [torch.zeros_like(weights) if s is None else s for s in slopes]
    influence = torch.cat(known).T * sample.row_weights[:, None]
    return values.detach().numpy(), influence.numpy()


def _by_unit(
    influence: Float64[np.ndarray, "cells quantities"], sample: Sample
) -> tuple[Float64[np.ndarray, "units quantities"], Float64[np.ndarray, " units"]]:
    """The influence of what was drawn at random, rows or groups, and how many are so."""
    if sample.groups is None:
        return influence, sample.counts.numpy()
    by_group = sums_by_group(influence * sample.counts.numpy()[:, None], sample.groups.numpy())
    return by_group, np.ones(len(by_group))


def sums_by_group(
    rows: Float64[np.ndarray, "cells columns"], groups: Int64[np.ndarray, " cells"]
) -> Float64[np.ndarray, "groups columns"]:
    """Return the sums of rows over the groups that there are."""
    names, place = np.unique(groups, return_inverse=True)
    sums = np.zeros((len(names), rows.shape[1]))
    np.add.at(sums, place, rows)
    return sums


def bootstrap(
    functional: Functional, sample: Sample, settings: IntervalSettings
) -> Float64[np.ndarray, "draws quantities"]:
    """Return a functional's values at samples drawn from the rows, or from groups of them.

    Samples in which it is not defined are left out.
    """
    seed = torch.randint(2**62, (), generator=settings.generator).item()
    random = np.random.default_rng(int(seed))
    share = repeats = sample.counts.numpy()
    place: Any = None
    if sample.groups is not None:
        names, place = np.unique(sample.groups.numpy(), return_inverse=True)
        share = np.ones(len(names))
    count = int(share.sum())
    at_once = max(1, _CELLS_AT_ONCE // max(len(sample.counts), len(share)))
    parts = []
    for first in range(0, settings.draws, at_once):
        size = min(at_once, settings.draws - first)
        drawn = random.multinomial(count, share / share.sum(), size).astype(np.float64)
        if sample.groups is not None:
            drawn = drawn[:, place] * repeats
        with torch.no_grad():
            parts.append(functional(torch.from_numpy(drawn) * sample.row_weights).numpy())
    values = np.concatenate(parts)
    defined = np.isfinite(values).all(1)
    if defined.mean() < _DEFINED_SHARE:
        raise LearningError(
            f"the effect is not defined in {(~defined).sum()} of {len(values)} bootstrap samples: "
            "there are too few rows"
        )
    return values[defined]


def _bca_ranks(
    drawn: Float64[np.ndarray, "draws quantities"],
    values: Float64[np.ndarray, " quantities"],
    by_unit: Float64[np.ndarray, "units quantities"],
    repeats: Float64[np.ndarray, " units"],
    tail: float,
) -> Float64[np.ndarray, "2 quantities"]:
    """The ranks of the ends of intervals that are corrected for bias and skewness (Efron 1987)."""
    below = (drawn < values).mean(0) + 0.5 * (drawn == values).mean(0)
    edge = 0.5 / len(drawn)
    bias = ndtri(np.clip(below, edge, 1 - edge))
    spread = (repeats[:, None] * by_unit**2).sum(0) ** 1.5
    cubes = (repeats[:, None] * by_unit**3).sum(0)
    skew = np.divide(cubes, 6 * spread, out=np.zeros_like(cubes), where=spread > 0)
    shifted = bias + np.array([[-tail], [tail]])
    ranks: np.ndarray = ndtr(bias + shifted / (1 - skew * shifted))
    return ranks
