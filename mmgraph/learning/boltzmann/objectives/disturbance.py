"""Disturbed inputs, against learning rows by heart: noise, and blends of rows with one label."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from mmgraph.graph.errors import LearningError, check_choice
from mmgraph.graph.variable import Variable
from mmgraph.inference.field.clamping import Clamped
from mmgraph.learning.training.options import check_number, check_options

Blend = Literal["towards", "difference"]
BLENDS: tuple[Blend, ...] = ("towards", "difference")


@dataclass(frozen=True)
class Disturbance:
    """How real-valued inputs are disturbed.

    Parameters
    ----------
    noise : mapping of str to float, optional
        The standard deviation of Gaussian noise on what is seen of a variable; what is to be
        predicted stays as it is.
    spread : float in [0, 1], default 0
        How much noise differs between rows: its deviation is multiplied by a number between
        ``1 - spread`` and ``1 + spread``, one a row.
    blended : float, default 0
        The share of rows that are blended with others of the same label, after
        Zhang et al. (2018), "mixup: beyond empirical risk minimization", within classes. The
        blend is predicted, too.
    strength : float in [0, 1], default 0.5
        The most that a row is moved; drawn uniformly below that, one number a row.
    kind : {"towards", "difference"}
        ``towards`` moves a row towards another one, ``difference`` adds what two others differ by
        (DeVries and Taylor 2017, "Dataset augmentation in feature space", section 3.2).

    Raises
    ------
    LearningError
        If a number is out of its range.
    """

    noise: Mapping[str, float] = field(default_factory=dict)
    spread: float = 0.0
    blended: float = 0.0
    strength: float = 0.5
    kind: Blend = "towards"

    def __post_init__(self) -> None:
        for name, deviation in self.noise.items():
            check_number(f"the noise of '{name}'", deviation, "[0, inf)")
        check_options(self, "[0, 1]", "spread", "blended", "strength")
        check_choice("blend", self.kind, BLENDS, LearningError)

    def check(self, variables: Mapping[str, Variable]) -> None:
        """Refuse noise on what is not real-valued."""
        for name in self.noise:
            if name not in variables or not variables[name].is_real:
                raise LearningError(f"noise on '{name}', which is no real-valued variable")

    def blend(
        self,
        batch: Mapping[str, Clamped],
        label: str | None,
        variables: Mapping[str, Variable],
        generator: torch.Generator | None,
        partners: Mapping[str, Clamped] | None = None,
    ) -> dict[str, Clamped]:
        """Return the batch with some rows blended with partners, by default others of the batch.

        The label tells which rows are alike; rows without one stay as they are.
        """
        result, pool = dict(batch), batch if partners is None else partners
        if not self.blended or label is None or label not in batch or label not in pool:
            return result
        alike = _alike(batch[label], pool[label])
        device = torch.device("cpu") if generator is None else generator.device
        rows = len(alike)
        moved = torch.rand(rows, generator=generator, device=device) < self.blended
        share = self.strength * torch.rand(rows, generator=generator, device=device) * moved
        share = share.to(alike.device) * alike.any(1)
        # A row without any like it draws one all the same, and is not moved.
        chances = (alike | ~alike.any(1, keepdim=True)).to(device, torch.float32)
        one, other = (
            torch.multinomial(chances, 1, generator=generator).squeeze(1).to(alike.device)
            for _ in range(2)
        )
        for name, here in batch.items():
            if variables[name].is_real and name in pool:
                fresh = self._moved(here, pool[name], share, one, other)
                if variables[name].family == "rectified_gaussian":
                    fresh = fresh.clamp_min(0.0)
                result[name] = Clamped(fresh, here.known)
        return result

    def _moved(
        self, here: Clamped, pool: Clamped, share: Tensor, one: Tensor, other: Tensor
    ) -> Float[Tensor, "batch *shape"]:
        """Values moved by a share of the way that other rows point; only where all are known."""
        values = here.values
        column = share.to(values.dtype).reshape(-1, *(1,) * (values.ndim - 1))
        start = values if self.kind == "towards" else pool.values[other]
        change = column * (pool.values[one] - start)
        if pool.known is not None:
            change = change * (pool.known[one] & pool.known[other])
        return values + (change if here.known is None else change * here.known)

    def noisy(
        self,
        variable: Variable,
        values: Float[Tensor, "batch *shape"],
        generator: torch.Generator | None,
    ) -> Float[Tensor, "batch *shape"]:
        """Return values with noise."""
        deviation = self.noise.get(variable.name, 0.0)
        if not deviation:
            return values
        device = torch.device("cpu") if generator is None else generator.device
        drawn = torch.randn(values.shape, generator=generator, device=device, dtype=values.dtype)
        if self.spread:
            shape = (len(values), *(1,) * (values.ndim - 1))
            uniform = torch.rand(shape, generator=generator, device=device, dtype=values.dtype)
            drawn = drawn * (1 + self.spread * (2 * uniform - 1))
        fresh = torch.add(values, drawn.to(values.device), alpha=deviation)
        return fresh.clamp_min(0.0) if variable.family == "rectified_gaussian" else fresh


def _alike(label: Clamped, pool: Clamped) -> Bool[Tensor, "batch pool"]:
    """Which rows have the same label; a row without one is like none."""
    (one, count), (two, _) = (_flat(c) for c in (label, pool))
    return ((one @ two.T) > count - 0.5) & (count > 0.5)


def _flat(label: Clamped) -> tuple[Float[Tensor, "rows states"], Float[Tensor, "rows 1"]]:
    """One-hot labels in a row, zero where some of them is unknown, and how many there are."""
    flat = label.values.flatten(1)
    if label.known is not None:
        flat = flat * label.known.reshape(len(flat), -1).all(1, keepdim=True)
    return flat, flat.sum(1, keepdim=True)
