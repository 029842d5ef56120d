"""The intervals of a column: their labels, which one holds a number, what number stands for one."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64

from mmgraph.graph.column_reader import spelling
from mmgraph.graph.errors import LearningError, check_choice
from mmgraph.graph.evidence import MISSING
from mmgraph.graph.variable import Variable

REPRESENTATIVES = ("mean", "midpoint", "draw")
"""What may stand for the numbers of an interval."""


def interval_labels(edges: Sequence[float]) -> tuple[str, ...]:
    """Return labels ``[low, high)`` between rising edges; the last is closed where it is finite."""
    labels = []
    for low, high in itertools.pairwise(edges):
        left = "(" if math.isinf(low) else "["
        right = "]" if high == edges[-1] and not math.isinf(high) else ")"
        labels.append(f"{left}{_plain(low)}, {_plain(high)}{right}")
    return tuple(labels)


def _plain(number: float) -> str:
    return spelling(number) if math.isfinite(number) else str(number)


@dataclass(frozen=True)
class Intervals:
    """The intervals that a column of numbers is cut into; the outer ones are open.

    Attributes
    ----------
    name : str
        The column's.
    cuts : tuple of float
        Rising; a number at a cut belongs to the interval above it.
    bounds : (float, float)
        The least and the greatest number that was observed.
    means : tuple of float
        Of the numbers in each interval; its middle where none was.
    unit : str, optional
        What cuts, bounds and means are measured in.
    """

    name: str
    cuts: tuple[float, ...]
    bounds: tuple[float, float]
    means: tuple[float, ...]
    unit: str | None = None

    @classmethod
    def of(
        cls,
        name: str,
        cuts: Sequence[float],
        values: Float64[np.ndarray, " rows"],
        unit: str | None = None,
    ) -> Intervals:
        """Return the intervals between cuts within numbers that were observed, or NaN."""
        present = values[~np.isnan(values)]
        bounds = float(present.min()), float(present.max())
        made = cls(name, tuple(map(float, cuts)), bounds, (0.0,) * (len(cuts) + 1), unit)
        codes = made.codes(present)
        counts = np.bincount(codes, minlength=len(made))
        sums = np.bincount(codes, present, minlength=len(made))
        means = np.where(counts > 0, sums / np.maximum(counts, 1), made.values(range(len(made))))
        return cls(name, made.cuts, bounds, tuple(means.tolist()), unit)

    def __post_init__(self) -> None:
        edges = (self.bounds[0], *self.cuts, self.bounds[1])
        numbers = (*edges, *self.means)
        if not all(map(math.isfinite, numbers)) or any(a > b for a, b in itertools.pairwise(edges)):
            raise LearningError(f"the cuts of '{self.name}' do not rise between {self.bounds}")
        if len(set(self.cuts)) < len(self.cuts) or len(self.means) != len(self):
            raise LearningError(f"'{self.name}' has {len(self.means)} means and cuts {self.cuts}")

    def __len__(self) -> int:
        return len(self.cuts) + 1

    @property
    def labels(self) -> tuple[str, ...]:
        """What the intervals are called: ``"(-inf, 1.2)"``, ``"[1.2, 3.4)"``, ``"[3.4, inf)"``."""
        return interval_labels((-math.inf, *self.cuts, math.inf))

    @property
    def variable(self) -> Variable:
        """The variable whose states the intervals are."""
        return Variable(self.name, self.labels)

    def codes(self, values: Float64[np.ndarray, " rows"]) -> Int64[np.ndarray, " rows"]:
        """Return the interval that holds each number; NaN is ``MISSING``."""
        places = np.searchsorted(self.cuts, values, side="right")
        return np.where(np.isnan(values), MISSING, places)

    def values(
        self,
        codes: Sequence[int] | Int64[np.ndarray, " rows"],
        by: str = "midpoint",
        random: np.random.Generator | None = None,
    ) -> Float64[np.ndarray, " rows"]:
        """Return a number for each interval's index: its mean, its middle, or a uniform draw.

        The outer intervals end at the numbers that were observed. ``MISSING`` is NaN.

        Raises
        ------
        LearningError
            If ``by`` is none of ``REPRESENTATIVES``.
        """
        check_choice("by", by, REPRESENTATIVES, LearningError)
        places = np.asarray(codes, np.int64)
        if by == "mean":
            numbers = np.asarray(self.means)[places]
        else:
            edges = np.array([self.bounds[0], *self.cuts, self.bounds[1]])
            if by == "midpoint":
                share: float | np.ndarray = 0.5
            else:
                share = (random or np.random.default_rng()).random(places.shape)
            numbers = (1 - share) * edges[places] + share * edges[places + 1]
        return np.where(places == MISSING, np.nan, numbers)
