"""How nets learn to tell classes: steps on rows, in the loop that machines learn by, too."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from jaxtyping import Float, Float64, Int64
from torch import Tensor

from mmgraph.data.modality_rows import ModalityRows
from mmgraph.deep.fusion.named import FUSIONS
from mmgraph.deep.inputs.cells import Cells
from mmgraph.deep.inputs.modality_input import ModalityInput, cells_of
from mmgraph.deep.losses.loss import Loss, NetOutput, UncertaintyWeighted, WeightedSum
from mmgraph.deep.losses.named import sum_of_losses
from mmgraph.deep.losses.task import CrossEntropy, TaskLoss
from mmgraph.deep.training.adamw_learner import AdamWLearner, checksum
from mmgraph.deep.training.augmentation import augmented
from mmgraph.deep.training.learned_net import LearnedNet
from mmgraph.deep.training.net import Net, NetDesign, named, presence
from mmgraph.deep.training.options import NetTraining
from mmgraph.deep.training.step_memory import check_step_memory
from mmgraph.graph.errors import LearningError
from mmgraph.learning.training.loop import Progress, run_loop


class NetLearner(AdamWLearner):
    """A net, its loss, and the rows that it learns from."""

    kind: ClassVar[str] = "a net"

    def __init__(
        self, learned: LearnedNet, data: ModalityRows, options: NetTraining, loss: Loss
    ) -> None:
        self.net, self.augmentation, device = learned.net, options, learned.device
        self.cells = {m: c.to(device) for m, c in cells_of(data, learned.inputs).items()}
        self.labels = shares_of_classes(data, self.net.design.outputs).to(device)
        counts = torch.as_tensor(data.counts, dtype=torch.float32)
        self.weights = (counts / counts.mean()).to(device)
        check_step_memory(self.net, self.cells, min(options.batch_size, len(data)))
        loss.prepare(self.net.design.shapes, self.net.widths, self.net.pack)
        self.loss = loss.to(device)
        of_loss = {f"loss:{name}": p for name, p in loss.named_parameters()}
        trained = dict(self.net.named_parameters()) | of_loss
        tables = [p for name, p in trained.items() if name.startswith("fusion.network.")]
        super().__init__(trained, self.net.pack, len(data), options, undecayed=tables)
        self._check_terms(loss)

    def _check_terms(self, loss: Loss) -> None:
        """Refuse losses that rows, or the way in which these are shared out, have nothing for."""
        for term in loss.terms():
            if term.needs_classes and not self.labels.any():
                raise LearningError(
                    f"the loss '{term.name}' is of classes, and no row has a target"
                )
            if term.compares_rows and self.processes.count > 1:
                raise LearningError(
                    f"the loss '{term.name}' compares the rows of a batch, of which each of "
                    f"{self.processes.count} processes has but a share: train in one process"
                )

    def belongs_to(self) -> dict[str, dict[str, Any]]:
        """Return the shapes of parameters, the design, and checksums of the rows."""
        rows = {m: checksum(c.values, c.there) for m, c in self.cells.items()}
        rows |= {"rows": self.rows, "labels": checksum(self.labels, self.weights)}
        return {
            "parameter": self.shapes(),
            "option": self.net.design.as_dict() | {"loss": repr(self.loss)},
            "training rows of": rows,
        }

    def losses(self, index: Int64[Tensor, " rows"]) -> Float[Tensor, " members"]:
        """Return the loss of each member, from what :meth:`output` says of rows."""
        cells = {modality: one.rows(index) for modality, one in self.cells.items()}
        hides = self.net.fusion.trains_fused
        seen, labels = augmented(cells, self.labels[index], self.augmentation, hides, self.random)
        self.net.train()
        with self.half_precision():
            output = self.output(seen, cells, labels, self.weights[index])
        losses: Tensor = self.loss(output)
        return losses

    @torch.no_grad()
    def contributions(self) -> dict[str, float]:
        """Return what each loss adds to the sum, a mean over rows and members, nothing hidden."""
        self.net.eval()
        totals: dict[str, float] = {}
        for index in torch.arange(self.rows, device=self.weights.device).split(
            self.augmentation.batch_size
        ):
            cells = {modality: one.rows(index) for modality, one in self.cells.items()}
            output = self.output(cells, cells, self.labels[index], self.weights[index])
            for name, losses in self.loss.contributions(output).items():
                share = len(index) / self.rows
                totals[name] = totals.get(name, 0.0) + share * float(losses.mean())
        return totals

    def output(
        self,
        seen: Mapping[str, Cells],
        cells: Mapping[str, Cells],
        labels: Float[Tensor, "rows classes"],
        weights: Float[Tensor, " rows"],
    ) -> NetOutput:
        """Return what the net makes of rows as the step sees them, ``cells`` as they are."""
        codes, there = self.net.codes(seen), presence(seen)
        scores = self.net.fusion(codes, there)
        return NetOutput(seen, there, codes, weights, scores, labels, self.net.codes)


def task_loss(fusion: str, options: NetTraining) -> TaskLoss:
    """Return the cross-entropy of fused scores, where they are trained, and of single ones."""
    fused = named("fusion", fusion, FUSIONS).trains_fused
    return CrossEntropy(options.smoothing, options.single_weight if fused else 1.0, fused)


def shares_of_classes(data: ModalityRows, classes: int) -> Float[Tensor, "rows classes"]:
    """Return one for the class of each row, and zero throughout of rows without a target."""
    if data.outcome is None:
        return torch.zeros(len(data), classes)
    return torch.nn.functional.one_hot(torch.as_tensor(data.codes), classes).float()


def _prior(data: ModalityRows, classes: int) -> Float64[Tensor, " classes"]:
    """The share of each class by the weights of rows; alike without a target."""
    if data.outcome is None:
        return torch.full((classes,), 1 / classes, dtype=torch.float64)
    totals = torch.as_tensor(np.bincount(data.codes, data.counts, classes))
    return totals / totals.sum()


def learn_net(
    design: NetDesign,
    inputs: Mapping[str, ModalityInput],
    data: ModalityRows,
    options: NetTraining,
    *,
    loss: Loss | None = None,
    kind: type[NetLearner] = NetLearner,
    device: str | torch.device = "cpu",
    directory: Path | None = None,
    progress: Progress | None = None,
) -> LearnedNet:
    """Return a net that has learned from rows.

    Parameters
    ----------
    options : NetTraining
        Its seed draws initial parameters and all that is random in steps.
    loss : Loss, optional
        By default how badly it tells the target, see :func:`task_loss`; those that options name
        are added.
    kind : type of NetLearner
        Whose steps these are.
    device : str or torch.device
        Where it is trained, and stays.
    directory : path, optional
        Where checkpoints are kept.
    progress : callable, optional
        Called after each epoch with its number and monitors.

    Raises
    ------
    LearningError
        If training diverges (in which epoch), or an encoder does not take such rows.
    FormatError
        If the directory keeps another training.
    """
    generator = torch.Generator().manual_seed(options.seed)
    learned = LearnedNet(Net(design, generator).to(device), inputs)
    loss = task_loss(design.fusion, options) if loss is None else loss
    if options.losses:
        if not FUSIONS[design.fusion].encodes:
            raise LearningError(
                f"{design.fusion} fusion makes no codes of modalities, of which losses are"
            )
        loss = loss + sum_of_losses(options.losses)
    learned.net.prior.copy_(_prior(data, design.outputs))
    learner = kind(learned, data, options, loss)
    run_loop(learner, options, directory=directory, progress=progress)
    if isinstance(loss, WeightedSum | UncertaintyWeighted):  # one loss alone needs no telling
        learned = replace(learned, contributions=learner.contributions())
    learned.net.pack.noise = None
    learned.net.eval().requires_grad_(False)
    return learned
