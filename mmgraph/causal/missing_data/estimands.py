"""Formulas in what rows with missing cells show, and their values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64, Int64

from mmgraph.data.encoding import coded_chunks
from mmgraph.data.inferred_states import states_in
from mmgraph.data.tables import open_table
from mmgraph.graph.errors import CausalError
from mmgraph.graph.memory_budget import check_required
from mmgraph.graph.variable import Variable

BUDGET_BYTES = 1 << 30
Array = Float64[np.ndarray, "*states"]


class Frequencies(NamedTuple):
    """Rows of states, -1 where a cell is missing, and the number of states of each column."""

    codes: Mapping[str, Int64[np.ndarray, " rows"]]
    sizes: Mapping[str, int]

    def joint(self, names: Sequence[str], observed: Sequence[str] = ()) -> Array:
        """Return the frequencies of states among rows in which these and others are observed."""
        shape = [self.sizes[n] for n in names]
        check_required(
            f"a table of {', '.join(names)}",
            8 * int(np.prod(shape, dtype=float)),
            BUDGET_BYTES,
            "Ask about fewer variables, or merge states.",
        )
        complete = np.logical_and.reduce([self.codes[n] >= 0 for n in (*names, *observed)])
        cells = tuple(self.codes[n][complete] for n in names)
        index = np.ravel_multi_index(cells, shape) if names else np.zeros(complete.sum(), np.int64)
        counts = np.bincount(index, minlength=int(np.prod(shape, dtype=np.int64)))
        return counts.reshape(shape).astype(np.float64)


def observed_frequencies(data: object, names: Sequence[str]) -> Frequencies:
    """Return the states in rows of data, read as every table is."""
    table = open_table(data).select(list(names))
    labels = states_in(table, table.columns, constant=True)
    variables = {n: Variable(n, labels[n]) for n in names}
    chunks = list(coded_chunks(table, variables))
    codes = {n: np.concatenate([c.column(n) for c in chunks]).astype(np.int64) for n in names}
    return Frequencies(codes, {n: variables[n].cardinality for n in names})


@dataclass(frozen=True)
class CompleteCases:
    """P(last names | first ``conditions`` of them) among rows in which all of them are observed."""

    names: tuple[str, ...]
    partial: tuple[str, ...]
    conditions: int = 0

    def __str__(self) -> str:
        given = list(self.names[: self.conditions])
        if self.partial:
            given.append(f"{' and '.join(self.partial)} observed")
        bar = f" | {', '.join(given)}" if given else ""
        return f"P({', '.join(self.names[self.conditions :])}{bar})"

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that are read."""
        return self.names

    def value(self, frequencies: Frequencies, names: Sequence[str]) -> Array:
        """Return the table, axes in the order of ``names``, which are its own."""
        counts = frequencies.joint(names)
        if not counts.sum():
            raise CausalError(f"no row has all of {', '.join(names)}")
        return np.asarray(counts / counts.sum())

    def conditional(self, frequencies: Frequencies) -> Array:
        """Return the conditional distributions, axes as ``names``; zero in strata without rows."""
        counts = frequencies.joint(self.names)
        total = counts.sum(tuple(range(self.conditions, counts.ndim)), keepdims=True)
        return np.divide(counts, total, out=np.zeros_like(counts), where=total > 0)


@dataclass(frozen=True)
class Factorisation:
    """A product of conditional distributions, each of the rows that observe what it names."""

    factors: tuple[CompleteCases, ...]

    def __str__(self) -> str:
        return " ".join(map(str, self.factors))

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """The columns that are read."""
        return tuple(f.names[-1] for f in self.factors)

    def value(self, frequencies: Frequencies, names: Sequence[str]) -> Array:
        """Return the joint of some of its variables."""
        total = np.ones([1] * len(self.columns))
        for factor in self.factors:
            table = factor.conditional(frequencies)
            total = total * _along(table, factor.names, self.columns)
        if abs(total.sum() - 1) > 1e-9:
            raise CausalError(
                f"no row is in some of the strata that {self} needs: its values sum to "
                f"{total.sum():.6g}, not to one"
            )
        return _marginal(total, self.columns, names)


@dataclass(frozen=True)
class InverseProbability:
    """The joint of complete rows, over the probability that a row is complete given its states.

    ``weights`` are its factors: of which variable, given which, in rows that observe which.
    """

    names: tuple[str, ...]
    weights: tuple[tuple[str, tuple[str, ...], tuple[str, ...]], ...]

    def __str__(self) -> str:
        parts = []
        for name, conditions, observed in self.weights:
            given = [*conditions, *([f"{' and '.join(observed)} observed"] if observed else [])]
            parts.append(f"P({name} observed{' | ' if given else ''}{', '.join(given)})")
        return f"P({', '.join(self.names)}, all observed) / [{' '.join(parts)}]"

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that are read."""
        return self.names

    def value(self, frequencies: Frequencies, names: Sequence[str]) -> Array:
        """Return the joint of some of its variables, which sums to one up to sampling noise."""
        rows = len(next(iter(frequencies.codes.values())))
        total = frequencies.joint(self.names) / rows
        for name, conditions, observed in self.weights:
            those = frequencies.joint(conditions, observed)
            complete = frequencies.joint(conditions, (*observed, name))
            share = np.divide(complete, those, out=np.ones_like(complete), where=complete > 0)
            if (empty := (those > 0) & (complete == 0)).any():
                cell = np.argwhere(empty)[0]
                at = ", ".join(f"{n} = {i}" for n, i in zip(conditions, cell, strict=True))
                raise CausalError(f"'{name}' is never observed{' where ' if at else ''}{at}")
            total = total / _along(share, conditions, self.names)
        return _marginal(total / total.sum(), self.names, names)


def _along(table: Array, names: Sequence[str], axes: Sequence[str]) -> Array:
    """Return a table with an axis for each of ``axes``, of length one where it has none."""
    order = [names.index(a) for a in axes if a in names]
    shape = iter(table.transpose(order).shape)
    return table.transpose(order).reshape([next(shape) if a in names else 1 for a in axes])


def _marginal(table: Array, axes: Sequence[str], names: Sequence[str]) -> Array:
    rest = tuple(i for i, a in enumerate(axes) if a not in names)
    left = [a for a in axes if a in names]
    return np.asarray(table.sum(rest).transpose([left.index(n) for n in names]))
