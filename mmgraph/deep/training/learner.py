"""How nets learn to tell classes: steps on rows, in the loop that machines learn by, too."""

from __future__ import annotations

import zlib
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, ClassVar

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from mmgraph.data.modality_rows import ModalityRows
from mmgraph.deep.fusion.named import FUSIONS
from mmgraph.deep.inputs.cells import Cells
from mmgraph.deep.inputs.modality_input import ModalityInput, cells_of
from mmgraph.deep.losses.loss import Loss, NetOutput
from mmgraph.deep.losses.named import sum_of_losses
from mmgraph.deep.losses.task import CrossEntropy, TaskLoss
from mmgraph.deep.training.augmentation import augmented
from mmgraph.deep.training.learned_net import LearnedNet
from mmgraph.deep.training.net import Net, NetDesign, named, presence
from mmgraph.deep.training.options import NetTraining
from mmgraph.deep.training.step_memory import check_step_memory
from mmgraph.graph.errors import LearningError
from mmgraph.learning.kept_state import part, prefixed
from mmgraph.learning.training.data_parallel import Processes
from mmgraph.learning.training.learner import Learner
from mmgraph.learning.training.loop import Progress, run_loop
from mmgraph.learning.training.random_blocks import RandomBlocks


class NetLearner(Learner):
    """A net, AdamW, and the rows that it learns from.

    Members are trained on the same batches; their losses are added, so that each has the gradients
    that it would have alone.
    """

    kind: ClassVar[str] = "a net"
    mixes_on: ClassVar[Collection[str]] = ("cuda",)
    """The kinds of devices on which products may be in half precision: CPUs are slower by it."""

    def __init__(
        self,
        learned: LearnedNet,
        data: ModalityRows,
        options: NetTraining,
        processes: Processes,
        loss: Loss,
    ) -> None:
        self.net, self.options, self.processes = learned.net, options, processes
        self.rows, device = len(data), learned.device
        self.cells = {m: c.to(device) for m, c in cells_of(data, learned.inputs).items()}
        self.labels = shares_of_classes(data, self.net.design.outputs).to(device)
        counts = torch.as_tensor(data.counts, dtype=torch.float32)
        self.weights = (counts / counts.mean()).to(device)
        self.random = RandomBlocks(
            options.blocks, options.seed, device, processes.blocks(options.blocks)
        )
        check_step_memory(self.net, self.cells, min(options.batch_size, self.rows))
        self.net.pack.noise = self.random
        loss.prepare(self.net.design.shapes, self.net.widths, self.net.pack)
        self.loss = loss.to(device)
        groups: list[dict[str, Any]] = [
            {"params": [], "weight_decay": options.decay},
            {"params": [], "weight_decay": 0.0},
        ]
        for name, parameter in self._trained().items():
            groups[is_scale(name, parameter)]["params"].append(parameter)
        self.optimiser = torch.optim.AdamW(groups, lr=1.0, fused=True)

    def belongs_to(self) -> dict[str, dict[str, Any]]:
        """Return the shapes of parameters, the design, and checksums of the rows."""
        return {
            "parameter": {name: list(p.shape) for name, p in self.parameters().items()},
            "option": self.net.design.as_dict() | {"loss": repr(self.loss)},
            "training rows of": self._checksums(),
        }

    def _checksums(self) -> dict[str, int]:
        tensors = {m: (c.values, c.there) for m, c in self.cells.items()}
        tensors |= {"labels": (self.labels, self.weights)}
        checksums = {"rows": self.rows}
        for name, parts in tensors.items():
            total = 0
            for tensor in parts:
                total = zlib.crc32(tensor.cpu().contiguous().numpy().data.cast("B"), total)
            checksums[name] = total
        return checksums

    def step(
        self, index: Int64[Tensor, " rows"], rate: float, share: float
    ) -> dict[str, float | Tensor]:
        """Take a step on rows, and return their losses, summed over rows, of a member."""
        index = index.to(self.labels.device)
        cells = {modality: one.rows(index) for modality, one in self.cells.items()}
        hides = self.net.fusion.trains_fused
        seen, labels = augmented(cells, self.labels[index], self.options, hides, self.random)
        self.net.train()
        trained = self._trained()
        with torch.enable_grad():
            losses = self._losses(seen, cells, labels, self.weights[index])
            gradients = torch.autograd.grad(losses.sum(), list(trained.values()), allow_unused=True)
        named = {
            name: torch.zeros_like(p) if g is None else g
            for (name, p), g in zip(trained.items(), gradients, strict=True)
        }
        self.processes.check()
        summed = self.processes.added(named, share)
        for name, parameter in trained.items():
            # Fused steps read numbers in the order in which they lie, whatever the strides say.
            parameter.grad = summed[name].contiguous()
        bound = self.options.gradient_bound * self.net.pack.members**0.5
        torch.nn.utils.clip_grad_norm_(list(trained.values()), bound)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        self.optimiser.step()
        return {"loss": losses.detach().mean() * len(index)}

    def _losses(self, *rows: Any) -> Float[Tensor, " members"]:
        """The loss of each member, from what :meth:`output` says of rows."""
        place = self.labels.device.type
        mixes = self.options.mixed_precision and place in self.mixes_on
        with torch.autocast(place, torch.bfloat16, enabled=mixes):
            output = self.output(*rows)
        losses: Tensor = self.loss(output)
        return losses

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

    def _trained(self) -> dict[str, nn.Parameter]:
        """The parameters of the net, and of its loss."""
        of_loss = {f"loss:{name}": p for name, p in self.loss.named_parameters()}
        return dict(self.net.named_parameters()) | of_loss

    def parameters(self) -> Mapping[str, Tensor]:
        """Return the parameters of the net and its loss by name."""
        return {name: p.detach() for name, p in self._trained().items()}

    def state(self) -> dict[str, Tensor]:
        """Return parameters, the optimiser's tensors and the generators."""
        state = dict(self.parameters())
        for name, parameter in self._trained().items():
            for key, value in self.optimiser.state.get(parameter, {}).items():
                state[f"optimiser:{key}:{name}"] = value
        random = self.processes.gathered(self.random.state(), self.options.blocks)
        return state | prefixed(random, "random:")

    @torch.no_grad()
    def load(self, state: Mapping[str, Tensor]) -> None:
        """Go on from a state."""
        moments = part(state, "optimiser:")
        for name, parameter in self._trained().items():
            parameter.copy_(state[name])
            # Clones have the alignment that fast kernels, and equal roundings, ask for.
            self.optimiser.state[parameter] = {
                key.removesuffix(f":{name}"): value.to(parameter.device).clone()
                for key, value in moments.items()
                if key.partition(":")[2] == name
            }
        self.random.load(part(state, "random:"))


def is_scale(name: str, parameter: Tensor) -> bool:
    """Whether a parameter is a bias or a scale, which do not decay."""
    return name.endswith("bias") or parameter.numel() == len(parameter) * parameter.shape[-1]


def task_loss(fusion: str, options: NetTraining) -> TaskLoss:
    """Return the cross-entropy of fused scores, where they are trained, and of single ones."""
    fused = named("fusion", fusion, FUSIONS).trains_fused
    return CrossEntropy(options.smoothing, options.single_weight if fused else 1.0, fused)


def shares_of_classes(data: ModalityRows, classes: int) -> Float[Tensor, "rows classes"]:
    """Return one for the class of each row, and zero throughout of rows without a target."""
    if data.outcome is None:
        return torch.zeros(len(data), classes)
    return torch.nn.functional.one_hot(torch.as_tensor(data.codes), classes).float()


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
    learner = kind(learned, data, options, Processes.of_environment(learned.device), loss)
    run_loop(learner, options, directory=directory, progress=progress)
    learned.net.pack.noise = None
    learned.net.eval().requires_grad_(False)
    return learned
