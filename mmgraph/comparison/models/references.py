"""How the opponents that stand in every table are made; each builder takes a seed and settings."""

from __future__ import annotations

from typing import Any

from mmgraph.graph.errors import needs
from mmgraph.predictors.predictor import Predictor

_PURPOSE = "the models that others are compared with"


def prior(seed: int) -> Predictor:
    """Return the shares of the classes."""
    from mmgraph.comparison.models.prior import PriorClassifier

    return PriorClassifier()


def logistic(seed: int, **options: Any) -> Predictor:
    """Return logistic regression for each set of modalities, which one on masked copies is not."""
    from mmgraph.comparison.models.standardised_logistic import StandardisedLogistic
    from mmgraph.predictors.missing_modality_classifier import MissingModalityClassifier

    return MissingModalityClassifier(
        StandardisedLogistic(**{"max_iter": 2000, "C": 0.1, **options})
    )


def extra_trees(seed: int, **options: Any) -> Predictor:
    """Return extremely randomised trees for each set of modalities, with sequences summed up."""
    from mmgraph.predictors.missing_modality_classifier import MissingModalityClassifier

    return MissingModalityClassifier(_trees({"random_state": seed, **options}))


def gradient_boosting(seed: int, **options: Any) -> Predictor:
    """Return boosted trees on histograms, on masked copies.

    They are not stopped early: copies of a row would be on both sides of the rows held out.
    """
    from mmgraph.comparison.models.masked_copies import MaskedCopiesClassifier

    with needs("data", "scikit-learn", _PURPOSE):
        from sklearn.ensemble import HistGradientBoostingClassifier

    chosen = {"max_iter": 60, "max_leaf_nodes": 15, **options}
    boosting = HistGradientBoostingClassifier(early_stopping=False, **chosen)
    return MaskedCopiesClassifier(boosting, random_state=seed)


def svm_stacking(seed: int, **options: Any) -> Predictor:
    """Return a support vector machine a modality, stacked."""
    from mmgraph.comparison.models.svm_stacking import SvmStackingClassifier

    return SvmStackingClassifier(random_state=seed, **options)


def mini_rocket(seed: int, **options: Any) -> Predictor:
    """Return ridge regression on the convolutions of MiniRocket."""
    from mmgraph.comparison.models.mini_rocket import MiniRocketClassifier

    return MiniRocketClassifier(random_state=seed, **options)


def _trees(options: dict[str, Any]) -> Any:
    with needs("data", "scikit-learn", _PURPOSE):
        from sklearn.ensemble import ExtraTreesClassifier

    return ExtraTreesClassifier(**{"n_estimators": 300, "max_features": 0.5, **options})
