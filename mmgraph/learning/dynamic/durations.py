"""How long states last: families of distributions, learned from counted or expected segments."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from jaxtyping import Float64, Int64
from scipy.optimize import minimize
from scipy.special import gammainc, gammaln

from mmgraph.graph.errors import LearningError, check_choice
from mmgraph.inference.exact.chain.durations_passes import Counts

KINDS = ("table", "negative_binomial", "poisson", "gamma", "geometric")
_LEAST_WEIGHT = 1e-8
_LEAST_TAIL = 1e-16
_LARGEST_STAY = 1 - 1e-9


@dataclass(frozen=True)
class Durations:
    """The distribution of each state's duration in steps: 1 to ``longest``, then a geometric tail.

    A family describes durations up to the longest and the probability of all beyond it; how fast
    the tail falls is a parameter of its own (of ``geometric`` it is the same), so that nothing is
    cut off and learning stays exact.

    Attributes
    ----------
    kind : {"table", "negative_binomial", "poisson", "gamma", "geometric"}
        A probability for each duration, drawn towards a negative binomial distribution; one less
        than the duration is negative binomial or Poisson; a gamma distribution, rounded up;
        geometric.
    longest : (states,) array of int
        In steps.
    means, shapes : (states,) arrays
        The mean, in steps, and the shape of the family (unused by Poisson and geometric ones); of
        tables of what they are drawn towards.
    stay : (states,) array
        The probability of each step beyond the first one after the longest.
    probabilities : (states, D + 1) array
        Of each duration and, last, of all that are longer.
    smoothing : float
        How many segments the distribution that tables are drawn towards weighs.
    """

    kind: str
    longest: Int64[np.ndarray, " states"]
    means: Float64[np.ndarray, " states"]
    shapes: Float64[np.ndarray, " states"]
    stay: Float64[np.ndarray, " states"]
    probabilities: Float64[np.ndarray, "states D+1"]
    smoothing: float = 0.0

    @classmethod
    def initial(
        cls, kind: str, states: int, longest: int | Sequence[int], smoothing: float = 0.0
    ) -> Self:
        """Return broad distributions whose mean is half of the longest.

        Raises
        ------
        LearningError
            If the kind is unknown, or a longest duration is no whole number above zero.
        """
        check_choice("kind of durations", kind, KINDS, LearningError)
        steps = np.asarray(longest)
        fits = steps.dtype.kind == "i" and steps.shape in ((), (states,)) and (steps > 0).all()
        if not fits:
            raise LearningError(
                f"longest is a whole number of steps above zero, or one for each of the {states} "
                f"states, not {longest!r}"
            )
        steps = np.broadcast_to(steps, states).astype(np.int64)
        means = 1 + steps / 2
        stay = np.minimum(1 - 1 / means, _LARGEST_STAY)
        made = cls(kind, steps, means, np.full(states, 2.0), stay, np.empty(0), smoothing)
        return made._evaluated()

    def _evaluated(self) -> Self:
        """Return the same with the probabilities that the family gives."""
        probabilities = np.zeros((len(self.longest), int(self.longest.max()) + 1))
        for s, longest in enumerate(self.longest):
            masses = _masses(self.kind, self.means[s], self.shapes[s], longest)
            probabilities[s, :longest], probabilities[s, -1] = masses[:-1], masses[-1]
        return replace(self, probabilities=probabilities)

    def tabulated(self, table: object) -> Self:
        """Return the same with a table ``(states, D)``; what a row lacks to 1 is the tail's.

        Raises
        ------
        LearningError
            If these are no tables, or the numbers no probabilities.
        """
        if self.kind != "table":
            raise LearningError(f"{self.kind} durations have no table; give a Durations instead")
        made = np.array(table, dtype=float)
        states = len(self.longest)
        if made.ndim != 2 or len(made) != states or not made.shape[1]:
            raise LearningError(f"durations are ({states}, longest), not of shape {made.shape}")
        tail = 1 - made.sum(1)
        if not ((made >= 0).all() and (tail > -1e-6).all()):
            raise LearningError("durations are probabilities, of which no row exceeds 1")
        whole = np.column_stack([made, np.where(tail > 1e-12, tail, 0.0)])
        whole /= whole.sum(1, keepdims=True)
        return replace(self, longest=np.full(states, made.shape[1]), probabilities=whole)

    def staying(self, stay: object) -> Self:
        """Return the same with another ``stay``, each at least 0 and below 1."""
        made = np.array(stay, dtype=float)
        if made.shape != self.stay.shape or not ((made >= 0) & (made < 1)).all():
            raise LearningError(f"stay is a probability below 1 for each state, not {stay!r}")
        return replace(self, stay=np.minimum(made, _LARGEST_STAY))

    @property
    def table(self) -> Float64[np.ndarray, "states D"]:
        """The probability of each duration 1, …, D."""
        return self.probabilities[:, :-1]

    @property
    def tail(self) -> Float64[np.ndarray, " states"]:
        """The probability of longer ones."""
        return self.probabilities[:, -1]

    @property
    def expected(self) -> Float64[np.ndarray, " states"]:
        """The mean duration in each state, in steps."""
        steps = np.arange(1, self.probabilities.shape[1])
        mean: np.ndarray = self.table @ steps + self.tail * (self.longest + 1 / (1 - self.stay))
        return mean

    def log_prior(self) -> float:
        """Return the log-density of what draws tables to their family, but for a constant."""
        if self.kind != "table" or not self.smoothing:
            return 0.0
        towards = self._evaluated().probabilities
        there = towards > 0
        return self.smoothing * float(towards[there] @ np.log(self.probabilities[there]))

    def updated(self, counts: Counts) -> Self:
        """Return the distributions that maximise the expected log-density of counted segments.

        What is cut off is expected to go on as these distributions say. A state without segments
        keeps its own.
        """
        lengths, tails = self._completed(counts)
        made = replace(
            self, means=self.means.copy(), shapes=self.shapes.copy(), stay=self.stay.copy()
        )
        table = self.probabilities.copy()
        towards = self._evaluated().probabilities if self.kind == "table" else table
        for s, longest in enumerate(self.longest):
            masses = np.append(lengths[s, :longest], tails[s, 0])
            total = masses.sum()
            if total <= _LEAST_WEIGHT:
                continue
            if self.kind == "geometric":
                steps = masses[:-1] @ np.arange(1, longest + 1) + longest * masses[-1] + tails[s, 1]
                made.means[s] = max(steps / total, 1.0)
                made.stay[s] = min(1 - total / steps, _LARGEST_STAY)
                continue
            if tails[s, 0] > _LEAST_WEIGHT:
                made.stay[s] = np.clip(1 - tails[s, 0] / tails[s, 1], 0.0, _LARGEST_STAY)
            if self.kind == "table":
                prior = np.append(towards[s, :longest], towards[s, -1])
                masses = (masses + self.smoothing * prior) / (total + self.smoothing)
                table[s, :longest], table[s, -1] = masses[:-1], masses[-1]
            else:
                made.means[s], made.shapes[s] = _fitted(
                    self.kind, masses, self.means[s], self.shapes[s]
                )
        return replace(made, probabilities=table) if self.kind == "table" else made._evaluated()

    def moved_towards(self, other: Self, share: float) -> Self:
        """Return what lies between these (a share of 0) and others of the same kind (1)."""
        names = ("means", "shapes", "stay", "probabilities")
        parts = {n: (1 - share) * getattr(self, n) + share * getattr(other, n) for n in names}
        if self.kind == "geometric":
            parts["stay"] = np.minimum(1 - 1 / parts["means"], _LARGEST_STAY)
        made = replace(self, **parts)
        return made if self.kind == "table" or share == 1 else made._evaluated()

    def learned(self, counts: Counts, iterations: int = 6) -> Self:
        """Return distributions learned from segments that are known, some of them cut off.

        Tables are drawn towards a negative binomial distribution learned from the same segments.
        """
        made = self if self.kind != "table" else replace(self, kind="negative_binomial")
        for _ in range(iterations):
            made = made.updated(counts)
        if self.kind != "table":
            return made
        made = replace(made, kind="table")
        for _ in range(iterations):
            made = made.updated(counts)
        return made

    def _completed(
        self, counts: Counts
    ) -> tuple[Float64[np.ndarray, "states D"], Float64[np.ndarray, "states 2"]]:
        """Return expected lengths, shortest first, and longer segments with their steps beyond."""
        lengths = counts.lengths[:, ::-1].copy()
        tails = counts.tails[:, :2].copy()
        cut, further = counts.cut, self.stay / (1 - self.stay)
        for s, longest in enumerate(self.longest):
            table = self.table[s, :longest]
            survivors = np.append(table[::-1].cumsum()[::-1] + self.tail[s], self.tail[s])
            rate = cut[s, : longest + 1] / np.maximum(survivors, 1e-300)
            lengths[s, :longest] += table * rate[:-1].cumsum()
            into = self.tail[s] * rate[:-1].sum()
            beyond = cut[s, longest]
            tails[s, 0] += into + beyond
            tails[s, 1] += into * (1 + further[s]) + counts.tails[s, 2] + beyond * further[s]
        return lengths, tails

    def draw(
        self,
        state: int,
        generator: np.random.Generator,
        masses: Float64[np.ndarray, " D+1"] | None = None,
    ) -> int:
        """Return a duration of a state; ``masses`` are other probabilities than its own."""
        chances = self.probabilities[state] if masses is None else masses
        longest = int(self.longest[state])
        place = int(generator.choice(len(chances), p=chances / chances.sum()))
        if place < len(chances) - 1:
            return place + 1
        return longest + int(generator.geometric(1 - self.stay[state]))

    def parameters(self) -> dict[str, np.ndarray]:
        """Return the arrays that these are made of, by the names of their attributes."""
        names = ("longest", "means", "shapes", "stay", "probabilities")
        return {name: getattr(self, name) for name in names}

    def settings(self) -> dict[str, Any]:
        """Return what else they are made of, as JSON values."""
        return {"kind": self.kind, "smoothing": self.smoothing}

    @classmethod
    def restored(cls, arrays: Mapping[str, Any], settings: Mapping[str, Any]) -> Self:
        """Return the durations that :meth:`parameters` and :meth:`settings` describe."""
        return cls(**settings, **arrays)

    def checked(self, states: int) -> Self:
        """Return these, if they are of so many states; compiled code reads them as they are.

        Raises
        ------
        LearningError
            If arrays do not fit each other, or hold what is no probability.
        """
        check_choice("kind of durations", self.kind, KINDS, LearningError)
        width = int(self.longest.max(initial=0))
        for name, array in self.parameters().items():
            shape = (states, width + 1) if name == "probabilities" else (states,)
            if array.shape != shape or not (np.isfinite(array) & (array >= 0)).all():
                raise LearningError(
                    f"{name} of durations are numbers of shape {shape}, none below 0"
                )
        beyond = np.arange(1, width + 1) > self.longest[:, None]
        if self.longest.dtype.kind != "i" or (self.longest < 1).any() or self.table[beyond].any():
            raise LearningError("longest durations are whole numbers above zero")
        if (abs(self.probabilities.sum(1) - 1) > 1e-6).any() or (self.stay >= 1).any():
            raise LearningError("durations are probabilities of sum 1, and stay is below 1")
        if self.kind != "table" and ((self.means < 1).any() or (self.shapes <= 0).any()):
            raise LearningError("means of durations are at least 1, and shapes above zero")
        return self


def count_segments(
    labels: Int64[np.ndarray, " steps"],
    counts: Counts,
    longest: Int64[np.ndarray, " states"],
    left_censored: bool,
    right_censored: bool,
) -> None:
    """Add the segments of a labelled sequence to counts; -1 is a step of unknown state.

    The last segment, if censored, and one before an unknown step are cut off; the length of one
    whose beginning is unknown is not counted.
    """
    edges = np.flatnonzero(np.diff(labels)) + 1
    firsts, lasts = np.append(0, edges), np.append(edges, len(labels))
    width = counts.lengths.shape[1]
    for first, last in zip(firsts, lasts, strict=True):
        s = labels[first]
        if s < 0:
            continue
        if first and labels[first - 1] >= 0:
            counts.transitions[labels[first - 1], s] += 1
        elif first or left_censored:
            continue
        length = last - first
        beyond = max(length - longest[s], 0)
        if right_censored if last == len(labels) else labels[last] < 0:
            counts.cut[s, min(length, longest[s] + 1) - 1] += 1
            counts.tails[s, 2] += beyond
        elif beyond:
            counts.tails[s, :2] += 1, beyond
        else:
            counts.lengths[s, width - length] += 1


def _masses(
    kind: str, mean: float, shape: float, longest: int
) -> Float64[np.ndarray, " longest+1"]:
    """Return the probabilities of the durations 1, …, longest and of all longer ones."""
    k, more = np.arange(longest), max(mean - 1, 1e-9)
    if kind == "gamma":
        whole = np.diff(gammainc(shape, np.arange(longest + 1) * shape / max(mean - 0.5, 1e-9)))
    elif kind == "geometric":
        whole = (1 / mean) * (1 - 1 / mean) ** k
    elif kind == "poisson":
        whole = np.exp(k * math.log(more) - more - gammaln(k + 1))
    else:
        whole = np.exp(
            gammaln(k + shape)
            - gammaln(shape)
            - gammaln(k + 1)
            - shape * math.log1p(more / shape)
            - k * math.log1p(shape / more)
        )
    # A tail that rounds to zero would make longer segments impossible.
    masses = np.append(whole, max(1 - whole.sum(), _LEAST_TAIL))
    return masses / masses.sum()


def _fitted(
    kind: str, counts: Float64[np.ndarray, " longest+1"], mean: float, shape: float
) -> tuple[float, float]:
    """Return the likeliest mean and shape, which are at least as likely as those given."""
    there, longest = counts > 0, len(counts) - 1

    def unlikely(point: np.ndarray) -> float:
        made_mean, made_shape = 1 + math.exp(point[0]), math.exp(point[-1])
        masses = _masses(kind, made_mean, made_shape, longest)[there]
        return -float(counts[there] @ np.log(np.maximum(masses, 1e-300)))

    bounds = [(-12.0, math.log(20 * longest + 20)), (-7.0, 9.0)][: 1 if kind == "poisson" else 2]
    now = np.log([max(mean - 1, math.exp(-12)), shape])[: len(bounds)]
    moment = counts @ np.arange(1, longest + 2) / counts.sum()
    near = np.log([max(moment - 1, math.exp(-12)), shape])[: len(bounds)]
    begin = min(now, near, key=unlikely)
    found = minimize(unlikely, begin, method="Nelder-Mead", bounds=bounds, options={"maxiter": 60})
    if found.fun >= unlikely(now):
        return mean, shape
    return 1 + math.exp(found.x[0]), shape if kind == "poisson" else math.exp(found.x[1])
