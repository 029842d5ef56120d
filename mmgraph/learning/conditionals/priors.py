"""What parameters are taken to be like before the data: pseudo-counts, shrinkage, floors."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float64
from torch import Tensor

from mmgraph.graph.arrays import float_tensor
from mmgraph.graph.errors import LearningError, suggestion
from mmgraph.graph.factor import Factor
from mmgraph.graph.leaves.continuous import ContinuousLeaf
from mmgraph.graph.leaves.covariance_prior import CovariancePrior
from mmgraph.graph.leaves.gaussian_moments import GaussianStatistics, covariance_prior
from mmgraph.graph.leaves.linear_gaussian import LinearGaussian
from mmgraph.learning.regression.prior import RegressionPrior
from mmgraph.learning.regression.shrinkage import advised_prior, weighted_prior
from mmgraph.learning.regression.statistics import RegressionStatistics


@dataclass(frozen=True)
class Prior:
    """Pseudo-counts: what conditional tables are taken to have seen before the data.

    A cell's pseudo-count ``a`` is that of a Dirichlet prior with parameter ``a`` where tables are
    posterior means, and with ``1 + a`` where they are posterior modes, as in EM: the table is the
    same.

    Parameters
    ----------
    equivalent_sample_size : float, default 0
        Rows, spread evenly over the cells of every table (BDeu: Buntine 1991, "Theory refinement
        on Bayesian networks"; Heckerman, Geiger & Chickering 1995).
    pseudo_counts : float or mapping of str to array-like, default 0
        Added to every cell of every table; or of the tables of some children, a number or an array
        with the table's axes.

    Raises
    ------
    LearningError
        If a number is negative or not finite.
    """

    equivalent_sample_size: float = 0.0
    pseudo_counts: float | Mapping[str, Any] = 0.0

    def __post_init__(self) -> None:
        for what, rows in (
            ("equivalent sample size", self.equivalent_sample_size),
            ("pseudo-count", self.pseudo_counts),
        ):
            if not isinstance(rows, Mapping) and not 0 <= rows < math.inf:
                raise LearningError(f"the {what} is a finite number >= 0, not {rows}")

    def check_names(self, names: Sequence[str]) -> None:
        """Raise LearningError if pseudo-counts are given for a child that has no table."""
        if isinstance(self.pseudo_counts, Mapping):
            for name in self.pseudo_counts:
                if name not in names:
                    hint = suggestion(name, names)
                    raise LearningError(f"pseudo-counts given for '{name}', without a table{hint}")

    def counts(self, factor: Factor) -> Float64[Tensor, "*states"]:
        """Return the pseudo-counts of a table, with its axes.

        Raises
        ------
        LearningError
            If an array given for it has another shape, or a number in it is negative.
        """
        shape = tuple(v.cardinality for v in factor.scope)
        counts = torch.full(
            shape, self.equivalent_sample_size / math.prod(shape), dtype=torch.float64
        )
        added = self.pseudo_counts
        if isinstance(added, Mapping):
            added = added.get(factor.child.name if factor.child else "", 0.0)
        extra = float_tensor(added, f"the pseudo-counts of {factor!r}", LearningError).double()
        if extra.ndim and tuple(extra.shape) != shape:
            raise LearningError(
                f"the pseudo-counts of {factor!r} have shape {tuple(extra.shape)}, not {shape}"
            )
        if not bool(((extra >= 0) & (extra < math.inf)).all()):
            raise LearningError(f"a pseudo-count of {factor!r} is negative or not finite")
        return counts + extra


NO_PRIOR = Prior()
"""Plain maximum likelihood."""


@dataclass(frozen=True)
class LeafOptions:
    """How covariances and regressions of continuous variables are kept in bounds.

    Parameters
    ----------
    shrinkage : float, optional
        Each covariance (of a linear Gaussian variable: that of its continuous parents and itself)
        moves so far (0 to 1) towards the one pooled within parent states. By default the data
        decides, see :meth:`GaussianLeaf.updated <updated>` and
        :func:`~mmgraph.learning.regression.shrinkage.advised_prior` (``maximum_likelihood`` does
        not shrink); expectation maximisation lets the first E-step of each restart decide for all
        of its iterations.
    floor : float, default 1e-6
        The least variance in any direction, as a share of the features' overall variance.
    """

    shrinkage: float | None = None
    floor: float = 1e-6

    def prior(self, leaf: ContinuousLeaf, statistics: GaussianStatistics) -> CovariancePrior | None:
        """Return how far the data shrinks a leaf's covariances; None where a number says so."""
        if self.shrinkage is not None:
            return None
        return covariance_prior(statistics, leaf.components, self.floor, leaf.child.name)

    def of_regression(
        self, factor: LinearGaussian, statistics: RegressionStatistics, prior: Prior
    ) -> float | RegressionPrior:
        """Return how far the data, or a number, shrinks the parameters of a linear Gaussian."""
        if self.shrinkage is not None:
            return self.shrinkage
        name, rows = factor.child.name, prior.equivalent_sample_size
        if rows:
            return weighted_prior(statistics, rows, self.floor, name)
        return advised_prior(statistics, self.floor, name)
