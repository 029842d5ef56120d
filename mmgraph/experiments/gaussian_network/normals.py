"""Plain rivals of networks: normal distributions, ridge regression, and means."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from jaxtyping import Float64
from scipy.linalg import cho_factor, cho_solve
from scipy.special import logsumexp

from mmgraph.experiments.gaussian_network.data import Codes, Values
from mmgraph.graph.errors import LearningError, needs


@dataclass(frozen=True)
class Normals:
    """A normal distribution for each experiment, or one for all.

    Attributes
    ----------
    experiments : ndarray of int, shape (groups,)
        The experiment of each; a single -1 of one for all.
    weights, means, covariances : ndarray
        ``(groups,)``, ``(groups, columns)`` and ``(groups, columns, columns)``.
    """

    experiments: Codes
    weights: Float64[np.ndarray, " groups"]
    means: Float64[np.ndarray, "groups columns"]
    covariances: Float64[np.ndarray, "groups columns columns"]

    @classmethod
    def learned(
        cls, values: Values, experiment: Codes | None = None, independent: bool = False
    ) -> Self:
        """Return the most likely distributions, of all rows or of each experiment's.

        Raises
        ------
        LearningError
            If an experiment has no more rows than columns.
        """
        codes = np.full(len(values), -1) if experiment is None else experiment
        experiments, counts = np.unique(codes, return_counts=True)
        if counts.min() <= values.shape[1]:
            raise LearningError(
                f"{counts.min()} rows do not suffice for the covariance of "
                f"{values.shape[1]} columns"
            )
        parts = [values[codes == code] for code in experiments]
        covariances = np.stack([np.cov(part.T, bias=True) for part in parts])
        if independent:
            covariances = covariances * np.eye(values.shape[1])
        means = np.stack([part.mean(0) for part in parts])
        return cls(experiments, counts / len(values), means, covariances)

    def log_density(
        self, values: Values, experiment: Codes | None = None
    ) -> Float64[np.ndarray, " rows"]:
        """Return the logarithm of the density of each row, given its experiment if that is told."""
        densities = self._log_densities(values, np.arange(values.shape[1]))
        if experiment is not None:
            return densities[np.arange(len(values)), self._places(experiment)]
        return np.asarray(logsumexp(densities + np.log(self.weights), axis=1))

    def imputed(
        self, values: Values, column: int, experiment: Codes | None = None
    ) -> Float64[np.ndarray, " rows"]:
        """Return the expected values of a column given all the others."""
        others = np.delete(np.arange(values.shape[1]), column)
        expected = np.stack(
            [
                mean[column]
                + (values[:, others] - mean[others])
                @ np.linalg.solve(covariance[np.ix_(others, others)], covariance[others, column])
                for mean, covariance in zip(self.means, self.covariances, strict=True)
            ],
            axis=1,
        )
        if experiment is not None:
            return expected[np.arange(len(values)), self._places(experiment)]
        weights = self._log_densities(values, others) + np.log(self.weights)
        weights = np.exp(weights - logsumexp(weights, axis=1, keepdims=True))
        return (weights * expected).sum(1)

    def _log_densities(self, values: Values, columns: Codes) -> Float64[np.ndarray, "rows groups"]:
        """The logarithm of the density of some columns by each distribution."""
        densities = []
        for mean, covariance in zip(self.means, self.covariances, strict=True):
            factor = cho_factor(covariance[np.ix_(columns, columns)], lower=True)
            distance = (values - mean)[:, columns]
            squared = (distance * cho_solve(factor, distance.T).T).sum(1)
            log_volume = len(columns) * np.log(2 * np.pi) / 2 + np.log(np.diag(factor[0])).sum()
            densities.append(-squared / 2 - log_volume)
        return np.stack(densities, axis=1)

    def _places(self, experiment: Codes) -> Codes:
        return np.searchsorted(self.experiments, experiment)


def ridge_imputed(
    train: Values, test: Values, experiments: tuple[Codes, Codes] | None = None
) -> Values:
    """Return each column by ridge regression on the others, and on the experiment if it is told.

    The penalty is chosen by leaving each training row out.
    """
    with needs("data", "scikit-learn", "ridge regression"):
        from sklearn.linear_model import RidgeCV
    mean, deviation = train.mean(0), train.std(0)
    told = [(rows - mean) / deviation for rows in (train, test)]
    if experiments is not None:
        states = np.unique(experiments[0])
        told = [
            np.hstack([rows, codes[:, None] == states])
            for rows, codes in zip(told, experiments, strict=True)
        ]
    imputed = []
    for column in range(train.shape[1]):
        others, asked = (np.delete(rows, column, axis=1) for rows in told)
        model = RidgeCV(alphas=np.logspace(-3, 3, 13)).fit(others, train[:, column])
        imputed.append(model.predict(asked))
    return np.stack(imputed, axis=1)


def means_imputed(
    train: Values, test: Values, experiments: tuple[Codes, Codes] | None = None
) -> Values:
    """Return the means of the training rows, those of the experiment if it is told."""
    if experiments is None:
        return np.tile(train.mean(0), (len(test), 1))
    early, late = experiments
    means = {code: train[early == code].mean(0) for code in np.unique(early)}
    return np.stack([means[code] for code in late])
