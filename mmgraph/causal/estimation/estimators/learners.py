"""Doubly robust effects whose nuisance models are scikit-learn's, fitted on other rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float64
from torch import Tensor

from mmgraph.causal.estimation.estimators.contrast import Contrast, words
from mmgraph.causal.estimation.estimators.intervals import Functional
from mmgraph.causal.estimation.estimators.regressions import design
from mmgraph.causal.estimation.estimators.sample import Sample
from mmgraph.data.splits import stratified_folds, stratified_grouped_folds, train_and_test
from mmgraph.graph.errors import CausalError, LearningError, needs

FOLDS = 5

_BOOSTING: dict[str, Any] = {
    "max_iter": 100,
    "learning_rate": 0.05,
    "max_leaf_nodes": 8,
    "random_state": 0,
}
"""Shallow trees: a probability of a treatment is divided by, and must not be overfitted."""

LEAST_PROBABILITY = 0.01
"""Estimated probabilities of a treatment are not taken for less: few rows would outweigh all."""


def cross_fitted(
    sample: Sample,
    contrast: Contrast,
    adjustment: Sequence[str],
    learner: Any,
    generator: torch.Generator | None,
) -> tuple[Functional, float, float]:
    """Return the effect and both means by cross-fitted augmented inverse weighting.

    Chernozhukov et al. (2018). ``learner`` is ``boosting``, or a pair of scikit-learn estimators:
    a regressor (or classifier of an outcome of 0 and 1) of the outcome, a classifier of the
    treatment. Second and third are the smallest probability of a treatment and Kish's effective
    sample size.
    """
    arms, values = contrast.arms(sample).numpy(), contrast.values(sample).numpy()
    features = design(sample, adjustment)[:, 1:].numpy()
    if not features.shape[1]:
        raise CausalError("nothing is adjusted for: learners need variables to learn from")
    outcome, treatment = _models(learner, bool(np.isin(values, (0, 1)).all()))
    weights = sample.weights.numpy()
    means, chance = np.empty((2, len(arms))), np.empty((2, len(arms)))
    for train, test in _folds(sample, arms, generator):
        _check_arms(arms[train], contrast)
        fitted = _fitted(treatment, features[train], arms[train], weights[train])
        of_arm = fitted.predict_proba(features[test])
        for arm in (0, 1):
            chance[arm, test] = of_arm[:, list(fitted.classes_).index(arm)]
            rows = train[arms[train] == arm]
            model = _fitted(outcome, features[rows], values[rows], weights[rows])
            means[arm, test] = _predicted(model, features[test])
    smallest = float(chance.min())
    balance = (arms == np.array([[0], [1]])) / chance.clip(LEAST_PROBABILITY)
    scores = torch.from_numpy(means + balance * (values - means))
    size = sample.effective_size(torch.from_numpy(balance.sum(0)))

    def functional(batch: Float64[Tensor, "batch cells"]) -> Float64[Tensor, "batch quantities"]:
        both = batch @ scores.T / batch.sum(1, keepdim=True)
        return torch.stack([both[:, 1] - both[:, 0], both[:, 1], both[:, 0]], 1)

    return functional, smallest, size


def _models(learner: Any, is_binary: bool) -> tuple[Any, Any]:
    with needs("data", "scikit-learn", "learners of nuisance models"):
        from sklearn.base import is_classifier
        from sklearn.ensemble import (
            HistGradientBoostingClassifier,
            HistGradientBoostingRegressor,
        )
    if learner == "boosting":
        kind = HistGradientBoostingClassifier if is_binary else HistGradientBoostingRegressor
        return kind(**_BOOSTING), HistGradientBoostingClassifier(**_BOOSTING)
    if not isinstance(learner, tuple) or len(learner) != 2 or not is_classifier(learner[1]):
        raise CausalError(
            "a learner is 'linear', 'boosting', or a pair of scikit-learn estimators: of the "
            f"outcome, and a classifier of the treatment; not {learner!r}"
        )
    if is_classifier(learner[0]) and not is_binary:
        raise CausalError("a classifier learns an outcome of 0 and 1; this one has other values")
    return learner


def _fitted(model: Any, features: Any, target: Any, weights: Any) -> Any:
    from sklearn.base import clone, is_classifier

    if is_classifier(model) and len(np.unique(target)) < 2:
        raise LearningError(f"all rows that {type(model).__name__} learns from have one outcome")
    return clone(model).fit(features, target, sample_weight=weights)


def _predicted(model: Any, features: Any) -> Float64[np.ndarray, " rows"]:
    from sklearn.base import is_classifier

    if is_classifier(model):
        found: np.ndarray = model.predict_proba(features)[:, list(model.classes_).index(1)]
        return found
    return np.asarray(model.predict(features), np.float64)


def _folds(
    sample: Sample, arms: np.ndarray, generator: torch.Generator | None
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Training and test rows; like rows lie in one fold, as rows of a group do."""
    seed = int(torch.randint(2**31, (), generator=generator))
    if sample.groups is None:
        return train_and_test(stratified_folds(arms, FOLDS, seed))
    groups = sample.groups.numpy()
    return train_and_test(stratified_grouped_folds(arms, groups, FOLDS, seed))


def _check_arms(arms: np.ndarray, contrast: Contrast) -> None:
    for arm, setting in enumerate((contrast.baseline, contrast.active)):
        if not (arms == arm).any():
            raise LearningError(f"too few rows have {words(setting)} to be learned from in folds")
