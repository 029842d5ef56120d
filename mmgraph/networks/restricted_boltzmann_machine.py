"""Restricted Boltzmann machines: one layer of hidden units above the data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from mmgraph.graph.variable import Variable
from mmgraph.networks.boltzmann_estimator import arguments_of
from mmgraph.networks.boltzmann_layers import HiddenFamily, Pathway, hidden_layer
from mmgraph.networks.boltzmann_machine import BoltzmannMachine


class RestrictedBoltzmannMachine(BoltzmannMachine):
    """A layer ``"hidden"`` above one or several visible variables.

    Parameters
    ----------
    visible : Variable or sequence of Variable
        Bernoulli, categorical, Gaussian, rectified Gaussian or replicated softmax.
    hidden : int
        The number of hidden units.
    labels : Variable, optional
        A categorical variable, joined to the hidden units like a visible one.
    hidden_family : {"bernoulli", "rectified_gaussian"}
    dtype : torch.dtype, default torch.float32
    generator : torch.Generator, optional
        Draws the first weights.
    fit_options : mapping, optional
        Options of :meth:`fit`, in force where a call does not say otherwise.

    Raises
    ------
    GraphError
        If a size is not positive, a name is used twice, or the labels are not categorical.

    References
    ----------
    Smolensky (1986), "Information processing in dynamical systems"; Welling, Rosen-Zvi and Hinton
    (2005), "Exponential family harmoniums".
    """

    def __init__(
        self,
        visible: Variable | Sequence[Variable],
        hidden: int,
        labels: Variable | None = None,
        hidden_family: HiddenFamily = "bernoulli",
        dtype: torch.dtype = torch.float32,
        generator: torch.Generator | None = None,
        fit_options: Mapping[str, Any] | None = None,
    ) -> None:
        arguments = arguments_of(RestrictedBoltzmannMachine, locals())
        joint = hidden_layer("hidden", hidden, hidden_family)
        super().__init__(arguments, [Pathway(visible)], [()], joint, labels, dtype, generator)
