"""The best choice between two states at every node: the step that cuts and moves are made of."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float, Int

from mmgraph.inference.binary_kernels import (
    ONE,
    OPEN,
    change,
    opposed_edge,
    remainder,
    settle,
    spreads,
)
from mmgraph.inference.maximum_flow import minimum_cut
from mmgraph.inference.pairwise_graph import PairwiseGraph
from mmgraph.inference.trws_kernels import trws_pass

_NO_MESSAGES = np.empty(0)


@dataclass(frozen=True)
class Energies:
    """A pairwise graph with the unary energies of one row of evidence.

    Attributes
    ----------
    pairwise : PairwiseGraph
        The graph.
    unary : ndarray, shape (states,)
        Unary energies with the evidence.
    messages : ndarray, optional
        Of TRW-S after a backward pass, one along each edge towards its first node. They change no
        energy, but say how to divide an edge's between its ends so that little is left to the flow.
    """

    pairwise: PairwiseGraph
    unary: Float[np.ndarray, " states"] = field(repr=False)
    messages: Float[np.ndarray, " slots"] | None = field(default=None, repr=False)

    @cached_property
    def edge_arrays(self) -> tuple[np.ndarray, ...]:
        """What the kernels take last."""
        return (self.pairwise.offsets, *self.pairwise.edge_arrays)

    @cached_property
    def incidences(self) -> tuple[np.ndarray, np.ndarray]:
        """Where the edges at each node start, and their numbers."""
        adjacency = self.pairwise.adjacency
        return adjacency.start, adjacency.edges

    @cached_property
    def spread(self) -> Float[np.ndarray, " nodes"]:
        """How much the edges at each node can prefer one of its states to another."""
        return spreads(*self.edge_arrays)

    @cached_property
    def everywhere(self) -> Int[np.ndarray, " nodes"]:
        """The numbers of all nodes."""
        return np.arange(self.pairwise.nodes)

    @cached_property
    def both_messages(self) -> tuple[np.ndarray, np.ndarray]:
        """The messages towards the first and towards the second node of each edge."""
        if self.messages is None:
            return _NO_MESSAGES, _NO_MESSAGES
        p, onwards = self.pairwise, self.messages.copy()
        arrays = (*p.edge_arrays, *p.incidence_arrays, onwards, p.largest)
        # A pass forwards turns the messages round. It stops early if no labelling is possible.
        trws_pass(True, p.offsets, self.unary, *arrays)
        return self.messages, onwards

    @property
    def tolerance(self) -> float:
        """The rounding of an energy relative to itself."""
        return 16 * float(np.finfo(self.unary.dtype).eps)

    def change(
        self,
        before: Int[np.ndarray, " nodes"],
        after: Int[np.ndarray, " nodes"],
        members: Int[np.ndarray, " members"] | None = None,
    ) -> tuple[float, int]:
        """Return by how much the energy rises from one labelling to another, and how many differ.

        ``members`` are the nodes that may differ.
        """
        nodes = self.everywhere if members is None else members
        rise, count = change(nodes, before, after, self.unary, *self.incidences, *self.edge_arrays)
        return float(rise), int(count)


def best_choice(
    energies: Energies,
    zero: Int[np.ndarray, " nodes"],
    one: Int[np.ndarray, " nodes"],
    members: Int[np.ndarray, " members"] | None = None,
) -> Int[np.ndarray, " nodes"]:
    """Return the labelling of least energy among those that mix two labellings.

    Where an edge between nodes that have the choice is opposed (equal choices cost more than
    different ones) this is hard. Roof duality then finds part of a best labelling (Rother,
    Kolmogorov, Lempitsky and Szummer 2007, "Optimizing binary MRFs via extended roof duality");
    the other nodes keep the state of ``zero``, and the energy is never above that of ``zero``.

    Parameters
    ----------
    energies : Energies
        The graph and its unary energies.
    zero, one : ndarray of int32, shape (nodes,)
        The two labellings.
    members : ndarray of int, optional
        Nodes outside of which the two agree, in ascending order; by default all nodes.
    """
    nodes = energies.everywhere if members is None else members
    choice = np.zeros(energies.pairwise.nodes, np.uint8)
    choice[nodes] = OPEN
    arrays = (*energies.incidences, *energies.edge_arrays)
    left = settle(nodes, zero, one, choice, energies.unary, energies.spread, *arrays)
    if left.size:
        terminal, ends, costs, opposed = remainder(
            left,
            np.empty(energies.pairwise.nodes, np.int32),
            zero,
            one,
            choice,
            energies.unary,
            energies.tolerance,
            *energies.incidences,
            energies.pairwise.slots,
            *energies.both_messages,
            *energies.edge_arrays,
        )
        choice[left] = _cut(terminal, ends, costs, opposed)
    return np.where(choice == ONE, one, zero)


def opposed_edge_of(
    energies: Energies, zero: Int[np.ndarray, " nodes"], one: Int[np.ndarray, " nodes"]
) -> tuple[int, tuple[float, float, float, float]] | None:
    """Return the first edge whose ends prefer different choices, with its energies.

    They are those of the choices (0, 0), (0, 1), (1, 0) and (1, 1).
    """
    edge, *found = opposed_edge(zero, one, energies.tolerance, *energies.edge_arrays)
    return None if edge < 0 else (int(edge), tuple(map(float, found)))  # type: ignore[return-value]


def is_binary_submodular(pairwise: PairwiseGraph) -> bool:
    """Whether every node has at most two states and a minimum cut finds the best labelling.

    That is so where E(0, 0) + E(1, 1) <= E(0, 1) + E(1, 0) for every edge (Kolmogorov and Zabih
    2004, "What energy functions can be minimized via graph cuts?", theorem 4.1).
    """
    if pairwise.largest > 2:
        return False
    zero = np.zeros(pairwise.nodes, np.int32)
    one = (pairwise.cardinalities - 1).astype(np.int32)
    return opposed_edge_of(Energies(pairwise, pairwise.prior), zero, one) is None


def _cut(
    terminal: Float[np.ndarray, " nodes"],
    ends: Int[np.ndarray, "2 edges"],
    costs: Float[np.ndarray, "2 edges"],
    opposed: Bool[np.ndarray, " edges"],
) -> Bool[np.ndarray, " nodes"]:
    """Which nodes choose one: the sink's side of a cut."""
    if not opposed.any():
        if (terminal >= 0).all():  # nobody gains
            return np.zeros(len(terminal), np.bool_)
        return minimum_cut(terminal, *ends, *costs).sink_side
    # Each node has a double that chooses the other way; an opposed edge joins nodes to doubles.
    nodes = len(terminal)
    (first, second), (forward, backward) = ends, costs
    away = np.where(opposed, nodes, 0)
    sink_side = minimum_cut(
        np.concatenate([terminal, -terminal]),
        np.concatenate([first, second + nodes - away]),
        np.concatenate([second + away, first + nodes]),
        np.concatenate([forward, forward]),
        np.concatenate([backward, backward]),
    ).sink_side
    return sink_side[:nodes] & ~sink_side[nodes:]
