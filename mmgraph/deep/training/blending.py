"""Learning by gradient blending: heads are weighed on rows that steps do not see."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import numpy as np
import torch
from torch import Tensor

from mmgraph.data.multimodal_data import MultimodalData
from mmgraph.data.splits import folds_of
from mmgraph.deep.fusion.gradient_blending import GradientBlending, Losses
from mmgraph.deep.fusion.named import FUSIONS
from mmgraph.deep.inputs.cells import Cells
from mmgraph.deep.inputs.modality_input import cells_of
from mmgraph.deep.losses.loss import Loss
from mmgraph.deep.training.learned_net import LearnedNet
from mmgraph.deep.training.learner import NetLearner, shares_of_classes, task_loss
from mmgraph.deep.training.options import NetTraining

_FOLDS = 5
_MEASUREMENTS = 10
_ROWS = 2048
_BUFFERS = ("shares", "measured")


class BlendingLearner(NetLearner):
    """A net whose heads are weighed ten times in training, on a fifth of the rows.

    That fifth is held out from steps; no group has rows on both sides.
    """

    def __init__(
        self, learned: LearnedNet, data: MultimodalData, options: NetTraining, loss: Loss
    ) -> None:
        rarest = np.unique(data.codes, return_counts=True)[1].min()
        count = _FOLDS if data.groups is not None else int(np.clip(rarest, 2, _FOLDS))
        steps, others = folds_of(data, count, options.seed)[0]
        super().__init__(learned, data.rows(steps), options, loss)
        self.fusion = cast(GradientBlending, self.net.fusion)
        self.task = task_loss(self.net.design.fusion, options)
        held_out, device = data.rows(others), learned.device
        self.held_out = {m: c.to(device) for m, c in cells_of(held_out, learned.inputs).items()}
        labels = shares_of_classes(held_out, self.net.design.outputs)
        self.held_out_labels = labels.to(device)

    def begin(self) -> None:
        """Measure heads that have learned nothing."""
        self._measure()

    def monitors(self, epoch: int, averages: Mapping[str, float]) -> dict[str, float]:
        """Return the monitors of an epoch; after each tenth of training heads are weighed anew."""
        if epoch % max(1, self.options.epochs // _MEASUREMENTS) == 0:
            self._measure()
        return super().monitors(epoch, averages)

    def _measure(self) -> None:
        held_out = self._measured(self.held_out, self.held_out_labels)
        self.fusion.measure(self._measured(self.cells, self.labels), held_out)

    @torch.no_grad()
    def _measured(self, cells: Mapping[str, Cells], labels: Tensor) -> Losses:
        """The loss of each head on rows, as the net answers."""
        self.net.eval()
        total = torch.zeros_like(self.fusion.shares)
        for index in torch.arange(len(labels), device=labels.device).split(_ROWS):
            rows = {m: one.rows(index) for m, one in cells.items()}
            weights = torch.ones(len(index), device=labels.device)
            losses = self.task.by_scores(self.output(rows, rows, labels[index], weights))
            total += losses * len(index) / len(labels)
        return total

    def state(self) -> dict[str, Tensor]:
        """Return what the next step depends on, and how heads are weighed."""
        return super().state() | {f"blending:{n}": getattr(self.fusion, n) for n in _BUFFERS}

    @torch.no_grad()
    def load(self, state: Mapping[str, Tensor]) -> None:
        """Go on from a state."""
        super().load(state)
        for name in _BUFFERS:
            getattr(self.fusion, name).copy_(state[f"blending:{name}"])


def learner_kind(fusion: str) -> type[NetLearner]:
    """Return whose steps a fusion is trained by."""
    blends = issubclass(FUSIONS[fusion], GradientBlending) if fusion in FUSIONS else False
    return BlendingLearner if blends else NetLearner
