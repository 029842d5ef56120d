"""Weighted first and second moments, and the normal densities that fit them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from mmgraph.graph.errors import LearningError
from mmgraph.graph.leaves.covariance_prior import CovariancePrior
from mmgraph.graph.leaves.feature_spread import FeatureSpread
from mmgraph.graph.leaves.gaussian_density import Completion, Covariance, Normals, rows_per_block
from mmgraph.graph.leaves.shrinkage import AMPLE, RadialMoments, ledoit_wolf

_NOTHING = 1e-10
"""A share of the total weight below which a density has seen nothing."""


@dataclass(frozen=True, eq=False)
class GaussianStatistics:
    """Expected sufficient statistics of several normal densities; add up those of chunks of rows.

    Sums are taken about a centre near the data, since raw second moments lose all digits where
    the mean is large beside the standard deviation. Densities are numbered parent state by parent
    state, and within a parent state component by component.

    Attributes
    ----------
    weights, sums, products : Tensor
        Weighted sums of 1, of ``x - centre`` and of ``(x - centre)(x - centre)ᵀ``; the last as a
        matrix a density if full, its diagonal if diagonal, the total of all if shared.
    spread : FeatureSpread
        What is observed of each feature in all the rows.
    radial : RadialMoments or None
        What shrinkage by the data asks for; None of diagonal covariances, and of sums of
        statistics that leaves of different scale expected.
    """

    covariance: Covariance
    weights: Float[Tensor, " densities"]
    centres: Float[Tensor, "densities features"]
    sums: Float[Tensor, "densities features"]
    products: Float[Tensor, "..."]
    spread: FeatureSpread
    radial: RadialMoments | None = None

    def about(self, centres: Float[Tensor, "densities features"]) -> GaussianStatistics:
        """Return the same statistics taken about other centres."""
        shift = self.centres - centres
        moved = self.sums + self.weights.unsqueeze(-1) * shift
        # Σ(x-c')(x-c')ᵀ = Σ(x-c)(x-c)ᵀ + sums shiftᵀ + shift sumsᵀ + weight shift shiftᵀ
        products = self.products + _products(self.covariance, self.sums, shift)
        products = products + _products(self.covariance, shift, moved)
        radial = self.radial
        if radial is not None:
            each = self.products
            if self.covariance == "shared":  # of each density only its share is known
                each = self.weights[:, None, None] / self.weights.sum() * each
            radial = radial.about(shift, self.weights, self.sums, each)
        return replace(self, centres=centres, sums=moved, products=products, radial=radial)

    def __add__(self, other: GaussianStatistics) -> GaussianStatistics:
        if self.covariance != other.covariance or self.sums.shape != other.sums.shape:
            raise LearningError(
                f"statistics for {self.covariance} covariances of shape {tuple(self.sums.shape)} "
                f"do not add to those for {other.covariance} ones of {tuple(other.sums.shape)}"
            )
        if not torch.equal(self.centres, other.centres):
            other = other.about(self.centres)
        radial = None
        if self.radial is not None and other.radial is not None:
            same = torch.equal(self.radial.units, other.radial.units)
            radial = self.radial + other.radial if same else None
        return replace(
            self,
            radial=radial,
            weights=self.weights + other.weights,
            sums=self.sums + other.sums,
            products=self.products + other.products,
            spread=self.spread + other.spread,
        )


def _products(
    covariance: Covariance,
    left: Float[Tensor, "densities features"],
    right: Float[Tensor, "densities features"],
) -> Float[Tensor, "..."]:
    """Products of features with features, as much of them as the kind of covariance keeps."""
    if covariance == "diagonal":
        return left * right
    if covariance == "shared":
        return left.T @ right
    return left.unsqueeze(-1) * right.unsqueeze(-2)


@torch.no_grad()
def expected_moments(
    normals: Normals,
    values: Float[Tensor, "rows features"],
    responsibilities: Float[Tensor, "rows densities"],
) -> GaussianStatistics:
    """Return the expected sufficient statistics of rows, some of whose features may be missing.

    A missing feature counts with its conditional mean given the observed ones, and its products
    with the conditional covariance added (Little & Rubin, *Statistical Analysis with Missing
    Data*, section 11.2; Ghahramani & Jordan 1994, section 3). Rows without any observed feature
    say nothing of the density; they are left out, which changes no fixed point of EM.
    """
    spread = FeatureSpread.of(
        values, responsibilities.sum(1).to(values), normals.means.detach().mean(0)
    )
    if normals.covariance == "diagonal":
        return _expected_moments_diagonal(normals, values, responsibilities, spread)
    centres = normals.means.detach()
    count, features = centres.shape
    weights, sums = centres.new_zeros(count), torch.zeros_like(centres)
    products = torch.zeros_like(_products(normals.covariance, centres, centres))
    variances = normals.covariances.detach().diagonal(dim1=-2, dim2=-1).reshape(-1, features)
    radial = RadialMoments(variances.mean(0).sqrt(), sums.clone(), weights.clone())
    for completion in normals.completions(values):
        if len(completion.missing) == features:
            continue
        weight = responsibilities[completion.rows].to(centres)
        deviation = completion.filled - centres
        weighted = deviation * weight.unsqueeze(-1)
        weights += weight.sum(0)
        sums += weighted.sum(0)
        if normals.covariance == "shared":
            products += weighted.reshape(-1, features).T @ deviation.reshape(-1, features)
        else:
            products += weighted.permute(1, 2, 0) @ deviation.permute(1, 0, 2)
        radial = radial.plus(deviation, weight, _conditional_variances(completion, centres))
        _add_uncertainty(normals.covariance, products, completion, weight.sum(0))
    return GaussianStatistics(normals.covariance, weights, centres, sums, products, spread, radial)


def _expected_moments_diagonal(
    normals: Normals, values: Tensor, responsibilities: Tensor, spread: FeatureSpread
) -> GaussianStatistics:
    """The same for independent features, where the pattern of missing ones does not matter."""
    centres = normals.means.detach()
    weights = centres.new_zeros(len(centres))
    sums, products = torch.zeros_like(centres), torch.zeros_like(centres)
    for rows in torch.arange(len(values), device=values.device).split(
        rows_per_block(centres.numel())
    ):
        missing = values[rows].isnan()
        weight = responsibilities[rows].to(centres) * (~missing.all(-1)).unsqueeze(-1)
        deviation = values[rows].nan_to_num().unsqueeze(1) - centres
        deviation = deviation.masked_fill(missing.unsqueeze(1), 0.0)
        weighted = deviation * weight.unsqueeze(-1)
        weights += weight.sum(0)
        sums += weighted.sum(0)
        products += (weighted * deviation).sum(0)
        products += weight.T @ missing.to(centres) * normals.covariances
    return GaussianStatistics("diagonal", weights, centres, sums, products, spread)


def _conditional_variances(completion: Completion, centres: Tensor) -> Tensor | float:
    if not len(completion.missing):
        return 0.0
    variances = torch.zeros_like(centres)
    variances[:, completion.missing] = completion.covariance.diagonal(dim1=-2, dim2=-1)
    return variances


def _add_uncertainty(
    covariance: Covariance, products: Tensor, completion: Completion, weights: Tensor
) -> None:
    """Add the conditional covariance of the missing features, in place."""
    missing = completion.missing
    if not len(missing):
        return
    if covariance == "shared":
        products[missing.unsqueeze(1), missing] += weights.sum() * completion.covariance[0]
    else:
        products[:, missing.unsqueeze(1), missing] += weights[:, None, None] * completion.covariance


@torch.no_grad()
def starting_normals(
    values: Float[Tensor, "rows features"],
    responsibilities: Float[Tensor, "rows densities"],
    covariance: Covariance,
    floor: float,
    name: str,
) -> Normals:
    """Return densities with the means of what is observed, and the overall variances."""
    spread = FeatureSpread.of(values, responsibilities.sum(1), values.nanmean(0).nan_to_num())
    overall = spread.mean(name)
    variance, constant = spread.variance(floor, name)
    observed = (~values.isnan()).to(values)
    weight = responsibilities.T @ observed
    sums = responsibilities.T @ torch.where(values.isnan(), 0.0, values - overall)
    means = overall + torch.where(weight > 0, sums / torch.where(weight > 0, weight, 1.0), 0.0)
    variance = torch.where(constant, floor * variance, variance)
    if covariance == "diagonal":
        covariances = variance.expand_as(means)
    elif covariance == "shared":
        covariances = variance.diag()
    else:
        covariances = variance.diag().expand(len(means), -1, -1)
    return Normals(means, covariances, covariance)


@torch.no_grad()
def fitted_normals(
    statistics: GaussianStatistics,
    components: int,
    shrinkage: float | CovariancePrior | None,
    floor: float,
    name: str,
) -> Normals:
    """Return the normal densities of greatest likelihood, as :meth:`ContinuousLeaf.updated` says.

    So many ``components`` in a row belong to one group, one parent state. The pooled covariance is
    that within groups (regularised discriminant analysis; Friedman 1989). Raising the eigenvalues,
    measured in overall standard deviations, to the floor is the maximum of the likelihood under it.
    """
    estimates = _Estimates.of(statistics, components, floor, name)
    weights, kind = statistics.weights, statistics.covariance
    if shrinkage is None:
        shrinkage = estimates.prior(name)
    if isinstance(shrinkage, CovariancePrior):
        mixed = shrinkage.mixed(estimates.each, weights)
    elif 0 <= shrinkage <= 1:
        mixed = (1 - shrinkage) * estimates.each + shrinkage * estimates.pooled
    else:
        raise LearningError(f"'{name}': shrinkage lies between 0 and 1, not at {shrinkage}")
    return Normals(estimates.scatter.centres, raised(kind, mixed, estimates.variance, floor), kind)


def covariance_prior(
    statistics: GaussianStatistics, components: int, floor: float, name: str
) -> CovariancePrior:
    """Return how ``fitted_normals`` shrinks by itself, to be held fixed while the rows move.

    What draws a covariance counts as no more rows than would be ample, so that a density that
    gathers rows later on is left to them. Parameters and errors are those of ``fitted_normals``.
    """
    estimates = _Estimates.of(statistics, components, floor, name)
    prior, variance = estimates.prior(name), estimates.variance
    least = floor or 1e-6  # without a bound a pooled covariance of few rows has no density
    return CovariancePrior(
        raised(statistics.covariance, prior.targets, variance, least),
        prior.strengths.clamp_max(AMPLE * len(variance)),
    )


@dataclass(frozen=True, eq=False)
class _Estimates:
    """Statistics about the means, and covariances before they are shrunk, in their kind's shape.

    Those of each density, those of all within their groups, and the overall variances.
    """

    scatter: GaussianStatistics
    each: Float[Tensor, "..."]
    pooled: Float[Tensor, "..."]
    variance: Float[Tensor, " features"]

    @classmethod
    def of(
        cls, statistics: GaussianStatistics, components: int, floor: float, name: str
    ) -> _Estimates:
        if not 0 <= floor < torch.inf:
            raise LearningError(f"'{name}': the variance floor is a number >= 0, not {floor}")
        variance, _ = statistics.spread.variance(floor, name)
        weights, total = statistics.weights, statistics.weights.sum()
        means, group_means = _means(statistics, components, statistics.spread.mean(name))
        scatter = statistics.about(means)
        kind = statistics.covariance
        within = scatter.products if kind == "shared" else scatter.products.sum(0)
        offset = means - group_means
        between = _products(kind, weights.unsqueeze(-1) * offset, offset)
        between = between if kind == "shared" else between.sum(0)
        pooled = (within + between) / total
        if kind == "shared":
            return cls(scatter, within / total, pooled, variance)
        weighted = weights > _NOTHING * total
        shape = (-1, *(1,) * (scatter.products.ndim - 1))
        each = scatter.products / torch.where(weighted, weights, 1.0).reshape(shape)
        return cls(scatter, torch.where(weighted.reshape(shape), each, pooled), pooled, variance)

    def prior(self, name: str) -> CovariancePrior:
        """How far the data asks each covariance to be shrunk, and towards what."""
        scatter, each, pooled, features = self.scatter, self.each, self.pooled, len(self.variance)
        kind, weights = scatter.covariance, scatter.weights
        if weights.sum() - len(weights) < 1:  # nothing varies within the groups
            pooled = self.variance if kind == "diagonal" else self.variance.diag()
        if kind == "shared":
            each, weights = each.unsqueeze(0), weights.sum(0, keepdim=True)
        few = weights < 2
        wide = few.reshape(-1, *(1,) * (each.ndim - 1))
        targets, strengths = each, torch.zeros_like(weights)
        if kind != "diagonal":
            radial = scatter.radial
            if radial is None:
                raise LearningError(
                    f"'{name}': statistics that leaves of different scale expected do not tell how "
                    "far to shrink; give a shrinkage"
                )
            squares = radial.squares.sum(0, keepdim=True) if kind == "shared" else radial.squares
            advised = ledoit_wolf(each, weights.clamp_min(1.0), squares, radial.units)
            targets = advised.targets
            strengths = torch.where(weights >= AMPLE * features, 0.0, advised.strengths)
        return CovariancePrior(
            torch.where(wide, pooled, targets), torch.where(few, torch.inf, strengths)
        )


def _means(
    statistics: GaussianStatistics, components: int, overall: Float[Tensor, " features"]
) -> tuple[Tensor, Tensor]:
    """Means of the densities, and those of the groups they belong to, one row a density."""
    weights = statistics.weights.unsqueeze(-1)
    nothing = _NOTHING * statistics.weights.sum()
    # The centres are near: adding only the difference to them keeps its digits.
    group_centres = statistics.centres.reshape(-1, components, len(overall))
    grouped = weights.reshape(-1, components, 1)
    origins = group_centres[:, :1]
    group_sums = statistics.sums.reshape(group_centres.shape) + grouped * (group_centres - origins)
    grouped = grouped.sum(1)
    group_means = origins.squeeze(1) + group_sums.sum(1) / grouped.clamp_min(nothing)
    group_means = torch.where(grouped > nothing, group_means, overall)
    group_means = group_means.repeat_interleave(components, 0)
    means = statistics.centres + statistics.sums / weights.clamp_min(nothing)
    return torch.where(weights > nothing, means, group_means), group_means


def raised(
    kind: Covariance, covariances: Tensor, variance: Float[Tensor, " features"], floor: float
) -> Tensor:
    """Return covariances with no variance in any direction below ``floor`` of the overall one."""
    if floor == 0:
        return covariances if kind == "diagonal" else 0.5 * (covariances + covariances.mT)
    if kind == "diagonal":
        return torch.maximum(covariances, floor * variance)
    scale = variance.sqrt()
    units = scale.unsqueeze(-1) * scale
    values, vectors = torch.linalg.eigh(0.5 * (covariances + covariances.mT) / units)
    raised = (vectors * values.clamp_min(floor).unsqueeze(-2)) @ vectors.mT * units
    low = (values < floor).any(-1)[..., None, None]
    return torch.where(low, 0.5 * (raised + raised.mT), 0.5 * (covariances + covariances.mT))
