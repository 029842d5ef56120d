"""Ridge regressions of modalities, whose normal densities are multiplied with powers."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float64
from scipy.optimize import minimize

from mmgraph.data.blocks.preparation import Preparation
from mmgraph.data.folds import Fold
from mmgraph.data.multimodal_data import MultimodalData
from mmgraph.graph.errors import needs
from mmgraph.predictors.modality_sets import modality_sets, numbers_of, rows_with
from mmgraph.predictors.regression.densities import NormalDensities

_PENALTIES = np.logspace(-2, 5, 15)
_POWER_DEVIATION = 0.5
Numbers = Float64[np.ndarray, " rows"]


@dataclass(frozen=True, eq=False)
class Ridge:
    """A linear regression on prepared features.

    Attributes
    ----------
    modalities : tuple of str
        Whose features it sees; where one of them is missing it says nothing.
    preparation : Preparation
        The scale of features.
    weights : ndarray, shape (features,)
        Of prepared features.
    intercept : float
    """

    modalities: tuple[str, ...]
    preparation: Preparation
    weights: Float64[np.ndarray, " features"]
    intercept: float

    @classmethod
    def fitted(cls, data: MultimodalData, values: Numbers, modalities: tuple[str, ...]) -> Ridge:
        """Return the regression of rows that have all of the modalities.

        The penalty is chosen by leaving out one row at a time.
        """
        with needs("data", "scikit-learn", "regression"):
            from sklearn.linear_model import RidgeCV
        rows = np.flatnonzero(rows_with(data, modalities))
        features = numbers_of(data, modalities)[rows]
        preparation = Preparation.fitted(features, quantiles=False)
        scaled = preparation.forward(features)
        if not scaled.shape[1]:
            mean = float(np.average(values[rows], weights=data.counts[rows]))
            return cls(modalities, preparation, np.zeros(0), mean)
        ridge = RidgeCV(alphas=_PENALTIES)
        ridge.fit(scaled, values[rows], sample_weight=data.counts[rows])
        return cls(modalities, preparation, ridge.coef_, float(ridge.intercept_))

    def means(self, data: MultimodalData) -> Numbers:
        """Return the expected number of each row, NaN where it sees nothing."""
        means = np.full(len(data), np.nan)
        rows = np.flatnonzero(rows_with(data, self.modalities))
        if len(rows):
            scaled = self.preparation.forward(numbers_of(data, self.modalities)[rows])
            means[rows] = scaled @ self.weights + self.intercept
        return means


@dataclass(frozen=True, eq=False)
class NormalPool:
    """A normal prior, and regressions that each change it.

    A regression of power ``w`` multiplies the density by its own over the prior's, to the power of
    ``w``: precisions, and means times precisions, add up. Powers belong to the modalities that are
    there, and are learned on rows that the regressions had not learned from.

    Attributes
    ----------
    ridges : tuple of Ridge
        Fitted to all training rows.
    held_out : ndarray, shape (ridges, rows)
        The means of training rows, by regressions fitted to others; NaN where one saw nothing.
    values, counts : ndarray, shape (rows,)
        The target of training rows, and how much each counts.
    """

    ridges: tuple[Ridge, ...]
    held_out: Float64[np.ndarray, "ridges rows"]
    values: Numbers
    counts: Numbers
    _powers: dict[frozenset[str], Float64[np.ndarray, " ridges"]] = field(
        default_factory=dict, repr=False
    )

    @property
    def modalities(self) -> tuple[str, ...]:
        """Those that any regression sees."""
        return tuple(dict.fromkeys(m for ridge in self.ridges for m in ridge.modalities))

    @property
    def prior(self) -> tuple[float, float]:
        """The mean of the target, and its precision."""
        mean = float(np.average(self.values, weights=self.counts))
        return mean, 1 / float(np.average((self.values - mean) ** 2, weights=self.counts))

    def precisions(self) -> Float64[np.ndarray, " ridges"]:
        """Return that of each regression on held-out rows, and at least the prior's."""
        errors = (self.values - self.held_out) ** 2
        there = ~np.isnan(errors)
        sums = np.where(there, errors, 0.0) @ self.counts
        counts = there @ self.counts
        prior = self.prior[1]
        # No sum of squares is zero: rounding alone leaves some.
        least = 1e-12 / prior
        return np.maximum(counts / np.maximum(sums, np.maximum(counts, 1e-300) * least), prior)

    def densities(self, data: MultimodalData, asked: Collection[str]) -> NormalDensities:
        """Return what is said of the rows' numbers, looking at some modalities."""
        means = np.stack([ridge.means(data) for ridge in self.ridges])
        powers = np.zeros(means.shape)
        for names, rows in modality_sets(data, asked):
            powers[:, rows] = self.powers(frozenset(names))[:, None]
        return self._pooled(means, powers)

    def powers(self, given: frozenset[str]) -> Float64[np.ndarray, " ridges"]:
        """Return the power of each regression where some modalities are there, zero of others.

        Their logarithms have a normal prior around that of one over their number. Regressions that
        tell held-out rows no better than the prior does have none.
        """
        if given not in self._powers:
            powers = np.zeros(len(self.ridges))
            better = self.precisions() > self.prior[1]
            usable = np.flatnonzero(
                [{*r.modalities} <= given and b for r, b in zip(self.ridges, better, strict=True)]
            )
            if len(usable):
                powers[usable] = self._learned(usable)
                if self._loss(powers) >= self._loss(np.zeros(len(powers))):
                    powers[:] = 0.0
            self._powers[given] = powers
        return self._powers[given]

    def _learned(self, usable: np.ndarray) -> Float64[np.ndarray, " usable"]:
        start = np.full(len(usable), -np.log(len(usable)))
        powers = np.zeros(len(self.ridges))

        def objective(logarithms: np.ndarray) -> float:
            powers[usable] = np.exp(logarithms)
            penalty = ((logarithms - start) ** 2).sum() / (2 * _POWER_DEVIATION**2)
            return self._loss(powers) + float(penalty) / len(self.values)

        return np.exp(
            minimize(objective, start, method="L-BFGS-B", bounds=[(-6, 3)] * len(start)).x
        )

    def _loss(self, powers: Float64[np.ndarray, " ridges"]) -> float:
        """The mean negative log-density of held-out rows."""
        densities = self._pooled(self.held_out, np.repeat(powers[:, None], len(self.values), 1))
        return -float(np.average(densities.log_density(self.values), weights=self.counts))

    def _pooled(
        self,
        means: Float64[np.ndarray, "ridges rows"],
        powers: Float64[np.ndarray, "ridges rows"],
    ) -> NormalDensities:
        mean, precision = self.prior
        powers = np.where(np.isnan(means), 0.0, powers)
        means = np.where(np.isnan(means), mean, means)
        each = self.precisions()[:, None]
        total = precision + (powers * (each - precision)).sum(0)
        centred = (powers * each * (means - mean)).sum(0)
        return NormalDensities(mean + centred / total, total**-0.5)


def fit_normal_pool(
    data: MultimodalData, places: Collection[tuple[str, ...]], folds: Collection[Fold]
) -> NormalPool:
    """Fit a regression for each of some sets of modalities, and keep what held-out rows get."""
    assert data.outcome is not None
    values = np.asarray(data.outcome.labels, np.float64)
    held_out = np.full((len(places), len(data)), np.nan)
    for training, rest in folds:
        part, others = data.rows(training), data.rows(rest)
        for place, modalities in enumerate(places):
            if rows_with(part, modalities).sum() > 1:
                ridge = Ridge.fitted(part, values[training], modalities)
                held_out[place, rest] = ridge.means(others)
    ridges = tuple(Ridge.fitted(data, values, modalities) for modalities in places)
    return NormalPool(ridges, held_out, values, data.counts)
