"""Filtering by particles, of any hidden process that can be drawn from and weighed."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from mmgraph.graph.errors import EvidenceError, GraphError, ZeroProbabilityError
from mmgraph.graph.memory_budget import check_required, device_budget
from mmgraph.inference.numerics.counted_random import device_generator, placed_generator

Initial = Callable[[tuple[int, int], torch.Generator], Tensor]
Transition = Callable[[Tensor, int, torch.Generator], Tensor]
LogDensity = Callable[[Tensor, Tensor, int], Tensor]


@dataclass(frozen=True)
class HiddenProcess:
    """A hidden process and what it emits, as functions of tensors of many particles.

    Functions that draw use the generator they are given, and make tensors on its device.

    Parameters
    ----------
    initial : callable ``(shape, generator) -> states``
        Draws states at step 0, of shape ``(batch, particles, *state)``; ``shape`` is its begin.
    transition : callable ``(states, step, generator) -> states``
        Draws the states at a step (from 1) from those at the step before.
    log_density : callable ``(row, states, step) -> (batch, particles)``
        The log-density of rows of shape ``(batch, 1, features)``, some cells of which may be NaN.
        Rows all of NaN count as missing, whatever it says.
    transition_log_density : callable ``(before, after, step) -> Tensor``, optional
        That of moving from a state at ``step - 1`` to one at ``step``, of states that broadcast:
        ``(batch, 1, particles, *state)`` and ``(batch, samples, 1, *state)``. Only smoothing
        needs it.
    """

    initial: Initial
    transition: Transition
    log_density: LogDensity
    transition_log_density: LogDensity | None = None


@dataclass(frozen=True, eq=False)
class ParticlePosterior:
    """Weighted particles of each step given the rows up to it.

    Attributes
    ----------
    process : HiddenProcess
    states : Tensor of shape (steps, batch, particles, *state)
    log_weights : Tensor of shape (steps, batch, particles)
        Their exponentials sum to one.
    effective_sample_sizes : Tensor of shape (steps, batch)
        One over the sum of squared weights, after each row.
    log_likelihood : Tensor of shape (batch,)
        Estimated; its exponential is unbiased.
    method : str
    exact : bool
    """

    process: HiddenProcess
    states: Tensor
    log_weights: Float[Tensor, "steps batch particles"]
    effective_sample_sizes: Float[Tensor, "steps batch"]
    log_likelihood: Float[Tensor, " batch"]
    method: str = "particle filter"
    exact: bool = False

    def expectation(self, function: Callable[[Tensor], Tensor] = lambda states: states) -> Tensor:
        """Return filtered expectations of a function of states, ``(steps, batch, *value)``.

        By default of the states themselves: their means.
        """
        values = function(self.states).to(self.log_weights.dtype)
        weights = self.log_weights.exp().reshape(*self.log_weights.shape, *(1,) * (values.ndim - 3))
        return (weights * values).sum(2)

    def sample_paths(self, samples: int, generator: torch.Generator | None = None) -> Tensor:
        """Draw paths given all rows, backwards; ``(steps, batch, samples, *state)``.

        Raises
        ------
        GraphError
            If the process gives no log-density of transitions.

        References
        ----------
        Godsill, Doucet and West (2004), "Monte Carlo smoothing for nonlinear time series",
        algorithm 1. A step takes ``batch * samples * particles`` densities.
        """
        moves = self.process.transition_log_density
        if moves is None:
            raise GraphError("sampling paths needs the process's transition_log_density")
        steps, batch, _ = self.log_weights.shape
        paths = self.states.new_empty((steps, batch, samples, *self.states.shape[3:]))
        generator = _placed(generator, self.log_weights.device)
        weights = self.log_weights[-1, :, None].expand(-1, samples, -1)
        for t in range(steps - 1, -1, -1):
            if t < steps - 1:
                density = moves(self.states[t][:, None], paths[t + 1][:, :, None], t + 1)
                weights = self.log_weights[t][:, None] + density
            chances = (weights - weights.amax(-1, keepdim=True)).exp()
            uniform = torch.empty_like(chances[..., :1]).uniform_(generator=generator)
            paths[t] = _taken(self.states[t], drawn_indices(chances, uniform)[..., 0])
        return paths


def particle_filter(
    process: HiddenProcess,
    rows: Float[Tensor, "batch steps features"],
    particles: int = 1000,
    generator: torch.Generator | None = None,
    threshold: float = 0.5,
) -> ParticlePosterior:
    """Filter sequences by particles on the device of their rows.

    A sequence's particles are drawn anew, systematically, where their effective sample size falls
    below a part of their number. Shorter sequences are padded with rows of NaN: they weigh nothing.

    Parameters
    ----------
    threshold : float
        The part, from 0 (never) to 1 (at every step).
    generator : torch.Generator, optional
        On any device; the same seed gives the same particles.

    Raises
    ------
    EvidenceError
        If rows are not of shape (batch, steps, features), or a log-density is NaN: at which step.
    ZeroProbabilityError
        If no particle could have emitted a row: of which sequences, at which step.
    MemoryBudgetError
        If the particles of all steps do not fit into the memory of the device.

    References
    ----------
    Doucet and Johansen (2009), "A tutorial on particle filtering and smoothing", section 3.5;
    Kitagawa (1996), "Monte Carlo filter and smoother", for systematic resampling.
    """
    if rows.ndim != 3 or 0 in rows.shape[:2]:
        raise EvidenceError(f"rows are (batch, steps, features), not of shape {tuple(rows.shape)}")
    if particles < 1:
        raise EvidenceError(f"particles is {particles}, and at least 1 is needed")
    batch, steps, _ = rows.shape
    generator = _placed(generator, rows.device)
    states = process.initial((batch, particles), generator)
    bytes_each = states[0, 0].nbytes + rows.element_size()
    required, advice = bytes_each * batch * steps * particles, "Take fewer particles or sequences."
    check_required("Particles of all steps", required, device_budget(rows.device), advice)
    all_states: list[Tensor] = []
    all_weights: list[Tensor] = []
    sizes: list[Tensor] = []
    missing = rows.isnan().all(-1)
    weights = rows.new_full((batch, particles), -math.log(particles))
    likelihood = rows.new_zeros(batch)
    for t in range(steps):
        if t > 0:
            chosen, weights = _resampled(weights, sizes[-1] < threshold * particles, generator)
            states = process.transition(_taken(states, chosen), t, generator)
        density = process.log_density(rows[:, t, None], states, t)
        weights = weights + density.to(rows.dtype).masked_fill(missing[:, t, None], 0)
        total = weights.logsumexp(-1)
        _check(total, t)
        weights = weights - total[:, None]
        likelihood = likelihood + total
        all_states.append(states)
        all_weights.append(weights)
        sizes.append((-(2 * weights).logsumexp(-1)).exp())
    return ParticlePosterior(
        process, torch.stack(all_states), torch.stack(all_weights), torch.stack(sizes), likelihood
    )


def _placed(generator: torch.Generator | None, device: torch.device) -> torch.Generator:
    return placed_generator(generator, device) or device_generator(None, device)


def _resampled(
    log_weights: Float[Tensor, "batch particles"],
    needed: Tensor,
    generator: torch.Generator,
) -> tuple[Int64[Tensor, "batch particles"], Float[Tensor, "batch particles"]]:
    """Which particles go on, and with which weights: where it is needed, equal ones."""
    batch, count = log_weights.shape
    device, dtype = log_weights.device, log_weights.dtype
    places = torch.arange(count, device=device)
    offset = torch.rand((batch, 1), generator=generator, device=device, dtype=dtype)
    chosen = drawn_indices(log_weights.exp(), (places + offset) / count)
    chosen = torch.where(needed[:, None], chosen, places)
    return chosen, log_weights.masked_fill(needed[:, None], -math.log(count))


def drawn_indices(
    chances: Float[Tensor, "*batch n"], uniforms: Float[Tensor, "*batch k"]
) -> Int64[Tensor, "*batch k"]:
    """Return where cumulated chances pass parts of their sum: never one without a chance."""
    cumulated = chances.cumsum(-1)
    below_one = 1 - torch.finfo(chances.dtype).eps / 2
    parts = uniforms.clamp(max=below_one)
    return torch.searchsorted(cumulated / cumulated[..., -1:], parts, right=True)


def _taken(states: Tensor, chosen: Int64[Tensor, "batch k"]) -> Tensor:
    """The states of some particles of each sequence."""
    return states[torch.arange(len(states), device=states.device)[:, None], chosen]


def _check(totals: Float[Tensor, " batch"], step: int) -> None:
    if bool(totals.isfinite().all()):
        return
    if bool(totals.isnan().any()):
        raise EvidenceError(f"log_density gave NaN at step {step}")
    impossible = torch.nonzero(totals == -torch.inf).flatten().tolist()
    if not impossible:
        raise EvidenceError(f"log_density gave infinity at step {step}")
    message = f"no particle of sequence {impossible[0]} could have emitted the row of step {step}"
    raise ZeroProbabilityError(message, tuple(impossible), ())
