"""Multimodal deep Boltzmann machines: a pathway for each modality, and a joint layer on top."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch

from mmgraph.graph.errors import GraphError
from mmgraph.graph.variable import Variable
from mmgraph.networks.boltzmann.estimator import BoltzmannEstimator, arguments_of
from mmgraph.networks.boltzmann.inputs.layers_from_data import leaves_units_to_data
from mmgraph.networks.boltzmann.layers import HiddenFamily, LabelLinks, Pathway, hidden_layer


class MultimodalDeepBoltzmannMachine(BoltzmannEstimator):
    """A joint distribution of several modalities, any of which may be missing.

    The layers are called ``"NAME.hidden1"``, … in the pathway ``NAME``, and ``"joint"``.

    Parameters
    ----------
    pathways : sequence of Pathway, or mapping of str to Pathway, optional
        One for each modality; a mapping names them. In place of a pathway the mapping may have the
        units of its hidden layers (``{"sound": 64, "movement": (64, 32)}``): visible units are then
        taken from the data of ``fit``, as of :class:`RestrictedBoltzmannMachine`. By default all
        pathways are, each with a hidden layer as wide as the joint one.
    joint : int, default 64
        The units of the joint layer.
    labels : Variable or str, optional
        A categorical variable, or the name of one whose states are those of ``y`` in ``fit``;
        joined to the joint layer.
    hidden_family : {"bernoulli", "rectified_gaussian"}
        Of the joint layer, and of pathways that do not say. Two rectified layers that are joined by
        large weights have no distribution: their log-potential must fall far out.
    label_links : {"joint", "all"}
        Whether labels are joined to the last hidden layer of each pathway as well, so that one
        modality by itself says more of them.
    dtype, generator, fit_options, **training
        As of :class:`RestrictedBoltzmannMachine`.

    Raises
    ------
    GraphError, LearningError
        As :class:`RestrictedBoltzmannMachine`; and if there is no pathway.

    References
    ----------
    Srivastava and Salakhutdinov (2014), "Multimodal learning with deep Boltzmann machines".
    """

    def __init__(
        self,
        pathways: Sequence[Pathway] | Mapping[str, Pathway | int | Sequence[int]] | None = None,
        joint: int = 64,
        labels: Variable | str | None = None,
        hidden_family: HiddenFamily = "bernoulli",
        dtype: torch.dtype | None = None,
        generator: torch.Generator | None = None,
        fit_options: Mapping[str, Any] | None = None,
        label_links: LabelLinks = "joint",
        **training: Any,
    ) -> None:
        arguments = arguments_of(MultimodalDeepBoltzmannMachine, locals())
        listed = None if leaves_units_to_data(arguments) else _named(pathways)
        layers = []
        for pathway in listed or ():
            family = pathway.hidden_family or hidden_family
            layers.append([
                hidden_layer(f"{pathway.title}.hidden{i}", size, family)
                for i, size in enumerate(pathway.sizes, 1)
            ])  # fmt: skip
        top = hidden_layer("joint", joint, hidden_family)
        super().__init__(arguments, listed, layers, top, labels, dtype, generator, label_links)


def _named(pathways: Any) -> Sequence[Pathway]:
    """Pathways with their names."""
    if isinstance(pathways, Mapping):
        return [Pathway(p.visible, p.hidden, name, p.hidden_family) for name, p in pathways.items()]
    listed = list(pathways) if isinstance(pathways, Iterable) else [pathways]
    for pathway in listed:
        if not isinstance(pathway, Pathway) or not isinstance(pathways, Iterable):
            raise GraphError(f"pathways are a list of mm.Pathway(visible, hidden), not {pathway!r}")
    return listed
