"""Bayesian networks of the columns of several modalities and their target, learned from rows."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import networkx as nx
import numpy as np
import torch
from jaxtyping import Float64

from mmgraph.data.blocks.block import Block
from mmgraph.data.blocks.columns import Columns
from mmgraph.data.multimodal_data import MultimodalData
from mmgraph.graph.element_evidence import elements_in
from mmgraph.graph.errors import LearningError, UnknownVariableError, suggestion
from mmgraph.graph.evidence import Evidence
from mmgraph.graph.factor import Factor
from mmgraph.graph.factors.table import TableFactor
from mmgraph.graph.leaves.gaussian import GaussianLeaf
from mmgraph.graph.state_labels import index
from mmgraph.graph.variable import Variable
from mmgraph.learning.conditionals.parameters import fitted_table
from mmgraph.learning.conditionals.priors import Prior
from mmgraph.networks.bayesian_network import BayesianNetwork

Edges = Sequence[tuple[str, str]]


@dataclass(frozen=True)
class NetworkLearning:
    """How a network is learned from rows.

    Attributes
    ----------
    edges : sequence of (parent, child), optional
        Between columns and the target; by default from the target to each column (naive Bayes).
        Columns that no edge names are left out.
    equivalent_sample_size : float
        Of the BDeu prior of tables, in rows.
    shrinkage : float
        How far variances move towards those pooled within the states of their parents, 0 to 1.
    """

    edges: Edges | None
    equivalent_sample_size: float
    shrinkage: float

    def learned(self, data: MultimodalData) -> BayesianNetwork:
        """Return the network of rows with a target.

        A family learns from the rows that have all of it, which is maximum likelihood (with the
        priors) where only variables without children lack cells; otherwise expectation
        maximisation goes on from there. A column that does not vary says nothing, and is left out.

        Raises
        ------
        LearningError
            If a modality is no columns, a continuous variable has children, no column varies, or
            edges make a cycle.
        UnknownVariableError
            If an edge names no column.
        """
        values, variables = _columns_of(data)
        parents = self._parents(data.target.name, values, variables)
        rows = _Rows(values, data.counts)
        prior = Prior(self.equivalent_sample_size)
        factors = [
            rows.family(variables[name], [variables[p] for p in names], prior, self.shrinkage)
            for name, names in parents.items()
        ]
        network = BayesianNetwork([variables[name] for name in parents], factors)
        inner = {p for names in parents.values() for p in names}
        if any(np.isnan(values[name]).any() for name in inner):
            network.fit(
                Evidence.of(_cells(values, network), network.variables),
                "em",
                start="current",
                equivalent_sample_size=self.equivalent_sample_size,
                shrinkage=self.shrinkage,
                weights=data.weights,
            )
        return network

    def _parents(
        self,
        target: str,
        values: dict[str, Float64[np.ndarray, " rows"]],
        variables: dict[str, Variable],
    ) -> dict[str, list[str]]:
        """The parents of each variable that is modelled, in the order of the edges."""
        edges = (
            [(target, n) for n in variables if n != target] if self.edges is None else self.edges
        )
        for edge in edges:
            for name in edge:
                if name not in variables:
                    hint = suggestion(name, variables)
                    raise UnknownVariableError(
                        f"the edge {edge[0]} -> {edge[1]}: no column is called '{name}'{hint} (the "
                        f"target is called '{target}'; target= says another name)"
                    )
            if not variables[edge[0]].is_discrete:
                raise LearningError(
                    f"the edge {edge[0]} -> {edge[1]}: '{edge[0]}' is continuous, and can have no "
                    "children; put it into bins, or turn the edge around"
                )
        named = [n for n in variables if n == target or any(n in edge for edge in edges)]
        varying = {n for n in named if n == target or _varies(values[n])}
        if len(varying) < 2:
            raise LearningError("no column of the network varies, so that it could tell anything")
        parents: dict[str, list[str]] = {name: [] for name in named if name in varying}
        for parent, child in dict.fromkeys(map(tuple, edges)):
            if parent in varying and child in varying:
                parents[child].append(parent)
        graph = nx.DiGraph([(p, c) for c, names in parents.items() for p in names])
        if not nx.is_directed_acyclic_graph(graph):
            cycle = " -> ".join(edge[0] for edge in nx.find_cycle(graph))
            raise LearningError(f"the edges make a cycle: {cycle}")
        return parents


@dataclass(frozen=True, eq=False)
class _Rows:
    """The values of variables: numbers, and indices of states; NaN where missing."""

    values: dict[str, Float64[np.ndarray, " rows"]]
    weights: Float64[np.ndarray, " rows"]

    def family(
        self, child: Variable, parents: Sequence[Variable], prior: Prior, shrinkage: float
    ) -> Factor:
        """The distribution of a variable given its parents, by the rows that have them all."""
        scope = [*parents, child]
        there = ~np.any([np.isnan(self.values[v.name]) for v in scope], axis=0)
        shape = [p.cardinality for p in parents]
        place = np.zeros(int(there.sum()), np.int64)
        for parent in parents:
            codes = self.values[parent.name][there].astype(np.int64)
            place = place * parent.cardinality + codes
        states, weights = int(np.prod(shape)), self.weights[there]
        values = self.values[child.name][there]
        if child.is_discrete:
            cells = place * child.cardinality + values.astype(np.int64)
            flat = np.bincount(cells, weights, states * child.cardinality)
            counts = torch.as_tensor(flat.reshape(*shape, child.cardinality))
            empty = TableFactor(scope, torch.full_like(counts, 1 / child.cardinality), child=child)
            return fitted_table(empty, counts, prior.counts(empty))[0]
        shares = np.zeros((len(values), states))
        shares[np.arange(len(values)), place] = weights
        return GaussianLeaf.initialised(
            child,
            parents,
            torch.as_tensor(values),
            torch.as_tensor(shares.reshape(-1, *shape)),
            covariance="diagonal",
            shrinkage=shrinkage,
        )


def columns_only(modality: str, block: Block) -> Columns:
    """Return the rows of a modality that a network can be learned from.

    Raises
    ------
    LearningError
        If they are no columns.
    """
    if not isinstance(block, Columns):
        what = type(block).__name__.lower()
        raise LearningError(
            f"the modality '{modality}' is of {what}; a network is learned from columns"
        )
    return block


def _columns_of(
    data: MultimodalData,
) -> tuple[dict[str, Float64[np.ndarray, " rows"]], dict[str, Variable]]:
    """The values and variables of the target and of all columns, by name."""
    target = data.target
    values, variables = {target.name: data.codes.astype(np.float64)}, {target.name: target}
    for modality, block in data.blocks.items():
        block = columns_only(modality, block)
        for variable, column in zip(block.variables, block.values.T, strict=True):
            if variable.name in variables:
                raise LearningError(
                    f"two variables are called '{variable.name}'"
                    + (": name the target otherwise" if variable.name == target.name else "")
                )
            values[variable.name], variables[variable.name] = column, variable
    return values, variables


def _varies(column: Float64[np.ndarray, " rows"]) -> bool:
    """Whether numbers differ by more than rounding."""
    there = column[~np.isnan(column)]
    return len(there) > 0 and bool(np.ptp(there) > 1e-9 * np.abs(there).max())


def _cells(values: dict[str, np.ndarray], network: BayesianNetwork) -> dict[str, object]:
    return {
        name: index(np.nan_to_num(values[name], nan=-1).astype(np.int64))
        if variable.is_discrete
        else values[name]
        for name, variable in network.variables.items()
    }


def modalities_told(
    data: MultimodalData, network: BayesianNetwork, target: str
) -> dict[str, set[str]]:
    """Return the network's variables, but for the target, of each modality that rows have."""
    told = {}
    for modality, block in data.blocks.items():
        mine = {modality, *(block.names if isinstance(block, Columns) else ())}
        cells = mine & set(data.only(modality).cells(network.variables))
        elements = elements_in(cells, network.variables)
        names = {elements[cell][0] if cell in elements else cell for cell in cells}
        names.discard(target)
        if names and not block.missing.all():
            told[modality] = names
    return told


def independent_modalities(
    told: Mapping[str, set[str]], network: BayesianNetwork, target: str
) -> tuple[tuple[str, ...], ...]:
    """Return sets of modalities, each of which is independent of the others given the target."""
    graph: nx.Graph[str] = nx.Graph()
    graph.add_nodes_from(told)
    for one, other in itertools.combinations(told, 2):
        first, second = told[one], told[other]
        if first & second or not network.is_d_separated(first, second, [target]):
            graph.add_edge(one, other)
    sets = list(nx.connected_components(graph))
    return tuple(tuple(m for m in told if m in together) for together in sets)
