"""Random acyclic graphs with hidden common causes, and referees that walk their paths."""

from itertools import combinations, pairwise

import networkx as nx
import numpy as np

from mmgraph.causal.graph.causal_graph import CausalGraph


def random_graph(generator, size, directed=0.4, bidirected=0.2):
    """Nodes a, b, … in random causal order."""
    nodes = [chr(ord("a") + i) for i in range(size)]
    order = generator.permutation(nodes).tolist()
    pairs = list(combinations(order, 2))
    return CausalGraph(
        nodes,
        [p for p in pairs if generator.random() < directed],
        [p for p in pairs if generator.random() < bidirected],
    )


def subsets(names):
    names = sorted(names)
    return [frozenset(c) for k in range(len(names) + 1) for c in combinations(names, k)]


def paths(dag, start, end):
    """All simple paths of a DAG with its latent nodes, whatever their directions."""
    return list(nx.all_simple_paths(dag.to_undirected(as_view=True), start, end))


def is_directed(dag, path):
    return all(dag.has_edge(a, b) for a, b in pairwise(path))


def is_open(dag, path, given):
    for before, node, after in zip(path, path[1:], path[2:], strict=False):
        if dag.has_edge(before, node) and dag.has_edge(after, node):
            if not ({node} | nx.descendants(dag, node)) & given:
                return False
        elif node in given:
            return False
    return True


def connected(dag, start, end, given):
    return any(is_open(dag, path, given) for path in paths(dag, start, end))


def with_latent_nodes(graph):
    """The DAG in which each bidirected edge is a latent node ("latent", a, b)."""
    dag = graph.directed.copy()
    for a, b in graph.bidirected.edges:
        dag.add_edges_from([(("latent", a, b), a), (("latent", a, b), b)])
    return dag


def linear_covariance(graph, generator):
    """The covariance of the nodes of a random linear Gaussian model of a graph, as a dict."""
    dag = with_latent_nodes(graph)
    order = list(nx.topological_sort(dag))
    weights = np.zeros((len(order), len(order)))
    for a, b in dag.edges:
        weights[order.index(b), order.index(a)] = generator.normal() + generator.choice([-0.4, 0.4])
    total = np.linalg.inv(np.eye(len(order)) - weights)
    noise = generator.uniform(0.3, 2, len(order))
    place = [order.index(n) for n in graph.nodes]
    return (total * noise @ total.T)[np.ix_(place, place)], total
