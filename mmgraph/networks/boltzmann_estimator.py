"""What scikit-learn asks of estimators, by the names that it asks for; it is not imported."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self, cast

import numpy as np
from jaxtyping import Float

from mmgraph.graph.errors import GraphError, MissingExtraError, suggestion
from mmgraph.graph.variable import element_names
from mmgraph.networks.boltzmann_data import columns_count

if TYPE_CHECKING:
    from mmgraph.networks.boltzmann_machine import BoltzmannMachine


class BoltzmannEstimator:
    """Machines as transformers, and as classifiers where they have label units.

    Parameters are the arguments of the constructor. Those of training are in its ``fit_options``,
    whose entries are parameters themselves: ``fit_options__epochs``.
    """

    _arguments: dict[str, Any]

    @property
    def _machine(self) -> BoltzmannMachine:
        return cast("BoltzmannMachine", self)

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the arguments that the machine was made from; deep, the options of training too.

        The latter are called ``fit_options__NAME``.
        """
        params = dict(self._arguments)
        if deep:
            options = params.get("fit_options") or {}
            params.update((f"fit_options__{name}", value) for name, value in options.items())
        return params

    def set_params(self, **params: Any) -> Self:
        """Change arguments of the constructor; a machine of other layers starts afresh.

        Raises
        ------
        GraphError
            If there is no such argument, with the nearest one, or its value does not do.
        """
        arguments = dict(self._arguments)
        options = dict(params.pop("fit_options", arguments.get("fit_options")) or {})
        structural = False
        for name, value in params.items():
            if name.startswith("fit_options__"):
                options[name.removeprefix("fit_options__")] = value
            elif name not in arguments:
                hint = suggestion(name, arguments)
                raise GraphError(f"{type(self).__name__} has no parameter {name!r}{hint}")
            else:
                arguments[name], structural = value, True
        arguments["fit_options"] = options or None
        if structural:
            type(self).__init__(self, **arguments)
        self._arguments = arguments
        return self

    def transform(self, data: object) -> Float[np.ndarray, "rows joint"]:
        """Return the joint representation, see :meth:`BoltzmannMachine.represent`."""
        return self._machine.represent(data).cpu().numpy()

    def fit_transform(
        self, data: object, y: object = None, **options: Any
    ) -> Float[np.ndarray, "rows joint"]:
        """Fit, and return the joint representation of the same rows."""
        self._machine.fit(data, y, **options)
        return self.transform(data)

    def predict(
        self, evidence: object = None, method: str = "mean_field", **options: Any
    ) -> np.ndarray:
        """Return the most probable label of each row, see :meth:`predict_proba`."""
        chances = self._machine.predict_proba(evidence, method, **options)
        return self.classes_[chances.argmax(1)]

    def score(self, data: object, y: object = None) -> float:
        """Return the share of labels predicted right; without labels the mean log-likelihood."""
        if y is None or self._machine.labels is None:
            return float(self._machine.log_likelihood(data).value.mean())
        truth = np.asarray(y)
        return float(np.mean([a == b for a, b in zip(self.predict(data), truth, strict=True)]))

    @property
    def classes_(self) -> np.ndarray:
        """The labels, in the order of the columns of :meth:`predict_proba`.

        Raises
        ------
        AttributeError
            If the machine has no label units, so that ``hasattr`` tells.
        """
        labels = self._machine.labels
        if labels is None:
            raise AttributeError(f"{self!r} has no label units, and so no classes_")
        names = labels.labels
        if len({type(name) for name in names}) == 1:
            return np.array(names)
        mixed = np.empty(len(names), dtype=object)
        mixed[:] = names
        return mixed

    @property
    def n_features_in_(self) -> int:
        """The columns of an array of all visible variables."""
        return columns_count(self._machine.visible)

    def get_feature_names_out(self, input_features: object = None) -> np.ndarray:
        """Return the names of the units of the joint layer."""
        return np.array(element_names(self._machine.joint), dtype=object)

    def __sklearn_is_fitted__(self) -> bool:
        return self._machine.fit_report is not None

    def __sklearn_clone__(self) -> Self:
        return type(self)(**self._arguments)

    def __sklearn_tags__(self) -> Any:
        try:
            from sklearn.utils import ClassifierTags, InputTags, Tags, TargetTags, TransformerTags
        except ImportError:
            raise MissingExtraError("data", "scikit-learn", "its estimator tags") from None
        classifies = self._machine.labels is not None
        return Tags(
            estimator_type="classifier" if classifies else None,
            target_tags=TargetTags(required=classifies),
            transformer_tags=TransformerTags(),
            classifier_tags=ClassifierTags() if classifies else None,
            input_tags=InputTags(allow_nan=True),
        )


def arguments_of(kind: type, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of a constructor out of its local names."""
    return {name: given[name] for name in list(inspect.signature(kind).parameters)}
