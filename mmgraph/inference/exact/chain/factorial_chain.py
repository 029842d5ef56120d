"""Exact answers on the joint states of several hidden chains that move side by side."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64, Int64

from mmgraph.graph.errors import GraphError, ZeroProbabilityError
from mmgraph.graph.memory_budget import check_required, default_memory_budget
from mmgraph.inference.exact.chain.dense_kernels import (
    FLOOR,
    LEAST,
    log_forward,
    log_forward_backward,
)
from mmgraph.inference.exact.chain.factorial_kernels import (
    decode,
    draw_paths,
    filter_forward,
    smooth_backward,
)
from mmgraph.inference.exact.chain.forward_backward import drawn_in_log_domain
from mmgraph.inference.exact.chain.pieces import check_draws

MOST_STATES = 2**16
"""Joint states that a path's two bytes a step and chain can tell apart."""


GROUP = 32
"""Chains next to each other move together while they have no more joint states than this."""

NEGLIGIBLE = 1e-13
"""The probability of raised states that is let go; see ``dense_kernels``."""


class Smoothed(NamedTuple):
    """What a sequence says of its hidden states.

    Attributes
    ----------
    probabilities : array of shape (steps, joint states)
    transitions : tuple of arrays of shape (states, states)
        Of each chain, the expected number of times that a state followed another.
    log_likelihood : float
    """

    probabilities: Float64[np.ndarray, "steps joint"]
    transitions: tuple[Float64[np.ndarray, "states states"], ...]
    log_likelihood: float


class FactorialChain:
    """Chains that move independently of one another, seen together; one chain is an ordinary HMM.

    A joint state is the index into a table with an axis a chain, the last one fastest.

    Parameters
    ----------
    start : array of shape (joint states,)
        Probabilities of the first step.
    transitions : sequence of arrays of shape (states, states)
        Of each chain; a row for each state before.

    Raises
    ------
    GraphError
        If shapes do not match, or there are more than 65,536 joint states.
    """

    def __init__(
        self,
        start: Float64[np.ndarray, " joint"],
        transitions: Sequence[Float64[np.ndarray, "states states"]],
    ) -> None:
        tables = [np.asarray(table, np.float64) for table in transitions]
        self.start = np.ascontiguousarray(start, np.float64)
        self.sizes = np.array([len(table) for table in tables], np.int64)
        if any(table.shape != (len(table),) * 2 for table in tables):
            shapes = [table.shape for table in tables]
            raise GraphError(f"transitions are square tables, not of shapes {shapes}")
        if self.start.shape != (joint := int(self.sizes.prod()),):
            raise GraphError(f"{joint} joint states need as many starts, not {self.start.shape}")
        if joint > MOST_STATES:
            raise GraphError(f"{joint} joint states are more than {MOST_STATES}")
        # Neighbours of few states move together: fewer, longer loops.
        groups: list[list[np.ndarray]] = [[]]
        for table in tables:
            if groups[-1] and len(table) * math.prod(map(len, groups[-1])) > GROUP:
                groups.append([])
            groups[-1].append(table)
        self._groups = [tuple(map(len, group)) for group in groups]
        whole = [functools.reduce(np.kron, group) for group in groups]
        self.group_sizes = np.array([len(table) for table in whole], np.int64)
        self.tables = np.concatenate([table.ravel() for table in whole])
        # Products with the least messages are not to vanish: see dense_kernels.
        least = LEAST ** (1 / len(whole))
        raised = [np.where((table > 0) & (table < least), least, table) for table in whole]
        self._moves = np.concatenate([table.ravel() for table in raised])
        self._transposed = np.concatenate([table.T.ravel() for table in raised])
        self._begin = np.where((self.start > 0) & (self.start < LEAST), LEAST, self.start)
        self._tiny = bool((self._moves != self.tables).any() or (self._begin != self.start).any())

    @functools.cached_property
    def _logarithms(self) -> tuple[np.ndarray, np.ndarray]:
        with np.errstate(divide="ignore"):
            return np.log(self.start), np.log(self.tables)

    def _forward(
        self, log_densities: Float64[np.ndarray, "steps joint"], name: str
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Filtered probabilities, ratios, and log-densities given the past; errors as filtered."""
        required = 2 * log_densities.nbytes
        advice = "Cut the sequence, or take an approximate method."
        check_required("Filtering", required, default_memory_budget(), advice)
        ratios, log_norms = np.array(log_densities, np.float64), np.empty(len(log_densities))
        filtered = np.empty_like(ratios)
        step = filter_forward(
            self._begin, self._moves, self.group_sizes, ratios, filtered, log_norms
        )
        if step >= 0:
            message = f"step {step} of {name} has probability zero in every possible state"
            raise ZeroProbabilityError(message, (), ())
        return filtered, ratios, log_norms

    def filtered(
        self, log_densities: Float64[np.ndarray, "steps joint"], name: str = "the sequence"
    ) -> tuple[Float64[np.ndarray, "steps joint"], Float64[np.ndarray, " steps"]]:
        """Return each step's probabilities given the rows so far, and the rows' log-densities.

        Possible states have at least 1e-200.

        Raises
        ------
        ZeroProbabilityError
            If no state could have emitted a row; names the sequence and the step.
        MemoryBudgetError
            If the probabilities would take more than half of the machine's memory.
        """
        filtered, _, log_norms = self._forward(log_densities, name)
        return filtered, log_norms

    def smoothed(
        self, log_densities: Float64[np.ndarray, "steps joint"], name: str = "the sequence"
    ) -> Smoothed:
        """Return what the whole sequence says of each step; raises as :meth:`filtered`.

        Where states matter in the end that were less probable than 1e-200 before, the joint chain
        runs in the log domain.
        """
        probabilities, counts, log_norms, doubtful = self._backward(log_densities, name)
        if doubtful:
            return self._smoothed_in_log_domain(log_densities)
        found = (
            _by_chain(table, sizes)
            for table, sizes in zip(self._parts(counts), self._groups, strict=True)
        )
        return Smoothed(probabilities, sum(found, ()), float(log_norms.sum()))

    def _backward(
        self, log_densities: Float64[np.ndarray, "steps joint"], name: str
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, bool]:
        """Smoothed probabilities, counts, rows' log-densities; whether raised states matter."""
        probabilities, ratios, log_norms = self._forward(log_densities, name)
        counts = np.zeros_like(self.tables)
        doubt = smooth_backward(
            self._moves, self._transposed, self.group_sizes, ratios, probabilities, counts
        )
        return probabilities, counts, log_norms, self._tiny or doubt > NEGLIGIBLE

    def is_raised(
        self,
        filtered: Float64[np.ndarray, "steps joint"],
        log_densities: Float64[np.ndarray, "steps joint"],
    ) -> bool:
        """Whether what :meth:`filtered` returned has raised states that matter in the end."""
        some = self._tiny or bool((filtered == FLOOR).any())
        return some and self._backward(log_densities, "the sequence")[-1]

    def _parts(self, flat: np.ndarray) -> list[np.ndarray]:
        """The tables of groups that lie one after the other."""
        parts = np.split(flat, np.cumsum(self.group_sizes**2)[:-1])
        return [p.reshape(n, n) for p, n in zip(parts, self.group_sizes, strict=True)]

    def log_transition(self) -> Float64[np.ndarray, "joint joint"]:
        """Return the logarithms of the transitions of joint states.

        Raises
        ------
        MemoryBudgetError
            If they would take more than half of the machine's memory.
        """
        joint = len(self.start)
        advice = "Take an approximate method."
        check_required("Joint transitions", 16 * joint**2, default_memory_budget(), advice)
        with np.errstate(divide="ignore"):
            logs: np.ndarray = np.log(functools.reduce(np.kron, self._parts(self.tables)))
        return logs

    def log_filtered(
        self, log_densities: Float64[np.ndarray, "steps joint"]
    ) -> Float64[np.ndarray, "steps joint"]:
        """Return the logarithms of :meth:`filtered`, however small; errors as log_transition."""
        filtered = np.empty_like(log_densities)
        norms = np.empty(len(filtered))
        start = self._logarithms[0]
        log_forward(start, self.log_transition(), log_densities, filtered, norms)
        return filtered

    def _smoothed_in_log_domain(
        self, log_densities: Float64[np.ndarray, "steps joint"]
    ) -> Smoothed:
        log_transition = self.log_transition()
        joint = len(self.start)
        probabilities, pairs = np.empty_like(log_densities), np.zeros((joint, joint))
        logs = np.array(log_densities, np.float64)
        total = log_forward_backward(
            self._logarithms[0], log_transition, logs, probabilities, pairs
        )
        return Smoothed(probabilities, _by_chain(pairs, tuple(self.sizes)), float(total))

    def decoded(
        self, log_densities: Float64[np.ndarray, "steps joint"], name: str = "the sequence"
    ) -> tuple[Int64[np.ndarray, " steps"], float]:
        """Return the most probable path of joint states (Viterbi) and its log-density.

        Raises
        ------
        ZeroProbabilityError
            If no path is possible.
        MemoryBudgetError
            If the origins of its states would take more than half of the machine's memory.
        """
        required = 2 * log_densities.size * len(self.group_sizes)
        check_required("Decoding", required, default_memory_budget(), "Cut the sequence.")
        path = np.empty(len(log_densities), np.int64)
        score = float(decode(*self._logarithms, self.group_sizes, log_densities, path))
        if score == -np.inf:
            raise ZeroProbabilityError(f"no path of states could have emitted {name}", (), ())
        return path, score

    def sample_paths(
        self,
        log_densities: Float64[np.ndarray, "steps joint"],
        count: int,
        generator: np.random.Generator,
        name: str = "the sequence",
    ) -> Int64[np.ndarray, "count steps"]:
        """Return independent draws of paths of joint states, given the sequence.

        Filtering forwards and sampling backwards (Chib 1996, "Calculating posterior distributions
        and modal estimates in Markov mixture models").

        Raises
        ------
        EvidenceError
            If ``count`` is negative.
        ZeroProbabilityError
            If the sequence is impossible.
        """
        check_draws(count)
        filtered, _ = self.filtered(log_densities, name)
        if self.is_raised(filtered, log_densities):
            logs = self.log_filtered(log_densities)
            return drawn_in_log_domain(logs, self.log_transition(), count, generator)
        paths = np.empty((count, len(filtered)), np.int64)
        uniforms = generator.random(paths.shape)
        draw_paths(filtered, self.tables, self.group_sizes, uniforms, paths)
        return paths


def _by_chain(pairs: np.ndarray, sizes: tuple[int, ...]) -> tuple[np.ndarray, ...]:
    """Sum pairs of some chains' joint states to those of each chain."""
    chains, table = len(sizes), pairs.reshape(*sizes, *sizes)
    axes = set(range(2 * chains))
    return tuple(table.sum(axis=tuple(axes - {m, m + chains})) for m in range(chains))
