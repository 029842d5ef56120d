"""What the sensors of a conditional random field add to unary factors and edges, before weights."""

from __future__ import annotations

import math
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
from mmgraph.graph.factors.grid import GridFactor, Offset, offset_slices
from mmgraph.graph.factors.unary import UnaryFactor
from mmgraph.graph.interaction import Interaction
from mmgraph.graph.state_labels import is_missing
from mmgraph.graph.variable import Variable
from mmgraph.networks.random_fields.contrast import edge_contrast
from mmgraph.networks.random_fields.markov_random_field import MarkovRandomField


@dataclass(frozen=True)
class SensorTerms:
    """The parts of one image's energy that parameters multiply.

    Attributes
    ----------
    variable : Variable
        The labels, an array.
    edges : EdgeFactor
        The neighbours, as they interact with the weight one.
    places : Tensor of int64, shape (edges,)
        Where their weights stand in the array of weights of ``edges``.
    scores : dict of str to Tensor
        ``(*shape, states)``; zero where the sensor is missing.
    likeness : dict of str to Tensor
        ``exp(-contrast / (2 scale^2))`` of each edge; zero where the sensor is missing.
    contrasts : dict of str to (float, int)
        The mean square of the neighbours' differences, and over how many edges.
    """

    variable: Variable
    edges: EdgeFactor
    places: Int64[Tensor, " edges"]
    scores: dict[str, Float[Tensor, "*shape states"]]
    likeness: dict[str, Float[Tensor, " edges"]]
    contrasts: dict[str, tuple[float, int]]

    def field(
        self,
        score_weights: Mapping[str, Float[Tensor, ""]],
        edge_weight: Float[Tensor, ""],
        contrast_weights: Mapping[str, Float[Tensor, ""]],
    ) -> MarkovRandomField:
        """Build the Markov random field, differentiable by the weights of its terms."""
        variable = self.variable
        nothing = torch.zeros(*variable.shape, variable.cardinality, dtype=torch.float64)
        unary = sum((score_weights[s] * score for s, score in self.scores.items()), nothing)
        weights = edge_weight.expand(len(self.places))
        for sensor, likeness in self.likeness.items():
            weights = weights + contrast_weights[sensor] * likeness
        if self.edges.offsets is not None:
            shape = len(self.edges.offsets), *variable.shape
            flat = weights.new_zeros(math.prod(shape)).index_put((self.places,), weights)
            weights = flat.reshape(shape)
        edges = self.edges.with_tensors(weights).to()  # which checks the weights
        return MarkovRandomField([variable], [UnaryFactor(variable, unary), edges])


def sensor_terms(
    label: Variable,
    scores: Mapping[str, Any],
    features: Mapping[str, Any],
    edges: object,
    missing: Sequence[str] | Mapping[str, Any],
    scales: Mapping[str, float],
    neighbours: int | Sequence[Offset] | None,
    interaction: Interaction,
) -> SensorTerms:
    """Return the terms of one image, see :meth:`ConditionalRandomField.graph`.

    The label has no shape yet: it is that of the arrays. Contrasts without a scale have that of the
    image itself.
    """
    regions = _regions(missing)
    arrays = {s: _array(f"the scores of '{s}'", v) for s, v in scores.items()}
    arrays = {s: v for s, v in arrays.items() if regions.get(s) is not True}
    if not arrays:
        raise GraphError("no sensor has scores: nothing tells the labels apart")
    shape = tuple(next(iter(arrays.values())).shape[:-1])
    variable = Variable(label.name, label.states, shape=shape)
    if edges is None:
        factor: EdgeFactor = GridFactor(variable, interaction, 1.0, neighbours)
    else:
        factor = PairwiseFactor(variable, edges, interaction, 1.0)
    first, second, _ = factor.edges()
    masked: dict[str, Tensor] = {}
    for sensor, values in arrays.items():
        if tuple(values.shape) != (*shape, variable.cardinality):
            raise GraphError(
                f"the scores of '{sensor}' have shape {tuple(values.shape)}; "
                f"{(*shape, variable.cardinality)} was expected"
            )
        absent = values.isnan().any(-1) | _region(regions, sensor, shape)
        masked[sensor] = values.masked_fill(absent.unsqueeze(-1), 0.0)
    likeness, contrasts = {}, {}
    for sensor, image in features.items():
        if regions.get(sensor) is True:
            continue
        values = _array(f"the features of '{sensor}'", image)
        if tuple(values.shape[: len(shape)]) != shape or values.ndim > len(shape) + 1:
            raise GraphError(
                f"the features of '{sensor}' have shape {tuple(values.shape)}; "
                f"{(*shape, 'channels')} was expected"
            )
        values = values.reshape(variable.size, -1)
        absent = values.isnan().any(-1) | _region(regions, sensor, shape).reshape(-1)
        values = values.masked_fill(absent.unsqueeze(-1), torch.nan)
        squares = ((values[first] - values[second]) ** 2).sum(-1).numpy()
        contrast = edge_contrast(squares, scales.get(sensor))
        likeness[sensor] = torch.from_numpy(np.nan_to_num(contrast.likeness))
        contrasts[sensor] = contrast.mean_square, contrast.known
    places = torch.arange(len(first))
    if factor.offsets is not None:
        starts = torch.zeros(len(factor.offsets), *shape, dtype=torch.bool)
        for number, offset in enumerate(factor.offsets):
            starts[number][offset_slices(shape, offset)[0]] = True
        places = starts.reshape(-1).nonzero().squeeze(1)
    return SensorTerms(variable, factor, places, masked, likeness, contrasts)


def _regions(missing: Sequence[str] | Mapping[str, Any]) -> dict[str, Any]:
    """Where each sensor is missing: a mask, or True for everywhere."""
    if isinstance(missing, str):
        return {missing: True}
    if not isinstance(missing, Mapping):
        return dict.fromkeys(missing, True)
    regions: dict[str, Any] = dict(missing)
    for sensor, region in missing.items():
        if not isinstance(region, bool | Tensor):
            what = f"where '{sensor}' is missing"
            array = as_array(region, what, GraphError)
            refuse_mask(array, what, GraphError)
            regions[sensor] = torch.from_numpy(native(array))
    return regions


def _region(
    regions: Mapping[str, Any], sensor: str, shape: tuple[int, ...]
) -> Bool[Tensor, "*shape"]:
    region: Any = regions.get(sensor, False)
    if isinstance(region, bool):
        return torch.full(shape, region)
    if tuple(region.shape) != shape or region.dtype != torch.bool:
        raise GraphError(
            f"where '{sensor}' is missing: expected truth values of shape {shape}, found "
            f"{region.dtype} of shape {tuple(region.shape)}"
        )
    mask: Tensor = region
    return mask


def _array(what: str, values: object) -> Float[Tensor, "..."]:
    tensor = torch.from_numpy(float_array(nan_where_masked(values), what))
    if bool(torch.isinf(tensor).any()):
        raise GraphError(f"{what} hold an infinite number; clip probabilities before the logarithm")
    return tensor


def label_indices(labels: object, what: str) -> Int64[Tensor, "*shape"]:
    """Return labels as state indices, -1 where one is masked or missing (NaN, None).

    They are lists, arrays or tensors of whole numbers; messages name ``what`` they are.
    """
    plain = plain_array(labels) if isinstance(labels, Tensor) else labels
    array = as_array(plain, what, LearningError)
    unknown, cells = np.ma.getmaskarray(array), np.ma.getdata(array).copy()
    if cells.dtype.kind == "f":
        unknown = unknown | np.isnan(cells)
    elif cells.dtype.kind == "O":
        missing = [is_missing(cell) for cell in cells.flat]
        unknown = unknown | np.array(missing, bool).reshape(cells.shape)
    cells[unknown] = 0
    if cells.dtype.kind == "O":
        cells = float_array(cells, what, LearningError)
    codes = whole_numbers(cells, what, LearningError)
    return codes.masked_fill(torch.from_numpy(np.asarray(unknown)), -1)
