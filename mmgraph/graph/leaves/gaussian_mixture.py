"""A continuous leaf with a mixture of normal densities for every state of its parents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from mmgraph.graph.arrays import float_tensor
from mmgraph.graph.errors import GraphError, LearningError
from mmgraph.graph.leaves.continuous import ContinuousLeaf
from mmgraph.graph.leaves.continuous_data import flat_responsibilities, rows_of
from mmgraph.graph.leaves.covariance_prior import CovariancePrior
from mmgraph.graph.leaves.gaussian_density import Covariance, Normals, check_covariance
from mmgraph.graph.leaves.gaussian_moments import (
    GaussianStatistics,
    expected_moments,
    fitted_normals,
    starting_normals,
)
from mmgraph.graph.variable import Variable

_LLOYD_ITERATIONS = 10
"""Steps of k-means after seeding; EM does the rest."""


class GaussianMixtureLeaf(ContinuousLeaf):
    """A continuous variable, a mixture of normal densities given its discrete parents.

    Parameters
    ----------
    child : Variable
        Of family ``"gaussian"`` and shape ``()`` or ``(features,)``.
    parents : sequence of Variable
        Scalar and discrete; may be empty.
    weights : array-like
        Probability of each component, shape ``(*parent states, components)``.
    means : array-like
        Shape ``(*parent states, components, features)``. For a child of shape ``()`` the axes of
        length one may be left out, here and below.
    covariances : array-like
        ``(*parent states, components, features, features)`` if full, ``(*parent states,
        components, features)`` variances if diagonal, ``(features, features)`` if shared.
    covariance : {"full", "diagonal", "shared"}
        One covariance matrix for each component, one variance for each component and feature, or
        one matrix for all of them.
    weight : float, default 1
        A power on the likelihood, see :class:`GaussianLeaf`: with any
        other weight than one the leaf is a likelihood factor and not a normalised density.

    Raises
    ------
    GraphError
        If a shape does not fit, a number is not finite, a covariance is not symmetric and
        positive definite, or weights do not sum to one (at which parent state).

    References
    ----------
    Hastie & Tibshirani, "Discriminant analysis by Gaussian mixtures" (1996).
    """

    kind = "Gaussian mixture"
    tensor_names = ("weights", "means", "covariances")

    def __init__(
        self,
        child: Variable,
        parents: Sequence[Variable],
        weights: object,
        means: object,
        covariances: object,
        covariance: Covariance = "full",
        weight: float = 1.0,
    ) -> None:
        super().__init__(child, parents, weight)
        shape = tuple(float_tensor(weights, f"weights of {self!r}").shape)
        if len(shape) != len(parents) + 1 or not shape[-1]:
            raise GraphError(
                f"{self!r}: the weights have shape {shape}, "
                f"not {(*self.parent_shape, 'components')}"
            )
        axes = (*self.parent_shape, shape[-1])
        chances = self._parameter(weights, "weights", axes)
        self._check_weights(chances)
        self.components = shape[-1]
        self.normals = self._normals(means, covariances, covariance, axes)
        self._weights = chances.reshape(-1, self.components).to(self.normals.means)

    @property
    def _axes(self) -> tuple[int, ...]:
        return (*self.parent_shape, self.components)

    def _check_weights(self, weights: Tensor) -> None:
        flat = weights.detach().reshape(-1, weights.shape[-1])
        tolerance = 1e-6 if flat.dtype == torch.float64 else 1e-4
        good = (flat >= 0).all(-1) & ((flat.sum(-1) - 1).abs() <= tolerance)
        if not bool(good.all()):
            state = int((~good).nonzero()[0])
            where = self.place_of(state)
            raise GraphError(
                f"{self!r}: the component weights {flat[state].tolist()}"
                f"{where and f' at ({where})'} are not a distribution"
            )

    @property
    def weights(self) -> Float[Tensor, "*parents components"]:
        """The probabilities of the components, shape ``(*parent states, components)``."""
        return self._weights.reshape(self._axes)

    def _log_weights(self) -> Float[Tensor, "states components"]:
        positive = self._weights > 0
        # The logarithm of zero is never taken: its gradient would be NaN.
        log_weights = torch.where(positive, self._weights, 1.0).log()
        return log_weights.masked_fill(~positive, -torch.inf)

    def _joint(
        self, rows: Float[Tensor, "rows features"]
    ) -> Float[Tensor, "rows states components"]:
        """Log-density of row and component given the parent state."""
        log_weights = self._log_weights()
        return self.normals.log_density(rows).reshape(len(rows), *log_weights.shape) + log_weights

    def _log_density(self, rows: Float[Tensor, "rows features"]) -> Float[Tensor, "rows states"]:
        log_density = self._joint(rows).logsumexp(-1)
        # A row that says nothing says exactly nothing: weights sum to one up to rounding only.
        return log_density.masked_fill(rows.isnan().all(-1, keepdim=True), 0.0)

    def _component_shares(
        self, rows: Float[Tensor, "rows features"]
    ) -> Float[Tensor, "rows states components"]:
        return self._joint(rows).softmax(-1)

    def _conditional(
        self, rows: Float[Tensor, "rows features"]
    ) -> Float[Tensor, "rows states features"]:
        shares = self._component_shares(rows)
        filled = self.normals.conditional_means(rows).reshape(*shares.shape, -1)
        mean = (shares.unsqueeze(-2) @ filled).squeeze(-2)
        return torch.where(rows.isnan().unsqueeze(1), mean, rows.unsqueeze(1))

    def _draw(
        self, states: Int64[Tensor, " rows"], generator: torch.Generator | None
    ) -> Float[Tensor, "rows features"]:
        device = generator.device if generator is not None else states.device
        chances = self._weights[states].to(device)
        component = torch.multinomial(chances, 1, generator=generator).squeeze(1).to(states.device)
        return self.normals.draw(states * self.components + component, generator)

    def _structure(self) -> dict[str, Any]:
        return {"components": self.components}

    def updated(
        self,
        statistics: GaussianStatistics,
        shrinkage: float | CovariancePrior | None = None,
        floor: float = 1e-6,
        pseudo_count: float = 0.0,
    ) -> Self:
        """Return the leaf that fits the statistics best: the M-step of EM.

        Parameters
        ----------
        statistics, shrinkage, floor
            As for :meth:`ContinuousLeaf.updated
            <mmgraph.graph.leaves.continuous.ContinuousLeaf.updated>`, which also says what is
            returned and raised.
        pseudo_count : float, default 0
            Added to the count of every component: a Dirichlet prior with ``1 + pseudo_count``,
            which keeps components alive. Of parent states without weight, components are alike.
        """
        fitted = fitted_normals(statistics, self.components, shrinkage, floor, self.child.name)
        weights = _component_weights(statistics, self.weights.shape, pseudo_count)
        return self._learned(
            self.child, self.scope[:-1], fitted, weights=weights, weight=self.weight
        )

    @classmethod
    def initialised(
        cls,
        child: Variable,
        parents: Sequence[Variable],
        values: Float[Tensor, "rows *shape"],
        responsibilities: Float[Tensor, "rows *parents"] | Mapping[str, Tensor],
        generator: torch.Generator | None = None,
        components: int = 2,
        covariance: Covariance = "full",
        shrinkage: float | None = None,
        floor: float = 1e-6,
        pseudo_count: float = 0.0,
    ) -> Self:
        """Return a first leaf from data, for EM to start at.

        Each parent state's rows are split by k-means, seeded by k-means++ (Arthur & Vassilvitskii
        2007), on features in units of their overall standard deviation.

        Parameters
        ----------
        child, parents, covariance
            As for the class; :meth:`reweighted` gives the leaf another weight than one.
        values, responsibilities
            As for :meth:`expected_statistics`.
        generator : torch.Generator, optional
            The source of randomness.
        components : int, default 2
            How many densities are mixed for each parent state.
        shrinkage, floor, pseudo_count
            As for :meth:`updated`, which also says what is raised.
        """
        check_covariance(covariance)
        if components < 1:
            raise LearningError(f"'{child.name}' needs at least one component, not {components}")
        rows = rows_of(child, values).double()
        by_state = flat_responsibilities(child, parents, responsibilities, len(rows)).to(rows)
        centres = starting_normals(rows, by_state, "diagonal", floor, child.name)
        shares = _split(rows, by_state, centres, components, generator).flatten(1)
        start = starting_normals(rows, shares, covariance, floor, child.name)
        statistics = expected_moments(start, rows, shares)
        fitted = fitted_normals(statistics, components, shrinkage, floor, child.name)
        axes = torch.Size((*(v.cardinality for v in parents), components))
        weights = _component_weights(statistics, axes, pseudo_count)
        return cls._learned(child, parents, fitted, weights=weights)


def _component_weights(
    statistics: GaussianStatistics, shape: torch.Size, pseudo_count: float
) -> Float[Tensor, "*parents components"]:
    if not 0 <= pseudo_count < torch.inf:
        raise LearningError(f"the pseudo-count is a finite number >= 0, not {pseudo_count}")
    counts = statistics.weights.reshape(shape) + pseudo_count
    total = counts.sum(-1, keepdim=True)
    return torch.where(total > 0, counts / torch.where(total > 0, total, 1.0), 1.0 / shape[-1])


@torch.no_grad()
def _split(
    rows: Float[Tensor, "rows features"],
    responsibilities: Float[Tensor, "rows states"],
    centres: Normals,
    components: int,
    generator: torch.Generator | None,
) -> Float[Tensor, "rows states components"]:
    """Share out each parent state's rows among its components, by k-means."""
    shares = responsibilities.new_zeros(*responsibilities.shape, components)
    scale = centres.covariances[0].sqrt()
    for state, weight in enumerate(responsibilities.unbind(1)):
        members = ((weight > 0) & ~rows.isnan().all(-1)).nonzero().squeeze(1)
        if not len(members):
            continue
        points = (rows[members] - centres.means[state]) / scale
        points = points.nan_to_num()  # a missing feature is taken to be at the mean
        cluster = _k_means(points, weight[members], components, generator)
        shares[members, state, cluster] = weight[members]
    return shares


def _k_means(
    points: Float[Tensor, "rows features"],
    weights: Float[Tensor, " rows"],
    clusters: int,
    generator: torch.Generator | None,
) -> Int64[Tensor, " rows"]:
    """Return the cluster of each weighted point."""
    chosen = [draw_index(weights, generator)]
    nearest = (points - points[chosen[0]]).square().sum(-1)
    for _ in range(1, clusters):
        far = weights * nearest
        chosen.append(draw_index(far if bool(far.sum() > 0) else weights, generator))
        nearest = torch.minimum(nearest, (points - points[chosen[-1]]).square().sum(-1))
    centres = points[chosen]
    cluster = torch.cdist(points, centres).argmin(1)
    for _ in range(_LLOYD_ITERATIONS):
        member = torch.nn.functional.one_hot(cluster, clusters).to(points) * weights.unsqueeze(1)
        size = member.sum(0).unsqueeze(1)
        moved = member.T @ points / torch.where(size > 0, size, 1.0)
        centres = torch.where(size > 0, moved, centres)
        previous, cluster = cluster, torch.cdist(points, centres).argmin(1)
        if torch.equal(previous, cluster):
            break
    return cluster


def draw_index(weights: Float[Tensor, " rows"], generator: torch.Generator | None) -> int:
    """Return a row, drawn with probability in proportion to its weight."""
    cumulative = weights.cumsum(0)
    device = generator.device if generator is not None else weights.device
    point = torch.rand(1, generator=generator, dtype=weights.dtype, device=device)
    index = torch.searchsorted(cumulative, point.to(weights.device) * cumulative[-1], right=True)
    return min(int(index), len(weights) - 1)
