"""Whether rows with missing cells determine a probability, and by which formula."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Protocol

import numpy as np
from jaxtyping import Float64

from mmgraph.causal.graph.causal_graph import CausalGraph
from mmgraph.causal.graph.separation import bits
from mmgraph.causal.missing_data.estimands import (
    CompleteCases,
    Factorisation,
    Frequencies,
    InverseProbability,
    observed_frequencies,
)
from mmgraph.graph.errors import CausalError, GraphError

MOST_SETS = 1 << 12
"""Conditioning sets that are tried for one variable in the search for a factorisation."""


class Estimand(Protocol):
    """A formula in what is observed."""

    def __str__(self) -> str:
        """Return the formula."""

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that are read."""

    def value(
        self, frequencies: Frequencies, names: Sequence[str]
    ) -> Float64[np.ndarray, "*states"]:
        """Return the joint of some names from frequencies of rows with missing cells."""


@dataclass(frozen=True)
class Recovery:
    """The answer to the question whether a probability can be had in spite of missing cells.

    Attributes
    ----------
    recoverable : bool or None
        None: not known. What is looked for suffices, but is not necessary.
    reason : str
        Why, in words.
    estimand : Estimand or None
        The formula; its text names what rows it is about.
    outcomes, given : tuple of str
        The question.
    """

    recoverable: bool | None
    reason: str
    estimand: Estimand | None
    outcomes: tuple[str, ...]
    given: tuple[str, ...]

    def __repr__(self) -> str:
        verdict = {True: "recoverable", False: "not recoverable", None: "not known"}
        formula = "" if self.estimand is None else f"\n  {self.estimand}"
        return f"{verdict[self.recoverable]}: {self.reason}{formula}"

    def evaluate(self, data: object) -> Float64[np.ndarray, "*states"]:
        """Return P(outcomes | given) from rows, axes given, then outcomes; states are sorted.

        Parameters
        ----------
        data : pandas.DataFrame, mapping of str to array, or path of a table
            Discrete columns; missing cells are None, NaN or empty.

        Raises
        ------
        CausalError
            If the probability is not recoverable, or no row is in a stratum that is needed.
        LearningError
            If the data cannot be read.
        """
        if self.estimand is None:
            raise CausalError(f"there is no formula: {self.reason}")
        names = (*self.given, *self.outcomes)
        joint = self.estimand.value(observed_frequencies(data, self.estimand.columns), names)
        if not self.given:
            return joint
        shape = (*joint.shape[: len(self.given)], *[1] * len(self.outcomes))
        total = joint.sum(tuple(range(len(self.given), joint.ndim))).reshape(shape)
        if not total.all():
            cell = np.argwhere(total.reshape(joint.shape[: len(self.given)]) == 0)[0]
            where = ", ".join(f"{n} = {i}" for n, i in zip(self.given, cell, strict=True))
            raise CausalError(f"nothing is known where {where}: that has probability zero")
        return np.asarray(joint / total)


def recoverable(
    graph: CausalGraph,
    outcomes: Sequence[str] | str,
    given: Sequence[str] | str = (),
    prefix: str = "R_",
) -> Recovery:
    """Return whether P(outcomes | given) can be had from rows with missing cells, and how.

    Parameters
    ----------
    graph : CausalGraph
        An m-graph: the node ``R_x`` says whether ``x`` is observed; a variable without one always
        is. Bidirected edges are hidden common causes (Mohan, Pearl and Tian 2013).
    outcomes, given : str or sequence of str
    prefix : str, optional
        What names of indicators begin with.

    Returns
    -------
    Recovery
        Tried are, in this order: rows in which all that is asked for is observed; an ordered
        factorisation; the inverse probability of a complete row (both Mohan, Pearl and Tian 2013).
        The joint of all variables is not recoverable where one is joined to its own indicator by an
        edge or by a path of colliders (Mohan and Pearl 2014). All else is not known.

    Raises
    ------
    UnknownVariableError
        If a name is no node.
    CausalError
        If a name is an indicator or named twice, or none is asked for.
    GraphError
        If an indicator is of no node, or causes a variable.
    """
    y = (outcomes,) if isinstance(outcomes, str) else tuple(outcomes)
    z = (given,) if isinstance(given, str) else tuple(given)
    missing = _MissingnessGraph(graph, prefix)
    missing.check_question(y, z)
    return _answer(missing, y, z)


def _answer(missing: _MissingnessGraph, y: tuple[str, ...], z: tuple[str, ...]) -> Recovery:
    graph = missing.graph
    asked, conditions = graph.mask((*y, *z)), graph.mask(z)
    indicators = missing.indicators(asked)
    if missing.apart(asked & ~conditions, indicators, conditions):
        cases = CompleteCases((*z, *y), missing.partial(asked), len(z))
        why = "the outcomes are independent of what is missing, given the conditions"
        return Recovery(True, why, cases, y, z)
    for target in dict.fromkeys(
        (asked, graph.adjacency.ancestors(asked) & missing.variables, missing.variables)
    ):
        factors = missing.factorised(target)
        if factors is not None:
            why = "each variable is independent of what is missing, given those of its factor"
            return Recovery(True, why, Factorisation(tuple(factors)), y, z)
    weights = missing.weighted()
    if weights is not None:
        why = "no indicator depends on its own variable, given the conditions of its factor"
        names = tuple(n for n in graph.nodes if missing.variables >> graph.nodes.index(n) & 1)
        return Recovery(True, why, InverseProbability(names, tuple(weights)), y, z)
    joined = missing.joined_to_its_indicator()
    if joined is not None and asked == missing.variables and not z:
        why = f"'{joined}' is joined to its own indicator: the joint of all is not recoverable"
        return Recovery(False, why, None, y, z)
    why = "no factorisation that suffices, and no proof that none is needed"
    return Recovery(None, f"not known: {why}", None, y, z)


class _MissingnessGraph:
    """An m-graph: which nodes are variables, and which say that one is observed."""

    def __init__(self, graph: CausalGraph, prefix: str) -> None:
        self.graph = graph
        self.indicator = {n[len(prefix) :]: n for n in graph.nodes if n.startswith(prefix)}
        for name, indicator in self.indicator.items():
            if name not in graph.directed:
                raise GraphError(f"the indicator '{indicator}' is of '{name}', which is no node")
            for child in graph.directed.successors(indicator):
                if not child.startswith(prefix):
                    raise GraphError(f"the indicator '{indicator}' causes the variable '{child}'")
        self.all_indicators = graph.mask(self.indicator.values())
        self.variables = graph.adjacency.every & ~self.all_indicators

    def check_question(self, outcomes: tuple[str, ...], given: tuple[str, ...]) -> None:
        """Check that a question is one about variables."""
        asked = (*outcomes, *given)
        self.graph.check_nodes(asked, "the question")
        if not outcomes:
            raise CausalError("no outcomes are named")
        for name in asked:
            if self.graph.mask([name]) & self.all_indicators:
                raise CausalError(f"'{name}' is an indicator; ask about variables")
            if asked.count(name) > 1:
                raise CausalError(f"'{name}' is named twice in the question")

    def partial(self, nodes: int) -> tuple[str, ...]:
        """Return those of some variables that may be missing."""
        return tuple(
            self.graph.nodes[i] for i in bits(nodes) if self.graph.nodes[i] in self.indicator
        )

    def indicators(self, nodes: int) -> int:
        """Return the indicators of some variables."""
        return self.graph.mask(self.indicator[n] for n in self.partial(nodes))

    def apart(self, first: int, second: int, given: int) -> bool:
        """Return whether two sets are m-separated by a third."""
        return not self.graph.adjacency.connected(first, given) & second

    def factorised(self, target: int, tried: set[int] | None = None) -> list[CompleteCases] | None:
        """Return an ordered factorisation of a joint whose factors are of complete cases."""
        tried = set() if tried is None else tried
        if not target:
            return []
        if target in tried:
            return None
        tried.add(target)
        for i in bits(target):
            node, rest = 1 << i, target & ~(1 << i)
            for conditions in _subsets(rest):
                involved = node | conditions
                others = rest & ~conditions | self.indicators(involved)
                if not self.apart(node, others, conditions):
                    continue
                further = self.factorised(rest, tried)
                if further is not None:
                    names = tuple(self.graph.nodes[c] for c in bits(conditions))
                    case = CompleteCases(
                        (*names, self.graph.nodes[i]), self.partial(involved), len(names)
                    )
                    return [*further, case]
                break
        return None

    def weighted(
        self, before: int = 0, tried: set[int] | None = None
    ) -> list[tuple[str, tuple[str, ...], tuple[str, ...]]] | None:
        """Return factors of the probability of a complete row, None if there are none.

        Each is of an indicator: whose, given which variables, in rows that observe which.

        It is conditioned on the variables that it depends on, once those before it say that theirs
        is observed.
        """
        tried = set() if tried is None else tried
        if before == self.all_indicators:
            return []
        if before in tried:
            return None
        tried.add(before)
        graph = self.graph
        for name, indicator in self.indicator.items():
            node = graph.mask([indicator])
            if node & before:
                continue
            conditions = 0
            for i in bits(self.variables):
                if not self.apart(node, 1 << i, self.variables & ~(1 << i) | before):
                    conditions |= 1 << i
            further_ones = self.indicators(conditions) & ~before
            if (
                conditions & graph.mask([name])
                or not self.apart(node, self.variables & ~conditions, conditions | before)
                or not self.apart(node, further_ones, conditions | before)
            ):
                continue
            further = self.weighted(before | node, tried)
            if further is not None:
                seen = before | self.indicators(conditions)
                observed = tuple(n for n, r in self.indicator.items() if graph.mask([r]) & seen)
                names = tuple(graph.nodes[i] for i in bits(conditions))
                return [(name, names, observed), *further]
        return None

    def joined_to_its_indicator(self) -> str | None:
        """Return a variable that an edge or colliders alone join to its indicator."""
        graph = self.graph
        for name, indicator in self.indicator.items():
            node = graph.mask([indicator])
            neighbours = graph.adjacency.augmented(self.variables | node)
            if neighbours[graph.nodes.index(name)] & node:
                return name
        return None


def _subsets(nodes: int) -> Iterator[int]:
    """Yield subsets, small ones first, at most so many; the whole set is always among them."""
    places = [1 << i for i in bits(nodes)]
    count = 0
    for size in range(len(places)):
        for chosen in combinations(places, size):
            count += 1
            if count > MOST_SETS:
                yield nodes
                return
            yield sum(chosen)
    yield nodes
