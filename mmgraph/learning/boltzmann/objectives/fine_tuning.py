"""Discriminative fine-tuning: the unrolled mean field as a classifier of whatever is given.

Salakhutdinov and Hinton (2009), "Deep Boltzmann machines", section 3.3, initialise a feed-forward
network with the machine. Here the machine itself is tuned, through its mean field as in Goodfellow
et al. (2013), "Multi-prediction deep Boltzmann machines", so that it still answers from any subset
of its modalities.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from mmgraph.graph.errors import MmgraphError
from mmgraph.inference.field.clamping import Clamped
from mmgraph.learning.boltzmann.objective import RandomBlocks
from mmgraph.learning.boltzmann.objectives.multi_prediction import (
    MultiPrediction,
    PredictionSettings,
)
from mmgraph.learning.boltzmann.parameters import BoltzmannParameters


class FineTuning(MultiPrediction):
    """The cross-entropy of labels under the unrolled mean field, given some of the modalities.

    Labels are always hidden, and nothing else is predicted. Rows without a label are not learned
    from.

    Parameters
    ----------
    labels : str or sequence of str
        At least one variable of the machine.
    settings : PredictionSettings, optional
        The weights of the labels alone count. By default nothing is hidden but the labels in half
        of the rows, and half of the modalities in the others.
    parameters, random, partners
        As of :class:`MultiPrediction`.

    Raises
    ------
    MmgraphError
        If there are no labels, or the settings name what the machine does not have.
    """

    def __init__(
        self,
        parameters: BoltzmannParameters,
        labels: Sequence[str] | str,
        settings: PredictionSettings | None = None,
        random: RandomBlocks | None = None,
        partners: Mapping[str, Clamped] | None = None,
    ) -> None:
        if not labels:
            raise MmgraphError("fine-tuning needs the variables that are labels")
        names = (labels,) if isinstance(labels, str) else tuple(labels)
        given = PredictionSettings() if settings is None else settings
        hiding = given.hiding
        if settings is None:
            hiding = replace(hiding, everything=0.5, partly=0.0)
        variables = parameters.working().variables
        only = {n: given.weights.get(n, 1.0) if n in names else 0.0 for n in variables}
        squared = {n: w for n, w in given.squared_error_weights.items() if n in names}
        tuned = replace(
            given, hiding=replace(hiding, labels=1.0), weights=only, squared_error_weights=squared
        )
        super().__init__(parameters, names, tuned, random, partners)
