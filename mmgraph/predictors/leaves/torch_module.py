"""A leaf that is any module of torch: its scores are a tempered likelihood."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from jaxtyping import Float, Float64
from torch import Tensor, nn

from mmgraph.data.blocks.block import Features
from mmgraph.data.blocks.preparation import Preparation
from mmgraph.graph.errors import LearningError
from mmgraph.predictors.leaves.leaf import FittedLeaf, Leaf, LeafRows
from mmgraph.predictors.leaves.training import network_inputs, train

_LEAST_PROBABILITY = 1e-6
_ONE_AT_A_TIME = threading.Lock()
"""Threads that fit leaves share the generator of all of torch."""


@dataclass(frozen=True)
class TorchLeaf(Leaf):
    """A module of torch, trained by AdamW to tell the states; a scaled likelihood.

    Saved are its parameters; a class is code, which is not, so that a module that is to be saved is
    an ``nn.Sequential`` of layers that are known by name, see
    :data:`~mmgraph.predictors.leaves.module_layers.LAYERS`.

    Attributes
    ----------
    build : callable
        ``build(features, states)`` returns a new ``torch.nn.Module`` that takes float32 rows
        ``(batch, features)`` and returns scores (logits) ``(batch, states)``.
    epochs, batch : int
        Passes over the rows, and rows of a step; a few more where one would be left alone.
    rate, decay : float
        The largest learning rate (one cycle), and the decay of weights.
    quantiles : bool
        Whether it sees normal quantiles of features, and not standardised ones.

    Examples
    --------
    >>> def build(features, states):
    ...     return nn.Sequential(nn.Linear(features, 32), nn.GELU(), nn.Linear(32, states))
    >>> mm.MultimodalClassifier(leaves=("trees", TorchLeaf(build)))          # doctest: +SKIP
    """

    kind: ClassVar[str] = "torch"
    build: Callable[[int, int], nn.Module]
    epochs: int = 40
    batch: int = 128
    rate: float = 5e-3
    decay: float = 1e-3
    quantiles: bool = True

    def fit(self, rows: LeafRows, seed: int) -> FittedModule:
        """As :meth:`Leaf.fit`.

        Raises
        ------
        LearningError
            If what was built is no module, or its scores are not of the states or not finite.
        """
        preparation = Preparation.fitted(rows.features, self.quantiles)
        inputs = network_inputs(preparation, rows.features)
        generator = torch.Generator().manual_seed(seed)
        # Parameters are initialised, and units left out, by the generator of all of torch.
        with _ONE_AT_A_TIME, torch.random.fork_rng(devices=[]):
            torch.random.default_generator.manual_seed(seed)
            module = self.build(inputs.shape[1], rows.states)
            if not isinstance(module, nn.Module):
                raise LearningError(f"{self.build!r} built {module!r}, which is no torch.nn.Module")
            _check_scores(module.eval(), inputs[:2], rows.states)
            module.train()
            train(
                [p for p in module.parameters() if p.requires_grad],
                lambda index: module(inputs[index[0]])[None],
                rows,
                generator,
                epochs=self.epochs,
                batch=self._rows_of_a_step(len(inputs)),
                rate=self.rate,
                decay=self.decay,
            )
        return FittedModule(preparation, module.eval().requires_grad_(False), rows.log_shares())

    def _rows_of_a_step(self, rows: int) -> int:
        """At least as many as wanted, and so many that no step has a single one.

        That would have no variance, by which normalisation divides.
        """
        size = self.batch
        while rows % size == 1:
            size += 1
        return size


@dataclass(frozen=True, eq=False)
class FittedModule(FittedLeaf):
    """A trained module of prepared features.

    Attributes
    ----------
    preparation : Preparation
        The scale of features.
    module : torch.nn.Module
        In its mode of evaluation.
    log_shares : ndarray, shape (states,)
        The logarithms of the states' shares that it was trained with.
    """

    preparation: Preparation
    module: nn.Module
    log_shares: Float64[np.ndarray, " states"]

    def log_likelihoods(self, features: Features) -> Float64[np.ndarray, "rows states"]:
        """As :meth:`FittedLeaf.log_likelihoods`.

        Raises
        ------
        LearningError
            If scores are not of the states, or not finite.
        """
        inputs = network_inputs(self.preparation, features)
        scores = _check_scores(self.module, inputs, len(self.log_shares))
        probabilities = scores.double().softmax(1).clamp(_LEAST_PROBABILITY)
        return probabilities.log().numpy() - self.log_shares


def _check_scores(
    module: nn.Module, inputs: Float[Tensor, "rows inputs"], states: int
) -> Float[Tensor, "rows states"]:
    """A module's scores of rows, if they are what scores are."""
    with torch.no_grad():
        scores = module(inputs)
    if not isinstance(scores, Tensor) or scores.shape != (len(inputs), states):
        shape = tuple(scores.shape) if isinstance(scores, Tensor) else type(scores).__name__
        raise LearningError(
            f"the module {type(module).__name__} returned {shape} for {len(inputs)} rows, not "
            f"scores of shape ({len(inputs)}, {states})"
        )
    if not bool(scores.isfinite().all()):
        raise LearningError(f"scores of the module {type(module).__name__} are not finite")
    return scores
