"""Reachability and separation in graphs whose nodes are bits, the fast ground of causal queries."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

Masks = tuple[int, ...]


def bits(mask: int) -> Iterator[int]:
    """Yield the positions of the bits that are set, lowest first."""
    while mask:
        low = mask & -mask
        yield low.bit_length() - 1
        mask ^= low


def union(masks: Sequence[int], of: int) -> int:
    """Return the union of the masks at the positions ``of``."""
    total = 0
    for i in bits(of):
        total |= masks[i]
    return total


def reached(neighbours: Sequence[int], start: int, within: int = -1) -> int:
    """Return the nodes that walks from ``start`` reach in ``within``, the start included."""
    found = new = start
    while new:
        new = union(neighbours, new) & within & ~found
        found |= new
    return found


@dataclass(frozen=True)
class Adjacency:
    """The neighbours of each node of a mixed graph as bit masks; node ``i`` is bit ``1 << i``."""

    parents: Masks
    children: Masks
    spouses: Masks

    @classmethod
    def of_edges(
        cls,
        size: int,
        directed: Iterable[tuple[int, int]],
        bidirected: Iterable[tuple[int, int]],
    ) -> Adjacency:
        """Return the masks of edges between positions."""
        parents, children, spouses = [0] * size, [0] * size, [0] * size
        for a, b in directed:
            parents[b] |= 1 << a
            children[a] |= 1 << b
        for a, b in bidirected:
            spouses[a] |= 1 << b
            spouses[b] |= 1 << a
        return cls(tuple(parents), tuple(children), tuple(spouses))

    @property
    def every(self) -> int:
        """All nodes."""
        return (1 << len(self.parents)) - 1

    def without_edges(self, out_of: int, to: int = -1) -> Adjacency:
        """Return the graph without the directed edges out of some nodes to others."""
        return Adjacency(
            tuple(p & ~out_of if to >> i & 1 else p for i, p in enumerate(self.parents)),
            tuple(c & ~to if out_of >> i & 1 else c for i, c in enumerate(self.children)),
            self.spouses,
        )

    def ancestors(self, nodes: int) -> int:
        """Return the nodes and all that have a directed path to one of them."""
        return reached(self.parents, nodes)

    def descendants(self, nodes: int) -> int:
        """Return the nodes and all that one of them has a directed path to."""
        return reached(self.children, nodes)

    def connected(self, start: int, given: int) -> int:
        """Return the nodes that are m-connected to ``start`` given others (Bayes ball)."""
        open_colliders = self.ancestors(given)
        tails = heads = 0
        # A walk arrives at a node by the tail of an edge, or by a head; it starts as by a tail.
        new_tails, new_heads = start & ~given, 0
        while new_tails or new_heads:
            tails |= new_tails
            heads |= new_heads
            down = (new_tails | new_heads) & ~given
            up = new_tails & ~given | new_heads & open_colliders
            new_tails = union(self.parents, up) & ~tails
            new_heads = (union(self.children, down) | union(self.spouses, up)) & ~heads
        return (tails | heads) & ~given

    def augmented(self, within: int) -> Masks:
        """Return the neighbours in the augmented graph of an ancestral set (Richardson 2003).

        Nodes that colliders alone lie between are neighbours: of a DAG it is the moral graph. Sets
        of these nodes are m-separated where others part them in it.
        """
        neighbours = [0] * len(self.parents)
        rest = within
        while rest:
            district = reached(self.spouses, rest & -rest, within)
            rest &= ~district
            clique = (district | union(self.parents, district)) & within
            for i in bits(clique):
                neighbours[i] |= clique
        return tuple(n & ~(1 << i) for i, n in enumerate(neighbours))
