"""Colours for elements such that those of one colour can be updated at once.

Greedy colouring in scan order: a 4-connected grid becomes a checkerboard, an 8-connected one gets
four colours.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Bool, Int32, Int64
from torch import Tensor

from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.inference.model_variables import field_variables
from mmgraph.inference.numerics.compiling import compiled
from mmgraph.inference.pairwise.build import pairwise_graph
from mmgraph.inference.pairwise.graph import PairwiseGraph, adjacent_edges

Masks = dict[str, Bool[Tensor, "*shape"] | None]


@dataclass(frozen=True)
class Colouring:
    """A colour for each node, -1 for one that takes no part, and the nodes of each colour."""

    colours: Int32[np.ndarray, " nodes"]

    @property
    def count(self) -> int:
        """The number of colours."""
        return int(self.colours.max()) + 1 if self.colours.size else 0

    @cached_property
    def classes(self) -> list[Int64[np.ndarray, " members"]]:
        """The nodes of each colour, in increasing order."""
        order = np.argsort(self.colours, kind="stable")
        bounds = np.searchsorted(self.colours[order], np.arange(self.count + 1))
        return [order[bounds[c] : bounds[c + 1]] for c in range(self.count)]


def colour_ends(
    first: Int32[np.ndarray, " edges"], second: Int32[np.ndarray, " edges"], nodes: int
) -> Colouring:
    """Colour the nodes of a list of edges: no edge joins equal colours."""
    adjacency = adjacent_edges(first, second, nodes)
    return Colouring(_greedy(first, second, adjacency, np.zeros(nodes, np.bool_)))


def colour_elements(pairwise: PairwiseGraph) -> Colouring:
    """Colour the elements of the variables: no factor holds two of one colour.

    Nodes that stand for tables take no part; the variables of a table all differ.
    """
    skipped = table_nodes(pairwise)
    return Colouring(_greedy(pairwise.first, pairwise.second, pairwise.adjacency, skipped))


def colour_masks(graph: FactorGraph) -> list[Masks]:
    """Return masks over the elements of each variable, colour after colour; kept with the graph.

    None stands for all elements. Where no factor joins the elements of one array, whole variables
    are coloured, and factors need not have edges or tables.
    """
    if any(factor.edge_terms is not None for factor in graph.factors):
        return graph.cached(_masks_of_elements)
    return graph.cached_structure(_masks_of_variables)


def _masks_of_variables(graph: FactorGraph) -> list[Masks]:
    names = set(field_variables(graph))
    groups = [[n for n in group if n in names] for group in graph.colouring()]
    return [dict.fromkeys(group) for group in groups if group]


def _masks_of_elements(graph: FactorGraph) -> list[Masks]:
    view = pairwise_graph(graph)
    colouring = colour_elements(view)
    masks: list[Masks] = [{} for _ in range(colouring.count)]
    for name, first in view.first_node.items():
        variable = graph.variables[name]
        block = colouring.colours[first : first + variable.size].reshape(variable.shape)
        used = np.unique(block).tolist()
        for colour in used:
            masks[colour][name] = (
                None if len(used) == 1 else torch.from_numpy(np.asarray(block == colour))
            )
    return masks


def table_nodes(pairwise: PairwiseGraph) -> Bool[np.ndarray, " nodes"]:
    """Whether each node stands for a table rather than for an element of a variable."""
    is_table = np.ones(pairwise.nodes, np.bool_)
    for name, first in pairwise.first_node.items():
        is_table[first : first + pairwise.graph.variables[name].size] = False
    return is_table


@compiled
def _greedy(first, second, adjacency, skipped):  # type: ignore[no-untyped-def]
    """Give each node the lowest colour that no neighbour has; look through skipped nodes."""
    start, incident, nodes = adjacency.start, adjacency.edges, len(skipped)
    colours = np.full(nodes, -1, np.int32)
    taken = np.full(nodes + 1, -1, np.int64)  # the last node that could not have the colour
    for n in range(nodes):
        if skipped[n]:
            continue
        for i in range(start[n], start[n + 1]):
            e = incident[i]
            other = first[e] + second[e] - n
            if not skipped[other]:
                if colours[other] >= 0:
                    taken[colours[other]] = n
                continue
            for j in range(start[other], start[other + 1]):
                f = incident[j]
                member = first[f] + second[f] - other
                if colours[member] >= 0:
                    taken[colours[member]] = n
        colour = 0
        while taken[colour] == n:
            colour += 1
        colours[n] = colour
    return colours
