"""Deep Boltzmann machines: layers of hidden units above the data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from mmgraph.graph.errors import GraphError
from mmgraph.graph.variable import Variable
from mmgraph.networks.boltzmann_estimator import arguments_of
from mmgraph.networks.boltzmann_layers import HiddenFamily, Pathway, hidden_layer
from mmgraph.networks.boltzmann_machine import BoltzmannMachine


class DeepBoltzmannMachine(BoltzmannMachine):
    """Layers ``"hidden1"``, ``"hidden2"``, … above one or several visible variables.

    Parameters
    ----------
    visible : Variable or sequence of Variable
        Bernoulli, categorical, Gaussian, rectified Gaussian or replicated softmax.
    hidden : sequence of int, default (500, 1000)
        The units of each layer, from below; the last one is the joint layer.
    labels : Variable, optional
        A categorical variable, joined to the last layer.
    hidden_family : {"bernoulli", "rectified_gaussian"}
    dtype : torch.dtype, default torch.float32
    generator : torch.Generator, optional
        Draws the first weights.
    fit_options : mapping, optional
        Options of :meth:`fit`, in force where a call does not say otherwise.

    Raises
    ------
    GraphError
        If there is no layer, a size is not positive, a name is used twice, or the labels are not
        categorical.

    References
    ----------
    Salakhutdinov and Hinton (2009), "Deep Boltzmann machines".
    """

    def __init__(
        self,
        visible: Variable | Sequence[Variable],
        hidden: int | Sequence[int] = (500, 1000),
        labels: Variable | None = None,
        hidden_family: HiddenFamily = "bernoulli",
        dtype: torch.dtype = torch.float32,
        generator: torch.Generator | None = None,
        fit_options: Mapping[str, Any] | None = None,
    ) -> None:
        arguments = arguments_of(DeepBoltzmannMachine, locals())
        sizes = (hidden,) if isinstance(hidden, int) else tuple(hidden)
        if not sizes:
            raise GraphError("a deep machine needs at least one hidden layer")
        layers = [hidden_layer(f"hidden{i}", n, hidden_family) for i, n in enumerate(sizes, 1)]
        pathway = Pathway(visible, sizes[:-1])
        super().__init__(arguments, [pathway], [layers[:-1]], layers[-1], labels, dtype, generator)
