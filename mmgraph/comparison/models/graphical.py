"""How graphical models that are compared are made; each builder takes a seed and settings."""

from __future__ import annotations

from typing import Any

from mmgraph.predictors.predictor import Predictor


def naive_bayes(seed: int, **options: Any) -> Predictor:
    """Return the network whose columns are independent given the target, tempered."""
    from mmgraph.predictors.bayesian_network_classifier import BayesianNetworkClassifier

    return BayesianNetworkClassifier(random_state=seed, **options)


def network(seed: int, **options: Any) -> Predictor:
    """Return a network whose structure is learned, tempered."""
    from mmgraph.comparison.models.learned_network import LearnedNetworkClassifier

    return LearnedNetworkClassifier(random_state=seed, **options)


def latent_network(seed: int, joint: bool = False, **options: Any) -> Predictor:
    """Return the network with latent clusters between the target and each modality."""
    from mmgraph.predictors.leaves.mixture import MixtureLeaf
    from mmgraph.predictors.multimodal_classifier import MultimodalClassifier

    leaf = MixtureLeaf(**options)
    both = [leaf] if joint else []
    return MultimodalClassifier(leaves=leaf, joint=both, n_jobs=1, random_state=seed)


def multimodal(seed: int, **options: Any) -> Predictor:
    """Return the target with leaves of several kinds in each modality, and joint ones."""
    from mmgraph.predictors.multimodal_classifier import MultimodalClassifier

    return MultimodalClassifier(n_jobs=1, random_state=seed, **options)


def machine(seed: int, **options: Any) -> Predictor:
    """Return a multimodal deep Boltzmann machine, tempered."""
    from mmgraph.predictors.machine_classifier import MachineClassifier

    return MachineClassifier(random_state=seed, **options)
