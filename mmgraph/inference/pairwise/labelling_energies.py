"""Assignments from labellings of the pairwise graph, and the energies of assignments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float64, Int, Int64
from torch import Tensor

from mmgraph.graph.evidence import Evidence
from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.inference.assignment import Assignment
from mmgraph.inference.model_variables import named_variables
from mmgraph.inference.pairwise.build import pairwise_graph
from mmgraph.inference.pairwise.energy_kernels import labelling_energy, set_cells
from mmgraph.inference.pairwise.feasible import feasible_labelling, of_row
from mmgraph.inference.pairwise.graph import PairwiseGraph


def assignment_energies(
    graph: FactorGraph, evidence: Evidence, states: Mapping[str, Int64[Tensor, "batch *shape"]]
) -> Float64[Tensor, " batch"]:
    """Return the energies of the rows' assignments, soft and continuous evidence included.

    In double precision, of states of every discrete variable on the CPU; ``inf`` where a hard zero
    is met.
    """
    p = pairwise_graph(graph, torch.float64)
    energies = torch.zeros(evidence.batch, dtype=torch.float64)
    for row in range(evidence.batch):
        labelling = np.zeros(p.nodes, np.int64)
        for name, node in p.first_node.items():
            flat = states[name][row].reshape(-1).numpy()
            labelling[node : node + len(flat)] = flat
        set_cells(labelling, p.edge_arrays)
        unary = p.unary(evidence, row)
        energies[row] = float(labelling_energy(labelling, unary, p.edge_arrays))
        energies[row] += p.constant_given(evidence, row)
    return energies


def with_feasible_rows(
    graph: FactorGraph,
    evidence: Evidence,
    states: Mapping[str, Int64[Tensor, "batch *shape"]],
    energies: Float64[Tensor, " batch"],
) -> tuple[dict[str, Int64[Tensor, "batch *shape"]], Float64[Tensor, " batch"]]:
    """Replace rows that meet a hard zero by assignments that :func:`feasible_labelling` returns."""
    rows = torch.isinf(energies).nonzero().flatten().tolist()
    if not rows:
        return dict(states), energies
    p = pairwise_graph(graph, torch.float64)
    mended = {name: codes.clone() for name, codes in states.items()}
    for row in rows:
        with of_row(row):
            labels = feasible_labelling(p, p.unary(evidence, row))
        for name, codes in p.states_of(labels).items():
            mended[name][row] = codes[0]
    return mended, assignment_energies(graph, evidence, mended)


def assignment_of_rows(
    pairwise: PairwiseGraph,
    labellings: Sequence[Int[np.ndarray, " nodes"]],
    energies: Float64[Tensor, " batch"] | Sequence[float],
    variables: Sequence[str] | None = None,
    **account: Any,
) -> Assignment:
    """Return the labellings of all rows, with their energies, as an assignment of some variables.

    ``account`` holds the other fields of the assignment: method, convergence and so on.
    """
    states = pairwise.states_of(np.stack(labellings))
    names = named_variables(pairwise.graph, variables)
    return Assignment(
        {name: states[name] for name in names},
        {name: pairwise.graph.variables[name] for name in names},
        -torch.as_tensor(energies, dtype=torch.float64),
        **account,
    )
