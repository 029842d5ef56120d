"""The losses by name, and sums of these."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence

from mmgraph.deep.losses.between import Contrastive, Correlation, Cosine
from mmgraph.deep.losses.distributions import Coral, MeanDiscrepancy
from mmgraph.deep.losses.loss import Loss, WeightedSum
from mmgraph.deep.losses.metric import MetricLoss
from mmgraph.deep.losses.within import MaskedPrediction, Reconstruction
from mmgraph.graph.errors import LearningError, suggestion

LOSSES: Mapping[str, type[Loss]] = {
    "reconstruction": Reconstruction,
    "masked_prediction": MaskedPrediction,
    "contrastive": Contrastive,
    "cosine": Cosine,
    "deep_cca": Correlation,
    "mmd": MeanDiscrepancy,
    "coral": Coral,
}

LossNames = str | Sequence[str | Loss] | Mapping[str, float] | Loss
"""A name; names or losses, which count equally; names with their factors; or one loss.

Names that end in ``Loss`` are of pytorch-metric-learning.
"""


def sum_of_losses(losses: LossNames) -> Loss:
    """Return losses as one that no net has used, whatever of them is given.

    Raises
    ------
    LearningError
        If a name is none of a loss.
    """
    if isinstance(losses, Loss):
        return copy.deepcopy(losses)
    losses = [losses] if isinstance(losses, str) else losses
    weighted = losses if isinstance(losses, Mapping) else dict.fromkeys(losses, 1.0)
    return WeightedSum([(_loss(given), factor) for given, factor in weighted.items()])


def _loss(given: str | Loss) -> Loss:
    if isinstance(given, Loss):
        return copy.deepcopy(given)
    if given.endswith("Loss"):
        return MetricLoss(given)
    if given not in LOSSES:
        raise LearningError(
            f"a loss is one of {', '.join(LOSSES)}, not '{given}'{suggestion(given, LOSSES)}"
        )
    return LOSSES[given]()
