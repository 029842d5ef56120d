"""Two positive models with the same joint distribution and different effects, from a hedge.

The first bit of a node of the hedge is as in the proof of completeness (Shpitser and Pearl 2006,
theorem 4): the parity of its parents and hidden causes in F, but in the second model, for nodes of
F', of those in F' alone. One root is disturbed by noise, which makes every state possible; then the
parity of the roots is as often odd in both models, but not when what F' lacks is set. A second bit
of every node carries that on, by the same random mechanisms in both models. A root shows its second
bit alone: else what is given would tell all there is to know.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

import mmgraph as mm
from mmgraph.causal.graph.causal_graph import CausalGraph
from mmgraph.causal.identification.hedge import Hedge

NOISE = 0.2
Mechanisms = dict[str, tuple[list[str], list[str], np.ndarray]]


def effects_differ(
    graph: CausalGraph,
    hedge: Hedge,
    outcome: Sequence[str],
    do: Sequence[str],
    given: Sequence[str],
    generator: np.random.Generator,
) -> bool:
    """Whether two models are found that agree in the joint to 1e-12, and whose effects do not."""
    for _ in range(40):
        mechanisms = _random_mechanisms(graph, hedge, generator)
        pair = [_network(graph, hedge, mechanisms, inner) for inner in (False, True)]
        rows = {
            n: torch.tensor(generator.integers(0, pair[0].variables[n].cardinality, 40))
            for n in graph.nodes
        }
        first, second = (mm.log_partition(net, rows).exp() for net in pair)
        assert (first > 0).all()
        assert torch.allclose(first, second, rtol=1e-10, atol=0)
        states = {n: int(generator.integers(pair[0].variables[n].cardinality)) for n in do}
        answers = []
        for net in pair:
            table = mm.joint(net.do(states) if states else net, [*given, *outcome])[0]
            axes = tuple(range(len(given), table.ndim))
            answers.append(table / table.sum(dim=axes, keepdim=True))
        if (answers[0] - answers[1]).abs().max() > 1e-8:
            return True
    return False


def _random_mechanisms(
    graph: CausalGraph, hedge: Hedge, generator: np.random.Generator
) -> Mechanisms:
    """The parents and hidden causes of each second bit, and its distribution given their states."""
    mechanisms: Mechanisms = {}
    for node in graph.nodes:
        parents = list(graph.parents(node))
        parents = generator.permutation(parents).tolist()[:3] if parents else []
        hidden = [f"u {a} {b}" for a, b in graph.bidirected.edges if node in (a, b)]
        hidden = generator.permutation(hidden).tolist()[:2] if hidden else []
        shape = [_size(hedge, p) for p in parents] + [2] * len(hidden)
        shape.append(2 if node in hedge.forest.nodes else 1)
        chance = generator.choice([0.03, 0.97], shape) + generator.uniform(-0.02, 0.02, shape)
        mechanisms[node] = (parents, hidden, np.stack([chance, 1 - chance], axis=-1))
    return mechanisms


def _size(hedge: Hedge, node: str) -> int:
    return 4 if node in hedge.forest.nodes and node not in hedge.roots else 2


def _network(
    graph: CausalGraph, hedge: Hedge, mechanisms: Mechanisms, inner: bool
) -> mm.BayesianNetwork:
    tables: dict[str, np.ndarray] = {}
    edges: list[tuple[str, str]] = []
    for a, b in graph.bidirected.edges:
        tables[f"u {a} {b}"] = np.array([0.4, 0.6])
    for a, b in hedge.forest.bidirected.edges:
        tables[f"t {a} {b}"] = np.array([0.5, 0.5])
    for node in graph.nodes:
        parents, hidden, second = mechanisms[node]
        forest = hedge.inner if inner and node in hedge.inner.nodes else hedge.forest
        bits = list(forest.parents(node)) if node in forest.nodes else []
        tree = [e for e in hedge.forest.bidirected.edges if node in e]
        coins = [f"t {a} {b}" for a, b in tree]
        counted = [f"t {a} {b}" for a, b in tree if forest.bidirected.has_edge(a, b)]
        causes = list(dict.fromkeys([*parents, *bits, *hidden, *coins]))
        shape = [_size(hedge, c) if c in graph.nodes else 2 for c in causes]
        states = dict(zip(causes, np.indices(shape), strict=True))
        chance = second[tuple(states[c] for c in (*parents, *hidden))] if causes else second
        chance = np.broadcast_to(chance, (*shape, *second.shape[-2:]))
        if node in hedge.forest.nodes:
            odd = sum((states[c] // 2 for c in bits), np.zeros(shape, int))
            odd = (odd + sum(states[c] for c in counted)) % 2
            noise = NOISE if node == hedge.roots[0] else 0.0
            first = np.where(odd[..., None] == np.arange(2), 1 - noise, noise)
            chance = first[..., None] * chance
            if node in hedge.roots:
                chance = chance.sum(axis=-2)
        tables[node] = chance.reshape(*shape, -1)
        edges += [(c, node) for c in causes]
    return mm.BayesianNetwork.from_tables(edges, tables)
