"""Weighted first and second moments, and the normal densities that fit them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from mmgraph.graph.errors import LearningError
from mmgraph.graph.gaussian_density import Completion, Covariance, Normals, rows_per_block

_NOTHING = 1e-10
"""A share of the total weight below which a density has seen nothing."""

_CONSTANT = 1e-12
"""A standard deviation, relative to the mean, that only rounding can explain."""


@dataclass(frozen=True, eq=False)
class FeatureSpread:
    """Mean and variance of every feature over the cells in which it is observed.

    Attributes
    ----------
    origin : Tensor, shape (features,)
        The point that the sums are taken about.
    weights, sums, squares : Tensor, shape (features,)
        Sums over the observed cells of the rows' weights, of ``x - origin`` and of its square.
    """

    origin: Float[Tensor, " features"]
    weights: Float[Tensor, " features"]
    sums: Float[Tensor, " features"]
    squares: Float[Tensor, " features"]

    @classmethod
    def of(
        cls,
        values: Float[Tensor, "rows features"],
        weights: Float[Tensor, " rows"],
        origin: Float[Tensor, " features"],
    ) -> FeatureSpread:
        """Return the spread of weighted rows; NaN is missing."""
        observed = (~values.isnan()).to(values)
        deviation = torch.where(values.isnan(), 0.0, values - origin)
        return cls(origin, weights @ observed, weights @ deviation, weights @ deviation.square())

    def __add__(self, other: FeatureSpread) -> FeatureSpread:
        shift = other.origin - self.origin
        sums = other.sums + other.weights * shift
        squares = other.squares + shift * (other.sums + sums)
        return FeatureSpread(
            self.origin, self.weights + other.weights, self.sums + sums, self.squares + squares
        )

    def mean(self, name: str) -> Float[Tensor, " features"]:
        """Return the mean of every feature; LearningError names one that is never observed."""
        if not bool((self.weights > 0).any()):
            raise LearningError(f"'{name}' is not observed in any row that has weight")
        if not bool((self.weights > 0).all()):
            feature = int((self.weights <= 0).nonzero()[0])
            raise LearningError(
                f"feature {feature} of '{name}' is not observed in any row that has weight"
            )
        return self.origin + self.sums / self.weights

    def variance(self, floor: float, name: str) -> tuple[Tensor, Tensor]:
        """Return the variance of every feature, positive throughout, and which are constant.

        Raises
        ------
        LearningError
            If a feature is constant and ``floor`` cannot help: it is 0, or every feature is
            constant. With a floor above 0 the largest variance of any feature stands in for that
            of a constant one, as it does in scikit-learn's ``GaussianNB``.
        """
        mean = self.mean(name)
        offset = self.sums / self.weights
        variance = self.squares / self.weights - offset.square()
        noise = (_CONSTANT * mean).square() + 1e-15 * offset.square()
        constant = variance <= noise
        if not bool(constant.any()):
            return variance, constant
        if floor == 0 or bool(constant.all()):
            feature = int(constant.nonzero()[0])
            remedy = "" if bool(constant.all()) else ", or give a variance floor above 0"
            raise LearningError(
                f"feature {feature} of '{name}' has the same value ({float(mean[feature]):.6g}) "
                f"wherever it is observed: leave it out{remedy}"
            )
        return torch.where(constant, variance.max(), variance), constant


@dataclass(frozen=True, eq=False)
class GaussianStatistics:
    """Expected sufficient statistics of several normal densities; add up those of chunks of rows.

    Sums are taken about a centre near the data, since raw second moments lose all digits where
    the mean is large beside the standard deviation.

    Attributes
    ----------
    covariance : {"full", "diagonal", "shared"}
        The kind of covariance they are for.
    weights : Tensor, shape (densities,)
        Sums of responsibilities. Densities are numbered parent state by parent state, and within
        a parent state component by component.
    centres : Tensor, shape (densities, features)
        The points that the sums are taken about.
    sums : Tensor, shape (densities, features)
        Sums of ``x - centre``, weighted.
    products : Tensor
        Sums of ``(x - centre)(x - centre)ᵀ``, weighted: ``(densities, features, features)`` if
        full, their diagonals ``(densities, features)`` if diagonal, their total ``(features,
        features)`` if shared.
    spread : FeatureSpread
        What is observed of each feature in all the rows.
    """

    covariance: Covariance
    weights: Float[Tensor, " densities"]
    centres: Float[Tensor, "densities features"]
    sums: Float[Tensor, "densities features"]
    products: Float[Tensor, "..."]
    spread: FeatureSpread

    def about(self, centres: Float[Tensor, "densities features"]) -> GaussianStatistics:
        """Return the same statistics taken about other centres."""
        shift = self.centres - centres
        moved = self.sums + self.weights.unsqueeze(-1) * shift
        # Σ(x-c')(x-c')ᵀ = Σ(x-c)(x-c)ᵀ + sums shiftᵀ + shift sumsᵀ + weight shift shiftᵀ
        products = self.products + _products(self.covariance, self.sums, shift)
        products = products + _products(self.covariance, shift, moved)
        return replace(self, centres=centres, sums=moved, products=products)

    def __add__(self, other: GaussianStatistics) -> GaussianStatistics:
        if self.covariance != other.covariance or self.sums.shape != other.sums.shape:
            raise LearningError(
                f"statistics for {self.covariance} covariances of shape {tuple(self.sums.shape)} "
                f"do not add to those for {other.covariance} ones of {tuple(other.sums.shape)}"
            )
        if not torch.equal(self.centres, other.centres):
            other = other.about(self.centres)
        return replace(
            self,
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
        _add_uncertainty(normals.covariance, products, completion, weight.sum(0))
    return GaussianStatistics(normals.covariance, weights, centres, sums, products, spread)


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
    seen = responsibilities.T @ observed
    sums = responsibilities.T @ torch.where(values.isnan(), 0.0, values - overall)
    means = overall + torch.where(seen > 0, sums / torch.where(seen > 0, seen, 1.0), 0.0)
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
    statistics: GaussianStatistics, components: int, shrinkage: float, floor: float, name: str
) -> Normals:
    """Return the normal densities of greatest likelihood under the statistics.

    Parameters
    ----------
    statistics : GaussianStatistics
        Of ``groups × components`` densities.
    components : int
        How many densities in a row belong to one group (to one parent state).
    shrinkage : float
        Between 0 and 1: the share of the covariance pooled within groups that is mixed into each
        (regularised discriminant analysis; Friedman 1989).
    floor : float
        No variance, in any direction, is less than this share of the features' overall variance:
        eigenvalues of the covariance, measured in overall standard deviations, are raised to it.
        That is the maximum of the likelihood under the bound.
    name : str
        The variable, for error messages.

    Returns
    -------
    Normals
        Densities without weight have the mean of their group (without any: of all rows) and the
        pooled covariance.

    Raises
    ------
    LearningError
        If an option is out of its range, a feature is never observed, or it is constant (see
        :meth:`FeatureSpread.variance`).
    """
    if not 0 <= shrinkage <= 1:
        raise LearningError(f"'{name}': shrinkage lies between 0 and 1, not at {shrinkage}")
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
        own = within / total
    else:
        seen = weights > _NOTHING * total
        shape = (-1, *(1,) * (scatter.products.ndim - 1))
        own = scatter.products / torch.where(seen, weights, 1.0).reshape(shape)
        own = torch.where(seen.reshape(shape), own, pooled)
    mixed = (1 - shrinkage) * own + shrinkage * pooled
    return Normals(means, _raised(kind, mixed, variance, floor), kind)


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


def _raised(
    kind: Covariance, covariances: Tensor, variance: Float[Tensor, " features"], floor: float
) -> Tensor:
    """Covariances with no variance below ``floor`` times the overall one, in any direction."""
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
