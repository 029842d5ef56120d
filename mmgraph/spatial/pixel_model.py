"""What a labelling is made of before its weights are known, and the random field they give."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.graph.factors.grid import GridFactor, Offset
from mmgraph.graph.factors.unary import UnaryFactor
from mmgraph.graph.interaction import Interaction
from mmgraph.graph.variable import Variable

LABEL = "label"
"""The name of the variable that holds the labels."""

Window = tuple[slice, ...]

Progress = Callable[[str, int, int | None], None]
"""Called with what is being done, and how many steps of how many (None: unknown) are done."""


@dataclass(frozen=True, eq=False)
class PixelModel:
    """Log-likelihoods of an image or a part of it by sensor, and contrasts.

    The former are zero where a sensor is missing; the contrast is the weights of the edges, to the
    neighbours at the offsets, before the common factor.
    """

    classes: tuple[str, ...]
    log_prior: Float[np.ndarray, " classes"]
    log_likelihoods: Mapping[str, Float[np.ndarray, "*shape classes"]]
    contrast: Float[np.ndarray, "offsets *shape"]
    offsets: tuple[Offset, ...]
    interaction: Interaction

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the image."""
        return self.contrast.shape[1:]

    def cropped(self, window: Window) -> PixelModel:
        """Return the model of a part of the image; edges that leave it are cut."""
        parts = {name: values[window] for name, values in self.log_likelihoods.items()}
        return replace(self, log_likelihoods=parts, contrast=self.contrast[(slice(None), *window)])

    def log_values(
        self, sensor_weights: Mapping[str, float]
    ) -> Float[np.ndarray, "*shape classes"]:
        """Return the weighted sum of what the sensors say, and the prior."""
        total = np.broadcast_to(self.log_prior, (*self.shape, len(self.classes))).copy()
        for name, values in self.log_likelihoods.items():
            if sensor_weights[name]:  # zero times minus infinity is zero
                total += sensor_weights[name] * values
        return total

    def graph(self, sensor_weights: Mapping[str, float], edge_weight: float) -> FactorGraph:
        """Return the Markov random field over the labels of all pixels."""
        label, grid = self._grid(edge_weight)
        return FactorGraph([label], [UnaryFactor(label, self.log_values(sensor_weights)), grid])

    def neighbours_alone(self, edge_weight: float) -> FactorGraph:
        """Return the field without the sensors, whose opinions come as soft evidence."""
        label, grid = self._grid(edge_weight)
        return FactorGraph([label], [grid])

    def _grid(self, edge_weight: float) -> tuple[Variable, GridFactor]:
        label = Variable(LABEL, self.classes, self.shape)
        weights = edge_weight * self.contrast
        return label, GridFactor(label, self.interaction, weights, neighbours=self.offsets)
