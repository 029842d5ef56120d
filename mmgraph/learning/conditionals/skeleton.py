"""Networks without numbers of their own yet: what a table and edges say of their variables."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import torch

from mmgraph.data.inferred_states import (
    Bins,
    binned_states,
    check_no_texts,
    measured_columns,
    states_in,
)
from mmgraph.data.table import Table
from mmgraph.data.tables import open_table
from mmgraph.graph.errors import LearningError, UnknownVariableError, suggestion
from mmgraph.graph.factor import Factor
from mmgraph.graph.factors.table import TableFactor
from mmgraph.graph.leaves.linear_gaussian import LinearGaussian
from mmgraph.graph.variable import Variable
from mmgraph.learning.counts import TABLE_BUDGET_BYTES


def skeleton(
    data: object,
    edges: Iterable[tuple[str, str]],
    states: Mapping[str, int | Sequence[Any]] | None = None,
    modalities: Mapping[str, str] | None = None,
    variables: Sequence[str] | None = None,
    bins: Bins | None = None,
    continuous: Sequence[str] | None = None,
) -> tuple[list[Variable], list[Factor], Table]:
    """Return variables as they are in a table, and distributions along edges that know nothing.

    Those are uniform, or linear Gaussian ones of continuous columns. Third is the table of the
    columns that are modelled. Parameters and errors are those of ``BayesianNetwork.from_data``; the
    states of a categorical column in memory are its categories.
    """
    table = open_table(data)
    states, modalities, bins = states or {}, modalities or {}, bins or {}
    if hasattr(edges, "cpdag"):
        raise LearningError(
            "a learned structure becomes a network by BayesianNetwork.from_structure"
        )
    edges = _checked_edges(edges)
    if not isinstance(bins, Mapping):
        raise LearningError(f"bins are given by column, as in bins={{'age': 5}}, not {bins!r}")
    if variables is not None:
        table = table.select([variables] if isinstance(variables, str) else variables)
    named = [continuous] if isinstance(continuous, str) else list(continuous or ())
    latent = [n for n in dict.fromkeys((*states, *named)) if n not in table.columns]
    ends = [n for edge in edges for n in edge]
    arguments = {"an edge": ends, "states": states, "modalities": modalities, "bins": bins}
    connected = (*table.columns, *(n for n in latent if n in ends))
    _check_names(table, connected, {**arguments, "continuous": named})
    _check_kinds(states, bins, named)
    open_ = [n for n in table.columns if n not in states and n not in bins and n not in named]
    check_no_texts(table, [n for n in named if n in table.columns])
    real = {*named, *measured_columns(table, open_)}
    states = {**states, **binned_states(table.select(bins), bins)}
    states |= states_in(table, [n for n in open_ if n not in real])
    made: dict[str, Variable] = {}
    for name in (*table.columns, *latent):
        modality = modalities.get(name)
        if name in real:
            made[name] = Variable(name, family="gaussian", modality=modality)
        else:
            labels: Any = states[name]
            made[name] = Variable(name, labels, modality=modality)
    return (
        list(made.values()),
        [
            uninformed([made[p] for p, c in edges if c == name], variable)
            for name, variable in made.items()
        ],
        table,
    )


def _check_names(
    table: Table, names: Collection[str], arguments: Mapping[str, Iterable[str]]
) -> None:
    """Check that what arguments name is among some names, or say which is no column."""
    for what, named in arguments.items():
        for name in named:
            if name not in names:
                raise UnknownVariableError(
                    f"{what} names '{name}', which is no column of {table.origin}"
                    f"{suggestion(name, table.columns)}"
                )


def _check_kinds(
    states: Collection[str], bins: Collection[str], continuous: Collection[str]
) -> None:
    """Check that no column is said to be of two kinds."""
    for name in bins:
        if name in states:
            raise LearningError(f"'{name}' is given both states and bins")
    for name in continuous:
        if name in states or name in bins:
            raise LearningError(f"'{name}' is continuous, and given states or bins")


def _checked_edges(edges: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Pairs (parent, child), each once."""
    checked: list[tuple[str, str]] = []
    for edge in edges:
        if isinstance(edge, str) or not isinstance(edge, Sequence) or len(edge) != 2:
            raise LearningError(f"the edge {edge!r} is not a pair (parent, child)")
        if tuple(edge) in checked:
            raise LearningError(f"the edge {edge[0]} -> {edge[1]} is given twice")
        checked.append((edge[0], edge[1]))
    return checked


def uninformed(parents: Sequence[Variable], child: Variable) -> Factor:
    """Return a distribution that says nothing, of the kind that the variables call for."""
    real = [v for v in parents if not v.is_discrete]
    states = [v.cardinality for v in parents if v.is_discrete]
    if not child.is_discrete:
        columns = 1 + len(real)
        _check_size(
            f"the regressions of '{child.name}'", len(parents), math.prod(states) * columns**2
        )
        return LinearGaussian(
            child,
            parents,
            torch.zeros(*states, len(real), dtype=torch.float64),
            torch.zeros(states, dtype=torch.float64),
            torch.ones(states, dtype=torch.float64),
        )
    if real:
        name = real[0].name
        numbers = all(type(label) is int for label in child.labels)
        cure = (
            f"; if '{child.name}' measures something: continuous=['{child.name}']"
            if numbers
            else ""
        )
        raise LearningError(
            f"the edge {name} -> {child.name}: '{name}' is continuous, and no parent of "
            f"'{child.name}', which has states. Put '{name}' into bins (bins={{'{name}': 5}}), or "
            f"turn the edge around; if its numbers are labels, name them in `states`{cure}"
        )
    states.append(child.cardinality)
    _check_size(f"the table of '{child.name}'", len(parents), math.prod(states))
    table = torch.full(states, 1.0 / child.cardinality, dtype=torch.float64)
    return TableFactor((*parents, child), table, child=child)


def _check_size(what: str, parents: int, cells: int) -> None:
    if 8 * cells > TABLE_BUDGET_BYTES:
        raise LearningError(
            f"{parents} parents make {what} {cells:,} cells, {8 * cells / 2**30:.3g} GiB; "
            f"{TABLE_BUDGET_BYTES / 2**30:.3g} GiB are allowed"
        )
