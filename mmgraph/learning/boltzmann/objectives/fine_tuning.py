"""Discriminative fine-tuning: the unrolled mean field as a classifier of whatever is given.

Salakhutdinov and Hinton (2009), "Deep Boltzmann machines", section 3.3, initialise a feed-forward
network with the machine. Here the machine itself is tuned, through its mean field as in Goodfellow
et al. (2013), "Multi-prediction deep Boltzmann machines", so that it still answers from any subset
of its modalities.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from mmgraph.graph.errors import MmgraphError
from mmgraph.learning.boltzmann.objectives.hiding import HidingDistribution
from mmgraph.learning.boltzmann.objectives.multi_prediction import (
    MultiPrediction,
    PredictionSettings,
)
from mmgraph.learning.boltzmann.parameters import BoltzmannParameters
from mmgraph.learning.training.random_blocks import RandomBlocks


class FineTuning(MultiPrediction):
    """The cross-entropy of labels under the unrolled mean field, given some of the modalities.

    Labels are always hidden, and nothing else is predicted: of the weights in the settings those of
    the labels count. By default nothing is hidden but the labels in half of the rows, and half of
    the modalities in the others. Rows without a label are not learned from.
    """

    def __init__(
        self,
        parameters: BoltzmannParameters,
        labels: Sequence[str] | str,
        settings: PredictionSettings | None = None,
        random: RandomBlocks | None = None,
    ) -> None:
        if not labels:
            raise MmgraphError("fine-tuning needs the variables that are labels")
        names = (labels,) if isinstance(labels, str) else tuple(labels)
        if settings is None:
            settings = PredictionSettings(hiding=HidingDistribution(everything=0.5, partly=0.0))
        variables, squared = parameters.working().variables, settings.squared_error_weights
        tuned = replace(
            settings,
            hiding=replace(settings.hiding, labels=1.0),
            weights={n: settings.weights.get(n, 1.0) if n in names else 0.0 for n in variables},
            squared_error_weights={n: w for n, w in squared.items() if n in names},
        )
        super().__init__(parameters, names, tuned, random)
