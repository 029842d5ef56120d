"""The energies of assignments that were found elsewhere than on the pairwise view."""

# mypy: disallow_untyped_calls=False

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from jaxtyping import Float64, Int64
from torch import Tensor

from mmgraph.graph.evidence import Evidence
from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.inference.pairwise.build import pairwise_graph
from mmgraph.inference.pairwise.energy_kernels import labelling_energy, set_cells
from mmgraph.inference.pairwise.feasible import feasible_labelling, of_row


def assignment_energies(
    graph: FactorGraph, evidence: Evidence, states: Mapping[str, Int64[Tensor, "batch *shape"]]
) -> Float64[Tensor, " batch"]:
    """Return the energies of the rows' assignments, soft and continuous evidence included.

    In double precision, on the CPU; ``inf`` where a hard zero is met.

    Parameters
    ----------
    states : mapping of str to Tensor
        State indices of every discrete variable, on the CPU.
    """
    p = pairwise_graph(graph, torch.float64)
    energies = torch.zeros(evidence.batch, dtype=torch.float64)
    for row in range(evidence.batch):
        labelling = np.zeros(p.nodes, np.int64)
        for name, node in p.first_node.items():
            flat = states[name][row].reshape(-1).numpy()
            labelling[node : node + len(flat)] = flat
        set_cells(labelling, p.first, p.second, p.function, p.functions.kind, p.functions.place)
        unary = p.unary(evidence, row)
        energies[row] = float(labelling_energy(labelling, unary, p.offsets, *p.edge_arrays))
        energies[row] += p.constant_given(evidence, row)
    return energies


def with_feasible_rows(
    graph: FactorGraph,
    evidence: Evidence,
    states: Mapping[str, Int64[Tensor, "batch *shape"]],
    energies: Float64[Tensor, " batch"],
) -> tuple[dict[str, Int64[Tensor, "batch *shape"]], Float64[Tensor, " batch"]]:
    """Replace rows that meet a hard zero by assignments that a search has found.

    Raises
    ------
    ZeroProbabilityError
        If a row has no assignment of positive probability.
    MmgraphError
        If the search gave up.
    """
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
