"""Samples of continuous leaves, given the states of their parents."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from mmgraph.graph.evidence import Evidence


def continuous_samples(
    factor: Any,
    evidence: Evidence,
    parents: dict[str, Tensor],
    draws: int,
    generator: torch.Generator | None,
) -> Float[Tensor, "batch draws *shape"]:
    """Return values of a continuous leaf: drawn where missing, kept where observed.

    Parameters
    ----------
    factor : Factor
        The leaf's conditional distribution.
    evidence : Evidence
        Each row is drawn for ``draws`` times.
    parents : dict of str to Tensor
        States of its parents, ``(batch * draws,)`` each.
    """
    drawn = factor.sample(parents, generator, rows=evidence.batch * draws)
    given = evidence.values.get(factor.child.name)
    if given is not None:
        known = given.to(drawn).repeat_interleave(draws, dim=0).reshape(drawn.shape)
        partly = known.isnan().flatten(1) if known.ndim > 1 else known.isnan()[:, None]
        if bool((partly.any(1) & ~partly.all(1)).any()):
            drawn = factor.sample_given(parents, known, generator)
        drawn = torch.where(known.isnan(), drawn, known)
    return drawn.reshape(evidence.batch, draws, *factor.child.shape)
