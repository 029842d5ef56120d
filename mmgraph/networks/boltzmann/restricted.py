"""Restricted Boltzmann machines: one layer of hidden units above the data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from mmgraph.graph.variable import Variable
from mmgraph.networks.boltzmann.estimator import BoltzmannEstimator, arguments_of
from mmgraph.networks.boltzmann.layers import HiddenFamily, Pathway, hidden_layer


class RestrictedBoltzmannMachine(BoltzmannEstimator):
    """A layer ``"hidden"`` above one or several visible variables.

    Parameters
    ----------
    visible : Variable or sequence of Variable, optional
        Bernoulli, categorical, Gaussian, rectified Gaussian or replicated softmax. By default they
        are taken from the data of ``fit``: columns whose values all lie in [0, 1] are Bernoulli,
        other numbers Gaussian, texts in a data frame categorical.
    hidden : int, default 256
        The number of hidden units.
    labels : Variable or str, optional
        A categorical variable, or the name of one whose states are those of ``y`` in ``fit``;
        joined to the hidden units like a visible one.
    hidden_family : {"bernoulli", "rectified_gaussian"}
    dtype : torch.dtype, optional
        By default single precision.
    generator : torch.Generator, optional
        Draws the first weights.
    fit_options : mapping, optional
        Options of training; those given one by one, as below, win over these.
    **training
        Options of training (``epochs=20``, ``objective="multi_prediction"``), in force where a call
        of :meth:`fit` does not say otherwise.

    Raises
    ------
    GraphError
        If a size is not positive, a name is used twice, or the labels are not categorical.

    LearningError
        If there is no such option of training.

    References
    ----------
    Smolensky (1986), "Information processing in dynamical systems"; Welling, Rosen-Zvi and Hinton
    (2005), "Exponential family harmoniums".
    """

    def __init__(
        self,
        visible: Variable | Sequence[Variable] | None = None,
        hidden: int = 256,
        labels: Variable | str | None = None,
        hidden_family: HiddenFamily = "bernoulli",
        dtype: torch.dtype | None = None,
        generator: torch.Generator | None = None,
        fit_options: Mapping[str, Any] | None = None,
        **training: Any,
    ) -> None:
        arguments = arguments_of(RestrictedBoltzmannMachine, locals())
        joint = hidden_layer("hidden", hidden, hidden_family)
        pathways = None if visible is None else [Pathway(visible)]
        super().__init__(arguments, pathways, [()], joint, labels, dtype, generator)
