"""What would become of a target if one of its causes were set."""

from __future__ import annotations

import networkx as nx
import numpy as np

from mmgraph.inference.query import query
from mmgraph.networks.bayesian_network import BayesianNetwork

_MOST = 24


def what_if_table(net: BayesianNetwork, target: str) -> dict[str, list[float]]:
    """Return the distribution of a target as it is, and under each intervention on a cause.

    Causes are discrete ancestors of the target; only they can change it. Of many interventions
    those are returned that change it most.
    """

    def distribution(model: BayesianNetwork) -> np.ndarray:
        return np.asarray(query(model, {}, [target]).marginal(target)[0].numpy())

    before = distribution(net)
    rows = {}
    for name in sorted(nx.ancestors(net.directed(), target)):
        variable = net.variable(name)
        if variable.is_discrete and not variable.shape:
            for state in variable.labels:
                rows[f"{name} set to {state}"] = distribution(net.do({name: state}))
    strongest = sorted(rows, key=lambda key: -float(np.abs(rows[key] - before).sum()))[:_MOST]
    changed = {key: rows[key].tolist() for key in rows if key in strongest}
    return {"as it is": before.tolist(), **changed}
