"""Disturbed inputs, against learning rows by heart: noise, and blends of rows with one label."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from mmgraph.graph.errors import MmgraphError
from mmgraph.graph.variable import Variable
from mmgraph.inference.clamping import Clamped

Blend = Literal["towards", "difference"]
_REAL = ("gaussian", "rectified_gaussian")


@dataclass(frozen=True)
class Disturbance:
    """How real-valued inputs are disturbed.

    Parameters
    ----------
    noise : mapping of str to float, optional
        The standard deviation of Gaussian noise on what is seen of a variable; what is to be
        predicted stays as it is.
    blended : float, default 0
        The share of rows that are blended with rows of the batch that have the same label, after
        Zhang et al. (2018), "mixup: beyond empirical risk minimization", within classes. The
        blend is predicted, too.
    strength : float in [0, 1], default 0.5
        The most that a row is moved; drawn uniformly below that, one number a row.
    kind : {"towards", "difference"}
        ``towards`` moves a row towards another one, ``difference`` adds what two others differ by
        (DeVries and Taylor 2017, "Dataset augmentation in feature space", section 3.2).

    Raises
    ------
    MmgraphError
        If a number is out of its range.
    """

    noise: Mapping[str, float] = field(default_factory=dict)
    blended: float = 0.0
    strength: float = 0.5
    kind: Blend = "towards"

    def __post_init__(self) -> None:
        for name, deviation in self.noise.items():
            if not 0 <= deviation < torch.inf:
                raise MmgraphError(f"the noise of '{name}' must not be negative, but {deviation}")
        for name in ("blended", "strength"):
            if not 0 <= getattr(self, name) <= 1:
                raise MmgraphError(f"{name} must lie in [0, 1], but it is {getattr(self, name)}")
        if self.kind not in ("towards", "difference"):
            raise MmgraphError(f"unknown blend {self.kind!r} (known: towards, difference)")

    def check(self, variables: Mapping[str, Variable]) -> None:
        """Refuse noise on what is not real-valued.

        Raises
        ------
        MmgraphError
            If a variable is unknown or of another family.
        """
        for name in self.noise:
            if name not in variables or variables[name].family not in _REAL:
                raise MmgraphError(f"noise on '{name}', which is no real-valued variable")

    def blend(
        self,
        batch: Mapping[str, Clamped],
        label: Clamped | None,
        variables: Mapping[str, Variable],
        generator: torch.Generator | None,
    ) -> dict[str, Clamped]:
        """Return the batch with some rows blended; rows without a label stay as they are."""
        result = dict(batch)
        if not self.blended or label is None:
            return result
        one, other = (self._partners(label, generator) for _ in range(2))
        rows = len(one)
        device = torch.device("cpu") if generator is None else generator.device
        moved = torch.rand(rows, generator=generator, device=device) < self.blended
        share = self.strength * torch.rand(rows, generator=generator, device=device) * moved
        for name, (values, known) in batch.items():
            if variables[name].family not in _REAL:
                continue
            column = share.to(values).reshape(-1, *(1,) * (values.ndim - 1))
            start = values if self.kind == "towards" else values[other]
            change = column * (values[one] - start)
            if known is not None:
                # Only what all of the rows have can be blended.
                change = change * (known & known[one] & known[other])
            fresh = values + change
            if variables[name].family == "rectified_gaussian":
                fresh = fresh.clamp_min(0.0)
            result[name] = Clamped(fresh, known)
        return result

    @staticmethod
    def _partners(label: Clamped, generator: torch.Generator | None) -> Int64[Tensor, " batch"]:
        """For each row one of the same label, drawn uniformly; for a row without label itself."""
        flat = label.values.flatten(1)
        if label.known is not None:
            flat = flat * label.known.reshape(len(flat), -1).all(1, keepdim=True)
        count = flat.sum(1, keepdim=True)
        alike = ((flat @ flat.T) > count - 0.5) & (count > 0.5)
        alike.fill_diagonal_(True)
        device = torch.device("cpu") if generator is None else generator.device
        chances = alike.to(device, torch.float32)
        drawn = torch.multinomial(chances, 1, generator=generator).squeeze(1)
        return drawn.to(flat.device)

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
        fresh = torch.add(values, drawn.to(values.device), alpha=deviation)
        return fresh.clamp_min(0.0) if variable.family == "rectified_gaussian" else fresh
