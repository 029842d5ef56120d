"""To and from pgmpy.

pgmpy keeps a conditional table with the child on the first axis; here the child is the last. Of a
linear Gaussian distribution it keeps the standard deviation of the noise; here it is the variance.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from mmgraph.formats.gaussian_json import regression
from mmgraph.formats.rows import LARGEST_RANK, normalise, problem_of
from mmgraph.formats.tables import conditional_values
from mmgraph.graph.errors import FormatError, GraphError, MissingExtraError
from mmgraph.graph.factor import Factor
from mmgraph.graph.factors.table import TableFactor
from mmgraph.graph.leaves.linear_gaussian import LinearGaussian
from mmgraph.graph.variable import Family, Variable
from mmgraph.networks.bayesian_network import BayesianNetwork

if TYPE_CHECKING:
    from pgmpy.models import DiscreteBayesianNetwork, LinearGaussianBayesianNetwork


def to_pgmpy(net: BayesianNetwork) -> DiscreteBayesianNetwork | LinearGaussianBayesianNetwork:
    """Return the network as a ``DiscreteBayesianNetwork`` of pgmpy, or a Gaussian one.

    One with a continuous variable becomes a ``LinearGaussianBayesianNetwork``. Modalities become
    the node attribute ``modality``.

    Raises
    ------
    MissingExtraError
        If pgmpy is not installed.
    FormatError
        If a distribution is not a conditional table; with a continuous variable: if one is discrete
        or an array, or a distribution is not linear Gaussian.
    """
    models = _import("models")
    model: Any
    if all(v.is_discrete for v in net.variables.values()):
        distributions = [_tabular(factor) for factor in net.factors]
        model = models.DiscreteBayesianNetwork()
    else:
        distributions = [_linear_gaussian(factor) for factor in net.factors]
        model = models.LinearGaussianBayesianNetwork()
    for name, variable in net.variables.items():
        model.add_node(name)
        if variable.modality is not None:
            model.nodes[name]["modality"] = variable.modality
    model.add_edges_from(net.edges)
    model.add_cpds(*distributions)
    return model


def _tabular(factor: Factor) -> Any:
    child, parents, values = conditional_values(factor, "pgmpy's network")
    return _import("factors.discrete").TabularCPD(
        child.name,
        child.cardinality,
        values.movedim(-1, 0).reshape(child.cardinality, -1).cpu().numpy().copy(),
        evidence=[p.name for p in parents],
        evidence_card=[p.cardinality for p in parents],
        state_names={v.name: list(v.labels) for v in factor.scope},
    )


def _linear_gaussian(factor: Factor) -> Any:
    child, parents, coefficients, intercept, variance = regression(
        factor, "a LinearGaussianBayesianNetwork of pgmpy"
    )
    return _import("factors.continuous").LinearGaussianCPD(
        child, [intercept, *coefficients], math.sqrt(variance), list(parents)
    )


def from_pgmpy(model: DiscreteBayesianNetwork | LinearGaussianBayesianNetwork) -> BayesianNetwork:
    """Return a ``DiscreteBayesianNetwork`` of pgmpy, or a Gaussian one, as a Bayesian network.

    A node attribute ``modality`` becomes the variable's modality. Where two tables list the states
    of a variable in different orders, the order of its own table counts.

    Raises
    ------
    FormatError
        If it is no such network, a node has no distribution, its name is not a string, a column is
        no distribution, a regression has other parents than the node, one of its numbers is not
        finite, or its standard deviation is negative.
    """
    if not hasattr(model, "get_cpds"):
        kind = type(model).__name__
        raise FormatError(
            "a DiscreteBayesianNetwork or a LinearGaussianBayesianNetwork of pgmpy was expected, "
            f"not {kind}"
        )
    nodes = list(model.nodes)
    tables = {node: model.get_cpds(node) for node in nodes}
    gaussian = isinstance(model, _import("models").LinearGaussianBayesianNetwork)
    for node, table in tables.items():
        if not isinstance(node, str):
            raise FormatError(f"the node {node!r} of the pgmpy network is not named by a string")
        if table is None:
            what = "linear Gaussian distribution" if gaussian else "conditional table"
            raise FormatError(f"the node '{node}' of the pgmpy network has no {what}")
    family: Family = "gaussian" if gaussian else "categorical"
    try:
        variables = {}
        for node, table in tables.items():
            labels = None if gaussian else _labels(table, node)
            modality = _modality(model, node)
            variables[node] = Variable(node, labels, modality=modality, family=family)
        factors = (
            _regression(table, variables, set(model.predecessors(node)))
            if gaussian
            else _factor(table, variables)
            for node, table in tables.items()
        )
        return BayesianNetwork(variables.values(), factors)
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
    parents = _parents(child_name, parent_names, variables, "table")
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


def _parents(
    child: str, names: Iterable[str], variables: Mapping[str, Variable], what: str
) -> list[Variable]:
    for name in names:
        if name not in variables:
            raise FormatError(f"the {what} of '{child}' has a parent '{name}', which is no node")
    return [variables[name] for name in names]


def _regression(
    distribution: Any, variables: Mapping[str, Variable], predecessors: set[str]
) -> LinearGaussian:
    name, names = distribution.variable, list(distribution.evidence)
    parents = _parents(name, names, variables, "regression")
    owner = f"the regression of '{name}'"
    if set(names) != predecessors:
        raise FormatError(
            f"{owner} has the parents {sorted(names)}, the node has {sorted(predecessors)}"
        )
    try:
        beta = np.asarray(distribution.beta, dtype=np.float64).reshape(-1)
        deviation = float(distribution.std)
    except (TypeError, ValueError) as error:
        raise FormatError(f"{owner}: a coefficient or std is no number ({error})") from None
    if len(beta) != 1 + len(names):
        raise FormatError(
            f"{owner} has {len(beta)} coefficients, not an intercept and one for each of "
            f"{len(names)} parents"
        )
    if deviation < 0:
        raise FormatError(f"{owner}: the standard deviation {deviation} is negative")
    return LinearGaussian(variables[name], parents, beta[1:], beta[0], deviation * deviation)


def _import(module: str) -> Any:
    import importlib

    try:
        return importlib.import_module(f"pgmpy.{module}")
    except ImportError:
        purpose = "exchanging networks with pgmpy"
        raise MissingExtraError("interop", "pgmpy", purpose) from None
