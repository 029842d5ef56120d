"""Hidden Markov models by associative scans: log2(steps) rounds of matrix products on a GPU.

A step of a chain is a matrix of transition times density; the product of all steps up to one is
what forward recursion gives there, and the product of those after it is the backward one. Products
are associative, so all of them come from a scan (Hassan, Sarkka and Garcia-Fernandez 2021,
"Temporal parallelization of inference in hidden Markov models"). Every row of a matrix carries the
logarithm of its own greatest entry, so nothing that matters underflows. The work is states times
that of sequential recursion and the memory ``steps * states^2``: for few states and many steps.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from mmgraph.graph.errors import EvidenceError, ZeroProbabilityError
from mmgraph.graph.memory_budget import check_required, device_budget

Combine = Callable[[tuple[Tensor, ...], tuple[Tensor, ...]], tuple[Tensor, ...]]
_MATRICES = 6
"""Matrices a step that a scan holds at once: elements, their halves, products, results."""


class ScannedPosterior(NamedTuple):
    """What forward-backward scans say of a batch of sequences.

    Attributes
    ----------
    probabilities : Tensor of shape (batch, steps, states)
        Of the hidden states given the whole sequence; zero beyond its length.
    log_likelihood : Tensor of shape (batch,)
    method : str
    exact : bool
    """

    probabilities: Float[Tensor, "batch steps states"]
    log_likelihood: Float[Tensor, " batch"]
    method: str = "parallel scan"
    exact: bool = True


class ScannedPath(NamedTuple):
    """The most probable paths of a batch of sequences.

    Attributes
    ----------
    states : Tensor of shape (batch, steps)
        -1 beyond the length of a sequence.
    log_density : Tensor of shape (batch,)
        Of the path and the rows together.
    method : str
    exact : bool
    """

    states: Int64[Tensor, "batch steps"]
    log_density: Float[Tensor, " batch"]
    method: str = "parallel scan"
    exact: bool = True


def scanned_posterior(
    start: Float[Tensor, " states"],
    transition: Float[Tensor, "states states"],
    log_densities: Float[Tensor, "batch steps states"],
    lengths: Int64[Tensor, " batch"] | None = None,
) -> ScannedPosterior:
    """Run forward-backward on the device, and in the precision, of the log-densities.

    Parameters
    ----------
    start, transition : Tensor
        Probabilities of the first state, and of each state (a column) after another (a row).
    log_densities : Tensor of shape (batch, steps, states)
        Of each row given each state; a missing row has 0. What lies beyond a length is ignored.
    lengths : Tensor of shape (batch,), optional
        The steps of each sequence, at least one.

    Raises
    ------
    ZeroProbabilityError
        If a sequence is impossible; names it.
    EvidenceError
        If a length is below one or beyond the steps.
    MemoryBudgetError
        If the matrices do not fit into the device's memory.
    """
    there = _steps_there(log_densities, lengths)
    elements = _scaled(_elements(start, transition, log_densities, there))
    forward = _scan(_product, elements)
    ahead = forward[0][:, :, :1] + forward[1][:, :, 0].log()
    later = tuple(part[:, 1:].flip(1) for part in elements)
    behind = torch.zeros_like(ahead)
    if ahead.shape[1] > 1:
        backward = _scan(lambda one, two: _product(two, one), later)
        behind[:, :-1] = (backward[0] + backward[1].sum(-1).log()).flip(1)
    log_likelihood = ahead[:, -1].logsumexp(-1)
    _check_possible(log_likelihood)
    probabilities = (ahead + behind).softmax(-1) * there[..., None]
    return ScannedPosterior(probabilities, log_likelihood)


def scanned_path(
    start: Float[Tensor, " states"],
    transition: Float[Tensor, "states states"],
    log_densities: Float[Tensor, "batch steps states"],
    lengths: Int64[Tensor, " batch"] | None = None,
) -> ScannedPath:
    """Find most probable paths (Viterbi); parameters and errors as :func:`scanned_posterior`.

    Maxima are scanned forwards; from them each state's best predecessor is known at every step,
    and those functions, composed from the last step backwards by a second scan, are the path.
    """
    there = _steps_there(log_densities, lengths)
    elements = _elements(start, transition, log_densities, there)
    best = _scan(_highest_sum, (elements,))[0][:, :, 0]
    log_density, last = best[:, -1].max(-1)
    _check_possible(log_density)
    same = torch.arange(best.shape[-1], device=best.device)
    origins = (best[:, :-1, :, None] + transition.to(best).log()).argmax(-2)
    origins = torch.where(there[:, 1:, None], origins, same)
    # From the last step backwards: what maps the last state to that of each step.
    steps = torch.cat([same.expand_as(best[:, :1]), origins.flip(1)], 1)
    composed = _scan(_composed, (steps,))[0].flip(1)
    states = composed.gather(-1, last[:, None, None].expand(-1, composed.shape[1], 1))[..., 0]
    return ScannedPath(states.masked_fill(~there, -1), log_density)


def _steps_there(
    log_densities: Float[Tensor, "batch steps states"], lengths: Int64[Tensor, " batch"] | None
) -> Bool[Tensor, "batch steps"]:
    """Which steps belong to the sequences; checks lengths and memory."""
    batch, steps, states = log_densities.shape
    if lengths is None:
        lengths = torch.full((batch,), steps, device=log_densities.device)
    elif bool(((lengths < 1) | (lengths > steps)).any()):
        raise EvidenceError(f"lengths of sequences are from 1 to {steps}, not {lengths.tolist()}")
    required = _MATRICES * batch * steps * states * states * log_densities.element_size()
    advice = "Cut the batch or the sequences, or run the sequential recursion."
    check_required("A parallel scan", required, device_budget(log_densities.device), advice)
    return torch.arange(steps, device=log_densities.device) < lengths[:, None]


def _elements(
    start: Float[Tensor, " states"],
    transition: Float[Tensor, "states states"],
    log_densities: Float[Tensor, "batch steps states"],
    there: Bool[Tensor, "batch steps"],
) -> Float[Tensor, "batch steps states states"]:
    """The logarithms of transition times density; of the first step, whose rows are all alike, too.

    Steps that are not there change nothing: their matrix is the unit.
    """
    states = log_densities.shape[-1]
    start, transition = start.to(log_densities), transition.to(log_densities)
    steps = transition.log().expand(*log_densities.shape, states).clone()
    steps[:, 0] = start.log()
    steps += log_densities.masked_fill(~there[..., None], 0)[..., None, :]
    unit = torch.eye(states, dtype=steps.dtype, device=steps.device).log()
    return torch.where(there[..., None, None], steps, unit)


def _scaled(
    logs: Float[Tensor, "*steps states states"],
) -> tuple[Float[Tensor, "*steps states"], Float[Tensor, "*steps states states"]]:
    """Matrices as the logarithms of their rows' greatest entries, and the rows divided by these."""
    scales = logs.amax(-1)
    finite = scales.masked_fill(scales == -torch.inf, 0)
    return scales, (logs - finite[..., None]).exp()


def _product(one: tuple[Tensor, ...], two: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """The product of scaled matrices, scaled."""
    scales, weighed = _scaled(one[1].log() + two[0][..., None, :])
    product = weighed @ two[1]
    # A row's greatest entry is 1 before the product and at least 1 / states of its sum after it.
    greatest = product.amax(-1)
    divisor = greatest.masked_fill(greatest == 0, 1)
    return one[0] + scales + divisor.log(), product / divisor[..., None]


def _highest_sum(one: tuple[Tensor, ...], two: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """The product of matrices of logarithms in which sums are maxima."""
    best = one[0][..., :, 0, None] + two[0][..., None, 0, :]
    for k in range(1, best.shape[-1]):
        torch.maximum(best, one[0][..., :, k, None] + two[0][..., None, k, :], out=best)
    return (best,)


def _composed(one: tuple[Tensor, ...], two: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """First one function of a state, then another, each as the list of its values."""
    return (two[0].gather(-1, one[0]),)


def _scan(combine: Combine, elements: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """Combine every step's element with all those before it, in about 2 log2(steps) rounds.

    Pairs are combined, then scanned; what lies between is one combination more (Blelloch 1990,
    "Prefix sums and their applications").
    """
    steps = elements[0].shape[1]
    if steps == 1:
        return elements
    even, odd = (tuple(part[:, i : steps - steps % 2 : 2] for part in elements) for i in (0, 1))
    pairs = _scan(combine, combine(even, odd))
    whole = tuple(torch.empty_like(part) for part in elements)
    for part, element, scanned in zip(whole, elements, pairs, strict=True):
        part[:, 0] = element[:, 0]
        part[:, 1::2] = scanned
    if steps > 2:
        before = tuple(scanned[:, : (steps - 1) // 2] for scanned in pairs)
        later = combine(before, tuple(part[:, 2::2] for part in elements))
        for part, between in zip(whole, later, strict=True):
            part[:, 2::2] = between
    return whole


def _check_possible(log_likelihood: Float[Tensor, " batch"]) -> None:
    impossible = torch.nonzero(log_likelihood == -torch.inf).flatten().tolist()
    if impossible:
        message = f"sequence {impossible[0]} has probability zero on every path of states"
        raise ZeroProbabilityError(message, tuple(impossible), ())
