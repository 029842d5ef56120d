"""Probabilistic graphical models for multimodal data.

The names below are what most programs need. They are imported at first use, so that ``import
mmgraph`` and the command line's help cost next to nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mmgraph.causal.bounds.causation import necessity_sufficiency_bounds
    from mmgraph.causal.bounds.instrument import instrument_bounds
    from mmgraph.causal.counterfactuals.mediation import mediation
    from mmgraph.causal.counterfactuals.nested import effect_through
    from mmgraph.causal.counterfactuals.structural_model import StructuralModel
    from mmgraph.causal.counterfactuals.table_bounds import counterfactual_bounds
    from mmgraph.causal.estimation.effect import Effect
    from mmgraph.causal.missing_data.mcar import mcar_test
    from mmgraph.causal.missing_data.recoverability import recoverable
    from mmgraph.causal.modalities.analyse import analyse_modalities
    from mmgraph.causal.modalities.information.by_modality import information_by_modality
    from mmgraph.causal.modalities.information.partial_information import partial_information
    from mmgraph.causal.modalities.information.value_of_information import value_of_information
    from mmgraph.causal.model import CausalModel
    from mmgraph.causal.sensitivity.e_value import e_value
    from mmgraph.causal.sensitivity.omitted_variable import (
        OmittedVariableBias,
        omitted_variable_bias,
    )
    from mmgraph.causal.sensitivity.table_sensitivity import table_sensitivity
    from mmgraph.comparison.compare import compare
    from mmgraph.comparison.held_out import cross_validate
    from mmgraph.data.folds import folds, nested_folds
    from mmgraph.data.multimodal_data import MultimodalData
    from mmgraph.data.recordings.windows import windows
    from mmgraph.data.schema.schema import Schema
    from mmgraph.data.tables import open_table
    from mmgraph.deep.hybrids.encoded_field import EncodedField
    from mmgraph.deep.hybrids.encoded_network import EncodedNetwork
    from mmgraph.deep.hybrids.learning import learn_hybrid
    from mmgraph.deep.representations.representation import MultimodalRepresentation
    from mmgraph.experiments.analysis.report import write_report
    from mmgraph.formats.resolve import read, write
    from mmgraph.graph.conditionals.deterministic_and_softmax import Deterministic, Softmax
    from mmgraph.graph.conditionals.noisy_max import NoisyMax
    from mmgraph.graph.conditionals.noisy_or import NoisyOr
    from mmgraph.graph.evidence import Evidence
    from mmgraph.graph.factor import Factor
    from mmgraph.graph.factor_graph import FactorGraph
    from mmgraph.graph.factors.bias import BiasFactor
    from mmgraph.graph.factors.bilinear import BilinearFactor
    from mmgraph.graph.factors.edges import PairwiseFactor
    from mmgraph.graph.factors.grid import GridFactor
    from mmgraph.graph.factors.table import TableFactor
    from mmgraph.graph.factors.unary import UnaryFactor
    from mmgraph.graph.interaction import (
        Potts,
        Tabulated,
        TruncatedLinear,
        TruncatedQuadratic,
    )
    from mmgraph.graph.leaves.gaussian import GaussianLeaf
    from mmgraph.graph.leaves.gaussian_mixture import GaussianMixtureLeaf
    from mmgraph.graph.leaves.linear_gaussian import LinearGaussian
    from mmgraph.graph.soft_evidence import soft
    from mmgraph.graph.state_labels import index
    from mmgraph.graph.variable import Variable
    from mmgraph.inference.exact.family_counts import expected_family_counts
    from mmgraph.inference.posterior import Posterior
    from mmgraph.inference.query import (
        joint,
        joint_moments,
        log_partition,
        map_query,
        query,
        sample,
    )
    from mmgraph.inference.samples import Samples
    from mmgraph.interop.pgmpy import from_pgmpy, to_pgmpy
    from mmgraph.interop.pyro.model import to_pyro
    from mmgraph.interop.pyro.node import PyroNode
    from mmgraph.interop.pyro.reading import from_pyro
    from mmgraph.learning.conditionals.expectation_maximization import expectation_maximization
    from mmgraph.learning.conditionals.parameters import learn_parameters
    from mmgraph.learning.conditionals.priors import Prior
    from mmgraph.learning.structure.learn_structure import learn_structure
    from mmgraph.networks.bayesian_network import BayesianNetwork
    from mmgraph.networks.boltzmann.deep import DeepBoltzmannMachine
    from mmgraph.networks.boltzmann.layers import Pathway
    from mmgraph.networks.boltzmann.multimodal import MultimodalDeepBoltzmannMachine
    from mmgraph.networks.boltzmann.restricted import RestrictedBoltzmannMachine
    from mmgraph.networks.dynamic.coupled_hidden_markov_model import CoupledHiddenMarkovModel
    from mmgraph.networks.dynamic.dynamic_bayesian_network import DynamicBayesianNetwork
    from mmgraph.networks.dynamic.factorial_hidden_markov_model import FactorialHiddenMarkovModel
    from mmgraph.networks.dynamic.hidden_markov_model import HiddenMarkovModel
    from mmgraph.networks.dynamic.hidden_semi_markov_model import HiddenSemiMarkovModel
    from mmgraph.networks.dynamic.linear_gaussian_system import LinearGaussianSystem
    from mmgraph.networks.dynamic.switching_linear_system import SwitchingLinearSystem
    from mmgraph.networks.random_fields.conditional_random_field import (
        ConditionalRandomField,
        LabelledImage,
    )
    from mmgraph.networks.random_fields.markov_random_field import MarkovRandomField
    from mmgraph.predictors.bayesian_network_classifier import BayesianNetworkClassifier
    from mmgraph.predictors.deep.deep_classifier import DeepClassifier
    from mmgraph.predictors.deep.hybrid_classifier import HybridClassifier
    from mmgraph.predictors.discretizer import Discretizer
    from mmgraph.predictors.leaves.encoder import EncoderLeaf
    from mmgraph.predictors.leaves.torch_module import TorchLeaf
    from mmgraph.predictors.leaves.words import WordsLeaf
    from mmgraph.predictors.machine_classifier import MachineClassifier
    from mmgraph.predictors.missing_modality_classifier import MissingModalityClassifier
    from mmgraph.predictors.multimodal_classifier import MultimodalClassifier
    from mmgraph.predictors.multimodal_regressor import MultimodalRegressor
    from mmgraph.predictors.sequences.sequence_labeller import SequenceLabeller
    from mmgraph.retrieval.alignment.align import align
    from mmgraph.retrieval.retriever import Retriever
    from mmgraph.sequences.changepoints.changepoints import changepoints
    from mmgraph.sequences.commands.recogniser import CommandRecogniser
    from mmgraph.sequences.tracking.detections import Detections
    from mmgraph.sequences.tracking.tracker import Tracker
    from mmgraph.sequences.tracking.tracks import Tracks

_HOMES = {
    "BayesianNetwork": "mmgraph.networks.bayesian_network",
    "BayesianNetworkClassifier": "mmgraph.predictors.bayesian_network_classifier",
    "BiasFactor": "mmgraph.graph.factors.bias",
    "BilinearFactor": "mmgraph.graph.factors.bilinear",
    "CausalModel": "mmgraph.causal.model",
    "CommandRecogniser": "mmgraph.sequences.commands.recogniser",
    "ConditionalRandomField": "mmgraph.networks.random_fields.conditional_random_field",
    "CoupledHiddenMarkovModel": "mmgraph.networks.dynamic.coupled_hidden_markov_model",
    "DeepBoltzmannMachine": "mmgraph.networks.boltzmann.deep",
    "DeepClassifier": "mmgraph.predictors.deep.deep_classifier",
    "Detections": "mmgraph.sequences.tracking.detections",
    "Deterministic": "mmgraph.graph.conditionals.deterministic_and_softmax",
    "Discretizer": "mmgraph.predictors.discretizer",
    "DynamicBayesianNetwork": "mmgraph.networks.dynamic.dynamic_bayesian_network",
    "Effect": "mmgraph.causal.estimation.effect",
    "EncodedField": "mmgraph.deep.hybrids.encoded_field",
    "EncodedNetwork": "mmgraph.deep.hybrids.encoded_network",
    "EncoderLeaf": "mmgraph.predictors.leaves.encoder",
    "Evidence": "mmgraph.graph.evidence",
    "Factor": "mmgraph.graph.factor",
    "FactorGraph": "mmgraph.graph.factor_graph",
    "FactorialHiddenMarkovModel": "mmgraph.networks.dynamic.factorial_hidden_markov_model",
    "GaussianLeaf": "mmgraph.graph.leaves.gaussian",
    "GaussianMixtureLeaf": "mmgraph.graph.leaves.gaussian_mixture",
    "GridFactor": "mmgraph.graph.factors.grid",
    "HiddenMarkovModel": "mmgraph.networks.dynamic.hidden_markov_model",
    "HiddenSemiMarkovModel": "mmgraph.networks.dynamic.hidden_semi_markov_model",
    "HybridClassifier": "mmgraph.predictors.deep.hybrid_classifier",
    "LabelledImage": "mmgraph.networks.random_fields.conditional_random_field",
    "LinearGaussian": "mmgraph.graph.leaves.linear_gaussian",
    "LinearGaussianSystem": "mmgraph.networks.dynamic.linear_gaussian_system",
    "MachineClassifier": "mmgraph.predictors.machine_classifier",
    "MarkovRandomField": "mmgraph.networks.random_fields.markov_random_field",
    "MissingModalityClassifier": "mmgraph.predictors.missing_modality_classifier",
    "MultimodalClassifier": "mmgraph.predictors.multimodal_classifier",
    "MultimodalData": "mmgraph.data.multimodal_data",
    "MultimodalDeepBoltzmannMachine": "mmgraph.networks.boltzmann.multimodal",
    "MultimodalRegressor": "mmgraph.predictors.multimodal_regressor",
    "MultimodalRepresentation": "mmgraph.deep.representations.representation",
    "NoisyMax": "mmgraph.graph.conditionals.noisy_max",
    "NoisyOr": "mmgraph.graph.conditionals.noisy_or",
    "OmittedVariableBias": "mmgraph.causal.sensitivity.omitted_variable",
    "PairwiseFactor": "mmgraph.graph.factors.edges",
    "Pathway": "mmgraph.networks.boltzmann.layers",
    "Posterior": "mmgraph.inference.posterior",
    "Potts": "mmgraph.graph.interaction",
    "Prior": "mmgraph.learning.conditionals.priors",
    "PyroNode": "mmgraph.interop.pyro.node",
    "RestrictedBoltzmannMachine": "mmgraph.networks.boltzmann.restricted",
    "Retriever": "mmgraph.retrieval.retriever",
    "Samples": "mmgraph.inference.samples",
    "Schema": "mmgraph.data.schema.schema",
    "SequenceLabeller": "mmgraph.predictors.sequences.sequence_labeller",
    "Softmax": "mmgraph.graph.conditionals.deterministic_and_softmax",
    "StructuralModel": "mmgraph.causal.counterfactuals.structural_model",
    "SwitchingLinearSystem": "mmgraph.networks.dynamic.switching_linear_system",
    "TableFactor": "mmgraph.graph.factors.table",
    "Tabulated": "mmgraph.graph.interaction",
    "TorchLeaf": "mmgraph.predictors.leaves.torch_module",
    "Tracker": "mmgraph.sequences.tracking.tracker",
    "Tracks": "mmgraph.sequences.tracking.tracks",
    "TruncatedLinear": "mmgraph.graph.interaction",
    "TruncatedQuadratic": "mmgraph.graph.interaction",
    "UnaryFactor": "mmgraph.graph.factors.unary",
    "Variable": "mmgraph.graph.variable",
    "WordsLeaf": "mmgraph.predictors.leaves.words",
    "align": "mmgraph.retrieval.alignment.align",
    "analyse_modalities": "mmgraph.causal.modalities.analyse",
    "changepoints": "mmgraph.sequences.changepoints.changepoints",
    "compare": "mmgraph.comparison.compare",
    "counterfactual_bounds": "mmgraph.causal.counterfactuals.table_bounds",
    "cross_validate": "mmgraph.comparison.held_out",
    "e_value": "mmgraph.causal.sensitivity.e_value",
    "effect_through": "mmgraph.causal.counterfactuals.nested",
    "expectation_maximization": "mmgraph.learning.conditionals.expectation_maximization",
    "expected_family_counts": "mmgraph.inference.exact.family_counts",
    "folds": "mmgraph.data.folds",
    "from_pgmpy": "mmgraph.interop.pgmpy",
    "from_pyro": "mmgraph.interop.pyro.reading",
    "index": "mmgraph.graph.state_labels",
    "information_by_modality": "mmgraph.causal.modalities.information.by_modality",
    "instrument_bounds": "mmgraph.causal.bounds.instrument",
    "joint": "mmgraph.inference.query",
    "joint_moments": "mmgraph.inference.query",
    "learn_hybrid": "mmgraph.deep.hybrids.learning",
    "learn_parameters": "mmgraph.learning.conditionals.parameters",
    "learn_structure": "mmgraph.learning.structure.learn_structure",
    "log_partition": "mmgraph.inference.query",
    "map_query": "mmgraph.inference.query",
    "mcar_test": "mmgraph.causal.missing_data.mcar",
    "mediation": "mmgraph.causal.counterfactuals.mediation",
    "necessity_sufficiency_bounds": "mmgraph.causal.bounds.causation",
    "nested_folds": "mmgraph.data.folds",
    "omitted_variable_bias": "mmgraph.causal.sensitivity.omitted_variable",
    "open_table": "mmgraph.data.tables",
    "partial_information": "mmgraph.causal.modalities.information.partial_information",
    "query": "mmgraph.inference.query",
    "read": "mmgraph.formats.resolve",
    "recoverable": "mmgraph.causal.missing_data.recoverability",
    "sample": "mmgraph.inference.query",
    "soft": "mmgraph.graph.soft_evidence",
    "table_sensitivity": "mmgraph.causal.sensitivity.table_sensitivity",
    "to_pgmpy": "mmgraph.interop.pgmpy",
    "to_pyro": "mmgraph.interop.pyro.model",
    "value_of_information": "mmgraph.causal.modalities.information.value_of_information",
    "windows": "mmgraph.data.recordings.windows",
    "write": "mmgraph.formats.resolve",
    "write_report": "mmgraph.experiments.analysis.report",
}

_PARTS = ("datasets", "plots", "spatial")
"""Packages that ``import mmgraph`` makes known, too."""

__all__ = [
    "BayesianNetwork",
    "BayesianNetworkClassifier",
    "BiasFactor",
    "BilinearFactor",
    "CausalModel",
    "CommandRecogniser",
    "ConditionalRandomField",
    "CoupledHiddenMarkovModel",
    "DeepBoltzmannMachine",
    "DeepClassifier",
    "Detections",
    "Deterministic",
    "Discretizer",
    "DynamicBayesianNetwork",
    "Effect",
    "EncodedField",
    "EncodedNetwork",
    "EncoderLeaf",
    "Evidence",
    "Factor",
    "FactorGraph",
    "FactorialHiddenMarkovModel",
    "GaussianLeaf",
    "GaussianMixtureLeaf",
    "GridFactor",
    "HiddenMarkovModel",
    "HiddenSemiMarkovModel",
    "HybridClassifier",
    "LabelledImage",
    "LinearGaussian",
    "LinearGaussianSystem",
    "MachineClassifier",
    "MarkovRandomField",
    "MissingModalityClassifier",
    "MultimodalClassifier",
    "MultimodalData",
    "MultimodalDeepBoltzmannMachine",
    "MultimodalRegressor",
    "MultimodalRepresentation",
    "NoisyMax",
    "NoisyOr",
    "OmittedVariableBias",
    "PairwiseFactor",
    "Pathway",
    "Posterior",
    "Potts",
    "Prior",
    "PyroNode",
    "RestrictedBoltzmannMachine",
    "Retriever",
    "Samples",
    "Schema",
    "SequenceLabeller",
    "Softmax",
    "StructuralModel",
    "SwitchingLinearSystem",
    "TableFactor",
    "Tabulated",
    "TorchLeaf",
    "Tracker",
    "Tracks",
    "TruncatedLinear",
    "TruncatedQuadratic",
    "UnaryFactor",
    "Variable",
    "WordsLeaf",
    "align",
    "analyse_modalities",
    "changepoints",
    "compare",
    "counterfactual_bounds",
    "cross_validate",
    "e_value",
    "effect_through",
    "expectation_maximization",
    "expected_family_counts",
    "folds",
    "from_pgmpy",
    "from_pyro",
    "index",
    "information_by_modality",
    "instrument_bounds",
    "joint",
    "joint_moments",
    "learn_hybrid",
    "learn_parameters",
    "learn_structure",
    "log_partition",
    "map_query",
    "mcar_test",
    "mediation",
    "necessity_sufficiency_bounds",
    "nested_folds",
    "omitted_variable_bias",
    "open_table",
    "partial_information",
    "query",
    "read",
    "recoverable",
    "sample",
    "soft",
    "table_sensitivity",
    "to_pgmpy",
    "to_pyro",
    "value_of_information",
    "windows",
    "write",
    "write_report",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("mmgraph")
    if name in _PARTS:
        return importlib.import_module(f"mmgraph.{name}")
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'mmgraph' has no attribute {name!r}")
    value = getattr(importlib.import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted((*__all__, "__version__"))
