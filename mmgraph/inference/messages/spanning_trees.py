"""Spanning trees that together cover a graph, and the bound on log Z that they give."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Int32

from mmgraph.inference.messages.belief_propagation_kernels import log_sum, scratch_of
from mmgraph.inference.messages.min_sum_kernels import without_message
from mmgraph.inference.messages.sum_product_kernels import sum_product_message
from mmgraph.inference.numerics.compiling import compiled, uncounted
from mmgraph.inference.pairwise.graph import PairwiseGraph


def covering_forests(pairwise: PairwiseGraph) -> Bool[np.ndarray, "forests edges"]:
    """Return spanning forests that cover every edge, those least used going first each time.

    Kept with the view; where the graph is a forest there is one.
    """
    return pairwise.cached(_forests)


def _forests(pairwise: PairwiseGraph) -> Bool[np.ndarray, "forests edges"]:
    return forests_over(pairwise.first, pairwise.second, pairwise.nodes)


def forests_over(
    first: Int32[np.ndarray, " edges"], second: Int32[np.ndarray, " edges"], nodes: int
) -> Bool[np.ndarray, "forests edges"]:
    """Return what :func:`covering_forests` does, of a list of edges."""
    uses = np.zeros(len(first), np.int32)
    forests: list[np.ndarray] = []
    while not forests or not uses.all():
        member = _spanning_forest(first, second, nodes, uses)
        uses += member
        forests.append(member)
    return np.array(forests)


@compiled
def _spanning_forest(first, second, nodes, uses):
    """Take edges, those with fewest uses first, unless they close a cycle (Kruskal)."""
    parent = np.arange(nodes)
    member = np.zeros(len(first), np.bool_)
    most = 0
    for e in range(len(uses)):
        most = max(most, uses[e])
    for level in range(most + 1):
        for e in range(len(first)):
            if uses[e] != level:
                continue
            a, b = first[e], second[e]
            while parent[a] != a:
                parent[a] = parent[parent[a]]
                a = parent[a]
            while parent[b] != b:
                parent[b] = parent[parent[b]]
                b = parent[b]
            if a != b:
                parent[max(a, b)] = min(a, b)
                member[e] = True
    return member


@compiled
def rooted_forest(member, first, second, adjacency):
    """Nodes of a forest from the roots outwards, the edge of each towards its root, its depth."""
    nodes = len(adjacency.middle)
    order, parent, depth = np.empty(nodes, np.int64), np.full(nodes, -1), np.full(nodes, -1)
    count = done = 0
    for root in range(nodes):
        if depth[root] >= 0:
            continue
        depth[root] = 0
        order[count] = root
        count += 1
        while done < count:
            n = order[done]
            done += 1
            for i in range(adjacency.start[n], adjacency.start[n + 1]):
                e = adjacency.edges[i]
                other = second[e] if first[e] == n else first[e]
                if member[e] and depth[other] < 0:
                    parent[other], depth[other] = e, depth[n] + 1
                    order[count] = other
                    count += 1
    return order, parent, depth


@compiled
def forest_log_partition(member, believed, model, messages):
    """The log partition function of one forest under the reparametrisation of the messages.

    Its nodes weigh the unnormalised beliefs, its edges what the messages have not taken out of
    them. Averaged over the forests these energies are those of the graph, whatever the messages:
    the mean of the forests' values is an upper bound on log Z (Wainwright et al. 2005, sec. III).
    """
    edges = model.edges
    order, parent, _ = rooted_forest(member, edges.first, edges.second, model.adjacency)
    scratch = scratch_of(edges.largest)
    return _collected(believed.copy(), order[::-1], parent, model, messages, scratch)


@uncounted
def _collected(collected, order, parent, model, messages, scratch):
    """Collect a forest from the leaves to the roots; return the log of what the roots sum to."""
    edges, offsets = model.edges, model.edges.offsets
    source, fresh = scratch.source, scratch.fresh
    total = 0.0
    for n in order:
        begin, states = offsets[n], offsets[n + 1] - offsets[n]
        e = parent[n]
        if e < 0:
            total += log_sum(collected[begin:], states)
            continue
        upwards, slot = edges.first[e] == n, messages.slots[e]
        other = edges.second[e] if upwards else edges.first[e]
        back, ahead = messages.towards_first, messages.towards_second
        if not upwards:
            back, ahead = ahead, back
        least = without_message(collected[begin:], 0.0, 1.0, back, slot, states, source)
        weight = edges.weight[e] / model.appearance[e]
        constant = sum_product_message(
            edges, e, weight, model.potentials, upwards, source, least, fresh, scratch.weights
        )
        if constant == np.inf:
            return -np.inf
        for k in range(offsets[other + 1] - offsets[other]):
            message = ahead[slot + k]
            collected[offsets[other] + k] += (
                fresh[k] + constant - (message if message < np.inf else 0.0)
            )
    return total
