"""How hybrids learn: end to end, or their parts one after another, in the loop of machines."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from mmgraph.deep.packs.pack import Pack
from mmgraph.graph.errors import LearningError
from mmgraph.learning.kept_state import part, prefixed
from mmgraph.learning.training.data_parallel import Processes
from mmgraph.learning.training.learner import Learner
from mmgraph.learning.training.loop import Progress, TrainingReport, run_loop
from mmgraph.learning.training.options import check_options
from mmgraph.learning.training.random_blocks import RandomBlocks
from mmgraph.learning.training.settings import LoopSettings, Schedule

Losses = Callable[[Int64[Tensor, " rows"]], Float[Tensor, " members"]]
"""The mean loss of each member over some rows, or fields."""


@dataclass(frozen=True)
class HybridTraining(LoopSettings):
    """How a hybrid is trained: the options of :class:`LoopSettings`, and those of AdamW's steps.

    Parameters
    ----------
    decay : float
        The decay of weights (Loshchilov and Hutter 2019), but not of biases, tables and energies.
    """

    epochs: int = 60
    batch_size: int = 64
    learning_rate: float = 5e-3
    schedule: Schedule = "cosine"
    warm_up_epochs: float = 5.0
    blocks: int = 1
    decay: float = 1e-2

    def __post_init__(self) -> None:
        super().__post_init__()
        check_options(self, "[0, inf)", "decay")


class HybridLearner(Learner):
    """A hybrid, AdamW, and a loss of rows; parameters that are not learned stay as they are."""

    kind: ClassVar[str] = "a hybrid"

    def __init__(
        self,
        hybrid: nn.Module,
        pack: Pack,
        losses: Losses,
        rows: int,
        options: HybridTraining,
        learned: Sequence[nn.Parameter],
    ) -> None:
        chosen = {id(parameter) for parameter in learned}
        self.hybrid, self.losses, self.rows, self.options = hybrid, losses, rows, options
        self.named = {n: p for n, p in hybrid.named_parameters() if id(p) in chosen}
        if not self.named:
            raise LearningError("there is nothing to learn: no parameter is the hybrid's")
        device = next(iter(self.named.values())).device
        self.processes = Processes.of_environment(device)
        blocks = self.processes.blocks(options.blocks)
        self.random = RandomBlocks(options.blocks, options.seed, device, blocks)
        pack.noise = self.random
        matrices = [p for n, p in self.named.items() if n.endswith("weight")]
        others = [p for n, p in self.named.items() if not n.endswith("weight")]
        groups: list[dict[str, Any]] = [
            {"params": matrices, "weight_decay": options.decay},
            {"params": others, "weight_decay": 0.0},
        ]
        self.optimiser = torch.optim.AdamW([g for g in groups if g["params"]], lr=1.0)

    def belongs_to(self) -> dict[str, dict[str, Any]]:
        """Return the shapes of what is learned, how many rows there are, and what stays."""
        others = 0
        for name, tensor in self.hybrid.state_dict().items():
            if name not in self.named:
                others = zlib.crc32(tensor.cpu().contiguous().numpy().tobytes(), others)
        return {
            "parameter": {name: list(p.shape) for name, p in self.named.items()},
            "training rows of": {"rows": self.rows},
            "fixed part of": {"the hybrid": others},
        }

    def step(
        self, index: Int64[Tensor, " rows"], rate: float, share: float
    ) -> Mapping[str, float | Tensor]:
        """Take a step on rows, and return their losses, summed over rows, of a member."""
        self.hybrid.train()
        parameters = list(self.named.values())
        with torch.enable_grad():
            losses = self.losses(index)
            gradients = torch.autograd.grad(losses.sum(), parameters, allow_unused=True)
        self.processes.check()
        pairs = zip(self.named.items(), gradients, strict=True)
        summed = self.processes.added(
            {n: torch.zeros_like(p) if g is None else g for (n, p), g in pairs}, share
        )
        for name, parameter in self.named.items():
            parameter.grad = summed[name]
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        self.optimiser.step()
        return {"loss": losses.detach().mean() * len(index)}

    def parameters(self) -> Mapping[str, Tensor]:
        """Return what is learned by name."""
        return {name: p.detach() for name, p in self.named.items()}

    def state(self) -> dict[str, Tensor]:
        """Return parameters, the optimiser's tensors and the generators."""
        state = dict(self.parameters())
        for name, parameter in self.named.items():
            for key, value in self.optimiser.state.get(parameter, {}).items():
                state[f"optimiser:{key}:{name}"] = value
        random = self.processes.gathered(self.random.state(), self.options.blocks)
        return state | prefixed(random, "random:")

    @torch.no_grad()
    def load(self, state: Mapping[str, Tensor]) -> None:
        """Go on from a state."""
        moments = part(state, "optimiser:")
        for name, parameter in self.named.items():
            parameter.copy_(state[name])
            self.optimiser.state[parameter] = {
                key.removesuffix(f":{name}"): value.to(parameter.device).clone()
                for key, value in moments.items()
                if key.partition(":")[2] == name
            }
        self.random.load(part(state, "random:"))


def learn_hybrid(
    hybrid: nn.Module,
    pack: Pack,
    losses: Losses,
    rows: int,
    options: HybridTraining | None = None,
    *,
    learned: Sequence[nn.Parameter] | None = None,
    directory: Path | None = None,
    progress: Progress | None = None,
) -> TrainingReport:
    """Train a hybrid in place, and return a report.

    Parameters
    ----------
    hybrid : EncodedNetwork or EncodedField
    pack : Pack
        Of its encoders.
    losses : callable
        Of some rows (their numbers) the mean loss of each member.
    rows : int
        How many rows, or fields, there are.
    options : HybridTraining, optional
    learned : sequence of Parameter, optional
        Which parameters are learned; by default all, end to end.
    directory, progress
        As of :func:`~mmgraph.learning.training.loop.run_loop`: an interrupted training goes on bit
        for bit.

    Raises
    ------
    LearningError
        If there is nothing to learn, or training diverges (in which epoch).
    FormatError
        If the directory keeps another training.
    """
    options = options or HybridTraining()
    chosen = list(hybrid.parameters()) if learned is None else learned
    learner = HybridLearner(hybrid, pack, losses, rows, options, chosen)
    try:
        return run_loop(learner, options, directory=directory, progress=progress)
    finally:
        pack.noise = None
        hybrid.eval()
