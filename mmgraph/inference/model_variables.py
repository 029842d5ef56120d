"""Which variables have a field, are arrays or layers, and in which precision and place they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch

from mmgraph.graph.errors import UnknownVariableError
from mmgraph.graph.factor import Factor
from mmgraph.graph.factor_graph import FactorGraph


def field_variables(graph: FactorGraph) -> list[str]:
    """Return the variables that have a field: the discrete ones, and units of compact factors."""
    return graph.cached_structure(_field_variables)


def _field_variables(graph: FactorGraph) -> list[str]:
    units = {v.name for f in graph.factors if f.compact for v in f.scope}
    return [n for n, v in graph.variables.items() if v.is_discrete or n in units]


def normal_variables(graph: FactorGraph) -> Mapping[str, None]:
    """Return the names of the variables whose posterior is a mixture of normal densities."""
    return graph.cached_structure(_normal_variables)


def _normal_variables(graph: FactorGraph) -> Mapping[str, None]:
    return {f.child.name: None for f in graph.factors if f.is_normal and f.child is not None}


def has_discrete_variables(graph: FactorGraph) -> bool:
    """Whether some variable has states."""
    return graph.cached_structure(_has_discrete_variables)


def _has_discrete_variables(graph: FactorGraph) -> bool:
    return any(v.is_discrete for v in graph.variables.values())


def has_compact_factors(graph: FactorGraph) -> bool:
    """Whether some factor joins layers of units, or gives them biases."""
    return graph.cached_structure(_has_compact_factors)


def _has_compact_factors(graph: FactorGraph) -> bool:
    return any(factor.compact for factor in graph.factors)


def needs_unrolling(graph: FactorGraph) -> bool:
    """Whether exact methods need the scalar form: for discrete arrays, and for lists of edges."""
    return graph.cached_structure(_has_arrays_or_edges)


def _has_arrays_or_edges(graph: FactorGraph) -> bool:
    arrays = any(v.shape and v.is_discrete for v in graph.variables.values())
    return arrays or any(factor.edge_terms is not None for factor in graph.factors)


def is_compact(graph: FactorGraph, name: str) -> bool:
    """Whether one number stands for the two states of a Bernoulli unit, and values are clamped.

    So it is where compact factors, and at most finite log-potentials of the variable alone, are all
    that speaks of it.
    """
    return name in graph.cached(_compact_variables)


def _compact_variables(graph: FactorGraph) -> frozenset[str]:
    compact = {v.name for f in graph.factors if f.compact for v in f.scope}
    others = (f for f in graph.factors if not f.compact and not _is_finite_unary(f))
    return frozenset(compact.difference(v.name for f in others for v in f.scope))


def _is_finite_unary(factor: Factor) -> bool:
    values = factor.unary_values
    return values is not None and bool(torch.isfinite(values.detach()).all())


def default_precision(graph: FactorGraph) -> torch.dtype:
    """Return single precision where the potentials of all arrays are kept in it, else double."""
    potentials = [
        f.tensors()[0]
        for f in graph.factors
        if len(f.scope) == 1 and f.scope[0].shape and (f.compact or f.unary_values is not None)
    ]
    single = bool(potentials) and all(t.dtype == torch.float32 for t in potentials)
    return torch.float32 if single else torch.float64


def tables_device(graph: FactorGraph) -> torch.device:
    """Return the device of the first factor that has numbers, else the CPU."""
    for factor in graph.factors:
        for tensor in factor.tensors():
            return tensor.device
    return torch.device("cpu")


def named_variables(graph: FactorGraph, names: Sequence[str] | str | None) -> list[str]:
    """Return the variables asked for, by default all that have a field.

    Raises
    ------
    UnknownVariableError
        If the graph has no such variable, or it is a continuous one that has no field.
    """
    with_field = field_variables(graph)
    if names is None:
        return list(with_field)
    names = [names] if isinstance(names, str) else list(names)
    for name in names:
        graph.variable(name)
        if name not in with_field:
            raise UnknownVariableError(f"'{name}' is continuous: it has no states to ask for")
    return names
