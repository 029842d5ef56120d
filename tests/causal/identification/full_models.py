"""Random causal models with explicit hidden causes, and their effects by enumeration."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

import mmgraph as mm


@dataclass
class FullModel:
    """Tables with axes (*parents, child) over observed nodes and hidden causes ``(a, b)``."""

    model: mm.CausalModel
    tables: dict
    parents: dict

    @classmethod
    def random(cls, model: mm.CausalModel, generator: np.random.Generator) -> FullModel:
        hidden = [tuple(e) for e in model.graph.bidirected.edges]
        parents: dict = {h: [] for h in hidden}
        for node in model.nodes:
            parents[node] = [*model.graph.parents(node), *(h for h in hidden if node in h)]
        states = (
            {n: int(generator.choice([2, 2, 2, 3])) for n in model.nodes}
            if (len(model.nodes) < 7)
            else {}
        )
        tables = {}
        for name, causes in parents.items():
            shape = [states.get(n, 2) for n in (*causes, name)]
            tables[name] = generator.dirichlet(np.ones(shape[-1]), shape[:-1]) * 0.9 + (
                0.1 / shape[-1]
            )
        return cls(model, tables, parents)

    def effect(self, do: Sequence[str], axes: Sequence[str]) -> np.ndarray:
        """P(the other axes | do(do)) by the truncated factorisation, an axis each."""
        letters = {name: i for i, name in enumerate(self.tables)}
        terms: list = []
        for name, causes in self.parents.items():
            if name not in do:
                terms += [self.tables[name], [letters[n] for n in (*causes, name)]]
        # What is set takes each of its states.
        for name in do:
            terms += [np.ones(self.tables[name].shape[-1]), [letters[name]]]
        return np.einsum(*terms, [letters[n] for n in axes], optimize="greedy")

    def joint(self) -> np.ndarray:
        return self.effect([], self.model.nodes)

    def answer(self, outcome: Sequence[str], do: Sequence[str], given: Sequence[str]) -> np.ndarray:
        values = self.effect(do, [*do, *given, *outcome])
        return values / values.sum(
            axis=tuple(range(len(do) + len(given), values.ndim)), keepdims=True
        )


def random_model(generator: np.random.Generator, nodes: int) -> mm.CausalModel:
    """An ADMG of some nodes, its order of nodes not the causal one."""
    names = [f"v{i}" for i in range(nodes)]
    causal = generator.permutation(names).tolist()
    pairs = [(causal[i], causal[j]) for i in range(nodes) for j in range(i + 1, nodes)]
    arrows, arcs = generator.uniform(0.25, 0.6), generator.uniform(0.5, 1.0) / nodes * 2
    directed = [p for p in pairs if generator.random() < arrows]
    bidirected = [p for p in pairs if generator.random() < arcs]
    return mm.CausalModel(names, directed, bidirected)


def random_query(
    generator: np.random.Generator, model: mm.CausalModel
) -> tuple[list[str], list[str], list[str]]:
    """Outcomes, what is set, and (in half of the queries) what is given."""
    names = generator.permutation(model.nodes).tolist()
    outcome, do = (int(generator.choice([1, 1, 2])) for _ in range(2))
    given = int(generator.choice([0, 0, 1, 2])) if len(names) > 3 else 0
    given = min(given, len(names) - outcome - do)
    return names[:outcome], names[outcome : outcome + do], names[outcome + do :][:given]


def random_cases(seeds: range) -> Iterator[tuple[np.random.Generator, mm.CausalModel]]:
    for seed in seeds:
        generator = np.random.default_rng(seed)
        yield generator, random_model(generator, 4 + seed % 8)
