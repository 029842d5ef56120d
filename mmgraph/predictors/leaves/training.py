"""How leaves that are neural networks are trained, and what they see."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from mmgraph.data.blocks.block import Features
from mmgraph.data.blocks.preparation import Preparation
from mmgraph.predictors.leaves.leaf import LeafRows

_LARGEST = 3.0
"""Scaled features beyond it are taken to lie there."""
Outputs = Callable[
    [Int64[Tensor, "members batch"]], Float[Tensor, "members batch states"]
]  # fmt: skip


def network_inputs(preparation: Preparation, features: Features) -> Float[Tensor, "rows inputs"]:
    """Return features as networks see them."""
    scaled = preparation.forward(features)
    return torch.as_tensor(scaled, dtype=torch.float32).clamp(-_LARGEST, _LARGEST)


def train(
    parameters: Iterable[Tensor],
    outputs: Outputs,
    rows: LeafRows,
    generator: torch.Generator,
    *,
    members: int = 1,
    epochs: int,
    batch: int,
    rate: float,
    decay: float,
) -> None:
    """Change parameters by Adam with a cycle of learning rates, to tell the states of rows.

    ``outputs`` are scores of the states in some rows of each member, whose order is its own; the
    generator draws it.
    """
    codes = torch.as_tensor(rows.codes)
    counts = torch.as_tensor(rows.weights / rows.weights.mean(), dtype=torch.float32)
    optimiser = torch.optim.AdamW(parameters, lr=rate, weight_decay=decay, fused=True)
    steps = epochs * -(-len(codes) // batch)
    cycle = torch.optim.lr_scheduler.OneCycleLR(optimiser, rate, total_steps=steps)
    with torch.enable_grad():
        for _ in range(epochs):
            draws = torch.rand(members, len(codes), generator=generator)
            for index in draws.argsort(1).split(batch, dim=1):
                losses = torch.nn.functional.cross_entropy(
                    outputs(index).flatten(0, 1), codes[index].flatten(), reduction="none"
                )
                loss = (losses * counts[index].flatten()).mean() * members
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
                cycle.step()
