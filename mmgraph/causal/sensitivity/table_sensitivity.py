"""How a query depends on the entries of tables: derivatives, and changes that reach a target."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from jaxtyping import Float64

from mmgraph.graph.errors import CausalError, NotTabularError, needs
from mmgraph.graph.evidence import Evidence
from mmgraph.graph.factors.table import TableFactor
from mmgraph.graph.variable import Variable
from mmgraph.inference.query import joint, log_partition, query
from mmgraph.networks.bayesian_network import BayesianNetwork

if TYPE_CHECKING:
    import pandas

_ROUNDING = 1e-12
"""A probability that differs by less from the target has reached it."""


class EntryChange(NamedTuple):
    """An entry of a table that brings the query to its target, the others of its row in proportion.

    Attributes
    ----------
    variable : str
    state : label
        The variable's state.
    parents : dict of str to label
        The row.
    before, after : float
    log_odds : float
        The absolute change of the entry's log-odds (Chan and Darwiche 2002); infinite to or from
        nought and one.
    """

    variable: str
    state: Any
    parents: dict[str, Any]
    before: float
    after: float
    log_odds: float


class RowChange(NamedTuple):
    """A row of a table that brings the query to its target.

    Attributes
    ----------
    variable : str
    parents : dict of str to label
        The row.
    before, after : ndarray, shape (states,)
    moved : float
        The probability that moves from some states to others.
    """

    variable: str
    parents: dict[str, Any]
    before: Float64[np.ndarray, " states"]
    after: Float64[np.ndarray, " states"]
    moved: float


@dataclass(frozen=True, eq=False)
class TableSensitivity:
    """A query ``P(asked | given)`` as a function of each table; see :func:`table_sensitivity`.

    A probability is linear in the entries of one table, and the query a ratio of two such; their
    coefficients are kept.

    Attributes
    ----------
    scopes : dict of str to tuple of Variable
        Of each table, its parents and the variable.
    tables, asked, given : dict of str to ndarray, shape (*parent states, states)
        The entries; the derivatives of ``P(asked, given)`` and of ``P(given)`` by them.
    p_asked, p_given : float
        Those two probabilities.
    """

    scopes: Mapping[str, tuple[Variable, ...]]
    tables: Mapping[str, Float64[np.ndarray, "*parents states"]]
    asked: Mapping[str, Float64[np.ndarray, "*parents states"]]
    given: Mapping[str, Float64[np.ndarray, "*parents states"]]
    p_asked: float
    p_given: float

    @property
    def probability(self) -> float:
        """The query itself."""
        return self.p_asked / self.p_given

    @cached_property
    def derivatives(self) -> dict[str, Float64[np.ndarray, "*parents states"]]:
        """By variable, the derivative by each entry while the others of its row stay in proportion.

        Where an entry is 1 and the others have no proportion, they share alike.
        """
        found = {}
        for name, table in self.tables.items():
            slope = (self.asked[name] - self.probability * self.given[name]) / self.p_given
            found[name] = slope - (_proportions(table) * slope[..., None, :]).sum(-1)
        return found

    def value_at(self, variable: str, row: Sequence[int], state: int, entry: float) -> float:
        """Return the query with one entry changed and the others of its row in proportion.

        Parameters
        ----------
        variable : str
        row : sequence of int
            State indices of the parents, in the table's order.
        state : int
            State index of the variable.
        entry : float
            From 0 to 1.

        Raises
        ------
        CausalError
            If the entry is no probability, or the evidence would be impossible.
        """
        if not 0 <= entry <= 1:
            raise CausalError(f"an entry of a table is a probability, not {entry!r}")
        (a, b), (c, d) = self._line(variable, (*row, state))
        if not c + d * entry > 0:
            raise CausalError("the evidence would have probability zero")
        return (a + b * entry) / (c + d * entry)

    def _line(self, name: str, place: tuple[int, ...]) -> tuple[tuple[float, float], ...]:
        """Intercept and slope of P(asked, given) and of P(given) in one entry."""
        table, row = self.tables[name], place[:-1]
        weights = _proportions(table)[place]
        lines = []
        for total, parts in ((self.p_asked, self.asked[name]), (self.p_given, self.given[name])):
            others = float(weights @ parts[row])
            rest = total - float(table[row] @ parts[row])
            lines.append((rest + others, float(parts[place]) - others))
        return tuple(lines)

    def entries_reaching(self, target: float) -> list[EntryChange]:
        """Return the entries by which alone the query would be the target, smallest change first.

        Parameters
        ----------
        target : float
            From 0 to 1.

        Raises
        ------
        CausalError
            If the target is no probability.
        """
        _check_target(target)
        changes = []
        for name, table in self.tables.items():
            for place in np.ndindex(*table.shape):
                (a, b), (c, d) = self._line(name, place)
                slope = b - target * d
                if abs(slope) <= _ROUNDING * self.p_given:
                    continue
                after, before = (target * c - a) / slope, float(table[place])
                if not -_ROUNDING <= after <= 1 + _ROUNDING:
                    continue
                after = min(max(after, 0.0), 1.0)
                if c + d * after <= 0 or table.shape[-1] == 1:
                    continue
                labels = self._labels(name, place)
                state = labels.pop(name)
                moved = abs(_log_odds(after) - _log_odds(before)) if after != before else 0.0
                changes.append(EntryChange(name, state, labels, before, after, moved))
        return sorted(changes, key=lambda c: abs(c.after - c.before))

    def rows_reaching(self, target: float) -> list[RowChange]:
        """Return the rows by which alone the query would be the target, smallest change first.

        Of all changes of a row it is the one that moves least probability: from the states that
        count least towards the target to the one that counts most.

        Raises
        ------
        CausalError
            If the target is no probability.
        """
        _check_target(target)
        changes = []
        lacking = target - self.probability
        for name, table in self.tables.items():
            worth = (self.asked[name] - target * self.given[name]) / self.p_given
            for row in np.ndindex(*table.shape[:-1]):
                sign = 1.0 if lacking >= 0 else -1.0
                after = _moved(table[row], sign * worth[row], abs(lacking))
                if after is None or not self._is_possible(name, row, after):
                    continue
                moved = float(np.abs(after - table[row]).sum() / 2)
                labels = self._labels(name, row)
                changes.append(RowChange(name, labels, table[row].copy(), after, moved))
        return sorted(changes, key=lambda c: c.moved)

    def _is_possible(self, name: str, row: tuple[int, ...], after: np.ndarray) -> bool:
        change = float((after - self.tables[name][row]) @ self.given[name][row])
        return self.p_given + change > _ROUNDING * self.p_given

    def _labels(self, name: str, place: Sequence[int]) -> dict[str, Any]:
        scope = self.scopes[name]
        return {v.name: v.labels[i] for v, i in zip(scope, place, strict=False)}

    def _lines(self) -> Iterator[tuple[Any, ...]]:
        for name, derivatives in self.derivatives.items():
            for place in np.ndindex(*derivatives.shape):
                labels = self._labels(name, place)
                state = labels.pop(name)
                row = ", ".join(f"{n}={x}" for n, x in labels.items())
                entry, slope = float(self.tables[name][place]), float(derivatives[place])
                yield name, state, row, entry, slope

    def to_frame(self) -> pandas.DataFrame:
        """Return a line an entry, the steepest first: its row, its number and the derivative.

        Raises
        ------
        MissingExtraError
            If pandas is not installed.
        """
        with needs("data", "pandas", "a data frame of derivatives"):
            import pandas
        columns = ["variable", "state", "parents", "entry", "derivative"]
        lines = sorted(self._lines(), key=lambda line: -abs(line[-1]))
        return pandas.DataFrame(lines, columns=columns)


def table_sensitivity(
    network: BayesianNetwork,
    asked: Mapping[str, object],
    given: Mapping[str, object] | None = None,
    variables: Sequence[str] | None = None,
) -> TableSensitivity:
    """Return how ``P(asked | given)`` depends on every entry of tables, exactly.

    Parameters
    ----------
    network : BayesianNetwork
        Of a causal query, the network after ``network.do(x=…)``.
    asked, given : mapping of str to state
        The event, and what is known; they name different variables.
    variables : sequence of str, optional
        Whose tables; by default of all that have one.

    Raises
    ------
    CausalError
        If nothing is asked, or a variable is both asked and given.
    NotTabularError
        If a variable that is named has no table, or none has one.
    ZeroProbabilityError
        If what is given is impossible.
    UnknownVariableError, UnknownStateError
        As for :func:`mmgraph.query`.

    References
    ----------
    Darwiche (2003), "A differential approach to inference in Bayesian networks", JACM 50; Chan &
    Darwiche (2002), "When do numbers really matter?", JAIR 17.
    """
    given = given or {}
    if not asked:
        raise CausalError("no event is asked about")
    if twice := [name for name in asked if name in given]:
        raise CausalError(f"'{twice[0]}' is both asked and given")
    condition, whole = given, {**given, **asked}
    for event in (condition, whole):
        if Evidence.of(event, network.variables).batch != 1:
            raise CausalError("the sensitivity is of one row of evidence")
    p_given = 1.0
    if condition:
        first = next(iter(condition))
        p_given = math.exp(float(query(network, condition, first).log_evidence[0]))
    p_asked = math.exp(float(log_partition(network, whole)[0]))
    if variables is None:
        variables = [n for n in network.variables if _table(network, n) is not None]
        if not variables:
            raise NotTabularError(
                f"'{next(iter(network.variables))}' has no table, nor have others"
            )
    scopes, tables = {}, {}
    by_asked, by_given = {}, {}
    for name in variables:
        table = _table(network, name)
        if table is None:
            raise NotTabularError(f"'{name}' has no table")
        factor = network.distribution(name)
        scopes[name], tables[name] = (*factor.parents, network.variable(name)), table
        even = np.full(table.shape, 1 / table.shape[-1])
        levelled = network.replace_distributions(
            {name: TableFactor(scopes[name], even, child=network.variable(name))}
        )
        by_asked[name] = _derivative(levelled, scopes[name], whole)
        by_given[name] = _derivative(levelled, scopes[name], condition)
    return TableSensitivity(scopes, tables, by_asked, by_given, p_asked, p_given)


def _table(network: BayesianNetwork, name: str) -> Float64[np.ndarray, "*parents states"] | None:
    table = network.distribution(name).conditional_table()
    return None if table is None else table.detach().double().cpu().numpy()


def _derivative(
    levelled: BayesianNetwork, scope: Sequence[Variable], evidence: Mapping[str, object]
) -> Float64[np.ndarray, "*parents states"]:
    """The derivative of P(evidence) by a table's entries, from the network where that is even.

    ``P(evidence, family)`` there is the derivative times the even entry; so entries that are zero
    have theirs, too.
    """
    log_p = float(log_partition(levelled, evidence)[0])
    if log_p == -math.inf:
        return np.zeros([v.cardinality for v in scope])
    table = joint(levelled, [v.name for v in scope], evidence)[0].numpy()
    derivative: np.ndarray = table * (math.exp(log_p) * scope[-1].cardinality)
    return derivative


def _proportions(
    table: Float64[np.ndarray, "*parents states"],
) -> Float64[np.ndarray, "*parents states states"]:
    """By entry, how the others of its row share what it leaves; zero at the entry itself."""
    states = table.shape[-1]
    left = 1 - table[..., None]
    certain = left <= _ROUNDING
    alike = np.full((states, states), 1 / max(states - 1, 1))
    shares = np.where(certain, alike, table[..., None, :] / np.where(certain, 1.0, left))
    shares[..., np.arange(states), np.arange(states)] = 0
    return shares


def _moved(
    row: Float64[np.ndarray, " states"], worth: Float64[np.ndarray, " states"], lacking: float
) -> Float64[np.ndarray, " states"] | None:
    """Return the row with the least probability moved that makes it worth so much more, or None."""
    best = int(worth.argmax())
    after = row.copy()
    for state in np.argsort(worth):
        if lacking <= 0:
            break
        gain = float(worth[best] - worth[state])
        if gain <= 0:
            return None if lacking > _ROUNDING else after
        amount = min(float(after[state]), lacking / gain)
        after[state] -= amount
        after[best] += amount
        lacking -= amount * gain
    return after if lacking <= _ROUNDING else None


def _check_target(target: float) -> None:
    if not 0 <= target <= 1:
        raise CausalError(f"the target is a probability, not {target!r}")


def _log_odds(p: float) -> float:
    if p in (0.0, 1.0):
        return math.copysign(math.inf, p - 0.5)
    return math.log(p / (1 - p))
