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
    from mmgraph.graph.bias_factor import BiasFactor
    from mmgraph.graph.bilinear_factor import BilinearFactor
    from mmgraph.graph.edge_factor import PairwiseFactor
    from mmgraph.graph.evidence import Evidence
    from mmgraph.graph.factor import Factor, TableFactor, UnaryFactor
    from mmgraph.graph.factor_graph import FactorGraph
    from mmgraph.graph.gaussian import GaussianLeaf
    from mmgraph.graph.gaussian_mixture import GaussianMixtureLeaf
    from mmgraph.graph.grid_factor import GridFactor
    from mmgraph.graph.interaction import Potts, Tabulated, TruncatedLinear, TruncatedQuadratic
    from mmgraph.graph.soft_evidence import soft
    from mmgraph.graph.state_labels import index
    from mmgraph.graph.variable import Variable
    from mmgraph.inference.family_counts import expected_family_counts
    from mmgraph.inference.posterior import Posterior
    from mmgraph.inference.query import (
        joint,
        log_partition,
        map_query,
        query,
        sample,
    )
    from mmgraph.inference.samples import Samples
    from mmgraph.learning.expectation_maximization import expectation_maximization
    from mmgraph.learning.parameters import Prior, learn_parameters
    from mmgraph.learning.tables import open_table
    from mmgraph.networks.bayesian_network import BayesianNetwork
    from mmgraph.networks.boltzmann_layers import Pathway
    from mmgraph.networks.conditional_random_field import ConditionalRandomField, LabelledImage
    from mmgraph.networks.conditionals import Deterministic, Softmax
    from mmgraph.networks.deep_boltzmann_machine import DeepBoltzmannMachine
    from mmgraph.networks.markov_random_field import MarkovRandomField
    from mmgraph.networks.multimodal_deep_boltzmann_machine import MultimodalDeepBoltzmannMachine
    from mmgraph.networks.noisy_max import NoisyMax
    from mmgraph.networks.noisy_or import NoisyOr
    from mmgraph.networks.restricted_boltzmann_machine import RestrictedBoltzmannMachine

_HOMES = {
    "BayesianNetwork": "mmgraph.networks.bayesian_network",
    "BiasFactor": "mmgraph.graph.bias_factor",
    "BilinearFactor": "mmgraph.graph.bilinear_factor",
    "ConditionalRandomField": "mmgraph.networks.conditional_random_field",
    "DeepBoltzmannMachine": "mmgraph.networks.deep_boltzmann_machine",
    "Deterministic": "mmgraph.networks.conditionals",
    "Evidence": "mmgraph.graph.evidence",
    "Factor": "mmgraph.graph.factor",
    "FactorGraph": "mmgraph.graph.factor_graph",
    "GaussianLeaf": "mmgraph.graph.gaussian",
    "GaussianMixtureLeaf": "mmgraph.graph.gaussian_mixture",
    "GridFactor": "mmgraph.graph.grid_factor",
    "LabelledImage": "mmgraph.networks.conditional_random_field",
    "MarkovRandomField": "mmgraph.networks.markov_random_field",
    "MultimodalDeepBoltzmannMachine": "mmgraph.networks.multimodal_deep_boltzmann_machine",
    "NoisyMax": "mmgraph.networks.noisy_max",
    "NoisyOr": "mmgraph.networks.noisy_or",
    "PairwiseFactor": "mmgraph.graph.edge_factor",
    "Pathway": "mmgraph.networks.boltzmann_layers",
    "Posterior": "mmgraph.inference.posterior",
    "Potts": "mmgraph.graph.interaction",
    "Prior": "mmgraph.learning.parameters",
    "RestrictedBoltzmannMachine": "mmgraph.networks.restricted_boltzmann_machine",
    "Samples": "mmgraph.inference.samples",
    "Softmax": "mmgraph.networks.conditionals",
    "TableFactor": "mmgraph.graph.factor",
    "Tabulated": "mmgraph.graph.interaction",
    "TruncatedLinear": "mmgraph.graph.interaction",
    "TruncatedQuadratic": "mmgraph.graph.interaction",
    "UnaryFactor": "mmgraph.graph.factor",
    "Variable": "mmgraph.graph.variable",
    "expectation_maximization": "mmgraph.learning.expectation_maximization",
    "expected_family_counts": "mmgraph.inference.family_counts",
    "from_pgmpy": "mmgraph.formats.pgmpy",
    "index": "mmgraph.graph.state_labels",
    "joint": "mmgraph.inference.query",
    "learn_parameters": "mmgraph.learning.parameters",
    "log_partition": "mmgraph.inference.query",
    "map_query": "mmgraph.inference.query",
    "open_table": "mmgraph.learning.tables",
    "query": "mmgraph.inference.query",
    "read": "mmgraph.formats.resolve",
    "sample": "mmgraph.inference.query",
    "soft": "mmgraph.graph.soft_evidence",
    "to_pgmpy": "mmgraph.formats.pgmpy",
    "write": "mmgraph.formats.resolve",
}

__all__ = [
    "BayesianNetwork",
    "BiasFactor",
    "BilinearFactor",
    "ConditionalRandomField",
    "DeepBoltzmannMachine",
    "Deterministic",
    "Evidence",
    "Factor",
    "FactorGraph",
    "GaussianLeaf",
    "GaussianMixtureLeaf",
    "GridFactor",
    "LabelledImage",
    "MarkovRandomField",
    "MultimodalDeepBoltzmannMachine",
    "NoisyMax",
    "NoisyOr",
    "PairwiseFactor",
    "Pathway",
    "Posterior",
    "Potts",
    "Prior",
    "RestrictedBoltzmannMachine",
    "Samples",
    "Softmax",
    "TableFactor",
    "Tabulated",
    "TruncatedLinear",
    "TruncatedQuadratic",
    "UnaryFactor",
    "Variable",
    "expectation_maximization",
    "expected_family_counts",
    "from_pgmpy",
    "index",
    "joint",
    "learn_parameters",
    "log_partition",
    "map_query",
    "open_table",
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
