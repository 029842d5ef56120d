"""Every directed acyclic graph on a few nodes, and its class: referees for the graph algorithms."""

from functools import cache
from itertools import combinations, product

import networkx as nx
import numpy as np


@cache
def all_dags(nodes):
    """Every directed acyclic graph on so many nodes, as an array of bool [parent, child]."""
    pairs = list(combinations(range(nodes), 2))
    graphs = []
    for kinds in product(range(3), repeat=len(pairs)):
        adjacency = np.zeros((nodes, nodes), dtype=bool)
        for (a, b), kind in zip(pairs, kinds, strict=True):
            if kind:
                adjacency[(a, b) if kind == 1 else (b, a)] = True
        if nx.is_directed_acyclic_graph(nx.from_numpy_array(adjacency, create_using=nx.DiGraph)):
            graphs.append(adjacency)
    return graphs


def signature(adjacency, skeleton=None):
    """Skeleton and colliders, which equivalent graphs share (Verma and Pearl 1990)."""
    skeleton = adjacency | adjacency.T if skeleton is None else skeleton
    colliders = {
        (a, c, b)
        for c in range(len(adjacency))
        for a, b in combinations(np.flatnonzero(adjacency[:, c]).tolist(), 2)
        if not skeleton[a, b]
    }
    return skeleton.tobytes(), frozenset(colliders)


def in_common(dags):
    """Directed and undirected edges of several graphs with one skeleton."""
    ways = np.logical_or.reduce(dags)
    return ways & ~ways.T, ways & ways.T


def random_dag(random, nodes, edges):
    """A graph with some edges between nodes in random order."""
    order = random.permutation(nodes)
    adjacency = np.zeros((nodes, nodes), dtype=bool)
    pairs = np.array(list(combinations(range(nodes), 2)))
    for a, b in pairs[random.permutation(len(pairs))[:edges]]:
        adjacency[order[a], order[b]] = True
    return adjacency
