"""Fields of which some elements are labelled, and the folds that their labels are held out in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from mmgraph.graph.errors import LearningError
from mmgraph.graph.evidence import MISSING
from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.inference.options import check_device, is_elsewhere

Parameters = Float[Tensor, " parameters"]


class LabelledField(NamedTuple):
    """A field to learn from: what builds its graph, and labels of the variable ``name``.

    A graph for a fold has unary potentials from models that have not seen the labels of that fold;
    ``None`` asks for those of the whole. Labels are state indices, -1 where unlabelled. Each
    labelled element has a fold where the marginal likelihood is learned by.
    """

    build: Callable[[Parameters, int | None], FactorGraph]
    name: str
    labels: Int64[Tensor, "*shape"]
    folds: Int64[Tensor, "*shape"] | None = None

    def on(self, device: torch.device | str | None) -> LabelledField:
        """Return the field with its graphs moved to a device once they are built."""
        if device is None or not is_elsewhere(check_device(device)):
            return self
        return self._replace(build=lambda *arguments: self.build(*arguments).to(device))


def held_out_folds(example: LabelledField) -> Iterator[tuple[int, Bool[Tensor, "*shape"]]]:
    """Yield each fold, and which labelled elements it holds."""
    assert example.folds is not None
    known = example.labels != MISSING
    for fold in torch.unique(example.folds[known]).tolist():
        yield fold, known & (example.folds == fold)


def random_folds(
    labels: Int64[Tensor, "*shape"], count: int, generator: torch.Generator | None = None
) -> Int64[Tensor, "*shape"]:
    """Return a fold for each labelled element, each fold as large as the others; -1 elsewhere."""
    places = (labels.reshape(-1) != MISSING).nonzero().flatten()
    if not 2 <= count <= len(places):
        raise LearningError(f"{count} folds of {len(places)} labelled elements")
    folds = torch.full((labels.numel(),), MISSING)
    order = torch.randperm(len(places), generator=generator)
    folds[places[order]] = torch.arange(len(places)) % count
    return folds.reshape(labels.shape)


def check_folds(example: LabelledField) -> None:
    """Raise LearningError unless every labelled element has a fold, if there are folds."""
    folds = example.folds
    if folds is None:
        return
    if folds.shape != example.labels.shape:
        raise LearningError(
            f"folds of shape {tuple(folds.shape)} for labels of {tuple(example.labels.shape)}"
        )
    without = (example.labels != MISSING) & (folds < 0)
    if bool(without.any()):
        place = tuple(without.nonzero()[0].tolist())
        raise LearningError(
            f"the element {place} of '{example.name}' is labelled, but its fold is "
            f"{int(folds[place])}; folds count from 0"
        )
