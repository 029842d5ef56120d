"""The best choice between two states at every node: the step that cuts and moves are made of."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float, Int

from mmgraph.inference.messages.belief_propagation_kernels import DirectedMessages
from mmgraph.inference.messages.trws_kernels import trws_pass
from mmgraph.inference.minimisation.binary_kernels import (
    NOT_ONE,
    NOT_ZERO,
    BinaryChoice,
    add_rises,
    change,
    edges_inside,
    split_edges,
)
from mmgraph.inference.minimisation.maximum_flow import minimum_cut
from mmgraph.inference.minimisation.maximum_flow_kernels import Arcs, arcs_of_edges, saturate
from mmgraph.inference.pairwise.graph import Adjacency, PairwiseGraph

_NO_MESSAGES = DirectedMessages(np.zeros(1, np.int64), np.empty(0), np.empty(0))


@dataclass(frozen=True)
class Region:
    """Nodes that a move may change, in ascending order, and the numbers of the edges between them.

    ``position`` is the place of each node of the graph among the members, -1 outside; ``ends`` are
    the places of the edges' ends.
    """

    nodes: Int[np.ndarray, " members"]
    position: Int[np.ndarray, " nodes"]
    edges: Int[np.ndarray, " edges"]
    ends: Int[np.ndarray, "2 edges"]

    @cached_property
    def arcs(self) -> Arcs:
        """The arcs of the edges, between places among the members."""
        arcs: Arcs = arcs_of_edges(self.ends[0], self.ends[1], len(self.nodes))
        return arcs


@dataclass(frozen=True)
class Energies:
    """A pairwise graph with the unary energies of one row of evidence, and perhaps messages.

    These are of TRW-S after a backward pass, one along each edge towards its first node. They
    change no energy, but say how to divide an edge's so that little is left to the flow.
    """

    pairwise: PairwiseGraph
    unary: Float[np.ndarray, " states"] = field(repr=False)
    messages: Float[np.ndarray, " slots"] | None = field(default=None, repr=False)

    @cached_property
    def everywhere(self) -> Region:
        """The region of all nodes."""
        p = self.pairwise
        nodes = np.arange(p.nodes)
        ends = np.stack([p.first, p.second])
        return Region(nodes, nodes.astype(np.int32), np.arange(p.edges, dtype=np.int32), ends)

    def region(self, nodes: Int[np.ndarray, " members"]) -> Region:
        """Return the region of some nodes, given in ascending order."""
        p = self.pairwise
        position = np.full(p.nodes, -1, np.int32)
        edges, ends = edges_inside(nodes, position, p.adjacency, p.second)
        return Region(nodes, position, edges, ends)

    def around(self, marked: Bool[np.ndarray, " nodes"], reach: int) -> Region:
        """Return the region of all nodes within so many edges of those marked."""
        p = self.pairwise
        near = marked
        for _ in range(reach):
            wider = near.copy()
            wider[p.first[near[p.second]]] = True
            wider[p.second[near[p.first]]] = True
            near = wider
        return self.region(np.flatnonzero(near))

    @cached_property
    def both_messages(self) -> DirectedMessages:
        """The messages towards both nodes of each edge; none without those of TRW-S."""
        if self.messages is None:
            return _NO_MESSAGES
        p, onwards = self.pairwise, self.messages.copy()
        # A pass forwards turns the messages round. It stops early if no labelling is possible.
        trws_pass(True, self.unary, p.edge_arrays, p.adjacency, p.slots, onwards)
        return DirectedMessages(p.slots, onwards, self.messages)

    @property
    def tolerance(self) -> float:
        """The rounding of an energy relative to itself."""
        return 16 * float(np.finfo(self.unary.dtype).eps)

    def change(
        self,
        before: Int[np.ndarray, " nodes"],
        after: Int[np.ndarray, " nodes"],
        members: Int[np.ndarray, " members"],
    ) -> float:
        """Return by how much the energy rises where these nodes may differ in two labellings."""
        p = self.pairwise
        return float(change(members, before, after, self.unary, p.edge_arrays, p.adjacency))


def best_choice(
    energies: Energies,
    zero: Int[np.ndarray, " nodes"],
    one: Int[np.ndarray, " nodes"],
    region: Region | None = None,
) -> Int[np.ndarray, " nodes"]:
    """Return the labelling of least energy among those that mix two labellings.

    Where an edge between nodes that have the choice is opposed (equal choices cost more than
    different ones) this is hard. Roof duality then finds part of a best labelling (Rother,
    Kolmogorov, Lempitsky and Szummer 2007, "Optimizing binary MRFs via extended roof duality");
    the other nodes keep the state of ``zero``, and the energy is never above that of ``zero``.
    Outside of the region the two agree, or are held at ``zero``; by default there is no outside.
    """
    p = energies.pairwise
    if region is None:
        region = energies.everywhere
        # Nothing leaves the region of all nodes: what is at each is not asked for.
        none = np.zeros(len(zero) + 1, np.int64)
        adjacency = Adjacency(none, none[1:], np.zeros(0, np.int32))
    else:
        adjacency = p.adjacency
    members, count = len(region.nodes), len(region.edges)
    terminal, barred = np.zeros(members), np.zeros(members, np.uint8)
    choice = BinaryChoice(terminal, barred, np.empty(2 * count), np.zeros(count, np.bool_))
    place = (region.nodes, region.position)
    add_rises(choice, *place, zero, one, energies.unary, p.edge_arrays, adjacency)
    ends, tolerance = (region.edges, region.ends), energies.tolerance
    split_edges(choice, ends, zero, one, tolerance, energies.both_messages, p.edge_arrays)
    if barred.any():
        terminal[(barred & NOT_ZERO) != 0] = -np.inf
        terminal[(barred & NOT_ONE) != 0] = np.inf
    answer = zero.copy()
    if (terminal < 0).any():  # else nobody gains
        chosen = region.nodes[_cut(region, choice)]
        answer[chosen] = one[chosen]
    return answer


def _cut(region: Region, choice: BinaryChoice) -> Bool[np.ndarray, " members"]:
    """Which members choose one: the sink's side of a minimum cut."""
    terminal, _, residual, opposed = choice
    if not opposed.any():
        return np.asarray(saturate(region.arcs, residual, terminal)[1])
    # Each node has a double that chooses the other way; an opposed edge joins nodes to doubles.
    nodes = len(terminal)
    first, second = region.ends
    across = np.where(opposed, nodes, 0).astype(np.int32)
    sink_side = minimum_cut(
        np.concatenate([terminal, -terminal]),
        np.concatenate([first, second + (nodes - across)]),
        np.concatenate([second + across, first + nodes]),
        np.tile(residual[0::2], 2),
        np.tile(residual[1::2], 2),
    ).sink_side
    return sink_side[:nodes] & ~sink_side[nodes:]
