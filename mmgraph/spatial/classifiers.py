"""Classifiers as unaries, calibrated; and the unaries that a user may name."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Float

from mmgraph.data.splits import stratified_folds
from mmgraph.graph.errors import LearningError, needs, suggestion
from mmgraph.learning.likelihood_weights import learn_likelihood_weights
from mmgraph.spatial.arrays import real_array
from mmgraph.spatial.unaries import (
    ArrayUnary,
    Codes,
    GaussianMixtureUnary,
    ModuleUnary,
    Rows,
    Unary,
    check_every_class,
    floored,
)

_SMALLEST = 1e-12
_HELD_OUT_FLOOR = 1e-6


@dataclass(frozen=True, eq=False, repr=False)
class ClassifierUnary(Unary):
    """Any classifier with the methods of scikit-learn, calibrated on pixels that it has not seen.

    ``predict_proba`` (or the decision function, where there is none) of out-of-fold pixels is given
    the temperature, and the power of the classes' shares, that fit their labels best. What then is
    a posterior, as far as shares like those among the labelled pixels go, is divided by the shares,
    which leaves a likelihood.

    Parameters
    ----------
    classifier : scikit-learn classifier
        Cloned before it is fitted.
    folds : int, default 3
        For the temperature; classes with fewer pixels take part in fewer folds.

    References
    ----------
    Guo, Pleiss, Sun and Weinberger, "On calibration of modern neural networks" (ICML 2017), section
    4.2; Bourlard and Morgan, "Connectionist speech recognition" (1994), on scaled likelihoods.
    """

    classifier: Any
    folds: int = 3
    _power: float = 1.0
    _bias: Any = None

    def fitted(self, rows: Rows, codes: Codes, classes: Sequence[str], seed: int = 0) -> Unary:
        """Fit and calibrate, see :meth:`Unary.fitted`."""
        check_every_class(codes, classes)
        shares = np.log(np.bincount(codes, minlength=len(classes)) / len(codes))
        fold = stratified_folds(codes, self.folds, seed)
        # The only row of its class is never held out: nothing would be left to learn it from.
        fold[np.bincount(codes)[codes] == 1] = -1
        scores, scored = [], []
        for k in np.unique(fold[fold >= 0]):
            held_out = fold == k
            part = self._trained(rows[~held_out], codes[~held_out], seed)
            scores.append(_class_scores(part, rows[held_out]))
            scored.append(codes[held_out])
        power, bias = 1.0, -shares
        if scores:
            logits = floored(np.concatenate(scores), _HELD_OUT_FLOOR)
            both = torch.from_numpy(np.stack([logits, np.broadcast_to(shares, logits.shape)]))
            even = torch.zeros(len(classes), dtype=both.dtype)
            truth = torch.from_numpy(np.concatenate(scored))
            power, share = learn_likelihood_weights(both, even, truth, start=0.0).tolist()
            bias = (share - 1) * shares
        model = self._trained(rows, codes, seed)
        return replace(self, classifier=model, _power=power, _bias=bias)

    def _trained(self, rows: Rows, codes: Codes, seed: int) -> Any:
        model = _sklearn("base").clone(self.classifier)
        random = [p for p in model.get_params() if p.split("__")[-1] == "random_state"]
        model.set_params(**dict.fromkeys(random, seed))
        return model.fit(rows, codes)

    def _scores(self, rows: Rows) -> Float[np.ndarray, "rows classes"]:
        if self._bias is None:
            raise LearningError(f"{self.classifier!r} has not been fitted")
        scores = floored(_class_scores(self.classifier, rows), _HELD_OUT_FLOOR)
        return self._power * scores + self._bias

    def __repr__(self) -> str:
        return f"ClassifierUnary({self.classifier!r})"


def _class_scores(model: Any, rows: Rows) -> Float[np.ndarray, "rows classes"]:
    """Log-probabilities, or the decision function of a classifier that has none."""
    if hasattr(model, "predict_proba"):
        probabilities = np.asarray(model.predict_proba(rows), np.float64)
        return np.log(np.maximum(probabilities, _SMALLEST))
    decision = np.asarray(model.decision_function(rows), np.float64)
    return np.stack([-decision / 2, decision / 2], -1) if decision.ndim == 1 else decision


def _scaled(classifier: Any) -> Unary:
    scaler = _sklearn("preprocessing").StandardScaler()
    return ClassifierUnary(_sklearn("pipeline").make_pipeline(scaler, classifier))


UNARIES: Mapping[str, Callable[[], Unary]] = {
    "gaussian_mixture": GaussianMixtureUnary,
    "svm": lambda: _scaled(_sklearn("svm").SVC(C=100.0)),
    "extra_trees": lambda: ClassifierUnary(
        _sklearn("ensemble").ExtraTreesClassifier(300, min_samples_leaf=2)
    ),
    "logistic": lambda: _scaled(_sklearn("linear_model").LogisticRegression(max_iter=2000)),
}
"""The unaries that have a name."""


def as_unary(meant: object, sensor: str) -> Unary:
    """Return the unary that is meant by a name, a unary, a classifier, a module or an array.

    An array whose last axis sums to one holds probabilities, any other log-likelihoods; what a mask
    hides is NaN.

    Raises
    ------
    LearningError
        If it is none of those; with the nearest name.
    """
    if isinstance(meant, Unary):
        return meant
    if isinstance(meant, str):
        if meant not in UNARIES:
            raise LearningError(
                f"sensor '{sensor}': no unary is called {meant!r}{suggestion(meant, UNARIES)} "
                f"(known: {', '.join(UNARIES)})"
            )
        return UNARIES[meant]()
    if isinstance(meant, torch.nn.Module):
        return ModuleUnary(meant)
    if hasattr(meant, "fit") and (
        hasattr(meant, "predict_proba") or hasattr(meant, "decision_function")
    ):
        return ClassifierUnary(meant)
    try:
        values = real_array(meant, "the array of opinions")
    except LearningError:
        raise LearningError(f"sensor '{sensor}': {meant!r} is no unary") from None
    known = values[~np.isnan(values).any(-1)] if values.ndim else values
    likely = not values.ndim or (known < 0).any() or not np.allclose(known.sum(-1), 1.0, atol=1e-4)
    try:
        return ArrayUnary(log_likelihoods=values) if likely else ArrayUnary(probabilities=values)
    except LearningError as error:
        raise LearningError(f"sensor '{sensor}': {error}") from None


def _sklearn(module: str) -> Any:
    with needs("data", "scikit-learn", "a classifier for each pixel"):
        return importlib.import_module(f"sklearn.{module}")
