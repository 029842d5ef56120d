"""Deep Boltzmann machines: layers of hidden units above the data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from mmgraph.graph.errors import GraphError
from mmgraph.graph.variable import Variable
from mmgraph.networks.boltzmann.estimator import BoltzmannEstimator, arguments_of
from mmgraph.networks.boltzmann.layers import HiddenFamily, Pathway, hidden_layer


class DeepBoltzmannMachine(BoltzmannEstimator):
    """Layers ``"hidden1"``, ``"hidden2"``, … above one or several visible variables.

    Parameters
    ----------
    hidden : sequence of int, default (64, 32)
        The units of each layer, from below; the last one is the joint layer, which labels are
        joined to.
    visible, labels, hidden_family, dtype, generator, fit_options, **training
        As of :class:`RestrictedBoltzmannMachine`.

    Raises
    ------
    GraphError, LearningError
        As :class:`RestrictedBoltzmannMachine`; and if there is no hidden layer.

    References
    ----------
    Salakhutdinov and Hinton (2009), "Deep Boltzmann machines".
    """

    def __init__(
        self,
        visible: Variable | Sequence[Variable] | None = None,
        hidden: int | Sequence[int] = (64, 32),
        labels: Variable | str | None = None,
        hidden_family: HiddenFamily = "bernoulli",
        dtype: torch.dtype | None = None,
        generator: torch.Generator | None = None,
        fit_options: Mapping[str, Any] | None = None,
        **training: Any,
    ) -> None:
        arguments = arguments_of(DeepBoltzmannMachine, locals())
        sizes = (hidden,) if isinstance(hidden, int) else tuple(hidden)
        if not sizes:
            raise GraphError("a deep machine needs at least one hidden layer")
        layers = [hidden_layer(f"hidden{i}", n, hidden_family) for i, n in enumerate(sizes, 1)]
        pathways = None if visible is None else [Pathway(visible, sizes[:-1])]
        super().__init__(arguments, pathways, [layers[:-1]], layers[-1], labels, dtype, generator)
