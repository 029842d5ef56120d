"""To and from pgmpy.

pgmpy keeps a conditional table with the child on the first axis; here the child is the last.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from mmgraph.formats.rows import LARGEST_RANK, normalise, problem_of
from mmgraph.formats.tables import conditional_values
from mmgraph.graph.errors import FormatError, GraphError, MissingExtraError
from mmgraph.graph.factors.table import TableFactor
from mmgraph.graph.variable import Variable
from mmgraph.networks.bayesian_network import BayesianNetwork

if TYPE_CHECKING:
    from pgmpy.models import DiscreteBayesianNetwork


def to_pgmpy(net: BayesianNetwork) -> DiscreteBayesianNetwork:
    """Return the network as a ``pgmpy.models.DiscreteBayesianNetwork``.

    Modalities become the node attribute ``modality``.

    Raises
    ------
    MissingExtraError
        If pgmpy is not installed.
    FormatError
        If a distribution is not a conditional table.
    """
    models, factors = _import("models"), _import("factors.discrete")
    tables = []
    for factor in net.factors:
        child, parents, values = conditional_values(factor, "pgmpy's network")
        tables.append(
            factors.TabularCPD(
                child.name,
                child.cardinality,
                values.movedim(-1, 0).reshape(child.cardinality, -1).cpu().numpy().copy(),
                evidence=[p.name for p in parents],
                evidence_card=[p.cardinality for p in parents],
                state_names={v.name: list(v.labels) for v in factor.scope},
            )
        )
    model = models.DiscreteBayesianNetwork()
    for name, variable in net.variables.items():
        model.add_node(name)
        if variable.modality is not None:
            model.nodes[name]["modality"] = variable.modality
    model.add_edges_from(net.edges)
    model.add_cpds(*tables)
    return model


def from_pgmpy(model: DiscreteBayesianNetwork) -> BayesianNetwork:
    """Return a ``pgmpy.models.DiscreteBayesianNetwork`` as a Bayesian network.

    A node attribute ``modality`` becomes the variable's modality. Where two tables list the states
    of a variable in different orders, the order of its own table counts.

    Raises
    ------
    FormatError
        If it is no such network, a node has no table, its name is not a string, or a column is no
        distribution.
    """
    if not hasattr(model, "get_cpds"):
        kind = type(model).__name__
        raise FormatError(f"a DiscreteBayesianNetwork of pgmpy was expected, not {kind}")
    nodes = list(model.nodes)
    tables = {node: model.get_cpds(node) for node in nodes}
    for node, table in tables.items():
        if not isinstance(node, str):
            raise FormatError(f"the node {node!r} of the pgmpy network is not named by a string")
        if table is None:
            raise FormatError(f"the node '{node}' of the pgmpy network has no conditional table")
    try:
        variables = {
            node: Variable(node, _labels(tables[node], node), modality=_modality(model, node))
            for node in nodes
        }
        return BayesianNetwork(
            variables.values(), [_factor(tables[node], variables) for node in nodes]
        )
    except GraphError as error:
        raise FormatError(f"the pgmpy network: {error}") from None


def _labels(table: Any, name: str) -> tuple[Any, ...]:
    labels = table.state_names[name]
    return tuple(label.item() if isinstance(label, np.generic) else label for label in labels)


def _modality(model: Any, node: str) -> str | None:
    modality = model.nodes[node].get("modality")
    return None if modality is None else str(modality)


def _factor(table: Any, variables: Mapping[str, Variable]) -> TableFactor:
    child_name, *parent_names = table.variables
    child = variables[child_name]
    for name in parent_names:
        if name not in variables:
            raise FormatError(
                f"the table of '{child_name}' has a parent '{name}', which is no node"
            )
    parents = [variables[name] for name in parent_names]
    if len(parents) >= LARGEST_RANK:
        raise FormatError(f"'{child_name}' has more than {LARGEST_RANK - 1} parents")
    cardinalities = [len(_labels(table, name)) for name in parent_names]
    values = np.array(table.get_values(), dtype=np.float64)
    rows = np.ascontiguousarray(values.reshape(child.cardinality, -1).T)
    wrong = normalise(rows)
    if wrong is not None:
        raise FormatError(f"the table of '{child_name}': column {wrong} {problem_of(rows[wrong])}")
    array = rows.reshape(*cardinalities, child.cardinality)
    for axis, parent in enumerate(parents):
        labels = list(_labels(table, parent.name))
        if tuple(labels) != parent.labels:
            if set(labels) != set(parent.labels):
                raise FormatError(
                    f"the table of '{child_name}' gives '{parent.name}' other states than its own"
                )
            array = array.take([labels.index(label) for label in parent.labels], axis=axis)
    return TableFactor((*parents, child), np.ascontiguousarray(array), child=child)


def _import(module: str) -> Any:
    import importlib

    try:
        return importlib.import_module(f"pgmpy.{module}")
    except ImportError:
        purpose = "exchanging networks with pgmpy"
        raise MissingExtraError("interop", "pgmpy", purpose) from None
