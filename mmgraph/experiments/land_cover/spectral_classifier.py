"""Classifiers of spectra: kernel ridge regression on the classes, with calibrated probabilities.

Least squares on one-hot classes with a Gaussian kernel (Rifkin and Klautau 2004, "In defense of
one-vs-all classification"; Rasmussen and Williams 2006, section 6.5) is as accurate here as a
support vector machine, and has what it would predict without some of its rows in closed form, so
that settings can be chosen on rows that the classifier has not seen at the price of one inverse.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int64
from scipy.ndimage import uniform_filter
from scipy.optimize import minimize_scalar

from mmgraph.spatial.unaries import floored

_FLOOR = 1e-3
"""The probability that no class goes below, times the number of classes."""

Features = Float32[np.ndarray, "pixels features"]
Codes = Int64[np.ndarray, " rows"]


@dataclass(frozen=True)
class Settings:
    """What is chosen for a classifier, and how good it is on held-out training rows.

    Spectra are averaged over a square with the side ``window``; the kernel has a precision, and the
    ``ridge`` on its diagonal; scores are divided by the temperature.
    """

    window: int
    precision: float
    ridge: float
    temperature: float = 1.0
    log_loss: float = np.inf
    accuracy: float = 0.0


def window_means(
    cube: Float32[np.ndarray, "height width bands"],
    present: Bool[np.ndarray, "height width"],
    side: int,
) -> Features:
    """Return the mean spectrum of the square around each pixel, in units of each band's deviation.

    Only pixels that are present count; where the square holds none, the result is 0.
    """
    known = present.astype(np.float32)
    total = np.where(present[..., None], cube, np.float32(0))
    count = known
    if side > 1:
        total = uniform_filter(total, (side, side, 0), mode="constant")
        count = uniform_filter(known, side, mode="constant")
    covered = count > 0.5 / side**2
    means = np.where(covered[..., None], total / np.where(covered, count, 1.0)[..., None], 0.0)
    rows = means[present]
    deviation = rows.std(0)
    centred = (means - rows.mean(0)) / np.where(deviation > 0, deviation, 1.0)
    centred[~covered] = 0.0
    return centred.reshape(-1, cube.shape[2]).astype(np.float32)


@dataclass(frozen=True)
class SpectralClassifier:
    """A classifier: coefficients of the kernel functions at the rows that it was fitted on.

    ``inverse`` is that of the kernel matrix with the ridge.
    """

    settings: Settings
    support: Features
    coefficients: Float64[np.ndarray, "rows classes"]
    inverse: Float64[np.ndarray, "rows rows"]

    @classmethod
    def fit(
        cls, support: Features, codes: Codes, classes: int, settings: Settings
    ) -> SpectralClassifier:
        """Fit a classifier to rows and their classes."""
        matrix = kernel(support, support, settings.precision).astype(np.float64)
        matrix[np.diag_indices_from(matrix)] += settings.ridge
        inverse = np.linalg.inv(matrix)
        return cls(settings, support, inverse @ _targets(codes, classes), inverse)

    def held_out_scores(
        self, codes: Codes, folds: Sequence[np.ndarray]
    ) -> Float64[np.ndarray, "rows classes"]:
        """Return the scores of each row from a fit without its fold (Rasmussen, section 5.4.2)."""
        scores = _targets(codes, self.coefficients.shape[1])
        for rows in folds:
            block = self.inverse[np.ix_(rows, rows)]
            scores[rows] -= np.linalg.solve(block, self.coefficients[rows])
        return scores

    def without(self, rows: np.ndarray) -> SpectralClassifier:
        """Return the classifier as it would be without some of its rows."""
        block = self.inverse[np.ix_(rows, rows)]
        change = np.linalg.solve(block, self.coefficients[rows])
        coefficients = self.coefficients - self.inverse[:, rows] @ change
        coefficients[rows] = 0.0
        return replace(self, coefficients=coefficients)

    def log_probabilities(
        self, kernels: Float32[np.ndarray, "pixels rows"]
    ) -> Float64[np.ndarray, "pixels classes"]:
        """Return log p(class | spectrum), given the kernel between pixels and ``support``."""
        scores = (kernels @ self.coefficients.astype(np.float32)).astype(np.float64)
        return log_probabilities(scores, self.settings.temperature)


def kernel(left: Features, right: Features, precision: float) -> Float32[np.ndarray, "left right"]:
    """Return the Gaussian kernel between rows; the precision is that of a mean over features."""
    products = left @ right.T
    products *= 2
    products -= (left**2).sum(1)[:, None]
    products -= (right**2).sum(1)
    products *= np.float32(precision / left.shape[1])
    np.minimum(products, 0, out=products)
    return np.exp(products, out=products)


def log_probabilities(
    scores: Float64[np.ndarray, "rows classes"], temperature: float
) -> Float64[np.ndarray, "rows classes"]:
    """Return the logarithm of the softmax of scores, kept away from zero."""
    return floored(scores / temperature, _FLOOR)


def held_out(
    settings: Settings, features: Features, codes: Codes, classes: int, folds: Sequence[np.ndarray]
) -> tuple[Settings, Float64[np.ndarray, "rows classes"]]:
    """Return settings at their best temperature, and the scores of rows that were held out."""
    fitted = SpectralClassifier.fit(features, codes, classes, settings)
    scores = fitted.held_out_scores(codes, folds)
    temperature, loss = _calibrated(scores, codes)
    accuracy = float((scores.argmax(1) == codes).mean())
    return replace(settings, temperature=temperature, log_loss=loss, accuracy=accuracy), scores


def _targets(codes: Codes, classes: int) -> Float64[np.ndarray, "rows classes"]:
    return np.eye(classes)[codes] - 1 / classes


def _calibrated(scores: np.ndarray, codes: Codes) -> tuple[float, float]:
    """The temperature of least log-loss, and that loss (Guo et al. 2017, section 4.2)."""
    rows = np.arange(len(codes))

    def loss(log_temperature: float) -> float:
        table = log_probabilities(scores, float(np.exp(log_temperature)))
        return float(-table[rows, codes].mean())

    minimum = minimize_scalar(loss, bounds=(-4.0, 1.0), method="bounded")
    return float(np.exp(minimum.x)), float(minimum.fun)
