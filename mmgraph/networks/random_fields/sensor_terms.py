"""What the sensors of a conditional random field add to unary factors and edges, before weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from mmgraph.graph.arrays import (
    as_array,
    float_array,
    nan_where_masked,
    native,
    refuse_mask,
    whole_numbers,
)
from mmgraph.graph.column_reader import plain_array
from mmgraph.graph.errors import GraphError, LearningError
from mmgraph.graph.factors.edges import EdgeFactor, PairwiseFactor
from mmgraph.graph.factors.grid import GridFactor, Offset
from mmgraph.graph.factors.unary import UnaryFactor
from mmgraph.graph.interaction import Interaction, Potts
from mmgraph.graph.state_labels import is_missing
from mmgraph.graph.variable import Variable
from mmgraph.networks.random_fields.contrast import Contrast, edge_contrast
from mmgraph.networks.random_fields.markov_random_field import MarkovRandomField


@dataclass(frozen=True)
class SensorTerms:
    """The parts of one image's energy that parameters multiply.

    Attributes
    ----------
    variable : Variable
        The labels, an array.
    scores : dict of str to Tensor
        ``(*shape, states)``; zero where the sensor is missing.
    likeness : dict of str to Tensor
        ``exp(-contrast / (2 scale^2))`` of each edge; zero where the sensor is missing.
    contrasts : dict of str to (float, int)
        The mean square of the neighbours' differences, and over how many edges.
    first, second : Tensor of int64, shape (edges,)
        The ends of the edges.
    offsets : tuple, or None
        Of the neighbours on a grid.
    """

    variable: Variable
    scores: dict[str, Float[Tensor, "*shape states"]]
    likeness: dict[str, Float[Tensor, " edges"]]
    contrasts: dict[str, tuple[float, int]]
    first: Int64[Tensor, " edges"]
    second: Int64[Tensor, " edges"]
    offsets: tuple[Offset, ...] | None

    @property
    def edges(self) -> int:
        """The number of edges."""
        return len(self.first)

    def field(
        self,
        unary: Float[Tensor, "*shape states"],
        weights: Float[Tensor, " edges"],
        interaction: Interaction,
    ) -> MarkovRandomField:
        """Build the Markov random field of these log-potentials and weights of the edges."""
        variable = self.variable
        factor: EdgeFactor
        if self.offsets is None:
            pairs = torch.stack([self.first, self.second], 1)
            factor = PairwiseFactor(variable, pairs, interaction, weights)
        else:
            factor = GridFactor(variable, interaction, self._on_grid(weights), self.offsets)
        return MarkovRandomField([variable], [UnaryFactor(variable, unary), factor])

    def _on_grid(self, weights: Float[Tensor, " edges"]) -> Float[Tensor, "offsets *shape"]:
        """Put the weights of the edges where a grid factor looks for them."""
        assert self.offsets is not None
        shape = self.variable.shape
        size, count = self.variable.size, len(self.offsets)
        lengths = [
            int(np.prod([max(0, n - abs(step)) for n, step in zip(shape, offset, strict=True)]))
            for offset in self.offsets
        ]
        number = torch.repeat_interleave(torch.arange(count), torch.tensor(lengths))
        flat = weights.new_zeros(count * size).index_put((number * size + self.first,), weights)
        return flat.reshape(count, *shape)


def sensor_terms(
    label: Variable,
    scores: Mapping[str, Any],
    features: Mapping[str, Any],
    edges: object,
    missing: Sequence[str] | Mapping[str, Any],
    scales: Mapping[str, float],
    neighbours: int | Sequence[Offset] | None,
) -> SensorTerms:
    """Return the terms of one image, see :meth:`ConditionalRandomField.graph`.

    Parameters
    ----------
    label : Variable
        Name and states of the labels; the shape is that of the arrays.
    scales : mapping of str to float
        Of the contrasts; where none is given, the image's own.

    Raises
    ------
    GraphError
        If no sensor has scores, or shapes do not fit.
    """
    regions = _regions(missing)
    left = {s: _array(f"the scores of '{s}'", v) for s, v in scores.items()}
    left = {s: v for s, v in left.items() if regions.get(s) is not True}
    if not left:
        raise GraphError("no sensor has scores: nothing tells the labels apart")
    shape = tuple(next(iter(left.values())).shape[:-1])
    variable = Variable(label.name, label.states, shape=shape)
    if edges is None:
        factor: EdgeFactor = GridFactor(variable, Potts(), 1.0, neighbours)
    else:
        factor = PairwiseFactor(variable, edges, Potts(), 1.0)
    first, second, _ = factor.edges()
    kept: dict[str, Tensor] = {}
    for sensor, values in left.items():
        if tuple(values.shape) != (*shape, variable.cardinality):
            raise GraphError(
                f"the scores of '{sensor}' have shape {tuple(values.shape)}; "
                f"{(*shape, variable.cardinality)} was expected"
            )
        absent = values.isnan().any(-1) | _region(regions, sensor, shape)
        kept[sensor] = values.masked_fill(absent.unsqueeze(-1), 0.0)
    likeness, contrasts = {}, {}
    for sensor, given in features.items():
        if regions.get(sensor) is True:
            continue
        values = _array(f"the features of '{sensor}'", given)
        if tuple(values.shape[: len(shape)]) != shape or values.ndim > len(shape) + 1:
            raise GraphError(
                f"the features of '{sensor}' have shape {tuple(values.shape)}; "
                f"{(*shape, 'channels')} was expected"
            )
        values = values.reshape(variable.size, -1)
        absent = values.isnan().any(-1) | _region(regions, sensor, shape).reshape(-1)
        contrast = _contrast(values, ~absent, first, second, scales.get(sensor))
        likeness[sensor] = torch.from_numpy(np.nan_to_num(contrast.likeness))
        contrasts[sensor] = contrast.mean_square, contrast.known
    return SensorTerms(variable, kept, likeness, contrasts, first, second, factor.offsets)


def _contrast(
    values: Float[Tensor, "elements channels"],
    present: Bool[Tensor, " elements"],
    first: Int64[Tensor, " edges"],
    second: Int64[Tensor, " edges"],
    scale: float | None,
) -> Contrast:
    known = torch.where(present.unsqueeze(-1), values, torch.nan)
    return edge_contrast(((known[first] - known[second]) ** 2).sum(-1).numpy(), scale)


def _regions(missing: Sequence[str] | Mapping[str, Any]) -> dict[str, Any]:
    """Where each sensor is missing: a mask, or True for everywhere."""
    if isinstance(missing, str):
        return {missing: True}
    if not isinstance(missing, Mapping):
        return dict.fromkeys(missing, True)
    return {
        s: m if isinstance(m, bool | Tensor) else torch.from_numpy(native(_whole(s, m)))
        for s, m in missing.items()
    }


def _whole(sensor: str, region: object) -> np.ndarray:
    what = f"where '{sensor}' is missing"
    array = as_array(region, what, GraphError)
    refuse_mask(array, what, GraphError)
    return array


def _region(
    regions: Mapping[str, Any], sensor: str, shape: tuple[int, ...]
) -> Bool[Tensor, "*shape"]:
    region = regions.get(sensor, False)
    if isinstance(region, bool):
        return torch.full(shape, region)
    if tuple(region.shape) != shape or region.dtype != torch.bool:
        raise GraphError(
            f"where '{sensor}' is missing: expected truth values of shape {shape}, found "
            f"{region.dtype} of shape {tuple(region.shape)}"
        )
    mask: Tensor = region
    return mask


def _array(what: str, given: object) -> Float[Tensor, "..."]:
    tensor = torch.from_numpy(float_array(nan_where_masked(given), what))
    if bool(torch.isinf(tensor).any()):
        raise GraphError(f"{what} hold an infinite number; clip probabilities before the logarithm")
    return tensor


def label_indices(labels: object, what: str) -> Int64[Tensor, "*shape"]:
    """Return labels as state indices, -1 where one is masked or missing (NaN, None).

    Parameters
    ----------
    labels : array-like of whole numbers
        Lists, arrays and tensors.
    what : str
        What they are, for messages.

    Raises
    ------
    LearningError
        If one is no whole number: which.
    """
    given = plain_array(labels) if isinstance(labels, Tensor) else labels
    array = as_array(given, what, LearningError)
    unknown, cells = np.ma.getmaskarray(array), np.ma.getdata(array).copy()
    if cells.dtype.kind == "f":
        unknown = unknown | np.isnan(cells)
    elif cells.dtype.kind == "O":
        missing = [is_missing(cell) for cell in cells.flat]
        unknown = unknown | np.array(missing, bool).reshape(cells.shape)
    cells[unknown] = 0
    if cells.dtype.kind == "O":
        cells = float_array(cells, what, LearningError)
    found = whole_numbers(cells, what, LearningError)
    return found.masked_fill(torch.from_numpy(np.asarray(unknown)), -1)
