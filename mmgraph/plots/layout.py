"""Where the nodes of a directed acyclic graph stand: layers, their order, and places in them.

The method is that of Sugiyama, Tagawa and Toda, "Methods for visual understanding of hierarchical
system structures" (IEEE Transactions on Systems, Man, and Cybernetics, 1981): layers from the
longest paths, a bend in every layer that a long edge crosses, barycentres against crossings.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import networkx as nx

Point = tuple[float, float]
Neighbours = Mapping[Any, Mapping[Any, Any]]

_SWEEPS = 24
_PATIENCE = 6
_PLACEMENTS = 30


@dataclass(frozen=True)
class LayeredLayout:
    """Places of nodes, and the bends of each edge ``(parent, child)`` between its two ends.

    All are ``(x, layer)``; ``x`` grows to the right and layers grow downwards.
    """

    places: dict[Hashable, Point]
    bends: dict[tuple[Hashable, Hashable], list[Point]]


@dataclass(frozen=True)
class _Bend:
    """Where an edge passes a layer that holds neither of its ends."""

    parent: Hashable
    child: Hashable
    layer: int


def layered_layout(
    graph: nx.DiGraph, widths: Mapping[Any, float], gap: float = 0.3, bend_width: float = 0.1
) -> LayeredLayout:
    """Lay out a directed acyclic graph from the top down.

    Nodes take the room of ``widths`` in ``x``, and passing edges ``bend_width``; between neighbours
    of a layer there is at least the ``gap``.
    """
    layers, chains = _layers_with_bends(graph)
    joined: nx.DiGraph[Any] = nx.DiGraph()
    joined.add_nodes_from(node for layer in layers for node in layer)
    for chain in chains:
        nx.add_path(joined, chain)
    above, below = joined.pred, joined.succ
    layers = _order(layers, above, below)
    nodes = [n for layer in layers for n in layer]
    width = {n: bend_width if isinstance(n, _Bend) else widths[n] for n in nodes}
    x = _place(layers, above, below, chains, width, gap)
    level = {node: float(i) for i, layer in enumerate(layers) for node in layer}
    return LayeredLayout(
        {node: (x[node], level[node]) for node in graph},
        {(chain[0], chain[-1]): [(x[b], level[b]) for b in chain[1:-1]] for chain in chains},
    )


def _layers_with_bends(graph: nx.DiGraph) -> tuple[list[list[Any]], list[list[Any]]]:
    """The layers, bends among the nodes, and for each edge its chain from parent to child."""
    level = _levels(graph)
    layers: list[list[Any]] = [[] for _ in range(max(level.values(), default=-1) + 1)]
    # A depth-first order puts the members of one branch side by side from the start.
    for node in nx.dfs_preorder_nodes(graph.to_undirected()):
        layers[level[node]].append(node)
    chains = []
    for parent, child in graph.edges:
        bends = [_Bend(parent, child, i) for i in range(level[parent] + 1, level[child])]
        for bend in bends:
            layers[bend.layer].append(bend)
        chains.append([parent, *bends, child])
    return layers, chains


def _levels(graph: nx.DiGraph) -> dict[Any, int]:
    """Longest paths from the top, then every node with more children than parents moved down."""
    order = list(nx.topological_sort(graph))
    level: dict[Any, int] = {}
    for node in order:
        level[node] = max((level[p] + 1 for p in graph.predecessors(node)), default=0)
    for node in reversed(order):
        children = list(graph.successors(node))
        if len(children) > graph.in_degree(node):
            level[node] = min(level[c] for c in children) - 1
    return level


def _order(layers: list[list[Any]], above: Neighbours, below: Neighbours) -> list[list[Any]]:
    """Sort every layer by the barycentres of its neighbours, down and up, and keep the best."""
    best, fewest, since = [list(layer) for layer in layers], _crossings(layers, below), 0
    for sweep in range(_SWEEPS):
        downwards = sweep % 2 == 0
        neighbours = above if downwards else below
        numbered = list(enumerate(layers))
        for i, layer in numbered if downwards else reversed(numbered):
            other = i - 1 if downwards else i + 1
            if 0 <= other < len(layers):
                place = {node: float(k) for k, node in enumerate(layers[other])}
                layers[i] = _by_barycentre(layer, neighbours, place)
        _exchange(layers, above, below)
        crossings = _crossings(layers, below)
        since += 1
        if crossings < fewest:
            best, fewest, since = [list(layer) for layer in layers], crossings, 0
        if fewest == 0 or since > _PATIENCE:
            break
    return best


def _by_barycentre(layer: list[Any], neighbours: Neighbours, place: dict[Any, float]) -> list[Any]:
    """The layer in the order of its barycentres; a node without neighbours keeps its place."""
    centre = {
        node: sum(place[n] for n in neighbours[node]) / len(neighbours[node])
        for node in layer
        if neighbours[node]
    }
    moving = iter(sorted(centre, key=lambda node: centre[node]))
    return [next(moving) if node in centre else node for node in layer]


def _exchange(layers: list[list[Any]], above: Neighbours, below: Neighbours) -> None:
    """Exchange neighbours of a layer wherever that alone takes crossings away."""
    if sum(map(len, layers)) > 2000:  # of much use in small drawings, of much cost in large ones
        return
    place = {node: k for layer in layers for k, node in enumerate(layer)}
    for layer in layers:
        for k in range(len(layer) - 1):
            left, right = layer[k], layer[k + 1]
            before = after = 0
            for side in (above, below):
                for a in side[left]:
                    for b in side[right]:
                        before += place[a] > place[b]
                        after += place[a] < place[b]
            if after < before:
                layer[k], layer[k + 1] = right, left
                place[right], place[left] = k, k + 1


def _crossings(layers: list[list[Any]], below: Neighbours) -> int:
    """Pairs of edges between adjacent layers that cross."""
    count = 0
    for upper, lower in pairwise(layers):
        place = {node: k for k, node in enumerate(lower)}
        earlier: list[int] = []
        for node in upper:
            ends = sorted(place[n] for n in below[node])
            for end in ends:
                count += len(earlier) - bisect_right(earlier, end)
            for end in ends:
                insort(earlier, end)
    return count


def _place(
    layers: list[list[Any]],
    above: Neighbours,
    below: Neighbours,
    chains: Sequence[list[Any]],
    width: dict[Any, float],
    gap: float,
) -> dict[Any, float]:
    """Draw nodes to the mean of their neighbours, and long edges upright, as far as may be."""
    course: dict[Any, list[Any]] = {bend: chain for chain in chains for bend in chain[1:-1]}
    x: dict[Any, float] = {}
    for layer in layers:
        offsets = _offsets(layer, width, gap)
        x.update(
            (node, offset - offsets[-1] / 2) for node, offset in zip(layer, offsets, strict=True)
        )
    for sweep in range(_PLACEMENTS):
        downwards = sweep % 2 == 0
        for nodes in (*layers,) if downwards else (*layers,)[::-1]:
            wanted, weights = [], []
            for node in nodes:
                sides = list(above[node] if downwards else below[node])
                if sweep >= _PLACEMENTS // 3:
                    sides = course.get(node) or [*above[node], *below[node]]
                wanted.append(sum(x[n] for n in sides) / len(sides) if sides else x[node])
                weights.append(4.0 if node in course else 1.0 if sides else 0.1)
            places = _separated(wanted, weights, _offsets(nodes, width, gap))
            x.update(zip(nodes, places, strict=True))
    return x


def _offsets(layer: Sequence[Any], width: Mapping[Any, float], gap: float) -> list[float]:
    """The places in a layer that is packed as closely as it may be, from zero."""
    offsets = [0.0]
    for left, right in pairwise(layer):
        offsets.append(offsets[-1] + (width[left] + width[right]) / 2 + gap)
    return offsets


def _separated(
    wanted: Sequence[float], weights: Sequence[float], offsets: Sequence[float]
) -> list[float]:
    """The places nearest to the wanted ones, in weighted squares, that keep the least distances.

    With the distances taken off it is isotonic regression, solved by pooling adjacent violators.
    """
    pools: list[tuple[float, float, int]] = []  # mean, weight, members
    for want, weight, offset in zip(wanted, weights, offsets, strict=True):
        mean, total, members = want - offset, weight, 1
        while pools and pools[-1][0] > mean:
            other, heavy, many = pools.pop()
            mean = (mean * total + other * heavy) / (total + heavy)
            total, members = total + heavy, members + many
        pools.append((mean, total, members))
    shifts = [mean for mean, _, members in pools for _ in range(members)]
    return [shift + offset for shift, offset in zip(shifts, offsets, strict=True)]
