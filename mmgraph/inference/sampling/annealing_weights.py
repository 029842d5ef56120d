"""How annealing goes: its options, inverse temperatures, and what the weights of chains say.

The variance of a log-weight grows with the change of the mean energy from one step to the next
(Neal 2001, "Annealed importance sampling", section 4): steps of equal length suit energies of some
nats, but leave the base in one leap where they are large.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float64
from scipy.optimize import brentq
from torch import Tensor

from mmgraph.graph.errors import ConvergenceWarning, MmgraphError, warn_caller
from mmgraph.graph.evidence import Evidence
from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.inference.possible_rows import named_rows
from mmgraph.inference.posterior import Moments
from mmgraph.inference.sampling.gibbs_program import gibbs_program
from mmgraph.inference.sampling.gibbs_start import searched_states

BASE_STATES = 32
"""The fewest states of the base from which the spread of energies is estimated."""

BASE_SEED = 0x27D4EB2F
"""Makes random numbers apart from the chains' own, on which temperatures must not depend."""

_FIRST_STEP = 0.5
"""Nats by which the log-weights may spread in the first step."""

_STEEPEST = 700.0


@dataclass(frozen=True)
class AnnealingOptions:
    """Options of :func:`~mmgraph.inference.sampling.annealing.annealed_importance_sampling`."""

    steps: int = 1000
    chains: int = 100
    generator: torch.Generator | None = None
    tolerance: float = 0.1
    threads: int | None = None
    base: Mapping[str, Tensor] | None = None
    device: str = "auto"


def inverse_temperatures(steps: int, spread: float) -> Float64[np.ndarray, " steps+1"]:
    """Return inverse temperatures from zero to one, evenly spaced if the first step is short.

    The spread is the standard deviation over the base of the log-weight that an even first step
    would give. Where it is large, temperatures grow as ``expm1(k t)``: slowly at first, and then by
    equal ratios.
    """
    even = np.linspace(0.0, 1.0, steps + 1)
    ratio = spread / _FIRST_STEP
    if not 1.0 < ratio < math.inf:
        return even
    ratio = min(ratio, math.exp(_STEEPEST / 2))
    steepness = brentq(lambda k: math.log(math.expm1(k) / k) - math.log(ratio), 1e-9, _STEEPEST)
    grown: np.ndarray = np.expm1(steepness * even) / math.expm1(steepness)
    grown[-1] = 1.0
    return grown


class Annealed(NamedTuple):
    """The logarithms of the chains' weights, and moments by those weights."""

    log_weights: Float64[Tensor, "batch chains"]
    moments: Moments


class WeightSummary(NamedTuple):
    """What the weights of the chains of each row say."""

    log_mean: Float64[Tensor, " batch"]  # the logarithm of the mean weight
    standard_error: Float64[Tensor, " batch"]
    sample_size: Float64[Tensor, " batch"]  # how many equal weights would do as well
    # Where nearly all weight falls on one chain, so that the error is unknown and infinite: that of
    # the mean of n weights, as told by their variance, is at most one, however far the other chains
    # would have to go.
    collapsed: Bool[Tensor, " batch"]


def weight_summary(log_weights: Float64[Tensor, "batch chains"]) -> WeightSummary:
    """Return mean, error and sample size of the weights of each row."""
    chains = log_weights.shape[1]
    top = log_weights.amax(1)
    weights = (log_weights - top.unsqueeze(1)).exp()
    mean = weights.mean(1)
    size = 1 / log_weights.softmax(1).square().sum(1)
    collapsed = size < min(2.0, (1 + chains) / 2)
    error = (weights.std(1) / mean / chains**0.5).masked_fill(collapsed, torch.inf)
    return WeightSummary(top + mean.log(), error, size, collapsed)


def check_weights(
    graph: FactorGraph,
    evidence: Evidence,
    log_weights: Float64[Tensor, "batch chains"],
    generator: torch.Generator | None,
    first_row: int = 0,
) -> None:
    """Raise the error that says why every chain of a row has weight zero, if there is such a row.

    A ZeroProbabilityError if the row of evidence is impossible, else an MmgraphError.
    """
    lost = torch.isneginf(log_weights).all(1).nonzero().flatten().tolist()
    if lost:
        row = first_row + lost[0]
        conditioned = gibbs_program(graph).conditioned(evidence, row)
        searched_states(conditioned, evidence, 1, generator)  # says so if there is none
        raise MmgraphError(
            f"row {row} of the evidence: none of {log_weights.shape[1]} chains ended in a state "
            "of positive probability; take more steps, or more chains"
        )


def warn_of_collapse(summary: WeightSummary, chains: int, steps: int) -> None:
    """Warn of rows whose weights have collapsed."""
    rows = summary.collapsed.nonzero().flatten().tolist()
    if rows:
        size = float(summary.sample_size[rows[0]])
        warn_caller(
            f"annealed_importance_sampling: in {named_rows(rows)} of the evidence nearly "
            f"all weight falls on one of {chains} runs (effective sample size {size:.3g}), "
            f"so that log P(evidence) may be far off by an unknown error; more than {steps} steps, "
            "or exact inference, would tell",
            ConvergenceWarning,
        )
