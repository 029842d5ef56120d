"""Values of formulas: from a table of the joint, a network, or rows of data.

A conditional probability given what never happens is no number. It is carried as NaN while a
formula is computed, where a factor of zero beside it makes zero; what is left of it in the end is
an error that names the empty stratum.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import reduce
from itertools import product as combinations
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64

from mmgraph.causal.identification.expression import (
    Average,
    Expression,
    Probability,
    Product,
    Ratio,
    Sum,
)
from mmgraph.data.encoding import coded_chunks
from mmgraph.data.inferred_states import measured_columns, states_in
from mmgraph.data.tables import open_table
from mmgraph.graph.arrays import float_array
from mmgraph.graph.errors import CausalError
from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.graph.memory_budget import check_required
from mmgraph.graph.variable import Variable
from mmgraph.inference.query import joint
from mmgraph.learning.counts import family_counts

BUDGET_BYTES = 1 << 30
"""What one table of a formula may take; more is refused before anything is allocated."""

Array = Float64[np.ndarray, "*states"]


class Source(NamedTuple):
    """Where probabilities come from.

    ``states`` holds the labels of each variable, ``marginal`` gives the joint distribution of a few
    of them, an axis each in the order asked.
    """

    states: Mapping[str, Sequence[object]]
    marginal: Callable[[Sequence[str]], Array]


def of_table(table: object, nodes: Sequence[str]) -> Source:
    """Return the source that sums an array of the joint, an axis a node."""
    if hasattr(table, "columns"):
        raise CausalError(
            "the joint table is an array of probabilities, an axis a node, and no frame of rows"
        )
    values = float_array(table, "the joint table", CausalError)
    if values.ndim != len(nodes):
        raise CausalError(
            f"the joint table has {values.ndim} axes, the model {len(nodes)} nodes "
            f"({', '.join(nodes)})"
        )
    if not (np.isfinite(values).all() and (values >= 0).all()):
        cell = np.argwhere(~(values >= 0) | ~np.isfinite(values))[0]
        where = ", ".join(f"{n} = {i}" for n, i in zip(nodes, cell, strict=True))
        raise CausalError(f"the joint table holds {values[tuple(cell)]} at {where}")
    if not math.isclose(total := float(values.sum()), 1.0, abs_tol=1e-6):
        raise CausalError(f"the joint table sums to {total:.9g}, not to one")

    def marginal(names: Sequence[str]) -> Array:
        rest = tuple(i for i, n in enumerate(nodes) if n not in names)
        order = [n for n in nodes if n in names]
        return values.sum(axis=rest).transpose([order.index(n) for n in names])

    return Source({n: range(k) for n, k in zip(nodes, values.shape, strict=True)}, marginal)


def of_network(network: FactorGraph, names: Collection[str]) -> Source:
    """Return the source that asks exact inference for the variables that a formula names."""
    for name in names:
        variable = network.variable(name)
        if not variable.is_discrete or variable.shape:
            raise CausalError(
                f"'{name}' has no states to sum over in the network: it is no scalar "
                "discrete variable"
            )
    return Source(
        {n: network.variable(n).labels for n in names},
        lambda some: joint(network, list(some))[0].double().cpu().numpy(),
    )


def of_data(
    data: object, names: Collection[str], variables: Mapping[str, Variable] | None = None
) -> Source:
    """Return the source of empirical frequencies of rows.

    The states are those of ``variables``, or the sorted labels of each column.
    """
    table = open_table(data).select(list(names))
    if variables is None:
        if measured := measured_columns(table, table.columns):
            raise CausalError(
                f"the column '{measured[0]}' of {table.origin} is continuous, and the formula "
                "sums over states: put it into bins"
            )
        labels = states_in(table, table.columns, constant=True)
        variables = {n: Variable(n, labels[n]) for n in names}
    coded = coded_chunks(table, {n: variables[n] for n in names})

    def marginal(some: Sequence[str]) -> Array:
        (counts,) = family_counts([[variables[n] for n in some]], coded)
        return counts.double().numpy() / float(counts.sum())

    return Source({n: variables[n].labels for n in names}, marginal)


class _Values(NamedTuple):
    """An array with an axis a variable."""

    names: tuple[str, ...]
    array: Array

    def along(self, names: Sequence[str]) -> Array:
        """The array with these axes, of length one where it does not depend on the variable."""
        some = [n for n in names if n in self.names]
        array = self.array.transpose([self.names.index(n) for n in some])
        place = iter(array.shape)
        return array.reshape([next(place) if n in self.names else 1 for n in names])


def value(formula: Expression, axes: Sequence[str], source: Source) -> Array:
    """Return the value of a formula, an axis a variable (all of its free ones are among these).

    Raises
    ------
    CausalError
        If the formula needs a probability given what never happens (which).
    MemoryBudgetError
        If it needs a table beyond ``BUDGET_BYTES``.
    """
    work = _Evaluation(source)
    found = work.values(formula)
    if np.isnan(found.array).any():
        cell = np.argwhere(np.isnan(found.array))[0].tolist()
        raise CausalError(work.emptiness(formula, dict(zip(found.names, cell, strict=True))))
    shape = tuple(len(source.states[n]) for n in axes)
    return np.broadcast_to(found.along(axes), shape).copy()


class _Evaluation:
    """The values of the parts of a formula, each computed once."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self._done: dict[object, _Values] = {}

    def values(self, formula: Expression) -> _Values:
        """The values of a formula, NaN where they depend on a stratum that is empty."""
        # Equal terms are asked for once; to compare larger formulas would cost more than it saves.
        key = formula if isinstance(formula, Probability) else id(formula)
        if key not in self._done:
            self._done[key] = self._computed(formula)
        return self._done[key]

    def _computed(self, formula: Expression) -> _Values:
        if isinstance(formula, Probability):
            names = (*formula.given, *formula.outcomes)
            self._check_size(names)
            joint_ = self.source.marginal(names)
            axes = tuple(range(len(formula.given), len(names)))
            return _Values(names, _divided(joint_, joint_.sum(axis=axes, keepdims=True)))
        if isinstance(formula, Ratio):
            above, below = self.values(formula.numerator), self.values(formula.denominator)
            names = tuple(dict.fromkeys((*above.names, *below.names)))
            return _Values(names, _divided(above.along(names), below.along(names)))
        if isinstance(formula, Sum):
            made = self._summed(formula)
            if isinstance(formula, Average) and np.isnan(made.array).any():
                return self._averaged(formula) or made
            return made
        assert isinstance(formula, Product)
        return self._product([self.values(f) for f in formula.factors])

    def _summed(self, formula: Sum) -> _Values:
        """Variables go one by one, that whose factors make the smallest table first."""
        body = formula.body
        parts = body.factors if isinstance(body, Product) else (body,)
        factors = [self.values(f) for f in parts]
        rest = set(formula.over)
        while rest:
            tables = {v: {n for f in factors if v in f.names for n in f.names} for v in rest}
            variable = min(sorted(rest), key=lambda v: self._size(tables[v]))
            joined = self._product([f for f in factors if variable in f.names])
            axis = joined.names.index(variable)
            names = tuple(n for n in joined.names if n != variable)
            factors = [f for f in factors if variable not in f.names]
            factors.append(_Values(names, joined.array.sum(axis=axis)))
            rest.remove(variable)
        return self._product(factors)

    def _averaged(self, formula: Average) -> _Values | None:
        """The mean over states at which the formula is defined throughout; None if at none."""
        values, weights = self.values(formula.formula), self.values(Probability(formula.over))
        rest = tuple(n for n in values.names if n not in formula.over)
        array, weight = values.along((*formula.over, *rest)), weights.along(formula.over)
        axes = tuple(range(weight.ndim))
        weight = weight * ~np.isnan(array).any(axis=tuple(range(weight.ndim, array.ndim)))
        if not weight.any():
            return None
        weight = (weight / weight.sum()).reshape(*weight.shape, *[1] * len(rest))
        return _Values(rest, (weight * np.nan_to_num(array)).sum(axis=axes))

    def _product(self, factors: Sequence[_Values]) -> _Values:
        names = tuple(dict.fromkeys(n for f in factors for n in f.names))
        self._check_size(names)
        one = np.ones([1] * len(names))
        return _Values(names, reduce(_times, (f.along(names) for f in factors), one))

    def _size(self, names: Iterable[str]) -> int:
        return math.prod(len(self.source.states[n]) for n in names)

    def _check_size(self, names: Collection[str]) -> None:
        check_required(
            f"a table of {', '.join(names)}",
            8 * self._size(names),
            BUDGET_BYTES,
            "The formula needs it whole; merge states, or leave out what is given.",
        )

    def emptiness(self, formula: Expression, at: dict[str, int]) -> str:
        """Say which stratum is empty that a formula needs, at states where its value is NaN."""
        for part, states in self._parts(formula, at):
            array = self.values(part)
            if np.isnan(array.array[tuple(states[n] for n in array.names)]):
                return self.emptiness(part, states)
        empty = formula.given if isinstance(formula, Probability) else sorted(formula.free)
        stratum = ", ".join(f"{n} = {self.source.states[n][at[n]]!s}" for n in empty)
        return (
            f"the formula needs {formula} at {stratum}, which has probability zero: it does not "
            "say what the effect is there"
        )

    def _parts(
        self, formula: Expression, at: dict[str, int]
    ) -> Iterator[tuple[Expression, dict[str, int]]]:
        if isinstance(formula, Product):
            yield from ((f, at) for f in formula.factors)
        elif isinstance(formula, Ratio):
            yield from ((f, at) for f in (formula.numerator, formula.denominator))
        elif isinstance(formula, Sum):
            ranges = (range(len(self.source.states[n])) for n in formula.over)
            for states in combinations(*ranges):
                yield formula.body, at | dict(zip(formula.over, states, strict=True))


def _divided(above: Array, below: Array) -> Array:
    above, below = np.broadcast_arrays(above, below)
    return np.divide(above, below, out=np.full(above.shape, np.nan), where=below != 0)


def _times(one: Array, other: Array) -> Array:
    made = one * other
    if np.isnan(made).any():
        made[np.broadcast_to((one == 0) | (other == 0), made.shape)] = 0.0
    return made
