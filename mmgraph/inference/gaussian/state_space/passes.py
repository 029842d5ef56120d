"""Filtering and smoothing of sequences: those of one missing pattern in one pass."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float64, Int64

from mmgraph.graph.errors import GraphError, ZeroProbabilityError
from mmgraph.graph.memory_budget import check_required, default_memory_budget
from mmgraph.inference.gaussian.state_space.kernels import backward, forward, lagged
from mmgraph.inference.gaussian.state_space.parameters import SystemParameters
from mmgraph.inference.gaussian.state_space.root_kernels import Recursion, System


class Pass(NamedTuple):
    """Some sequences of one length and missing pattern; arrays are padded as ``system`` is.

    Attributes
    ----------
    sequences : array of shape (sequences,)
        Their numbers.
    mask : array of bool, shape (steps, features)
        The cells that are there.
    system : System
    means : array of shape (sequences, steps, size)
        Given the rows up to each step.
    recursion : Recursion
    log_likelihoods : array of shape (sequences,)
    next_means, next_root : arrays of shape (sequences, size) and (size, size)
        The prediction of the step after the last.
    """

    sequences: Int64[np.ndarray, " sequences"]
    mask: Bool[np.ndarray, "steps features"]
    system: System
    means: Float64[np.ndarray, "sequences steps size"]
    recursion: Recursion
    log_likelihoods: Float64[np.ndarray, " sequences"]
    next_means: Float64[np.ndarray, "sequences size"]
    next_root: Float64[np.ndarray, "size size"]

    def filtered(self) -> Float64[np.ndarray, "steps size size"]:
        """Return the covariances given the rows up to each step."""
        return _spread(self.recursion.filtered, self.recursion.place)

    def smoothed(
        self,
    ) -> tuple[Float64[np.ndarray, "sequences steps size"], Float64[np.ndarray, "steps size size"]]:
        """Return means and covariances given all rows."""
        steps, size = self.means.shape[1:]
        means, place = np.empty_like(self.means), np.empty(steps, np.int64)
        covariances = np.empty((steps, size, size))
        stored = self.recursion.filtered
        last = stored[min(self.recursion.place[-1], len(stored) - 1)].copy()
        backward(self.system, self.means, self.recursion, last, means, place, covariances)
        return means, _spread(covariances, place)

    def lagged(
        self, lag: int
    ) -> tuple[Float64[np.ndarray, "sequences steps size"], Float64[np.ndarray, "steps size size"]]:
        """Return means and covariances given the rows up to ``lag`` steps later."""
        steps, size = self.means.shape[1:]
        means, covariances = np.empty_like(self.means), np.empty((steps, size, size))
        lagged(self.system, self.means, self.recursion, lag, means, covariances)
        return means, covariances

    def gains(self) -> Float64[np.ndarray, "steps size size"]:
        """Return the coefficients of each state on the next one."""
        return _spread(self.recursion.gains, self.recursion.place)


def _spread(stored: np.ndarray, place: np.ndarray) -> np.ndarray:
    """Return what each step uses, without a copy where each has its own."""
    distinct = place[-1] - place[0] + 1 == len(place)
    return stored[place[0] : place[-1] + 1] if distinct else stored[place]


def run_forward(
    start: tuple[System, np.ndarray, np.ndarray],
    values: Float64[np.ndarray, "sequences steps features"],
    sequences: Int64[np.ndarray, " sequences"],
    filtered: int,
    smoothing: int,
) -> Pass:
    """Filter sequences of one missing pattern.

    Parameters
    ----------
    start : System, array of shape (size,) or (sequences, size), array of shape (size, size)
        The system, and the prediction of the first step with its root.
    values : array of shape (sequences, steps, features)
        NaN is missing, in all of them alike.
    sequences : array of shape (sequences,)
        Their numbers, for messages.
    filtered, smoothing : int
        For how many steps there is room for filtered covariances and what smoothing needs.

    Raises
    ------
    ZeroProbabilityError
        If a row contradicts what is certain: which sequence and step.
    GraphError
        If states grow beyond the range of doubles.
    MemoryBudgetError
        If the covariances do not fit into memory.
    """
    system, mean, root = start
    count, steps, _ = values.shape
    size = len(system.lanes)
    check_required(
        f"the covariances of {steps} steps",
        8 * size**2 * (filtered + 3 * smoothing),
        default_memory_budget(),
        "Cut the sequence into pieces, or filter it a step at a time.",
    )
    mask = ~np.isnan(values[0])
    means, place = np.empty((count, steps, size)), np.empty(steps, np.int64)
    stored = [np.empty((n, size, size)) for n in (filtered, smoothing, smoothing)]
    recursion = Recursion(place, *stored)
    likelihoods = np.zeros(count)
    following, root = np.array(np.broadcast_to(mean, (count, size))), root.copy()
    bad, step = forward(
        system, np.where(mask, values, 0.0), mask, following, root, means, recursion, likelihoods
    )
    if bad >= 0:
        number = int(sequences[bad])
        raise ZeroProbabilityError(
            f"sequence {number}, step {step}: the row contradicts what the rows before it and the "
            "system make certain",
            (number,),
            (),
        )
    if step >= 0 or not (np.isfinite(likelihoods).all() and np.isfinite(following).all()):
        raise GraphError("the states grow beyond the range of numbers: is the transition unstable?")
    return Pass(sequences, mask, system, means, recursion, likelihoods, following, root)


def passes(
    parameters: SystemParameters,
    parts: Sequence[Float64[np.ndarray, "steps features"]],
    covariances: bool = False,
    smoothing: bool = False,
) -> Iterator[Pass]:
    """Filter sequences, those that share length and missing cells together.

    Parameters
    ----------
    parameters : SystemParameters
    parts : sequence of array of shape (steps, features)
        NaN is missing.
    covariances, smoothing : bool
        Whether filtered covariances are asked for, and what smoothing needs.

    Raises
    ------
    ZeroProbabilityError, GraphError, MemoryBudgetError
        As :func:`run_forward`.
    """
    start = parameters.compiled()
    groups: dict[tuple[int, bytes], list[int]] = {}
    for number, part in enumerate(parts):
        groups.setdefault((len(part), np.isnan(part).tobytes()), []).append(number)
    for (steps, _), members in groups.items():
        yield run_forward(
            start,
            np.stack([parts[i] for i in members]),
            np.array(members),
            steps if covariances else 1,
            steps if smoothing else 0,
        )
