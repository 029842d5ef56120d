"""scikit-learn's own checks of estimators, applied to `label_image` through a thin classifier."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from mmgraph.spatial.labelling import LabellingWarning, label_image

pytest.importorskip("sklearn")

from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.estimator_checks import parametrize_with_checks
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data


class PixelClassifier(ClassifierMixin, BaseEstimator):
    """Rows are the pixels of an image of one column, whose neighbours do not count.

    The training rows are the labelled pixels, those to be predicted the others.
    """

    def __init__(self, unary="logistic", sensor_weights=1.0):
        self.unary = unary
        self.sensor_weights = sensor_weights

    def fit(self, X, y):
        X, y = validate_data(self, X, y)
        check_classification_targets(y)
        self.classes_, codes = np.unique(y, return_inverse=True)
        self.rows_, self.codes_ = X, codes
        self.labelling_ = self._label(X[:1])
        return self

    def _label(self, X):
        image = np.concatenate([self.rows_, X])[:, None]
        labels = np.concatenate([self.codes_, np.full(len(X), -1)])[:, None]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", LabellingWarning)
            return label_image(
                image,
                labels,
                classes=[str(name) for name in self.classes_],
                unaries=self.unary,
                prior="annotated",  # rows are drawn at random, and no strokes
                sensor_weights=self.sensor_weights,
                edge_weight=0.0,
                method="icm",
            )

    def predict_proba(self, X):
        check_is_fitted(self)
        X = validate_data(self, X, reset=False)
        return self._label(X).marginals[len(self.rows_) :, 0]

    def predict(self, X):
        best = self.predict_proba(X).argmax(1)
        return self.classes_[best]


ESTIMATORS = [
    PixelClassifier("logistic"),
    PixelClassifier("gaussian_mixture"),
    PixelClassifier("logistic", "learn"),
]


def expected_failures(estimator) -> dict[str, str]:
    if estimator.sensor_weights != "learn":
        return {}
    reason = (
        "weights are learned from labelled pixels as they lie in the image: whether they are "
        "strokes or scattered depends on how many others there are to be predicted"
    )
    return {"check_methods_subset_invariance": reason}


@pytest.mark.slow
@parametrize_with_checks(ESTIMATORS, expected_failed_checks=expected_failures)
def test_estimator_checks(estimator, check):
    check(estimator)
