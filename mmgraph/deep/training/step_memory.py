"""How much memory a step of training takes, asked before any of it is taken."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from mmgraph.deep.inputs.cells import Cells
from mmgraph.deep.training.net import Net
from mmgraph.graph.memory_budget import check_required, device_budget
from mmgraph.learning.training.random_blocks import RandomBlocks

_PROBE = 2
"""Of how many rows a step is looked at, those with the longest sequences."""
_PARAMETER_COPIES = 6
"""Parameters, gradients, AdamW's two moments, those of the last sound epoch and of the best."""


def step_bytes(net: Net, cells: Mapping[str, Cells], batch: int) -> int:
    """Return the bytes of parameters and of what a step on a batch keeps for its gradients.

    What is kept of a few rows is counted, and grows with the rows.
    """
    parameters = {p.data_ptr(): p.numel() * p.element_size() for p in net.parameters()}
    saved: dict[int, int] = {}

    def count(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in parameters:
            saved[storage.data_ptr()] = storage.nbytes()
        alive.append(tensor)
        return tensor

    alive: list[Tensor] = []  # so that no storage takes the place of another
    probe = {modality: one.rows(_longest(one)) for modality, one in cells.items()}
    noise, device = net.pack.noise, next(net.parameters()).device
    net.train().pack.noise = RandomBlocks(1, 0, device)  # training's numbers stay as they are
    with torch.enable_grad(), torch.autograd.graph.saved_tensors_hooks(count, lambda t: t):
        net(probe)
    net.pack.noise = noise
    rows = len(next(iter(probe.values())).values)
    return sum(parameters.values()) * _PARAMETER_COPIES + sum(saved.values()) * batch // rows


def check_step_memory(net: Net, cells: Mapping[str, Cells], batch: int) -> None:
    """Check that a step on a batch of rows fits the memory where the net is.

    Raises
    ------
    MemoryBudgetError
        If it does not, with both sizes.
    """
    check_required(
        f"a step on {batch} rows, of {net.design.members} members,",
        step_bytes(net, cells, batch),
        device_budget(next(net.parameters()).device),
        "A smaller batch_size, fewer members or a smaller width may help.",
    )


def _longest(cells: Cells) -> Tensor:
    """The rows of the longest sequences; of all else the first ones."""
    if cells.lengths is None:
        return torch.arange(min(_PROBE, len(cells.values)), device=cells.values.device)
    return cells.lengths.argsort(descending=True)[:_PROBE]
