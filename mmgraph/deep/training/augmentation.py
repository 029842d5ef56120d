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

    A cell is there where it is in both rows; sequences have the length of the shorter one. A row
    of which a modality has no cell in common with its partner's stays as it is. Partners are of one
    block of random numbers.
    """
    draws = noise.uniform(len(labels), (2,))
    blocks = noise.parts(len(labels)).values()
    other = torch.cat([part.start + draws[part, 0].argsort() for part in blocks])
    common = {modality: one.there & one.there[other] for modality, one in cells.items()}
    alone = torch.zeros_like(draws[:, 0], dtype=torch.bool)
    for modality, one in cells.items():
        alone |= one.present & ~common[modality].flatten(1).any(1)
    share = most * draws[:, 1] * ~alone

    def blend(values: Tensor) -> Tensor:
        part = share.reshape(-1, *(1,) * (values.ndim - 1)).to(values.dtype)
        return torch.lerp(values, values[other], part)

    blends = {}
    for modality, one in cells.items():
        as_it_is = alone.reshape(-1, *(1,) * (one.there.ndim - 1))
        there = torch.where(as_it_is, one.there, common[modality])
        lengths = one.lengths
        if lengths is not None:
            lengths = torch.where(alone, lengths, torch.minimum(lengths, lengths[other]))
        blends[modality] = Cells(blend(one.values) * there, there, lengths)
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
