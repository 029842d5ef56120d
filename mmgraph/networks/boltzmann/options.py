"""The options of training by name, as parameters of an estimator."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from mmgraph.graph.errors import LearningError, suggestion
from mmgraph.learning.boltzmann_settings import TrainingSettings
from mmgraph.networks.boltzmann_fitting import MULTI_PREDICTION_DEFAULTS, FitOptions

_DEFAULTS: dict[str, Any] = {
    f.name: f.default for kind in (TrainingSettings, FitOptions) for f in fields(kind)
}
del _DEFAULTS["settings"]  # a record of the others

OPTION_NAMES = tuple(_DEFAULTS)
"""The options that constructors, ``set_params`` and ``fit`` of machines take."""


def check_option_names(options: Mapping[str, Any], model: str) -> None:
    """Check that every option is known; values are checked where training begins.

    Raises
    ------
    LearningError
        With the nearest known option.
    """
    for name in options:
        if name not in _DEFAULTS:
            hint = suggestion(name, OPTION_NAMES)
            raise LearningError(f"{model} has no parameter {name!r}{hint}")


def every_option(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return all options: those given, and the defaults of the objective for the others."""
    defaults = dict(_DEFAULTS)
    if given.get("objective") == "multi_prediction" and "optimiser" not in given:
        defaults.update(MULTI_PREDICTION_DEFAULTS)
    return defaults | {name: value for name, value in given.items() if name in defaults}
