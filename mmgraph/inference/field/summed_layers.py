"""Layers that can be summed out given the others: units that no factor joins.

What is left is a distribution over fewer variables, whose weights vary less: what annealing
averages and enumeration lists.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import NamedTuple

import networkx as nx
import torch
from jaxtyping import Float
from torch import Tensor

from mmgraph.inference.field.terms import summed
from mmgraph.inference.field.view import FieldView, summed_mean

_FEW = 24
"""Variables up to which all maximal independent sets are compared."""


def layers_to_sum(view: FieldView, cost: Callable[[list[str]], float]) -> list[str]:
    """Return free variables that can be summed out together, those whose rest costs least.

    Where several choices cost the same, the one of variables that come first: the choice, and with
    it the random numbers that are drawn, is the same in every process.
    """
    graph: nx.Graph[str] = nx.Graph()
    graph.add_nodes_from(view.free)
    alone = set(view.free)
    for factor in view.factors:
        names = [v.name for v in factor.scope if v.name in alone]
        if len(factor.scope) == 1:  # edges within one array
            graph.remove_nodes_from(names)
        graph.add_edges_from((a, b) for i, a in enumerate(names) for b in names[i + 1 :])
    if not graph:
        return []
    if len(graph) <= _FEW:
        choices = list(nx.find_cliques(nx.complement(graph)))
    else:
        by_size = sorted(graph, key=lambda n: -view.variables[n].size)
        choices = [_greedy(graph, by_size)]
    place = {name: i for i, name in enumerate(view.free)}
    ordered = sorted(sorted(place[name] for name in choice) for choice in choices)
    by_name = ([view.free[i] for i in choice] for choice in ordered)
    return min(by_name, key=lambda choice: cost([n for n in view.free if n not in choice]))


def _greedy(graph: nx.Graph[str], names: list[str]) -> list[str]:
    chosen: list[str] = []
    for name in names:
        if not any(graph.has_edge(name, other) for other in chosen):
            chosen.append(name)
    return chosen


class SummedView:
    """A view with some layers summed out, which no factor joins to each other."""

    def __init__(self, view: FieldView, summed: Collection[str]) -> None:
        self.view = view
        self.summed = list(summed)
        self.remaining = [n for n in view.free if n not in summed]
        self._between = [f for f in view.factors if not any(v.name in set(summed) for v in f.scope)]
        self._tilts = [n for n in view.tilts if n in self.remaining]

    def weigh(self, states: Mapping[str, Tensor]) -> Weighed:
        """Return what the log-weights of values of the remaining variables are made of."""
        view = self.view
        alone = view.constant
        for name in self.remaining:
            family, value = view.families[name], states[name]
            base = family.log_base(value)
            alone = alone + summed_mean(value, view.unary[name]) + summed(base)
        joined = view.coupling_log_weight(states, self._between, self._tilts)
        fields = {name: view.coupling_field(name, states) for name in self.summed}
        return Weighed(view, alone, joined, fields)


class Weighed(NamedTuple):
    """The log-weights of some values, at any inverse temperature."""

    view: FieldView
    alone: Float[Tensor, " batch"]  # of the values by themselves
    joined: Float[Tensor, " batch"]  # of what joins them
    fields: Mapping[str, Tensor | None]  # what they say of each summed layer

    def log_weight(self, inverse: float = 1.0) -> Float[Tensor, " batch"]:
        """Return the logarithm of each row's weight, the summed layers' sums among it."""
        total = self.alone + inverse * self.joined
        for name in self.fields:
            total = total + self.view.log_partition(name, self.natural(name, inverse))
        return total

    def natural(self, name: str, inverse: float = 1.0) -> Float[Tensor, "batch ..."]:
        """Return the natural parameters of a summed layer."""
        alone, field = self.view.unary[name], self.fields[name]
        return alone if field is None else alone + inverse * field


def log_base_partition(view: FieldView) -> Float[Tensor, " batch"]:
    """Return the log-partition function without what joins variables."""
    total = view.constant
    for name in view.free:
        total = total + view.log_partition(name, view.unary[name])
    return total.expand(view.batch) if total.ndim else torch.full((view.batch,), float(total))
