"""Bounds of effects that the joint distribution does not determine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from jaxtyping import Float64

from mmgraph.causal.bounds.response_program import ResponseProgram, outer_parents
from mmgraph.causal.graph.causal_graph import CausalGraph
from mmgraph.causal.identification import evaluation
from mmgraph.causal.identification.algorithm import identified
from mmgraph.causal.identification.hedge import Hedge
from mmgraph.graph.errors import CausalError, MemoryBudgetError

Array = Float64[np.ndarray, "*states"]
_WHAT = "the joint table"


@dataclass(frozen=True)
class EffectBounds:
    """Bounds of each probability P(outcomes | do).

    Attributes
    ----------
    lower, upper : array
        An axis each of what is set, then each of the outcomes; equal where the joint determines
        the effect.
    open_nodes : tuple of str
        The nodes whose responses the joint leaves open, in causal order; none if it is determined.
    sharp : bool
        Whether models of the graph reach both ends; else these hold, and may be wider than needed.
    """

    lower: Array
    upper: Array
    open_nodes: tuple[str, ...]
    sharp: bool = True


def effect_bounds(
    graph: CausalGraph, outcomes: Sequence[str], do: Sequence[str], joint: Any
) -> EffectBounds:
    """Return bounds of P(outcomes | do(do)) over all models of a graph that have a joint.

    The effect is a sum of products of one factor for each district of the outcomes' causes (Tian
    and Pearl 2002). Where one of these is not identifiable and its nodes all share hidden causes
    pairwise, it is linear in the distribution of their responses, which the joint restricts
    linearly: the bounds are those of a linear programme (Sachs, Jonzon, Gabriel and Sjölander
    2022). What they share may be one hidden cause of all. Further nodes that they share hidden
    causes with tell of their responses, too: where not all of these share hidden causes pairwise,
    or their responses are too many, the bounds are not sharp.

    Parameters
    ----------
    graph : CausalGraph
    outcomes, do : sequence of str
    joint : array, an axis a node in the order of ``graph.nodes``

    Raises
    ------
    CausalError
        If the programme is not linear (which nodes, and why), no model of the graph explains the
        joint, the joint is no distribution, or a stratum that the factors need never occurs.
    MemoryBudgetError
        If there are too many responses; nothing has been allocated.
    UnknownVariableError
        If a name is no node.
    """
    outcomes, do = tuple(outcomes), tuple(do)
    _check(graph, outcomes, do)
    source = evaluation.of_table(joint, graph.nodes)
    sizes = {n: len(source.states[n]) for n in graph.nodes}
    kept = [n for n in graph.topological_order if n not in do]
    causes = graph.subgraph(kept).ancestors(outcomes)
    districts = graph.subgraph(causes).districts()
    openings = [(d, hull) for d in districts if (hull := _hull(graph, d)) != d]
    if len(openings) > 1:
        names = " and ".join(_listed(graph, d) for d, _ in openings)
        raise CausalError(
            f"bounds need a linear programme, and this one is not: the effect multiplies what is "
            f"not known of {names}"
        )
    weights = np.ones([sizes[n] if n in causes or n in do else 1 for n in graph.nodes])
    for district in districts:
        if not openings or district != openings[0][0]:
            weights = weights * _factor(graph, district, source)
    axes = [graph.nodes.index(n) for n in (*do, *outcomes)]
    if not openings:
        rest = tuple(i for i in range(len(graph.nodes)) if i not in axes)
        value = weights.sum(rest, keepdims=True).transpose(*axes, *rest)
        value = value.reshape(value.shape[: len(axes)])
        return EffectBounds(value, value, ())
    inner, hull = openings[0]
    if apart := _apart(graph, hull):
        raise CausalError(
            f"bounds need a linear programme, and this one is not: of {_listed(graph, hull)}, "
            f"'{apart[0]}' and '{apart[1]}' share no hidden cause, so that their responses are "
            "independent"
        )
    whole = next(d for d in graph.districts() if d >= hull)

    def ends(nodes: set[str]) -> tuple[Array, Array, tuple[str, ...]]:
        ordered = ([n for n in graph.topological_order if n in some] for some in (inner, nodes))
        question = _Open(graph, sizes, *ordered)
        table = _factor(graph, nodes, source)
        return *question.ends(weights, table, [*do, *outcomes]), tuple(question.hull)

    try:
        return EffectBounds(*ends(whole), _apart(graph, whole) is None)
    except MemoryBudgetError:
        if whole == hull:
            raise
    return EffectBounds(*ends(hull), sharp=False)


def _check(graph: CausalGraph, outcomes: tuple[str, ...], do: tuple[str, ...]) -> None:
    for names, what in ((outcomes, "outcomes"), (do, "do")):
        graph.check_nodes(names, what)
    if not outcomes:
        raise CausalError("no outcomes are named")
    for name in (*outcomes, *do):
        if (*outcomes, *do).count(name) > 1:
            raise CausalError(f"'{name}' is named twice in the question")


def _listed(graph: CausalGraph, nodes: set[str]) -> str:
    return "{" + ", ".join(n for n in graph.nodes if n in nodes) + "}"


def _hull(graph: CausalGraph, district: set[str]) -> set[str]:
    """Return the nodes whose joint factor is the least that identifies a district's, or itself."""
    hull = set(graph.nodes)
    while True:
        smaller = graph.subgraph(hull).ancestors(district)
        within = graph.subgraph(smaller).districts()
        smaller = next(d for d in within if d >= district)
        if smaller == hull:
            return hull
        hull = smaller


def _factor(graph: CausalGraph, nodes: set[str], source: evaluation.Source) -> Array:
    """Return P(nodes | do(all others)), an axis a node; of length one where it has no part."""
    order = [n for n in graph.nodes if n in nodes]
    set_ = list(outer_parents(graph, order))
    formula = identified(graph, order, [n for n in graph.nodes if n not in nodes], [])
    if isinstance(formula, Hedge):
        raise CausalError(f"the factor of {_listed(graph, nodes)} is not identifiable")
    # The others have no part in it: their mean is taken where the formula names them.
    free = [n for n in graph.nodes if n in formula.free or n in nodes or n in set_]
    value = evaluation.value(formula, free, source)
    extra = tuple(i for i, n in enumerate(free) if n not in nodes and n not in set_)
    value = value.mean(axis=extra)
    shape = iter(value.shape)
    return value.reshape([next(shape) if n in nodes or n in set_ else 1 for n in graph.nodes])


def _apart(graph: CausalGraph, nodes: set[str]) -> tuple[str, str] | None:
    """Return two of some nodes that share no hidden cause."""
    pairs = combinations([n for n in graph.nodes if n in nodes], 2)
    return next((pair for pair in pairs if not graph.bidirected.has_edge(*pair)), None)


@dataclass(frozen=True)
class _Open:
    """A factor, that of ``inner``, which the factor of ``hull`` bounds; both in causal order."""

    graph: CausalGraph
    sizes: dict[str, int]
    inner: list[str]
    hull: list[str]

    def ends(self, weights: Array, table: Array, asked: list[str]) -> tuple[Array, Array]:
        """Return the ends of each probability: the factors that are known weight the unknowns.

        What nodes answer to different states of a parent that all of them have is not tied: there
        is a programme for each of its states.
        """
        common = [
            p
            for p in outer_parents(self.graph, self.hull)
            if all(p in self.graph.parents(n) for n in self.hull)
        ]
        graph = self.graph.subgraph([n for n in self.graph.nodes if n not in common])
        outer = list(outer_parents(graph, self.inner))
        further = [n for n in asked if n not in (*common, *outer, *self.inner)]
        factors = self._summed(weights, [*further, *common, *outer, *self.inner])
        tables = self._summed(table, [*common, *outer_parents(graph, self.hull), *self.hull])
        lower, upper = np.zeros((2, *(self.sizes[n] for n in asked)))
        for configuration in np.ndindex(*(self.sizes[n] for n in common)):
            program = ResponseProgram(graph, self.hull, self.sizes, tables[configuration])
            program.check_feasible(_WHAT)
            cells = {
                tuple(c.values()): program.cells(self.inner, c)
                for c in program.configurations(outer)
            }
            for states in np.ndindex(*lower.shape):
                at = dict(zip(asked, states, strict=True))
                if any(at.get(n, i) != i for n, i in zip(common, configuration, strict=True)):
                    continue
                part = factors[(*(at[n] for n in further), *configuration)]
                part = _only(part, [*outer, *self.inner], at)
                costs = np.zeros(program.unknowns)
                for setting, cell in cells.items():
                    costs += part[setting].reshape(-1)[cell]
                ends = program.bounds(costs, _WHAT)
                lower[states] += ends.lower
                upper[states] += ends.upper
        return np.clip(lower, 0, 1), np.clip(upper, 0, 1)

    def _summed(self, values: Array, names: list[str]) -> Array:
        """Return the sum over all but some nodes, whose axes are in this order."""
        order = [self.graph.nodes.index(n) for n in names]
        rest = tuple(i for i in range(len(self.graph.nodes)) if i not in order)
        summed = values.sum(rest, keepdims=True).transpose(*order, *rest)
        return np.asarray(summed.reshape(summed.shape[: len(order)]))


def _only(values: Array, names: list[str], at: dict[str, int]) -> Array:
    """Return an array with zeros where a node that is asked for has another state."""
    for axis, name in enumerate(names):
        if name in at:
            chosen = np.arange(values.shape[axis]) == at[name]
            values = values * chosen.reshape([-1, *[1] * (len(names) - axis - 1)])
    return values
