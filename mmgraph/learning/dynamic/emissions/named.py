"""Emissions by name."""

from __future__ import annotations

import importlib

from mmgraph.graph.errors import LearningError, check_choice
from mmgraph.learning.dynamic.emissions.emission import Emission

EMISSIONS = {
    "additive_gaussian": "AdditiveGaussianEmission",
    "autoregressive": "AutoregressiveEmission",
    "categorical": "CategoricalEmission",
    "chain_part": "ChainPartEmission",
    "gaussian": "GaussianEmission",
    "mixture": "MixtureEmission",
    "modalities": "ModalityEmission",
    "scores": "ScoreEmission",
}
"""The class of each kind, in a module of the kind's name."""

PUBLIC = ("autoregressive", "categorical", "gaussian", "mixture", "scores")
"""Those that users name."""


def emission_class(kind: str) -> type[Emission]:
    """Return the class of a kind of emission.

    Raises
    ------
    LearningError
        If there is no such kind: with the nearest one.
    """
    if not isinstance(kind, str) or kind not in EMISSIONS:
        check_choice("emission", kind, PUBLIC, LearningError)
    module = importlib.import_module(f"mmgraph.learning.dynamic.emissions.{kind}")
    found: type[Emission] = getattr(module, EMISSIONS[kind])
    return found
