"""What training changes about rows at random: what is hidden, added and mixed."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor

from mmgraph.deep.inputs.cells import Cells
from mmgraph.deep.packs.pack import Noise
from mmgraph.deep.training.options import NetTraining

Labels = Float[Tensor, "rows classes"]
"""The share of each class in a row."""


def with_hidden(cells: Mapping[str, Cells], share: float, noise: Noise) -> dict[str, Cells]:
    """Return rows, of a share of which some modalities are hidden, but not all that are there."""
    rows = len(next(iter(cells.values())).values)
    draws = noise.uniform(rows, (1 + len(cells),))
    hidden = (draws[:, :1] < share) & (draws[:, 1:] < 0.5)
    there = torch.stack([one.present for one in cells.values()], 1)
    hidden &= (there & ~hidden).any(1, keepdim=True)
    return {m: one.hidden(hidden[:, i]) for i, (m, one) in enumerate(cells.items())}


def with_noise(cells: Mapping[str, Cells], deviation: float, noise: Noise) -> dict[str, Cells]:
    """Return rows with normal noise in those cells of columns that are there."""
    noisy = dict(cells)
    for modality, one in cells.items():
        if one.values.ndim > 2:
            continue
        shape = one.values.shape
        # Box and Muller (1958): the generators of blocks draw uniform numbers.
        radius, angle = noise.uniform(shape[0], (2, *shape[1:])).unbind(1)
        normal = (-2 * (1 - radius).log()).sqrt() * (2 * math.pi * angle).cos()
        values = one.values + deviation * normal * one.there
        noisy[modality] = one._replace(values=values.to(one.values.dtype))
    return noisy


def mixed(
    cells: Mapping[str, Cells], labels: Labels, most: float, noise: Noise
) -> tuple[dict[str, Cells], Labels]:
    """Return rows and labels, each mixed with that of another row, up to a share.

    A cell is there where it is in both rows; sequences have the length of the shorter one.
    """
    draws = noise.uniform(len(labels), (2,))
    other = draws[:, 0].argsort()
    share = most * draws[:, 1]

    def blend(values: Tensor) -> Tensor:
        part = share.reshape(-1, *(1,) * (values.ndim - 1)).to(values.dtype)
        return torch.lerp(values, values[other], part)

    blends = {}
    for modality, one in cells.items():
        there = one.there & one.there[other]
        # Where a row has nothing of its partner's, it stays as it is.
        alone = ~there.flatten(1).any(1).reshape(-1, *(1,) * (there.ndim - 1))
        values = torch.where(alone, one.values, blend(one.values) * there)
        lengths = one.lengths
        if lengths is not None:
            shorter = torch.minimum(lengths, lengths[other])
            lengths = torch.where(alone.flatten(), lengths, shorter)
        blends[modality] = Cells(values, torch.where(alone, one.there, there), lengths)
    return blends, blend(labels)


def augmented(
    cells: Mapping[str, Cells], labels: Labels, options: NetTraining, hides: bool, noise: Noise
) -> tuple[dict[str, Cells], Labels]:
    """Return rows and labels as a step of training sees them."""
    changed = dict(cells)
    if options.noise:
        changed = with_noise(changed, options.noise, noise)
    if options.mixing:
        changed, labels = mixed(changed, labels, options.mixing, noise)
    if hides and options.hiding and len(changed) > 1:
        changed = with_hidden(changed, options.hiding, noise)
    return changed, labels
