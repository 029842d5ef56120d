"""The options of training by name, as parameters of an estimator."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from mmgraph.graph.errors import LearningError, suggestion
from mmgraph.learning.boltzmann.settings import TrainingSettings
from mmgraph.networks.boltzmann.fitting import AUTO, FitOptions

OPTION_NAMES = tuple(
    f.name
    for kind in (TrainingSettings, FitOptions)
    for f in fields(kind)
    if f.name != "settings"  # a record of the others
)
"""The options that constructors, ``set_params`` and ``fit`` of machines take."""


def check_option_names(options: Mapping[str, Any], model: str) -> None:
    """Check that every option is known; values are checked where training begins.

    Raises
    ------
    LearningError
        With the nearest known option.
    """
    for name in options:
        if name not in OPTION_NAMES:
            hint = suggestion(name, OPTION_NAMES)
            raise LearningError(f"{model} has no parameter {name!r}{hint}")


def every_option(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return all options: those given, and ``AUTO`` for the others, whose defaults may depend on
    the objective, the layers and the number of rows.
    """
    return dict.fromkeys(OPTION_NAMES, AUTO) | {n: v for n, v in given.items() if n in OPTION_NAMES}
