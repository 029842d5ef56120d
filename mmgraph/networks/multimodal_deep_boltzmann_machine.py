"""Multimodal deep Boltzmann machines: a pathway for each modality, and a joint layer on top."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from mmgraph.graph.errors import GraphError
from mmgraph.graph.variable import Variable
from mmgraph.networks.boltzmann_estimator import arguments_of
from mmgraph.networks.boltzmann_layers import HiddenFamily, LabelLinks, Pathway, hidden_layer
from mmgraph.networks.boltzmann_machine import BoltzmannMachine


class MultimodalDeepBoltzmannMachine(BoltzmannMachine):
    """A joint distribution of several modalities, any of which may be missing.

    The layers are called ``"NAME.hidden1"``, … in the pathway ``NAME``, and ``"joint"``.

    Parameters
    ----------
    pathways : sequence of Pathway, or mapping of str to Pathway
        One for each modality; a mapping names them.
    joint : int
        The units of the joint layer.
    labels : Variable, optional
        A categorical variable, joined to the joint layer.
    hidden_family : {"bernoulli", "rectified_gaussian"}
        Of the joint layer, and of pathways that do not say. Two rectified layers that are joined by
        large weights have no distribution: their log-potential must fall far out.
    dtype : torch.dtype, default torch.float32
    generator : torch.Generator, optional
        Draws the first weights.
    fit_options : mapping, optional
        Options of :meth:`fit`, in force where a call does not say otherwise.
    label_links : {"joint", "all"}
        Whether labels are joined to the last hidden layer of each pathway as well, so that one
        modality by itself says more of them.

    Raises
    ------
    GraphError
        If there is no pathway, a size is not positive, a name is used twice, or the labels are not
        categorical.

    References
    ----------
    Srivastava and Salakhutdinov (2014), "Multimodal learning with deep Boltzmann machines".
    """

    def __init__(
        self,
        pathways: Sequence[Pathway] | Mapping[str, Pathway],
        joint: int,
        labels: Variable | None = None,
        hidden_family: HiddenFamily = "bernoulli",
        dtype: torch.dtype = torch.float32,
        generator: torch.Generator | None = None,
        fit_options: Mapping[str, Any] | None = None,
        label_links: LabelLinks = "joint",
    ) -> None:
        arguments = arguments_of(MultimodalDeepBoltzmannMachine, locals())
        if isinstance(pathways, Mapping):
            pathways = [
                Pathway(p.visible, p.hidden, name, p.hidden_family) for name, p in pathways.items()
            ]
        layers = []
        for pathway in pathways:
            if not isinstance(pathway, Pathway):
                raise GraphError(f"pathways are mm.Pathway(visible, hidden), not {pathway!r}")
            family = pathway.hidden_family or hidden_family
            layers.append([
                hidden_layer(f"{pathway.title}.hidden{i}", size, family)
                for i, size in enumerate(pathway.sizes, 1)
            ])  # fmt: skip
        top = hidden_layer("joint", joint, hidden_family)
        super().__init__(arguments, pathways, layers, top, labels, dtype, generator, label_links)
