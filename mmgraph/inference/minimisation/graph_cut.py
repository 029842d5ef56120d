"""The most probable assignment by one minimum cut: exact where there is a choice of two states.

Kolmogorov and Zabih (2004, "What energy functions can be minimized via graph cuts?"): a pairwise
energy of two-valued variables becomes a cut if no edge rewards different states, E(0, 0) + E(1, 1)
<= E(0, 1) + E(1, 0). Hard zeros need no stand-in: they become arcs of infinite capacity, which no
finite cut crosses.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float, Int

from mmgraph.graph.errors import GraphError
from mmgraph.graph.evidence import Evidence
from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.inference.assignment import Assignment
from mmgraph.inference.minimisation.binary_energy import Energies, best_choice
from mmgraph.inference.minimisation.binary_kernels import opposed_edge
from mmgraph.inference.model_variables import named_variables
from mmgraph.inference.pairwise.build import pairwise_graph
from mmgraph.inference.pairwise.energy_kernels import labelling_energy
from mmgraph.inference.pairwise.feasible import infeasible, of_row
from mmgraph.inference.pairwise.graph import PairwiseGraph
from mmgraph.inference.pairwise.labelling_energies import assignment_of_rows


def graph_cut(
    graph: FactorGraph,
    evidence: Evidence,
    variables: Sequence[str] | None = None,
    *,
    dtype: torch.dtype | None = None,
) -> Assignment:
    """Return an assignment that no other betters.

    Parameters
    ----------
    graph : FactorGraph
        After the evidence, every element has at most two states left and no edge between two that
        have is opposed.
    evidence : Evidence
        Each row is solved for itself.
    variables : sequence of str, optional
        The variables to report; all are maximised.
    dtype : torch.dtype, optional
        The precision of the energies, see :func:`pairwise_graph`; the cut itself is in double.

    Raises
    ------
    GraphError
        If an element has more states left, or an edge is opposed; the message names it and its
        four energies.
    ZeroProbabilityError
        If a row of evidence leaves no assignment of positive probability.
    """
    began = time.perf_counter()
    names = named_variables(graph, variables)
    pairwise = pairwise_graph(graph, dtype)
    labellings, energies = [], []
    for row in range(evidence.batch):
        with of_row(row):
            labelling, energy = cut_labelling(pairwise, pairwise.unary(evidence, row))
        labellings.append(labelling)
        energies.append(energy + pairwise.constant_given(evidence, row))
    return assignment_of_rows(
        pairwise,
        labellings,
        energies,
        names,
        method="graph_cut",
        exact=True,
        bound=-torch.tensor(energies, dtype=torch.float64),
        gap=torch.zeros(len(energies), dtype=torch.float64),
        seconds=time.perf_counter() - began,
    )


def cut_labelling(
    pairwise: PairwiseGraph, unary: Float[np.ndarray, " states"]
) -> tuple[Int[np.ndarray, " nodes"], float]:
    """Return the best labelling of a graph that a minimum cut can solve, and its energy.

    Raises as :func:`graph_cut`.
    """
    zero, one = _two_states(pairwise, unary)
    energies = Energies(pairwise, unary)
    edge, a, b, c, d = opposed_edge(zero, one, energies.tolerance, pairwise.edge_arrays)
    if edge >= 0:
        first, second = int(pairwise.first[edge]), int(pairwise.second[edge])
        raise GraphError(
            f"the edge between {pairwise.element_name(first)} and "
            f"{pairwise.element_name(second)} rewards different states, which no cut can express: "
            f"E(0, 0) + E(1, 1) = {a + 0:g} + {d + 0:g} exceeds E(0, 1) + E(1, 0) = "
            f"{b + 0:g} + {c + 0:g}, up to a constant; "
            "method='trws' or 'branch_and_bound' can do without"
        )
    labelling = best_choice(energies, zero, one)
    energy = float(labelling_energy(labelling, unary, pairwise.edge_arrays))
    if energy == np.inf:
        raise infeasible()
    return labelling, energy


def is_binary_submodular(pairwise: PairwiseGraph) -> bool:
    """Whether every node has at most two states and a minimum cut finds the best labelling.

    That is so where E(0, 0) + E(1, 1) <= E(0, 1) + E(1, 0) for every edge (Kolmogorov and Zabih
    2004, "What energy functions can be minimized via graph cuts?", theorem 4.1).
    """
    if pairwise.edge_arrays.largest > 2:
        return False
    zero = np.zeros(pairwise.nodes, np.int32)
    one = (pairwise.cardinalities - 1).astype(np.int32)
    tolerance = Energies(pairwise, pairwise.prior).tolerance
    return bool(opposed_edge(zero, one, tolerance, pairwise.edge_arrays)[0] < 0)


def _two_states(
    pairwise: PairwiseGraph, unary: Float[np.ndarray, " states"]
) -> tuple[Int[np.ndarray, " nodes"], Int[np.ndarray, " nodes"]]:
    """The lowest and the highest possible state of each node."""
    allowed = unary < np.inf
    if len(unary) == 2 * pairwise.nodes and pairwise.edge_arrays.largest <= 2 and allowed.all():
        return np.zeros(pairwise.nodes, np.int32), np.ones(pairwise.nodes, np.int32)
    possible = np.flatnonzero(allowed)
    nodes = np.repeat(np.arange(pairwise.nodes), pairwise.cardinalities)[possible]
    count = np.bincount(nodes, minlength=pairwise.nodes)
    if (count == 0).any():
        raise infeasible()
    if (count > 2).any():
        node = int(np.flatnonzero(count > 2)[0])
        raise GraphError(
            f"a minimum cut decides between two states; {pairwise.element_name(node)} has "
            f"{int(count[node])} left: method='alpha_expansion' or 'trws' takes more"
        )
    last = np.cumsum(count) - 1
    states = possible - pairwise.offsets[nodes]
    return states[last - count + 1].astype(np.int32), states[last].astype(np.int32)
