"""How deep and hybrid models that are compared are made; each builder takes a seed and settings."""

from __future__ import annotations

from typing import Any

from mmgraph.predictors.predictor import Predictor


def deep(seed: int, fusion: str, **options: Any) -> Predictor:
    """Return a net of all modalities, fused so."""
    from mmgraph.predictors.deep.deep_classifier import DeepClassifier

    return DeepClassifier(fusion=fusion, random_state=seed, **options)


def hybrid(seed: int, **options: Any) -> Predictor:
    """Return encoders and graphical leaves as the evidence of a network, trained end to end."""
    from mmgraph.predictors.deep.hybrid_classifier import HybridClassifier

    return HybridClassifier(random_state=seed, **options)
