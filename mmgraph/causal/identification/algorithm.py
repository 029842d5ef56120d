"""The algorithms ID and IDC: the formula of an effect in the joint, or the hedge that forbids one.

Sources: Shpitser and Pearl, "Identification of joint interventional distributions in recursive
semi-Markovian causal models" (AAAI 2006), and "Identification of conditional interventional
distributions" (UAI 2006). Both are complete.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol

from mmgraph.causal.graph.causal_graph import CausalGraph
from mmgraph.causal.graph.separation import Masks, reached
from mmgraph.causal.identification.expression import (
    Average,
    Expression,
    Probability,
    product,
    ratio,
    summed,
)
from mmgraph.causal.identification.hedge import Hedge, hedge


def identified(
    graph: CausalGraph, outcomes: Sequence[str], do: Sequence[str], given: Sequence[str]
) -> Expression | Hedge:
    """Return the formula of P(outcomes | do(do), given), or a hedge if there is none.

    What is given is first set wherever that comes to the same (IDC). The formula's free variables
    are those of the query: where it holds for any value of a further one, it is averaged over it.
    """
    do, given = list(do), list(given)
    while (name := _exchangeable(graph, outcomes, do, given)) is not None:
        given.remove(name)
        do.append(name)
    task = _Identification(graph, do)
    try:
        joint = task.effect({*outcomes, *given}, set(do), _Joint(graph))
    except _HedgeError as error:
        return hedge(graph, error.outer, error.inner, do)
    formula = ratio(joint, summed(outcomes, joint)) if given else joint
    further = task.in_order(formula.free.difference(outcomes, do, given))
    return Average.of(formula, further) if further else formula


def _exchangeable(
    graph: CausalGraph, outcomes: Sequence[str], do: Sequence[str], given: Sequence[str]
) -> str | None:
    """A variable whose being given comes to the same as its being set (rule 2 of do-calculus)."""
    for name in given:
        others = [n for n in given if n != name]
        cut = graph.without_edges(into=do, out_of=[name])
        if cut.separated(outcomes, [name], [*do, *others]):
            return name
    return None


class _HedgeError(Exception):
    """Line 5 of ID: two districts that make a hedge."""

    def __init__(self, outer: Collection[str], inner: Collection[str]) -> None:
        super().__init__()
        self.outer, self.inner = outer, inner


class _Distribution(Protocol):
    """P of one call of ID: a distribution over its variables, in a topological order."""

    order: tuple[str, ...]

    def marginal(self, names: Collection[str]) -> Expression:
        """Return the distribution of some of the variables."""

    def conditional(self, name: str) -> Expression:
        """Return the distribution of a variable given those before it."""

    def restricted(self, names: Collection[str]) -> _Distribution:
        """Return the same over some variables that no other one causes."""


class _Joint:
    """The observational distribution, of all variables or of an ancestral set of them."""

    def __init__(self, graph: CausalGraph, order: tuple[str, ...] | None = None) -> None:
        self.graph = graph
        self.order = graph.topological_order if order is None else order

    def marginal(self, names: Collection[str]) -> Expression:
        return Probability(tuple(n for n in self.order if n in names))

    def conditional(self, name: str) -> Expression:
        """Given the variable's district among those before it, and the parents of that, alone."""
        before = self.order[: self.order.index(name) + 1]
        district = _within(self.graph, self.graph.adjacency.spouses, [name], before)
        causes = district.union(*(self.graph.directed.pred[n] for n in district))
        return Probability((name,), tuple(n for n in before if n in causes and n != name))

    def restricted(self, names: Collection[str]) -> _Joint:
        return _Joint(self.graph, tuple(n for n in self.order if n in names))


class _Chain:
    """The product of conditional distributions in a topological order, some variables summed out.

    It is the P' of line 7: each factor is given the variables before it and those outside.
    """

    def __init__(
        self, factors: dict[str, Expression], hidden: frozenset[str] = frozenset()
    ) -> None:
        self.factors = factors
        self.hidden = hidden
        self.order = tuple(n for n in factors if n not in hidden)

    def marginal(self, names: Collection[str]) -> Expression:
        """Factors behind the last of the names sum to one."""
        chain = list(self.factors)
        chain = chain[: max((chain.index(n) for n in names), default=-1) + 1]
        rest = [n for n in chain if n not in names]
        return summed(rest, product(self.factors[n] for n in chain))

    def conditional(self, name: str) -> Expression:
        chain = list(self.factors)
        if not self.hidden.intersection(chain[: chain.index(name)]):
            return self.factors[name]
        before = self.order[: self.order.index(name)]
        return ratio(self.marginal([*before, name]), self.marginal(before))

    def restricted(self, names: Collection[str]) -> _Chain:
        return _Chain(self.factors, self.hidden.union(n for n in self.order if n not in names))


def _within(
    graph: CausalGraph, steps: Masks, starts: Collection[str], some: Collection[str]
) -> set[str]:
    """The nodes that steps lead to from some nodes, these included, through others alone."""
    return set(graph.named(reached(steps, graph.mask(starts), graph.mask(some))))


class _Identification:
    """The algorithm ID in a graph; its lines are numbered as in the paper."""

    def __init__(self, graph: CausalGraph, do: Collection[str]) -> None:
        self.graph = graph
        self.do = do

    def in_order(self, names: Collection[str]) -> tuple[str, ...]:
        return tuple(n for n in self.graph.nodes if n in names)

    def _ancestors(self, nodes: Collection[str], within: Collection[str]) -> set[str]:
        parents = self.graph.adjacency.parents
        return _within(self.graph, parents, nodes, within)

    def _districts(self, nodes: Sequence[str]) -> list[set[str]]:
        districts: list[set[str]] = []
        spouses = self.graph.adjacency.spouses
        for node in nodes:
            if not any(node in d for d in districts):
                districts.append(_within(self.graph, spouses, [node], nodes))
        return districts

    def effect(self, outcomes: set[str], do: set[str], given: _Distribution) -> Expression:
        """Return the formula of P(outcomes | do) in the distribution of the graph's variables."""
        nodes = set(given.order)
        if not do:  # 1
            return given.marginal(outcomes)
        ancestors = self._ancestors(outcomes, nodes)
        if ancestors != nodes:  # 2
            return self.effect(outcomes, do & ancestors, given.restricted(ancestors))
        # 3: where a variable has no effect, setting it too changes nothing.
        do = nodes - self._ancestors(outcomes, nodes - do)
        rest = [n for n in given.order if n not in do]
        districts = self._districts(rest)
        if len(districts) > 1:  # 4
            parts = [self.effect(part, nodes - part, given) for part in districts]
            return summed([n for n in rest if n not in outcomes], product(parts))
        district = districts[0]
        outer = next(d for d in self._districts(given.order) if district <= d)
        if outer == nodes:  # 5
            raise _HedgeError(outer, district)
        if outer == district:  # 6
            return summed(
                [n for n in rest if n not in outcomes],
                product(given.conditional(n) for n in rest),
            )
        factors = {n: given.conditional(n) for n in given.order if n in outer}
        return self.effect(outcomes, do & outer, _Chain(factors))  # 7
