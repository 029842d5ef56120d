"""Probabilistic graphical models for multimodal data.

The names below are what most programs need. They are imported at first use, so that ``import
mmgraph`` and the command line's help cost next to nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mmgraph.formats.pgmpy import from_pgmpy, to_pgmpy
    from mmgraph.formats.resolve import read, write
    from mmgraph.graph.evidence import Evidence, soft
    from mmgraph.graph.factor import Factor, TableFactor, UnaryFactor
    from mmgraph.graph.factor_graph import FactorGraph
    from mmgraph.graph.gaussian import GaussianLeaf
    from mmgraph.graph.gaussian_mixture import GaussianMixtureLeaf
    from mmgraph.graph.variable import Variable
    from mmgraph.inference.posterior import Posterior
    from mmgraph.inference.query import (
        expected_family_counts,
        joint,
        log_partition,
        map_query,
        query,
        sample,
    )
    from mmgraph.learning.expectation_maximization import expectation_maximization
    from mmgraph.learning.parameters import Prior, learn_parameters
    from mmgraph.networks.bayesian_network import BayesianNetwork
    from mmgraph.networks.conditionals import Deterministic, Softmax
    from mmgraph.networks.noisy_max import NoisyMax
    from mmgraph.networks.noisy_or import NoisyOr

_HOMES = {
    "BayesianNetwork": "mmgraph.networks.bayesian_network",
    "Deterministic": "mmgraph.networks.conditionals",
    "Evidence": "mmgraph.graph.evidence",
    "Factor": "mmgraph.graph.factor",
    "FactorGraph": "mmgraph.graph.factor_graph",
    "GaussianLeaf": "mmgraph.graph.gaussian",
    "GaussianMixtureLeaf": "mmgraph.graph.gaussian_mixture",
    "NoisyMax": "mmgraph.networks.noisy_max",
    "NoisyOr": "mmgraph.networks.noisy_or",
    "Posterior": "mmgraph.inference.posterior",
    "Softmax": "mmgraph.networks.conditionals",
    "TableFactor": "mmgraph.graph.factor",
    "UnaryFactor": "mmgraph.graph.factor",
    "Variable": "mmgraph.graph.variable",
    "Prior": "mmgraph.learning.parameters",
    "expectation_maximization": "mmgraph.learning.expectation_maximization",
    "expected_family_counts": "mmgraph.inference.query",
    "from_pgmpy": "mmgraph.formats.pgmpy",
    "learn_parameters": "mmgraph.learning.parameters",
    "joint": "mmgraph.inference.query",
    "log_partition": "mmgraph.inference.query",
    "map_query": "mmgraph.inference.query",
    "query": "mmgraph.inference.query",
    "read": "mmgraph.formats.resolve",
    "sample": "mmgraph.inference.query",
    "soft": "mmgraph.graph.evidence",
    "to_pgmpy": "mmgraph.formats.pgmpy",
    "write": "mmgraph.formats.resolve",
}

__all__ = [
    "BayesianNetwork",
    "Deterministic",
    "Evidence",
    "Factor",
    "FactorGraph",
    "GaussianLeaf",
    "GaussianMixtureLeaf",
    "NoisyMax",
    "NoisyOr",
    "Posterior",
    "Prior",
    "Softmax",
    "TableFactor",
    "UnaryFactor",
    "Variable",
    "expectation_maximization",
    "expected_family_counts",
    "from_pgmpy",
    "joint",
    "learn_parameters",
    "log_partition",
    "map_query",
    "query",
    "read",
    "sample",
    "soft",
    "to_pgmpy",
    "write",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("mmgraph")
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'mmgraph' has no attribute {name!r}")
    value = getattr(importlib.import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted((*__all__, "__version__"))
