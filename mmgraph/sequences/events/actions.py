"""Recognised actions over time: labels, probabilities of each step, or a chain's posterior."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from jaxtyping import Float64

from mmgraph.graph.errors import EvidenceError, suggestion

_UNEVEN = 0.5
"""How much a step may differ from the mean one, as a share of it: none is left out or doubled."""
_ROUNDING = 1e-6


@dataclass(frozen=True, eq=False)
class Actions:
    """What is done at each step, as a distribution over paths of actions.

    Paths are Markov chains with the probabilities of each step as marginals. Without
    ``transitions`` the chain is the one that changes its action as rarely as these allow (the
    maximal coupling of each two neighbours).

    Attributes
    ----------
    times : ndarray, shape (steps,)
        In seconds, evenly spaced but for jitter of less than half a step.
    names : tuple of str
        The actions.
    probabilities : ndarray, shape (steps, actions)
    transitions : ndarray, shape (steps - 1, actions, actions), optional
        The probability of each action (last axis) after each one at the step before.

    Raises
    ------
    EvidenceError
        If there are no two steps, times are not evenly spaced (where), or a row is no distribution.
    """

    times: Float64[np.ndarray, " steps"]
    names: tuple[str, ...]
    probabilities: Float64[np.ndarray, "steps actions"]
    transitions: Float64[np.ndarray, "steps-1 actions actions"] | None = None

    def __post_init__(self) -> None:
        times = np.asarray(self.times, np.float64)
        table = np.asarray(self.probabilities, np.float64)
        if times.ndim != 1 or table.shape != (len(times), len(self.names)):
            raise EvidenceError(
                f"{times.shape} times and {len(self.names)} actions have probabilities of shape "
                f"{table.shape}"
            )
        if len(times) < 2:
            raise EvidenceError(f"{len(times)} steps have no durations: two are needed at least")
        mean = (times[-1] - times[0]) / (len(times) - 1)
        steps = np.diff(times)
        if not mean > 0 or not (np.abs(steps - mean) <= _UNEVEN * mean).all():
            row = int(np.argmin(np.abs(steps - mean) <= _UNEVEN * max(mean, 0.0)))
            raise EvidenceError(
                f"times must be evenly spaced: from {times[row]:g} s to {times[row + 1]:g} s it is "
                f"{steps[row]:g} s, on average {mean:g} s"
            )
        wrong = ~((table >= 0).all(1) & (np.abs(table.sum(1) - 1) <= _ROUNDING * 100))
        if wrong.any():
            row = int(wrong.argmax())
            raise EvidenceError(
                f"the probabilities at {times[row]:g} s (row {row}) are no distribution: "
                f"{table[row][:8]}"
            )
        object.__setattr__(self, "times", times)
        object.__setattr__(self, "probabilities", table / table.sum(1, keepdims=True))
        object.__setattr__(self, "names", tuple(map(str, self.names)))

    @property
    def step(self) -> float:
        """The seconds from each step to the next."""
        return float((self.times[-1] - self.times[0]) / (len(self.times) - 1))

    @property
    def hours(self) -> float:
        """How long all steps take."""
        return self.step * len(self.times) / 3600

    @classmethod
    def of_labels(cls, times: Any, labels: Sequence[Any], names: Sequence[str] = ()) -> Self:
        """Return actions that are certain.

        Parameters
        ----------
        times : array-like, shape (steps,)
            In seconds.
        labels : sequence of str, shape (steps,)
        names : sequence of str, optional
            All actions; by default those that occur.

        Raises
        ------
        EvidenceError
            As of :class:`Actions`, or if a label is not among the names.
        """
        texts = [str(label) for label in labels]
        known = tuple(names) or tuple(sorted(set(texts)))
        for text in texts:
            if text not in known:
                raise EvidenceError(f"there is no action '{text}'{suggestion(text, known)}")
        codes = [known.index(text) for text in texts]
        return cls(times, known, np.eye(len(known))[codes].reshape(len(codes), len(known)))

    @classmethod
    def of_chain(
        cls, times: Any, names: Sequence[Any], log_densities: Any, start: Any, transition: Any
    ) -> Self:
        """Return the posterior of the states of a chain, with that of their transitions.

        So a small network recognises events: a model whose states are stages of an event, and
        whose rows are recognised actions, or what was measured.

        Parameters
        ----------
        times : array-like, shape (steps,)
            In seconds.
        names : sequence, shape (states,)
            What the states are called.
        log_densities : array-like, shape (steps, states)
            Of what was observed, such as ``model.parameters.emission.log_densities(rows)``.
        start, transition : array-like, shape (states,) and (states, states)

        Raises
        ------
        EvidenceError
            As of :class:`Actions`, or if the rows are impossible.
        """
        logs, first = np.asarray(log_densities, np.float64), np.asarray(start, np.float64)
        chances = np.asarray(transition, np.float64)
        with np.errstate(invalid="ignore"):
            densities = np.nan_to_num(np.exp(logs - logs.max(1, keepdims=True, initial=-np.inf)))
        transitions = np.empty((max(len(logs) - 1, 0), *chances.shape))
        later = np.ones(len(first))
        for t in range(len(logs) - 1, 0, -1):
            joint = chances * (densities[t] * later)
            later = joint.sum(1)
            # From a state that nothing leads on from, a path that has no probability stays.
            transitions[t - 1] = np.eye(len(first))
            np.divide(joint, later[:, None], out=transitions[t - 1], where=(later > 0)[:, None])
            later = later / (later.max() or 1.0)
        table = np.empty_like(logs)
        row = first * densities[:1].sum(0) * later
        if len(logs) and not row.sum() > 0:
            raise EvidenceError("the rows are impossible in this chain")
        for t in range(len(logs)):
            row = row @ transitions[t - 1] if t else row / row.sum()
            table[t] = row
        return cls(times, tuple(names), table, transitions)


def coupling(
    before: Float64[np.ndarray, " actions"], after: Float64[np.ndarray, " actions"]
) -> Float64[np.ndarray, "actions actions"]:
    """Return the transitions between two marginals that keep the action as often as can be."""
    stay = np.minimum(1.0, after / np.maximum(before, 1e-300))
    gain = np.maximum(after - before, 0.0)
    total = gain.sum()
    moved = np.outer(1.0 - stay, gain / total if total > 0 else after)
    moved[np.diag_indices(len(stay))] += stay
    return moved
