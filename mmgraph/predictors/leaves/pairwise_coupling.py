"""A classifier of many classes out of one for each pair of them."""

from __future__ import annotations

import itertools
from typing import Any, Self

import numpy as np
from jaxtyping import Float64

from mmgraph.graph.errors import needs

with needs("data", "scikit-learn", "predictors"):
    from sklearn.base import BaseEstimator, ClassifierMixin, clone

_LEAST_PROBABILITY = 1e-7
_MOST_FOLDS = 5


class PairwiseCoupling(ClassifierMixin, BaseEstimator):
    """Probabilities of classes from a classifier for each pair of them.

    The probability of a class against another one, which each of these says, is coupled by the
    second method of Wu, Lin and Weng (2004, "Probability estimates for multi-class classification
    by pairwise coupling", section 4.2): probabilities ``p`` of all classes minimise ``sum over
    pairs (r[b, a] p[a] - r[a, b] p[b])**2``, which is one linear system a row.

    Parameters
    ----------
    classifier : object
        With ``predict_proba``. Where it has folds of its own (``cv``), of rare classes they are
        fewer.
    """

    def __init__(self, classifier: Any) -> None:
        self.classifier = classifier

    def fit(self, X: np.ndarray, y: np.ndarray, sample_weight: np.ndarray | None = None) -> Self:
        """Fit a classifier to the rows of each pair of classes."""
        self.classes_, codes = np.unique(y, return_inverse=True)
        self.n_features_in_ = X.shape[1]
        self.classifiers_ = [
            self._fitted_pair(X, codes, pair, sample_weight)
            for pair in itertools.combinations(range(len(self.classes_)), 2)
        ]
        return self

    def _fitted_pair(
        self,
        X: np.ndarray,
        codes: np.ndarray,
        pair: tuple[int, int],
        weights: np.ndarray | None,
    ) -> Any:
        """The classifier of the second class of a pair against the first."""
        rows = np.flatnonzero(np.isin(codes, pair))
        second = codes[rows] == pair[1]
        classifier = clone(self.classifier)
        if "cv" in classifier.get_params():
            rarest = int(min(second.sum(), (~second).sum()))
            if rarest < 2:  # there are no folds: what it says is not calibrated then
                classifier = clone(classifier.estimator)
            else:
                classifier.set_params(cv=min(_MOST_FOLDS, rarest))
        weighing = {} if weights is None else {"sample_weight": weights[rows]}
        return classifier.fit(X[rows], second.astype(np.int64), **weighing)

    def predict_proba(self, X: np.ndarray) -> Float64[np.ndarray, "rows classes"]:
        """Return the probability of each class in each row."""
        count = len(self.classes_)
        pairs = np.full((len(X), count, count), 0.5)
        for (first, second), classifier in zip(
            itertools.combinations(range(count), 2), self.classifiers_, strict=True
        ):
            said = _probability_of_second(classifier, X)
            pairs[:, first, second], pairs[:, second, first] = 1 - said, said
        return coupled(pairs)

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Return the most probable class of each row."""
        return self.classes_[self.predict_proba(X).argmax(1)]


def _probability_of_second(classifier: Any, X: np.ndarray) -> Float64[np.ndarray, " rows"]:
    if hasattr(classifier, "predict_proba"):
        said = classifier.predict_proba(X)[:, 1]
    else:
        said = 1 / (1 + np.exp(-classifier.decision_function(X)))
    return np.asarray(said, np.float64).clip(_LEAST_PROBABILITY, 1 - _LEAST_PROBABILITY)


def coupled(
    pairs: Float64[np.ndarray, "rows classes classes"],
) -> Float64[np.ndarray, "rows classes"]:
    """Return the probabilities of classes that agree best with those within pairs.

    Parameters
    ----------
    pairs : ndarray, shape (rows, classes, classes)
        Of the first class where it is one of the two; those of ``[a, b]`` and ``[b, a]`` sum to
        one.
    """
    rows, count = pairs.shape[:2]
    system = np.ones((rows, count + 1, count + 1))
    system[:, count, count] = 0.0
    system[:, :count, :count] = -np.swapaxes(pairs, 1, 2) * pairs
    place = np.arange(count)
    system[:, place, place] = (pairs**2).sum(1) - pairs[:, place, place] ** 2
    right = np.zeros((rows, count + 1, 1))
    right[:, count] = 1.0
    table = np.linalg.solve(system, right)[:, :count, 0].clip(_LEAST_PROBABILITY)
    return np.asarray(table / table.sum(1, keepdims=True))
