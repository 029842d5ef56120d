"""A graph of arrays as a graph of scalars, one for each element: for methods that need tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from mmgraph.graph.errors import GraphError, NotTabularError, TreewidthError
from mmgraph.graph.evidence import MISSING, Evidence
from mmgraph.graph.factor import EdgeTerms, Factor
from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.graph.factors.table import TableFactor
from mmgraph.graph.variable import Variable, element_names
from mmgraph.inference.model_variables import needs_unrolling
from mmgraph.inference.pairwise.graph import weighted_energies

MOST_ELEMENTS = 20_000
"""Exact methods on larger arrays would fail anyway, after long preparations."""


@dataclass(frozen=True)
class Unrolled:
    """The scalar form of a graph, and the one it was made from.

    Continuous leaves stay as they are; ``elements`` are the scalar variables of each discrete
    variable, in scan order.
    """

    graph: FactorGraph
    elements: dict[str, tuple[str, ...]]
    source: FactorGraph

    def names(self, variables: Sequence[str] | None) -> list[str] | None:
        """Return the scalar variables of some variables; an element may be named itself."""
        if variables is None:
            return None
        names: list[str] = []
        for name in variables:
            if name in self.elements:
                names.extend(self.elements[name])
            else:
                names.append(self.graph.variable(name).name)
        return names

    def evidence(self, evidence: Evidence) -> Evidence:
        """Return evidence on arrays as evidence on their elements."""
        if self.graph is self.source:
            return evidence
        columns = list(evidence.columns)
        codes = [evidence.codes]
        for name, array in evidence.arrays.items():
            flat = array.reshape(evidence.batch, -1).cpu().numpy()
            observed = np.flatnonzero((flat != MISSING).any(0))
            columns.extend(self.elements[name][i] for i in observed)
            codes.append(flat[:, observed])
        soft = {}
        for name, tensor in evidence.soft.items():
            variable = self.source.variables[name]
            rows = tensor.reshape(evidence.batch, variable.size, variable.cardinality)
            soft.update({e: rows[:, i] for i, e in enumerate(self.elements[name])})
        return Evidence(
            self.graph.variables,
            evidence.batch,
            tuple(columns),
            np.ascontiguousarray(np.concatenate(codes, 1)),
            {},
            soft,
            evidence.values,
        )

    def gathered(
        self, answers: Mapping[str, Tensor], variables: Sequence[str] | None = None, axis: int = 1
    ) -> dict[str, Tensor]:
        """Return tensors of elements stacked by variable, whose shape begins at ``axis``.

        Single elements that are asked for stay under their own names.
        """
        if self.graph is self.source:
            return dict(answers)
        whole = {}
        for name, elements in self.elements.items():
            if all(element in answers for element in elements):
                shape = self.source.variables[name].shape
                parts = torch.stack([answers[e] for e in elements], axis) if shape else None
                whole[name] = answers[name] if parts is None else parts.unflatten(axis, shape)
        if variables is None:
            return whole
        return {n: whole[n] if n in whole else answers[n] for n in variables}


def unrolled(graph: FactorGraph) -> Unrolled:
    """Return the scalar form of a graph, made once and kept with it; itself if it has no arrays.

    Where a factor asks for gradients the form is made anew each time: its tables belong to one
    backward pass, and an optimiser changes what they are made of.
    """
    if not needs_unrolling(graph):
        return Unrolled(graph, {}, graph)
    if any(factor.requires_grad for factor in graph.factors):
        return _unroll(graph)
    return graph.cached(_unroll)


def _unroll(graph: FactorGraph) -> Unrolled:
    size = sum(v.size for v in graph.variables.values() if v.is_discrete)
    if size > MOST_ELEMENTS:
        raise TreewidthError(
            f"exact inference lists every element of an array, up to {MOST_ELEMENTS:,} of them; "
            f"here are {size:,}. Use belief propagation, TRW-S or sampling"
        )
    elements = {n: tuple(element_names(v)) for n, v in graph.variables.items() if v.is_discrete}
    variables = _scalars(graph, elements)
    factors: list[Factor] = []
    for factor in graph.factors:
        if (edges := factor.edge_terms) is not None:
            factors.extend(_edge_tables(edges, elements, variables))
        elif (values := factor.unary_values) is not None and factor.scope[0].shape:
            tables = values.reshape(-1, factor.scope[0].cardinality)
            factors.extend(
                TableFactor((variables[e],), log_values=table)
                for e, table in zip(elements[factor.scope[0].name], tables, strict=True)
            )
        elif any(v.shape and v.is_discrete for v in factor.scope):
            raise NotTabularError(f"{factor!r} has no tables of single elements")
        else:
            factors.append(factor)
    return Unrolled(FactorGraph(variables.values(), factors), elements, graph)


def _scalars(graph: FactorGraph, elements: Mapping[str, tuple[str, ...]]) -> dict[str, Variable]:
    """The scalar variables, and the continuous leaves as they are."""
    scalars: dict[str, Variable] = {}
    owner: dict[str, str] = {}
    for name, v in graph.variables.items():
        is_array = bool(v.shape) and v.is_discrete
        for element in elements[name] if is_array else (name,):
            if element in scalars:
                raise GraphError(
                    f"'{element}' names an element of the array "
                    f"'{name if is_array else owner[element]}' and another variable too; exact "
                    "inference lists the elements by name, so give the variable another one"
                )
            fresh = Variable(element, v.states, (), v.modality, v.family) if is_array else v
            scalars[element], owner[element] = fresh, name
    return scalars


def _edge_tables(
    factor: EdgeTerms, elements: Mapping[str, tuple[str, ...]], variables: Mapping[str, Variable]
) -> list[Factor]:
    a, b = factor.ends
    energies = factor.interaction.energies(a.cardinality, b.cardinality)
    first, second, weights = factor.edges()
    logs = -weighted_energies(weights[:, None, None], energies.to(weights.device))
    # A weight of zero is no edge, even where the table forbids pairs, but it may have a gradient.
    present = ((weights != 0) | weights.requires_grad).nonzero().flatten().tolist()
    scopes = [
        (variables[elements[a.name][i]], variables[elements[b.name][j]])
        for i, j in zip(first.tolist(), second.tolist(), strict=True)
    ]
    return [TableFactor(scopes[e], log_values=logs[e]) for e in present]
