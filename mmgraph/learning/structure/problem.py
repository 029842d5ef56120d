"""What a graph is learned from: coded rows, measurements, weights, and what experiments set."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float64, Int64, Integer, UInt64

from mmgraph.graph.errors import LearningError
from mmgraph.graph.memory_budget import check_required, default_memory_budget
from mmgraph.graph.variable import Variable
from mmgraph.learning.structure.constraints import Constraints
from mmgraph.learning.structure.scores.records import (
    AIC,
    BDEU,
    BDS,
    BGE,
    BIC,
    HELD_OUT,
    K2,
    ScoredRows,
)

SCORES = {
    "bic": BIC,
    "aic": AIC,
    "held-out": HELD_OUT,
    "bdeu": BDEU,
    "bds": BDS,
    "k2": K2,
    "bge": BGE,
}
"""Scores by name."""

_LIKELIHOODS = ("bic", "aic", "held-out")
"""The scores that tables of continuous, or of continuous and discrete, variables have."""

_MOST_COPIES = 16
"""Rows are kept as bits, too, if they count at most so often on average."""

_FEW_STATES = 16
"""Variables of more states have no bits: going through the rows is quicker."""


@dataclass(frozen=True, eq=False)
class StructureData:
    """The rows that a graph is learned from.

    Attributes
    ----------
    variables : tuple of Variable
        In the order of the graph's nodes.
    codes : integer array, shape (discrete variables, rows)
        States, -1 where a cell is missing.
    values : float64 array, shape (continuous variables, rows)
    weights : float64 array, shape (rows,)
        How often each row counts.
    experiment : int64 array, shape (rows,)
        The number of the experiment that a row comes from; -1 where nothing was set.
    is_set : bool array, shape (experiments, variables)
        The variables that each experiment set.
    groups : int64 array, shape (rows,), optional
        Rows of one group belong together: they are drawn and left out together.
    """

    variables: tuple[Variable, ...]
    codes: Integer[np.ndarray, "discrete rows"]
    values: Float64[np.ndarray, "continuous rows"]
    weights: Float64[np.ndarray, " rows"]
    experiment: Int64[np.ndarray, " rows"]
    is_set: Bool[np.ndarray, "experiments variables"]
    groups: Int64[np.ndarray, " rows"] | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the variables."""
        return tuple(v.name for v in self.variables)

    @property
    def targets(self) -> list[list[int]]:
        """The variables that each experiment with rows set, by number."""
        made = np.unique(self.experiment[self.weights > 0])
        return [np.flatnonzero(self.is_set[e]).tolist() for e in made if e >= 0]

    @property
    def always_set(self) -> Bool[np.ndarray, " variables"]:
        """Which variables were set in every row."""
        by_experiment = np.vstack([self.is_set, np.zeros(len(self.variables), bool)])
        return by_experiment[self.experiment[self.weights > 0]].all(0)

    @staticmethod
    def has_whole(weights: Float64[np.ndarray, " rows"]) -> bool:
        """Whether weights are whole numbers: so many rows that are alike."""
        return bool((weights == np.floor(weights)).all())

    @property
    def is_incomplete(self) -> bool:
        """Whether a cell is missing."""
        return bool((self.codes < 0).any() or np.isnan(self.values).any())

    @property
    def is_discrete(self) -> bool:
        """Whether no variable is continuous."""
        return not len(self.values)

    def check_score(self, score: str) -> None:
        """Refuse a score that the variables do not have (which, and which they have)."""
        some = next((v.name for v in self.variables if v.is_discrete), None)
        if score == "bge" and some is not None:
            raise LearningError(
                f"the score 'bge' is for continuous variables, and '{some}' has states; "
                f"take {' or '.join(_LIKELIHOODS)}"
            )
        if score not in (*_LIKELIHOODS, "bge") and not self.is_discrete:
            name = next(v.name for v in self.variables if not v.is_discrete)
            raise LearningError(
                f"the score '{score}' is for discrete variables, and '{name}' is continuous; take "
                f"{' or '.join(_LIKELIHOODS)}, or put '{name}' into bins (mm.Discretizer)"
            )

    def possible(self, constraints: Constraints) -> Constraints:
        """Return constraints without edges from measurements to labels, which no score has.

        Raises
        ------
        LearningError
            If such an edge is required.
        """
        discrete = np.array([v.is_discrete for v in self.variables])
        impossible = ~discrete[:, None] & discrete[None, :]
        for cause, effect in np.argwhere(constraints.required & impossible):
            raise LearningError(
                f"the edge {self.names[cause]} -> {self.names[effect]} is required, from "
                f"measurements to labels: put '{self.names[cause]}' into bins, or turn the edge"
            )
        return replace(constraints, allowed=constraints.allowed & ~impossible)

    def scored_rows(
        self,
        constraints: Constraints,
        score: str = "bic",
        strength: float = 1.0,
        held_out: Float64[np.ndarray, " rows"] | None = None,
    ) -> ScoredRows:
        """Return the records that compiled searches take.

        Parameters
        ----------
        constraints : Constraints
            As :meth:`possible` gives them.
        score : str, optional
            One of ``SCORES``.
        strength : float, optional
            The score's parameter (``ScoredRows.strength``).
        held_out : array, optional
            How many of each row the score "held-out" is the log-likelihood of; the others are
            learned from.

        Raises
        ------
        MemoryBudgetError
            If the arrays would not fit; before any is made.
        """
        weights = self.weights
        sets, rows_of = self._row_sets()
        check_required(
            f"{len(weights):,} rows of {len(self.variables)} variables",
            8 * len(weights) * (2 * len(sets) + len(self.values)) + self._bit_bytes(weights),
            default_memory_budget(),
            "Learn from fewer rows, or put measurements into bins: only distinct rows count then",
        )
        trained = sets * (weights if held_out is None else weights - held_out)
        held = np.zeros((0, len(weights))) if held_out is None else sets * held_out
        values, log_scale = self._standardised(weights)
        with_bits = held_out is None and self._has_bits(weights)
        bits, first_bit, counted = self._bits(weights if with_bits else 0 * weights, sets)
        totals = np.maximum(trained.sum(1), 1.0)
        moments = np.stack([_moments(values, w) for w in trained])
        if score == "bge":
            moments = np.stack([_scatter(m, strength) for m in moments])
        size = 1 + len(values)
        discrete = np.array([v.is_discrete for v in self.variables])
        return ScoredRows(
            states=np.array([v.cardinality if v.is_discrete else 0 for v in self.variables]),
            place=np.where(discrete, np.cumsum(discrete), np.cumsum(~discrete)) - 1,
            codes=np.ascontiguousarray(self.codes),
            values=values,
            log_scale=log_scale,
            rows_of=rows_of,
            weights=np.ascontiguousarray(trained),
            held_out=np.ascontiguousarray(held),
            totals=totals,
            moments=moments,
            held_out_moments=np.stack([_moments(values, w) for w in held])
            if len(held)
            else np.zeros((0, size, size)),
            bits=bits,
            first_bit=first_bit,
            counted=counted,
            complete=not bool((self.codes < 0).any()),
            allowed=np.ascontiguousarray(constraints.allowed),
            required=np.ascontiguousarray(constraints.required),
            max_parents=constraints.max_parents,
            kind=SCORES[score],
            strength=float(strength),
        )

    def _row_sets(
        self,
    ) -> tuple[Float64[np.ndarray, "sets rows"], Int64[np.ndarray, " variables"]]:
        """Which rows count for which child: 1 or 0 for each, and the child's set."""
        # By variable, which experiments left it alone; the last entry is that of no experiment.
        alone = np.vstack([~self.is_set, np.ones(len(self.variables), bool)]).T
        distinct, rows_of = np.unique(alone, axis=0, return_inverse=True)
        return distinct[:, self.experiment].astype(np.float64), rows_of.reshape(-1)

    def _standardised(
        self, weights: Float64[np.ndarray, " rows"]
    ) -> tuple[Float64[np.ndarray, "continuous rows"], Float64[np.ndarray, " variables"]]:
        """Values of mean 0 and variance 1, and the logarithm of the scale of each variable."""
        log_scale = np.zeros(len(self.variables))
        if not len(self.values):
            return np.zeros((0, len(weights))), log_scale
        total = weights.sum()
        # Sums and squares of tiny or huge units would leave the range of doubles.
        largest = np.abs(self.values).max(1)
        largest[largest == 0] = 1.0
        centred = self.values / largest[:, None]
        centred -= ((centred @ weights) / total)[:, None]
        spread = np.abs(centred).max(1)
        largest, centred = largest * spread, centred / np.where(spread > 0, spread, 1.0)[:, None]
        largest[spread == 0] = 1.0
        spread = np.sqrt((centred**2 @ weights) / total)
        continuous = [i for i, v in enumerate(self.variables) if not v.is_discrete]
        spread[spread == 0] = 1.0  # in a bootstrap sample; what is constant in all rows is refused
        log_scale[continuous] = np.log(spread) + np.log(largest)
        return centred / spread[:, None], log_scale

    def _has_bits(self, weights: Float64[np.ndarray, " rows"]) -> bool:
        """Whether rows are kept as bits, too: where they count a small whole number of times."""
        return self.has_whole(weights) and 0 < weights.sum() <= _MOST_COPIES * len(weights)

    def _bit_bytes(self, weights: Float64[np.ndarray, " rows"]) -> int:
        """How much bits take, and the index by which they are made."""
        if not self._has_bits(weights):
            return 0
        states = [v.cardinality for v in self.variables if v.is_discrete]
        few = [n for n in states if n <= _FEW_STATES]
        return int(weights.sum()) * (8 + sum(few) // 8)

    def _bits(
        self, weights: Float64[np.ndarray, " rows"], sets: Float64[np.ndarray, "sets rows"]
    ) -> tuple[
        UInt64[np.ndarray, "states words"],
        Int64[np.ndarray, " discrete"],
        UInt64[np.ndarray, "sets words"],
    ]:
        """Return a bit a row for each state and each set, and each variable's first state."""
        states = np.array([v.cardinality for v in self.variables if v.is_discrete], np.int64)
        few = states <= _FEW_STATES
        first = np.where(few, np.cumsum(states * few) - states * few, -1)
        each = np.repeat(np.arange(len(weights)), weights.astype(np.int64))
        words = (len(each) + 63) // 64
        bits = np.zeros((int((states * few).sum()), words), np.uint64)
        for codes, row, count in zip(self.codes[few], first[few], states[few], strict=True):
            cells = codes[each]
            for s in range(count):
                bits[row + s] = _packed(cells == s)
        return bits, first, np.stack([_packed(some[each] > 0) for some in sets])


def _packed(marks: Bool[np.ndarray, " rows"]) -> UInt64[np.ndarray, " words"]:
    """Marks as the bits of words, the last ones zero."""
    packed = np.packbits(marks, bitorder="little")
    return np.pad(packed, (0, -len(packed) % 8)).view(np.uint64)


def _moments(
    values: Float64[np.ndarray, "continuous rows"], weights: Float64[np.ndarray, " rows"]
) -> Float64[np.ndarray, "m m"]:
    """Weighted sums of products of (1, *values)."""
    moments = np.empty((1 + len(values),) * 2)
    moments[0, 0] = weights.sum()
    moments[0, 1:] = moments[1:, 0] = values @ weights
    moments[1:, 1:] = (values * weights) @ values.T
    return moments


def _scatter(moments: Float64[np.ndarray, "m m"], strength: float) -> Float64[np.ndarray, "m m"]:
    """The scatter matrix of the normal-Wishart posterior, its first row and column the unit's.

    The prior's mean is 0, the values' own since they are standardised, and its scatter a multiple
    of the identity (Kuipers, Moffa and Heckerman 2014, section 3).
    """
    count = moments[0, 0]
    variables = len(moments) - 1
    mean = moments[0, 1:] / max(count, 1.0)
    scatter = np.eye(len(moments))
    prior = strength / (strength + 1.0)  # times (freedom - variables - 1), which is `strength`
    scatter[1:, 1:] = prior * strength * np.eye(variables)
    scatter[1:, 1:] += moments[1:, 1:] - count * np.outer(mean, mean)
    scatter[1:, 1:] += count * strength / (count + strength) * np.outer(mean, mean)
    return scatter
