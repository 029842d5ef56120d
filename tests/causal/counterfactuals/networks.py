"""Random networks of discrete variables for tests of counterfactuals."""

from __future__ import annotations

import numpy as np

import mmgraph as mm


def random_network(rng, parents, sizes=None, modalities=None):
    """A network with random tables; ``parents`` maps each variable to a text of their letters."""
    sizes = dict.fromkeys(parents, 2) | (sizes or {})
    edges = [(p, child) for child, its in parents.items() for p in its]
    tables = {
        child: rng.dirichlet(np.ones(sizes[child]), [sizes[p] for p in its])
        for child, its in parents.items()
    }
    return mm.BayesianNetwork.from_tables(edges, tables, modalities=modalities)


def random_coupling(rng, net):
    """A structural model with the network's tables, in which quantiles of states are shuffled.

    Each row of a table has the states in an order of its own, so that a unit's uniform noise gives
    any of many couplings.
    """
    exogenous, endogenous = {}, {}
    for name in net.variables:
        table = net.distribution(name).conditional_table().numpy()
        rows = table.reshape(-1, table.shape[-1])
        orders = [rng.permutation(rows.shape[1]) for _ in rows]
        steps = [np.cumsum(row[order]) for row, order in zip(rows, orders, strict=True)]
        cuts = np.unique(np.concatenate([[0.0], *(s[:-1] for s in steps), [1.0]]))
        middle = (cuts[1:] + cuts[:-1]) / 2
        states = [
            order[np.minimum(np.searchsorted(step, middle), len(order) - 1)]
            for step, order in zip(steps, orders, strict=True)
        ]
        exogenous[f"noise {name}"] = np.diff(cuts)
        shape = (len(middle), *table.shape[:-1])
        endogenous[name] = (
            [f"noise {name}", *net.parents(name)],
            np.stack(states, 1).reshape(shape),
        )
    return mm.StructuralModel(
        exogenous, endogenous, {n: v.cardinality for n, v in net.variables.items()}
    )
