"""Structured mean field: a product of trees, each of them exact given the others.

The elements are parted so that within each part the edges form a forest; every other edge, and
every table over three or more variables, joins different parts and counts by its mean. Updating a
part by a forward and a backward pass maximises the bound over all distributions on its trees (Saul
and Jordan 1996, "Exploiting tractable substructures in intractable networks").
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from mmgraph.graph.evidence import Evidence
from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.inference.field.coordinate_ascent import Ascent
from mmgraph.inference.mean_field.forest_kernels import (
    ForestModel,
    Forests,
    ascend_forests,
    part_into_forests,
)
from mmgraph.inference.messages.spanning_trees import rooted_forest
from mmgraph.inference.pairwise.build import pairwise_graph
from mmgraph.inference.pairwise.colouring import table_nodes
from mmgraph.inference.pairwise.graph import PairwiseGraph


def forests(view: PairwiseGraph) -> Forests:
    """Part the nodes of a graph; the rows of an image are chains in two alternating parts.

    Nodes are put greedily into the first part in which they close no cycle and share no table.
    """
    edges, is_table = view.edge_arrays, table_nodes(view)
    part = part_into_forests(_preferred_parts(view), edges, view.adjacency, is_table)
    inside = ~is_table[edges.first] & (part[edges.first] == part[edges.second])
    order, parent_edge, _ = rooted_forest(inside, edges.first, edges.second, view.adjacency)
    order = order[part[order] >= 0]
    order = order[np.argsort(part[order], kind="stable")]
    starts = np.concatenate([[0], np.cumsum(np.bincount(part[order]))]).astype(np.int64)
    return Forests(part, order, starts, parent_edge)


def _preferred_parts(view: PairwiseGraph) -> Int64[np.ndarray, " nodes"]:
    """The part to try first: rows whose leading indices differ in parity lie apart."""
    preferred = np.full(view.nodes, -1, np.int64)
    for name, first in view.first_node.items():
        variable = view.graph.variables[name]
        leading = np.indices(variable.shape[:-1])
        parity = np.zeros(variable.shape[:-1], np.int64)
        for axis in leading:
            parity = 2 * parity + axis % 2
        length = variable.shape[-1] if variable.shape else 1
        preferred[first : first + variable.size] = np.repeat(parity.reshape(-1), length)
    return preferred


def improved_by_forests(
    graph: FactorGraph,
    evidence: Evidence,
    marginals: dict[str, Float[Tensor, "batch *shape states"]],
    ascent: Ascent,
) -> tuple[dict[str, Tensor], Float[Tensor, " batch"], int, float]:
    """Go on from naive mean field; return marginals, bounds, the sweeps made and the last change.

    The start has a finite mean log-weight, so that the bound is finite and only rises.
    """
    view = pairwise_graph(graph, torch.float64)
    parts = view.cached(forests)
    improved = {name: mean.double().cpu().clone() for name, mean in marginals.items()}
    bounds = torch.empty(evidence.batch, dtype=torch.float64)
    sweeps, residual = 0, 0.0
    potentials = np.exp(-view.edge_arrays.tables)
    model = ForestModel(view.edge_arrays, view.adjacency, parts, view.slots, potentials)
    for row in range(evidence.batch):
        beliefs, unary = view.beliefs_of(improved, row), view.unary(evidence, row)
        bound, change, done = ascend_forests(beliefs, unary, model, ascent)
        bounds[row] = bound - view.constant_given(evidence, row)
        sweeps, residual = max(sweeps, int(done)), max(residual, float(change))
        for name, mean in improved.items():
            mean[row] = torch.from_numpy(view.block(beliefs, name)).reshape(mean[row].shape)
    like = next(iter(marginals.values()), bounds)
    return {n: mean.to(like) for n, mean in improved.items()}, bounds.to(like), sweeps, residual
