"""A continuous leaf with one normal density for every state of its parents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Self

import torch
from jaxtyping import Float
from torch import Tensor

from mmgraph.graph.leaves.continuous import ContinuousLeaf
from mmgraph.graph.leaves.continuous_data import flat_responsibilities, rows_of
from mmgraph.graph.leaves.gaussian_density import Covariance, check_covariance
from mmgraph.graph.leaves.gaussian_moments import (
    expected_moments,
    fitted_normals,
    starting_normals,
)
from mmgraph.graph.variable import Variable


class GaussianLeaf(ContinuousLeaf):
    """A continuous variable, normal given its discrete parents (conditional Gaussian).

    Parameters
    ----------
    child : Variable
        Of family ``"gaussian"`` and shape ``()`` or ``(features,)``.
    parents : sequence of Variable
        Scalar and discrete; may be empty.
    means : array-like
        Shape ``(*parent states, features)``. For a child of shape ``()`` the axes of length one
        may be left out, here and below.
    covariances : array-like
        ``(*parent states, features, features)`` if full, ``(*parent states, features)`` variances
        if diagonal, ``(features, features)`` if shared.
    covariance : {"full", "diagonal", "shared"}
        One covariance matrix for each parent state, one variance for each parent state and
        feature, or one matrix for all parent states.
    weight : float, default 1
        A power on the likelihood. Dependent features, or a density that fits poorly, make a leaf
        too sure of itself; a weight below one tempers that when modalities are combined. The
        leaf is then a likelihood factor for its parents and no longer a density: it does not
        integrate to one, and the probability of the evidence is not that of a generative model.

    Raises
    ------
    GraphError
        If a shape does not fit, a number is not finite, or a covariance is not symmetric and
        positive definite (at which parent state).

    Notes
    -----
    Without parents the leaf adds a number a row to the log-probability of the evidence. Lauritzen
    & Wermuth (1989) call a network of such leaves a conditional Gaussian one; Hastie, Tibshirani
    & Friedman, *The Elements of Statistical Learning*, section 4.3, quadratic (full) and linear
    (shared) discriminant analysis.
    """

    kind = "Gaussian"

    def __init__(
        self,
        child: Variable,
        parents: Sequence[Variable],
        means: object,
        covariances: object,
        covariance: Covariance = "full",
        weight: float = 1.0,
    ) -> None:
        super().__init__(child, parents, weight)
        self.normals = self._normals(means, covariances, covariance, self.parent_shape)

    @classmethod
    def initialised(
        cls,
        child: Variable,
        parents: Sequence[Variable],
        values: Float[Tensor, "rows *shape"],
        responsibilities: Float[Tensor, "rows *parents"] | Mapping[str, Tensor],
        generator: torch.Generator | None = None,
        covariance: Covariance = "full",
        shrinkage: float | None = None,
        floor: float = 1e-6,
        weight: float = 1.0,
    ) -> Self:
        """Return a first leaf from data, for EM to start at.

        Without missing cells this is already the maximum of the likelihood.

        Parameters
        ----------
        child, parents, covariance, weight
            As for the class.
        values, responsibilities
            As for :meth:`expected_statistics`.
        generator : torch.Generator, optional
            Not used; here so that both kinds of leaf are started alike.
        shrinkage, floor
            As for :meth:`updated`, which also says what is raised.
        """
        check_covariance(covariance)
        rows = rows_of(child, values).double()
        shares = flat_responsibilities(child, parents, responsibilities, len(rows)).to(rows)
        start = starting_normals(rows, shares, covariance, floor, child.name)
        statistics = expected_moments(start, rows, shares)
        fitted = fitted_normals(statistics, 1, shrinkage, floor, child.name)
        return cls._learned(child, parents, fitted, weight=weight)
