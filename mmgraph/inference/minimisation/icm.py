"""Iterated conditional modes: each element in turn takes its best state given all the others.

Fast and local: the energy never rises, and the assignment at the end is one that no change of a
single element betters (Besag 1986, "On the statistical analysis of dirty pictures", section 2.5).
"""

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
from mmgraph.inference.minimisation.coloured_icm import icm_of_elements, icm_of_layers
from mmgraph.inference.minimisation.icm_kernels import icm_sweeps
from mmgraph.inference.model_variables import has_compact_factors
from mmgraph.inference.options import is_elsewhere
from mmgraph.inference.pairwise.build import pairwise_graph
from mmgraph.inference.pairwise.colouring import table_nodes
from mmgraph.inference.pairwise.energy_kernels import (
    labelling_energy,
    lowest_states,
    set_cells,
)
from mmgraph.inference.pairwise.feasible import feasible_labelling, of_row
from mmgraph.inference.pairwise.graph import PairwiseGraph
from mmgraph.inference.pairwise.labelling_energies import assignment_of_rows


class Descent(NamedTuple):
    """Where the search of one row ended; it has converged if the last sweep changed nothing."""

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
        return icm_of_elements(graph, evidence, starts, iterations, torch.device(device))
    view = pairwise_graph(graph)
    rows, energies = [], []
    for row in range(evidence.batch):
        start = {name: codes[row] for name, codes in starts.items()}
        rows.append(descend(view, view.unary(evidence, row), row, start, iterations))
        energies.append(rows[-1].energy + view.constant_given(evidence, row))
    converged = all(descent.converged for descent in rows)
    return assignment_of_rows(
        view,
        [descent.labelling for descent in rows],
        energies,
        method="icm",
        exact=False,
        converged=converged,
        shortfall="" if converged else f"icm: states still changed in sweep {iterations}, the last",
        iterations=max(descent.sweeps for descent in rows),
        seconds=time.perf_counter() - began,
    )


def descend(
    view: PairwiseGraph,
    unary: Float[np.ndarray, " states"],
    row: int = 0,
    start: Mapping[str, Tensor] | None = None,
    iterations: int = 100,
) -> Descent:
    """Search from :func:`starting_labelling`, in one row of evidence."""
    descent = _descend_from(view, unary, starting_labelling(view, unary, row, start), iterations)
    if descent.energy < np.inf:
        return descent
    with of_row(row):
        feasible = feasible_labelling(view, unary)
    return _descend_from(view, unary, feasible.astype(np.int64), iterations)


def starting_labelling(
    view: PairwiseGraph,
    unary: Float[np.ndarray, " states"],
    row: int = 0,
    start: Mapping[str, Tensor] | None = None,
) -> Int64[np.ndarray, " nodes"]:
    """Return the best unary states, or those of ``start``, in one row of evidence.

    Raises ZeroProbabilityError if the evidence leaves a node no state.
    """
    labelling: np.ndarray = lowest_states(unary, view.offsets)
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
        labelling[first : first + codes.numel()] = codes.reshape(-1).numpy()
    return labelling


def _descend_from(
    view: PairwiseGraph,
    unary: Float[np.ndarray, " states"],
    labelling: Int64[np.ndarray, " nodes"],
    iterations: int,
) -> Descent:
    """Search from the states of the variables' nodes, in place."""
    edges = view.edge_arrays
    set_cells(labelling, edges)
    sweeps, converged = icm_sweeps(
        labelling, table_nodes(view), iterations, unary, edges, view.adjacency
    )
    energy = float(labelling_energy(labelling, unary, edges))
    return Descent(labelling, energy, int(sweeps), bool(converged))


def checked_starts(
    graph: FactorGraph, evidence: Evidence, initial: Mapping[str, object] | None
) -> dict[str, Int64[Tensor, "batch *shape"]]:
    """Return starts as state indices of every row.

    Raises UnknownVariableError or MmgraphError if one names no discrete variable of the graph, or
    does not fit it.
    """
    starts = {}
    for name, start in (initial or {}).items():
        variable = graph.variable(name)
        if not variable.is_discrete:
            raise MmgraphError(f"the start gives '{name}', which has no states")
        codes = torch.as_tensor(start).long().cpu()
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
