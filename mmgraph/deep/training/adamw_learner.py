"""What all that AdamW trains has in common: steps, groups of parameters, state, half precision."""

from __future__ import annotations

import abc
import zlib
from collections.abc import Collection, Mapping
from typing import Any, ClassVar

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from mmgraph.deep.packs.pack import Pack
from mmgraph.deep.training.options import AdamWTraining
from mmgraph.learning.kept_state import part, prefixed
from mmgraph.learning.training.data_parallel import Processes
from mmgraph.learning.training.learner import Learner
from mmgraph.learning.training.random_blocks import RandomBlocks


class AdamWLearner(Learner):
    """Parameters of several members, AdamW, and a loss of rows.

    Members are trained on the same batches; their losses are added, so that each has the gradients
    that it would have alone.

    Parameters
    ----------
    trained : mapping of str to Parameter
        What is learned; all else stays as it is.
    pack : Pack
        Whose noise is from now on that of the training.
    rows : int
        How many there are.
    options : AdamWTraining
    undecayed : collection of Parameter
        Those that do not decay, beside biases and scales.
    """

    mixes_on: ClassVar[Collection[str]] = ("cuda",)
    """The kinds of devices on which products may be in half precision: CPUs are slower by it."""

    def __init__(
        self,
        trained: Mapping[str, nn.Parameter],
        pack: Pack,
        rows: int,
        options: AdamWTraining,
        undecayed: Collection[nn.Parameter] = (),
    ) -> None:
        self.trained, self.pack, self.rows, self.options = dict(trained), pack, rows, options
        self.device = next(iter(self.trained.values())).device
        self.processes = Processes.of_environment(self.device)
        blocks = self.processes.blocks(options.blocks)
        self.random = RandomBlocks(options.blocks, options.seed, self.device, blocks)
        pack.noise = self.random
        groups: list[dict[str, Any]] = [
            {"params": [], "weight_decay": options.decay},
            {"params": [], "weight_decay": 0.0},
        ]
        stay = {id(parameter) for parameter in undecayed}
        for name, parameter in self.trained.items():
            groups[_is_scale(name, parameter) or id(parameter) in stay]["params"].append(parameter)
        self.optimiser = torch.optim.AdamW(groups, lr=1.0, fused=True)

    @abc.abstractmethod
    def losses(self, index: Int64[Tensor, " rows"]) -> Float[Tensor, " members"]:
        """Return the mean loss of each member over rows, whose numbers are on the device."""

    def half_precision(self) -> torch.autocast:
        """Return in what products of matrices are in bfloat16, where the device is faster so."""
        place = self.device.type
        mixes = self.options.mixed_precision and place in self.mixes_on
        return torch.autocast(place, torch.bfloat16, enabled=mixes)

    def step(
        self, index: Int64[Tensor, " rows"], rate: float, share: float
    ) -> dict[str, float | Tensor]:
        """Take a step on rows, and return their losses, summed over rows, of a member."""
        parameters = list(self.trained.values())
        with torch.enable_grad():
            losses = self.losses(index.to(self.device))
            gradients = torch.autograd.grad(losses.sum(), parameters, allow_unused=True)
        named = {
            name: torch.zeros_like(p) if g is None else g
            for (name, p), g in zip(self.trained.items(), gradients, strict=True)
        }
        self.processes.check()
        summed = self.processes.added(named, share)
        for name, parameter in self.trained.items():
            # Fused steps read numbers in the order in which they lie, whatever the strides say.
            parameter.grad = summed[name].contiguous()
        bound = self.options.gradient_bound * self.pack.members**0.5
        torch.nn.utils.clip_grad_norm_(parameters, bound)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        self.optimiser.step()
        return {"loss": losses.detach().mean() * len(index)}

    def parameters(self) -> Mapping[str, Tensor]:
        """Return what is learned by name."""
        return {name: p.detach() for name, p in self.trained.items()}

    def shapes(self) -> dict[str, list[int]]:
        """Return the shapes of what is learned, as a checkpoint names them."""
        return {name: list(p.shape) for name, p in self.trained.items()}

    def state(self) -> dict[str, Tensor]:
        """Return parameters, the optimiser's tensors and the generators."""
        state = dict(self.parameters())
        for name, parameter in self.trained.items():
            for key, value in self.optimiser.state.get(parameter, {}).items():
                state[f"optimiser:{key}:{name}"] = value
        random = self.processes.gathered(self.random.state(), self.options.blocks)
        return state | prefixed(random, "random:")

    @torch.no_grad()
    def load(self, state: Mapping[str, Tensor]) -> None:
        """Go on from a state."""
        moments = part(state, "optimiser:")
        for name, parameter in self.trained.items():
            parameter.copy_(state[name])
            # Clones have the alignment that fast kernels, and equal roundings, ask for.
            self.optimiser.state[parameter] = {
                key.removesuffix(f":{name}"): value.to(parameter.device).clone()
                for key, value in moments.items()
                if key.partition(":")[2] == name
            }
        self.random.load(part(state, "random:"))


def checksum(*tensors: Tensor) -> int:
    """Return a number that tells tensors from others, whatever their device."""
    total = 0
    for tensor in tensors:
        total = zlib.crc32(tensor.detach().cpu().contiguous().numpy().data.cast("B"), total)
    return total


def _is_scale(name: str, parameter: Tensor) -> bool:
    """Whether a parameter is a bias or a scale, which do not decay."""
    scale = parameter.ndim < 2 or parameter.numel() == len(parameter) * parameter.shape[-1]
    return scale or name.endswith("bias")
