"""Iterated conditional modes: each element in turn takes its best state given all the others.

Fast and local: the energy never rises, and the assignment at the end is one that no change of a
single element betters (Besag 1986, "On the statistical analysis of dirty pictures", section 2.5).
"""

# The kernels of this file are compiled: their arguments are arrays, and carry no annotations.
# mypy: disallow_untyped_defs=False, disallow_untyped_calls=False
# mypy: disable-error-code="call-arg"

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from mmgraph.graph.errors import MmgraphError, ZeroProbabilityError
from mmgraph.graph.evidence import MISSING, Evidence
from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.inference.assignment import Assignment
from mmgraph.inference.devices import is_elsewhere
from mmgraph.inference.minimisation.icm_layers import icm_of_layers
from mmgraph.inference.minimisation.icm_torch import icm_torch
from mmgraph.inference.model_variables import has_compact_factors
from mmgraph.inference.numerics.compiling import compiled
from mmgraph.inference.pairwise.build import pairwise_graph
from mmgraph.inference.pairwise.energy_kernels import edge_energy, labelling_energy, set_cells
from mmgraph.inference.pairwise.feasible import feasible_labelling, of_row
from mmgraph.inference.pairwise.graph import POTTS, SELECTS_FIRST, SELECTS_SECOND, PairwiseGraph


class Descent(NamedTuple):
    """Where the search of one row of evidence ended.

    Attributes
    ----------
    labelling : ndarray of int64, shape (nodes,)
        State indices; of a table's node, the index of its cell.
    energy : float
        Of the labelling; ``inf`` if a hard zero is left.
    sweeps : int
        How many were made.
    converged : bool
        Whether the last sweep changed nothing.
    """

    labelling: Int64[np.ndarray, " nodes"]
    energy: float
    sweeps: int
    converged: bool


def icm(
    graph: FactorGraph,
    evidence: Evidence,
    initial: Mapping[str, object] | None = None,
    iterations: int = 100,
    device: str = "auto",
) -> Assignment:
    """Return an assignment, on the CPU, that no change of a single element betters.

    Parameters
    ----------
    graph : FactorGraph
        Discrete variables, arrays or scalars; observed continuous leaves.
    evidence : Evidence
        Hard, soft and missing; each row is searched by itself.
    initial : mapping of str to array-like, optional
        State indices ``(*shape,)`` or ``(batch, *shape)`` to start some variables from. By default
        every element starts from the state that its own factors and evidence say is best.
    iterations : int, default 100
        The most sweeps over all elements.
    device : str
        ``"auto"`` (the CPU; layers of units where their parameters are), ``"cpu"`` or ``"cuda"``,
        where elements that share no factor move together.

    Returns
    -------
    Assignment
        Of all discrete variables; ``converged`` says whether the last sweep changed nothing.

    Raises
    ------
    ZeroProbabilityError
        If the evidence leaves an element no state, or no assignment has positive probability.
    UnknownVariableError, MmgraphError
        If the start names no variable of the graph, or does not fit it; if hard zeros trap the
        search, and no assignment that they allow was found within reasonable time.

    Notes
    -----
    While hard zeros are violated, a state that violates fewer of them is better whatever its
    energy, so that a start need not be feasible. Where that leads nowhere, the search starts again
    from an assignment that constraint propagation has found.

    References
    ----------
    Besag (1986), "On the statistical analysis of dirty pictures", J. R. Statist. Soc. B 48.
    """
    if iterations < 1:
        raise MmgraphError(f"iterations must be at least 1, not {iterations}")
    if has_compact_factors(graph):
        if initial is not None:
            raise MmgraphError("layers of units start from mean field; 'initial' is for others")
        return icm_of_layers(graph, evidence, iterations, device)
    began = time.perf_counter()
    starts = checked_starts(graph, evidence, initial)
    if is_elsewhere(device):
        return icm_torch(graph, evidence, starts, iterations, torch.device(device))
    view = pairwise_graph(graph)
    rows = [
        descend(
            view, view.unary(evidence, row), row, {n: t[row] for n, t in starts.items()}, iterations
        )
        for row in range(evidence.batch)
    ]
    states = [view.states_of(found.labelling) for found in rows]
    energies = [
        found.energy - view.constant + view.constant_given(evidence, row)
        for row, found in enumerate(rows)
    ]
    return Assignment(
        {name: torch.cat([s[name] for s in states]) for name in view.first_node},
        {name: graph.variables[name] for name in view.first_node},
        -torch.tensor(energies, dtype=torch.float64),
        method="icm",
        exact=False,
        converged=all(found.converged for found in rows),
        shortfall=""
        if all(found.converged for found in rows)
        else f"icm: states still changed in sweep {iterations}, the last",
        iterations=max(found.sweeps for found in rows),
        seconds=time.perf_counter() - began,
    )


def descend(
    view: PairwiseGraph,
    unary: Float[np.ndarray, " states"],
    row: int = 0,
    start: Mapping[str, Tensor] | None = None,
    iterations: int = 100,
) -> Descent:
    """Search from the best unary states, or from those given, of one row of evidence."""
    labelling = best_unary(unary, view.offsets, view.largest)
    if (labelling < 0).any():
        names = _without_state(view, int(np.argmax(labelling < 0)))
        raise ZeroProbabilityError(
            f"the evidence in row {row} leaves {' and '.join(names)} no state of positive "
            "probability",
            (row,),
            names,
        )
    for name, codes in (start or {}).items():
        first = view.first_node[name]
        labelling[first : first + len(codes.reshape(-1))] = codes.reshape(-1).numpy()
    found = _descend_from(view, unary, labelling, iterations)
    if found.energy < np.inf:
        return found
    with of_row(row):
        feasible = feasible_labelling(view, unary)
    return _descend_from(view, unary, feasible.astype(np.int64), iterations)


def _descend_from(
    view: PairwiseGraph,
    unary: Float[np.ndarray, " states"],
    labelling: Int64[np.ndarray, " nodes"],
    iterations: int,
) -> Descent:
    """Search from the states of the variables' nodes, in place."""
    functions, adjacency = view.functions, view.adjacency
    set_cells(labelling, view.first, view.second, view.function, functions.kind, functions.place)
    sweeps, converged = icm_sweeps(
        labelling, iterations, view.offsets, unary, *view.edge_arrays,
        adjacency.start, adjacency.edges, view.largest,
    )  # fmt: skip
    return Descent(labelling, energy_of(view, unary, labelling), int(sweeps), bool(converged))


def energy_of(
    view: PairwiseGraph, unary: Float[np.ndarray, " states"], labelling: Int64[np.ndarray, " nodes"]
) -> float:
    """Return the energy of a labelling of all nodes, those of tables included."""
    total = labelling_energy(labelling, unary, view.offsets, *view.edge_arrays)
    return float(total) + view.constant


def checked_starts(
    graph: FactorGraph, evidence: Evidence, initial: Mapping[str, object] | None
) -> dict[str, Int64[Tensor, "batch *shape"]]:
    """Return given starts as state indices of every row; raise the error that names what is wrong.

    Raises
    ------
    UnknownVariableError, MmgraphError
        If a start names no discrete variable of the graph, or does not fit it.
    """
    starts = {}
    for name, given in (initial or {}).items():
        variable = graph.variable(name)
        if not variable.is_discrete:
            raise MmgraphError(f"the start gives '{name}', which has no states")
        codes = torch.as_tensor(given).long().cpu()
        if tuple(codes.shape) not in (variable.shape, (evidence.batch, *variable.shape)):
            raise MmgraphError(
                f"the start of '{name}' has shape {tuple(codes.shape)}; {variable.shape} or "
                f"{(evidence.batch, *variable.shape)} was expected"
            )
        if bool(((codes < 0) | (codes >= variable.cardinality)).any()):
            raise MmgraphError(
                f"the start of '{name}' holds a state outside 0 … {variable.cardinality - 1}"
            )
        codes = codes.expand(evidence.batch, *variable.shape)
        observed = evidence.hard(name)
        starts[name] = (
            codes if observed is None else torch.where(observed == MISSING, codes, observed)
        )
    return starts


def _without_state(view: PairwiseGraph, node: int) -> tuple[str, ...]:
    """The variable that a node belongs to; of a table's node, its variables."""
    name = view.variable_of(node)
    if name is not None:
        return (name,)
    edges = np.flatnonzero((view.first == node) | (view.second == node))
    ends = view.first[edges] + view.second[edges] - node
    return tuple(name for end in ends for name in _without_state(view, int(end)))


@compiled
def best_unary(unary, offsets, largest):
    """The state of lowest unary energy of each node, -1 where all are forbidden."""
    labelling = np.empty(len(offsets) - 1, np.int64)
    for n in range(len(offsets) - 1):
        low, best = np.inf, -1
        for k in range(offsets[n], offsets[n + 1]):
            if unary[k] < low:
                low, best = unary[k], k - offsets[n]
        labelling[n] = best
    return labelling


@compiled
def _add_edges(
    n, states, labelling, cost, violated, offsets, unary, first, second, function,
    weight, kind, truncation, place, tables, start, incident,
):  # fmt: skip
    """Add what edges and tables cost each state of a node, hard zeros apart from energies."""
    for i in range(start[n], start[n + 1]):
        e = incident[i]
        f = function[e]
        other = first[e] + second[e] - n
        count, state = offsets[other + 1] - offsets[other], labelling[other]
        if kind[f] == POTTS:
            for k in range(states):
                if k != state:
                    cost[k] += weight[e]
            continue
        for k in range(states):
            if kind[f] >= SELECTS_FIRST:
                energy = unary[offsets[other] + state + (k - labelling[n]) * place[f]]
            elif first[e] == n:
                energy = edge_energy(
                    kind[f], weight[e], truncation[f], place[f], tables, k, state, states, count
                )
            else:
                energy = edge_energy(
                    kind[f], weight[e], truncation[f], place[f], tables, state, k, count, states
                )
            if energy == np.inf:
                violated[k] += 1
            else:
                cost[k] += energy


@compiled
def icm_sweeps(
    labelling, iterations, offsets, unary, first, second, function,
    weight, kind, truncation, place, tables, start, incident, largest,
):  # fmt: skip
    """Sweep over the nodes in order until none changes; returns the sweeps and whether none did.

    Nodes of tables are not visited: they move along with their variables.
    """
    nodes = len(labelling)
    is_cell = np.zeros(nodes, np.bool_)
    for e in range(len(first)):
        if kind[function[e]] == SELECTS_FIRST:
            is_cell[second[e]] = True
        elif kind[function[e]] == SELECTS_SECOND:
            is_cell[first[e]] = True
    cost = np.empty(largest, np.float64)
    violated = np.empty(largest, np.int64)
    for sweep in range(iterations):
        changed = 0
        for n in range(nodes):
            if is_cell[n]:
                continue
            begin, states = offsets[n], offsets[n + 1] - offsets[n]
            for k in range(states):
                forbidden = unary[begin + k] == np.inf
                violated[k] = forbidden
                cost[k] = 0.0 if forbidden else unary[begin + k]
            _add_edges(
                n, states, labelling, cost, violated, offsets, unary, first, second, function,
                weight, kind, truncation, place, tables, start, incident,
            )  # fmt: skip
            best = labelling[n]  # a tie keeps the state, or sweeps might never end
            for k in range(states):
                if violated[k] < violated[best] or (
                    violated[k] == violated[best] and cost[k] < cost[best]
                ):
                    best = k
            if best == labelling[n]:
                continue
            changed += 1
            for i in range(start[n], start[n + 1]):
                e = incident[i]
                if kind[function[e]] >= SELECTS_FIRST:
                    other = second[e] if first[e] == n else first[e]
                    labelling[other] += (best - labelling[n]) * place[function[e]]
            labelling[n] = best
        if changed == 0:
            return sweep + 1, True
    return iterations, False
