"""Observed units as statistics: what evidence clamps, whole layers or single units of them."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from mmgraph.graph.evidence import MISSING, Evidence
from mmgraph.graph.exponential_family import statistics_of
from mmgraph.graph.variable import Variable


class Clamped(NamedTuple):
    """The known units of one variable."""

    values: Float[Tensor, "batch *statistics"]  # zero where unknown
    known: Bool[Tensor, "batch *shape"] | None = None  # a document is one unit; None stands for all


def clamped(
    evidence: Evidence, variable: Variable, device: torch.device, dtype: torch.dtype
) -> Clamped | None:
    """Return the units that evidence knows, or None where it knows none.

    Soft evidence knows a unit of which it leaves one state. Values of Bernoulli units are their
    probabilities of being on, and so their statistics.
    """
    if variable.is_discrete and variable.name not in evidence.values:
        codes = evidence.hard(variable.name)
        if codes is None and variable.name in evidence.soft:
            codes = _only_states(evidence.soft[variable.name])
        if codes is None:
            return None
        codes = codes.to(device)
        known = codes != MISSING
        values = statistics_of(variable, codes.clamp_min(0), dtype)
        if variable.family == "categorical":
            values = values * known.unsqueeze(-1)
    else:
        observed = evidence.values.get(variable.name)
        if observed is None:
            return None
        observed = observed.to(device, dtype)
        known = ~observed.isnan()
        values = torch.where(known, observed, 0.0)
        if variable.family == "replicated_softmax":
            known = known.all(-1)
    if not bool(known.any()):
        return None
    return Clamped(values, None if bool(known.all()) else known)


def without_certain(potentials: Tensor) -> tuple[Tensor, Bool[Tensor, " batch"]]:
    """Return log-potentials of states without the minus infinities of units known by them.

    Also returned are the rows that leave some unit no state.
    """
    impossible = torch.isneginf(potentials.detach())
    certain = impossible.sum(-1, keepdim=True) >= potentials.shape[-1] - 1
    rows = impossible.all(-1).reshape(len(potentials), -1).any(1)
    return potentials.masked_fill(certain & impossible, 0.0), rows


def _only_states(potentials: Tensor) -> Tensor | None:
    """The state of each unit that has but one, else missing; None where there is no such unit."""
    possible = ~torch.isneginf(potentials.detach())
    if bool(possible.all()):
        return None
    return torch.where(possible.sum(-1) == 1, possible.long().argmax(-1), MISSING)
