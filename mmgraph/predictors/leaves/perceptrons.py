"""A leaf of small neural networks, all of them trained at once by batched products."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from jaxtyping import Float, Float64
from torch import Tensor

from mmgraph.data.blocks.block import Features
from mmgraph.data.blocks.preparation import Preparation
from mmgraph.predictors.leaves.leaf import FittedLeaf, Leaf, LeafRows
from mmgraph.predictors.leaves.training import network_inputs, train

_LEAST_PROBABILITY = 1e-6
Layers = Sequence[
    tuple[Float[Tensor, "members inputs outputs"], Float[Tensor, "members 1 outputs"]]
]


@dataclass(frozen=True)
class PerceptronsLeaf(Leaf):
    """An ensemble of multilayer perceptrons, whose mean probabilities are a scaled likelihood.

    Each member has its own weights, its own order of rows, dropout and noise of the inputs; a step
    of all of them is one batched product.

    Attributes
    ----------
    members, hidden, layers : int
        How many networks; units of a hidden layer; hidden layers.
    epochs, batch : int
        Passes over the rows, and rows of a step.
    rate, decay : float
        The largest learning rate of Adam (one cycle), and the decay of weights.
    dropout, noise : float
        Share of hidden units that are left out, and the deviation of normal noise that is added to
        inputs, in normal quantiles.
    """

    kind: ClassVar[str] = "perceptrons"
    members: int = 8
    hidden: int = 96
    layers: int = 2
    epochs: int = 40
    batch: int = 128
    rate: float = 8e-3
    decay: float = 1e-3
    dropout: float = 0.3
    noise: float = 0.3

    def fit(self, rows: LeafRows, seed: int) -> FittedPerceptrons:
        """As :meth:`Leaf.fit`."""
        preparation = Preparation.fitted(rows.features, quantiles=True)
        inputs = network_inputs(preparation, rows.features)
        generator = torch.Generator().manual_seed(seed)
        initial = self._initial(inputs.shape[1], rows.states, generator)
        trained = self._trained(initial, inputs, rows, generator)
        return FittedPerceptrons(preparation, trained, rows.log_shares())

    def _initial(
        self, inputs: int, states: int, generator: torch.Generator
    ) -> list[tuple[Tensor, Tensor]]:
        """Weights for rectified units (He et al. 2015), smaller for the last layer; no biases."""
        sizes = [inputs, *[self.hidden] * self.layers, states]
        layers = []
        for number, (size, outputs) in enumerate(itertools.pairwise(sizes)):
            gain = (0.3 if number == self.layers else 1.0) * (2 / max(size, 1)) ** 0.5
            weights = gain * torch.randn(self.members, size, outputs, generator=generator)
            layers.append((weights, torch.zeros(self.members, 1, outputs)))
        return layers

    def _trained(
        self,
        layers: list[tuple[Tensor, Tensor]],
        inputs: Float[Tensor, "rows inputs"],
        rows: LeafRows,
        generator: torch.Generator,
    ) -> Layers:
        """Parameters after all epochs of training."""
        flat = [tensor.requires_grad_() for layer in layers for tensor in layer]
        train(
            flat,
            lambda index: self._noisy_outputs(layers, inputs[index], generator),
            rows,
            generator,
            members=self.members,
            epochs=self.epochs,
            batch=self.batch,
            rate=self.rate,
            decay=self.decay,
        )
        return [(weights.detach(), biases.detach()) for weights, biases in layers]

    def _noisy_outputs(
        self,
        layers: Layers,
        inputs: Float[Tensor, "members batch inputs"],
        generator: torch.Generator,
    ) -> Float[Tensor, "members batch states"]:
        """Scores under noise of the inputs and dropout of hidden units."""
        outputs = inputs
        if self.noise:
            outputs = outputs + self.noise * torch.randn(inputs.shape, generator=generator)
        for number, (weights, biases) in enumerate(layers):
            outputs = torch.baddbmm(biases, outputs, weights)
            if number < len(layers) - 1:
                staying = torch.rand(outputs.shape, generator=generator) >= self.dropout
                outputs = outputs.relu() * (staying / (1 - self.dropout))
        return outputs


@dataclass(frozen=True, eq=False)
class FittedPerceptrons(FittedLeaf):
    """Trained perceptrons of prepared features.

    Attributes
    ----------
    preparation : Preparation
        The scale of features.
    layers : sequence of (weights, biases)
        Of each layer, of all members.
    log_shares : ndarray, shape (states,)
        The logarithms of the states' shares that they were trained with.
    """

    preparation: Preparation
    layers: Layers
    log_shares: Float64[np.ndarray, " states"]

    def log_likelihoods(self, features: Features) -> Float64[np.ndarray, "rows states"]:
        """As :meth:`FittedLeaf.log_likelihoods`."""
        members = len(self.layers[0][0])
        outputs = network_inputs(self.preparation, features).expand(members, -1, -1)
        for number, (weights, biases) in enumerate(self.layers):
            outputs = torch.baddbmm(biases, outputs, weights)
            if number < len(self.layers) - 1:
                outputs = outputs.relu()
        probabilities = outputs.double().softmax(-1).mean(0).numpy()
        return np.log(probabilities.clip(_LEAST_PROBABILITY)) - self.log_shares
