"""Sequences one behind the other, worked through in pieces that fit the cache."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from jaxtyping import Bool, Float64, Int64
from torch import Tensor

from mmgraph.graph.errors import EvidenceError

LogDensities = Callable[[slice], Float64[np.ndarray, "steps states"]]
"""Returns the log-densities of some steps given each state: an array of its own, to be written
to."""

Visit = Callable[[slice, Float64[np.ndarray, "steps states"]], None]
"""Called with some steps and their marginals, which it must not keep."""

_CELLS = 32_768
"""About so many cells are a piece: a quarter of a megabyte."""


def check_draws(count: int) -> None:
    """Raise EvidenceError if fewer paths than none are to be drawn."""
    if count < 0:
        raise EvidenceError(f"a number of draws is not negative, as {count} is")


def check_lag(lag: int) -> int:
    """Return a number of steps to look back; EvidenceError if it is negative, or no whole one."""
    if lag < 0 or lag != int(lag):
        raise EvidenceError(f"a lag is a number of steps, not {lag}")
    return int(lag)


def check_remembered(lag: int, steps: int, most: int) -> None:
    """Raise EvidenceError if a filter that remembers ``most`` + 1 of its steps lacks one."""
    if not steps or not 0 <= lag <= most:
        raise EvidenceError(
            f"the last {min(most + 1, steps)} steps are remembered, not one {lag} ago"
        )


class Steps:
    """The steps of some sequences, one behind the other.

    Parameters
    ----------
    lengths : sequence of int
        Of the sequences, each at least one.
    """

    def __init__(self, lengths: Sequence[int]) -> None:
        self.lengths: Int64[np.ndarray, " sequences"] = np.asarray(lengths, np.int64)
        self.ends = np.cumsum(self.lengths)
        self.first = self.ends - self.lengths
        self.total = int(self.ends[-1]) if len(self.ends) else 0
        self.begins: Bool[np.ndarray, " steps"] = np.zeros(self.total, bool)
        self.begins[self.first] = True

    def place(self, step: int) -> tuple[int, int]:
        """Return the sequence of a step, and its number within it."""
        sequence = int(np.searchsorted(self.ends, step, side="right"))
        return sequence, step - int(self.first[sequence])

    def summed(self, values: Float64[np.ndarray, " steps"]) -> Float64[np.ndarray, " sequences"]:
        """Return the sums of what belongs to steps, for each sequence."""
        total: np.ndarray = np.add.reduceat(values, self.first)
        return total

    def split(self, values: np.ndarray) -> list[np.ndarray]:
        """Return the part of each sequence."""
        return np.split(values, self.ends[:-1])

    def pieces(self, states: int) -> list[slice]:
        """Return consecutive pieces whose arrays of all states stay in the cache."""
        size = max(_CELLS // max(states, 1), 64)
        return [slice(i, min(i + size, self.total)) for i in range(0, self.total, size)]

    def some(
        self, sequences: Iterator[int] | Sequence[int], densities: LogDensities
    ) -> tuple[Steps, LogDensities]:
        """Return some of the sequences, with their densities."""
        chosen = list(sequences)
        steps = Steps([int(self.lengths[i]) for i in chosen])
        places = np.concatenate([np.arange(self.first[i], self.ends[i]) for i in chosen])

        def theirs(part: slice) -> Float64[np.ndarray, "steps states"]:
            wanted = places[part]
            cuts = np.flatnonzero(np.diff(wanted) != 1) + 1
            runs = np.split(wanted, cuts)
            return np.concatenate([densities(slice(int(r[0]), int(r[-1]) + 1)) for r in runs])

        return steps, theirs


def moved(visit: Visit, places: Int64[np.ndarray, " steps"]) -> Visit:
    """Hand pieces of some sequences on, by runs, under the numbers that their steps have in all."""

    def there(part: slice, marginals: Float64[np.ndarray, "steps states"]) -> None:
        wanted = places[part]
        cuts = [0, *(np.flatnonzero(np.diff(wanted) != 1) + 1), len(wanted)]
        for begin, end in itertools.pairwise(cuts):
            visit(slice(int(wanted[begin]), int(wanted[end - 1]) + 1), marginals[begin:end])

    return there


def padded(steps: Steps, values: np.ndarray, beyond: float = 0.0) -> Tensor:
    """Return what belongs to steps as ``(rows, longest, …)``, filled up beyond the ends."""
    shape = (len(steps.lengths), int(steps.lengths.max()), *values.shape[1:])
    out = np.full(shape, beyond, values.dtype)
    for row, part in enumerate(steps.split(values)):
        out[row, : len(part)] = part
    return torch.from_numpy(out)
