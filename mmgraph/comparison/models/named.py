"""What can be compared, by name: how it is made, and the settings that it is tuned over."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from mmgraph.comparison.models import graphical, references
from mmgraph.comparison.models.deep import deep, hybrid
from mmgraph.graph.errors import LearningError, suggestion
from mmgraph.predictors.predictor import Predictor

Setting = Mapping[str, Any]


@dataclass(frozen=True)
class ModelKind:
    """What is compared under one name.

    Attributes
    ----------
    name : str
    family : str
        ``"graphical"``, ``"deep"``, ``"hybrid"`` or ``"reference"``.
    build : callable
        Takes a seed and the entries of a setting; returns what is not yet fitted.
    settings : tuple of mapping
        Those that inner folds choose from; the first is the default.
    """

    name: str
    family: str
    build: Callable[..., Predictor] = field(repr=False)
    settings: tuple[Setting, ...] = ({},)

    def predictor(self, setting: Setting, seed: int) -> Predictor:
        """Return a predictor that has learned nothing yet."""
        return self.build(seed, **setting)


def _over(name: str, *values: Any) -> tuple[Setting, ...]:
    """The default, and settings that differ from it in one entry."""
    return ({}, *({name: value} for value in values))


_DEEP_SETTINGS: tuple[Setting, ...] = (
    {},
    {"width": 64},
    {"width": 256},
    {"training": {"epochs": 120}},
    {"training": {"noise": 0.0}},
    {"training": {"decay": 0.1}},
)

_KINDS = (
    ModelKind("prior", "reference", references.prior),
    ModelKind("naive_bayes", "graphical", graphical.naive_bayes, _over("shrinkage", 0.0, 0.3, 0.6)),
    ModelKind(
        "network", "graphical", graphical.network,
        ({}, {"max_parents": 2}, {"max_parents": 4}, {"max_parents": 6}),
    ),
    ModelKind(
        "latent_network", "graphical", graphical.latent_network,
        ({}, {"components": 5}, {"components": 30}, {"joint": True}),
    ),
    ModelKind(
        "multimodal", "graphical", graphical.multimodal,
        ({}, {"joint": ()}, {"leaves": ("logistic", "mixture", "trees")}, {"leaves": "mixture"}),
    ),
    ModelKind(
        "machine", "graphical", graphical.machine,
        ({}, {"hidden": 64}, {"hidden": 256, "joint": 128}, {"epochs": 120}),
    ),
    *(
        ModelKind(f"{fusion}_fusion", "deep", partial(deep, fusion=fusion), _DEEP_SETTINGS)
        for fusion in ("early", "late", "joint", "hybrid", "attention", "low_rank")
    ),
    ModelKind(
        "gradient_blending", "deep", partial(deep, fusion="gradient_blending"), _DEEP_SETTINGS
    ),
    ModelKind(
        "hybrid", "hybrid", hybrid,
        (
            {}, {"learning": "part_by_part"}, {"leaves": (), "joint": ()}, {"joint": ()},
            {"training": {"noise": 0.0}},
        ),
    ),
    ModelKind("logistic", "reference", references.logistic, _over("C", 0.01, 1.0, 10.0)),
    ModelKind(
        "extra_trees", "reference", references.extra_trees,
        ({}, {"max_features": "sqrt"}, {"min_samples_leaf": 3}, {"max_features": 1.0}),
    ),
    ModelKind(
        "gradient_boosting", "reference", references.gradient_boosting,
        ({}, {"max_iter": 120}, {"learning_rate": 0.05}, {"l2_regularization": 1.0}),
    ),
    ModelKind(
        "svm_stacking", "reference", references.svm_stacking, _over("cost", 1.0, 3.0, 30.0)
    ),
    ModelKind(
        "feature_trees", "reference", references.extra_trees,
        ({}, {"max_features": "sqrt"}, {"min_samples_leaf": 3}, {"max_features": 1.0}),
    ),
    ModelKind(
        "mini_rocket", "reference", references.mini_rocket, _over("kernels", 2000, 5000, 20000)
    ),
)  # fmt: skip
MODELS: Mapping[str, ModelKind] = {kind.name: kind for kind in _KINDS}
"""What can be compared, by name."""

ALWAYS = ("prior", "logistic", "extra_trees", "gradient_boosting", "svm_stacking")
"""The opponents that stand in every table."""


def model_kinds(models: Iterable[Any] | Mapping[str, Any]) -> tuple[ModelKind, ...]:
    """Return what is compared, in the order asked for.

    Parameters
    ----------
    models : sequence, or mapping of str to those
        Names of :data:`MODELS`; predictors (``fit(data)``, ``predict_proba(data, given=)``), or
        classifiers of scikit-learn, for which there is one fit for each set of modalities. An
        object is called as its class, or by its key.

    Raises
    ------
    LearningError
        If a name is unknown, an object is neither, two have one name, or there is none.
    """
    if isinstance(models, str) or not isinstance(models, Iterable):
        models = [models]
    pairs = models.items() if isinstance(models, Mapping) else [(None, m) for m in models]
    kinds = [_kind(name, model) for name, model in pairs]
    names = [kind.name for kind in kinds]
    if not names:
        raise LearningError("no model is named that could be compared")
    for name in names:
        if names.count(name) > 1:
            raise LearningError(
                f"two models are called '{name}': name them, models={{'one': …, 'other': …}}"
            )
    return tuple(kinds)


def with_opponents(kinds: tuple[ModelKind, ...]) -> tuple[ModelKind, ...]:
    """Return what is compared, and after it the opponents that are lacking, by name and making."""
    names, made = {kind.name for kind in kinds}, {kind.build for kind in kinds}
    lacking = (MODELS[name] for name in ALWAYS if name not in names)
    return (*kinds, *(kind for kind in lacking if kind.build not in made))


def _kind(name: str | None, model: Any) -> ModelKind:
    if isinstance(model, str):
        if model not in MODELS:
            hint = suggestion(model, MODELS)
            raise LearningError(f"no model is called '{model}'{hint} (known: {', '.join(MODELS)})")
        kind = MODELS[model]
        return kind if name is None else ModelKind(name, kind.family, kind.build, kind.settings)
    if not callable(getattr(model, "fit", None)) or isinstance(model, type):
        raise LearningError(
            f"{model!r} is no model: name one ({', '.join(MODELS)}), or give a predictor or a "
            "classifier of scikit-learn"
        )
    return ModelKind(name or type(model).__name__, _family(model), partial(_copied, model))


def _copied(model: Any, seed: int) -> Predictor:
    """A copy of an object that was given, with its own seed."""
    import copy

    from mmgraph.predictors.missing_modality_classifier import MissingModalityClassifier

    own = copy.deepcopy(model)
    if callable(getattr(own, "predict_proba", None)):
        parameters = inspect.signature(own.predict_proba).parameters
        if "given" in parameters:
            return own
    return MissingModalityClassifier(own)


def _family(model: Any) -> str:
    module = type(model).__module__
    if ".predictors.deep" in module:
        return "hybrid" if "hybrid" in module else "deep"
    graphical_kinds = ("multimodal", "bayesian_network", "machine", "learned_network")
    ours = module.startswith("mmgraph.") and module.rsplit(".", 1)[1].startswith(graphical_kinds)
    return "graphical" if ours else "reference"
