"""Leaves that are classifiers of scikit-learn: their scores are tempered likelihoods."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Float64

from mmgraph.data.blocks.block import Features
from mmgraph.data.blocks.preparation import Preparation
from mmgraph.graph.errors import LearningError
from mmgraph.predictors.leaves.leaf import (
    FittedLeaf,
    Leaf,
    LeafRows,
    of_all_states,
    scaled_likelihoods,
)


@dataclass(frozen=True)
class EncoderLeaf(Leaf):
    """The scores of a classifier, by Bayes' rule as a likelihood.

    Probabilities divided by the shares of the states that it was trained with are a likelihood up
    to a constant (Bourlard and Morgan 1994, "scaled likelihood"); a decision function is taken as
    one up to a power.

    Attributes
    ----------
    classifier : object
        Of scikit-learn's kind; it is cloned, and has ``predict_proba`` or a ``decision_function``.
    quantiles : bool
        Whether it sees normal quantiles of features, and not standardised ones.
    least : float
        The smallest probability that it is believed: a forest of some hundred trees cannot tell
        smaller ones than the default from zero.

    Raises
    ------
    LearningError
        If it has neither method.
    """

    kind: ClassVar[str] = "encoder"
    classifier: Any
    quantiles: bool = False
    least: float = 1e-3

    def __post_init__(self) -> None:
        if not any(hasattr(self.classifier, m) for m in ("predict_proba", "decision_function")):
            raise LearningError(
                f"{self.classifier!r} has neither predict_proba nor decision_function"
            )

    def fit(self, rows: LeafRows, seed: int) -> FittedEncoder:
        """As :meth:`Leaf.fit`."""
        from sklearn.base import clone
        from sklearn.utils.validation import has_fit_parameter

        classifier = clone(self.classifier)
        if "random_state" in classifier.get_params():
            classifier.set_params(random_state=seed)
        weighted = has_fit_parameter(classifier, "sample_weight")
        options = {"sample_weight": rows.weights} if weighted else {}
        preparation = Preparation.fitted(rows.features, self.quantiles)
        classifier.fit(preparation.forward(rows.features), rows.codes, **options)
        return FittedEncoder(preparation, classifier, rows.log_shares(), self.least)


@dataclass(frozen=True, eq=False)
class FittedEncoder(FittedLeaf):
    """A fitted classifier of prepared features.

    Attributes
    ----------
    preparation : Preparation
        The scale of features.
    classifier : object
        Fitted, its classes are indices of states.
    log_shares : ndarray, shape (states,)
        The logarithms of the states' shares that it was trained with.
    least : float
        The smallest probability that it is believed.
    """

    preparation: Preparation
    classifier: Any
    log_shares: Float64[np.ndarray, " states"]
    least: float

    def log_likelihoods(self, features: Features) -> Float64[np.ndarray, "rows states"]:
        """As :meth:`FittedLeaf.log_likelihoods`."""
        classes = np.asarray(self.classifier.classes_)
        scaled = self.preparation.forward(features)
        if hasattr(self.classifier, "predict_proba"):
            probabilities = self.classifier.predict_proba(scaled).clip(self.least)
            return scaled_likelihoods(probabilities, classes, self.log_shares)
        scores = self.classifier.decision_function(scaled)
        if scores.ndim == 1:
            scores = np.stack([-scores, scores], axis=1)
        return of_all_states(scores, classes, len(self.log_shares))
