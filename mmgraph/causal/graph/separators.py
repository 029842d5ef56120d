"""Sets of nodes that m-separate two others: one, all, and all minimal ones."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from mmgraph.causal.graph.separation import Adjacency, reached, union


@dataclass(frozen=True)
class Separation:
    """Two sets of nodes to separate, by nodes of ``allowed`` and all those of ``required``.

    The algorithms are those of van der Zander, Liśkiewicz and Textor (2019), and Takata's (2010)
    for minimal separators: a minimal one is the boundary of the nodes on the first set's side, and
    these sides are grown node by node.
    """

    graph: Adjacency
    first: int
    second: int
    allowed: int
    required: int = 0

    def holds(self, separator: int) -> bool:
        """Return whether a set separates; whether it is allowed is not asked."""
        return not self.graph.connected(self.first, separator) & self.second

    def largest(self) -> int | None:
        """Return all allowed ancestors, which separate if any set does; None if none does."""
        ancestors = self.graph.ancestors(self.first | self.second | self.required)
        separator = ancestors & self.allowed | self.required
        fits = not self.required & ~self.allowed and self.holds(separator)
        return separator if fits else None

    def minimal(self) -> int | None:
        """Return the minimal separator nearest to the second set, in linear time; None if none."""
        if self.largest() is None:
            return None
        sides = self._sides()
        return sides.boundary(self.second, self.first) | self.required

    def all_minimal(self) -> Iterator[int]:
        """Yield all minimal separators; the delay between two is polynomial."""
        if self.largest() is None:
            return
        sides = self._sides()
        start = sides.grown(self.first, self.second)
        assert start is not None
        # A side, and the nodes of its boundary that no larger side may take in.
        branches = [(start, 0)]
        while branches:
            side, fixed = branches.pop()
            separator = sides.boundary(side, self.second)
            free = separator & ~fixed
            if not free:
                yield separator | self.required
                continue
            node = free & -free
            branches.append((side, fixed | node))
            larger = sides.grown(side | node, self.second)
            if larger is not None and not larger & fixed:
                branches.append((larger, fixed))

    def all(self) -> Iterator[int]:
        """Yield all separators; the delay between two is polynomial."""
        branches = [self]
        while branches:
            branch = branches.pop()
            if branch.largest() is None:
                continue
            free = branch.allowed & ~branch.required
            if not free:
                yield branch.required
                continue
            node = free & -free
            branches += [
                branch._restricted(branch.allowed & ~node, branch.required),
                branch._restricted(branch.allowed, branch.required | node),
            ]

    def _restricted(self, allowed: int, required: int) -> Separation:
        return Separation(self.graph, self.first, self.second, allowed, required)

    def _sides(self) -> _Sides:
        within = self.graph.ancestors(self.first | self.second | self.required)
        kept = within & ~self.required
        neighbours = tuple(n & kept for n in self.graph.augmented(within))
        return _Sides(neighbours, kept & ~self.allowed)


@dataclass(frozen=True)
class _Sides:
    """The undirected graph in which separators part two sides; ``passed`` can be in none."""

    neighbours: tuple[int, ...]
    passed: int

    def _inside(self, side: int) -> int:
        """Return a side and the nodes that walks from it reach before they can be stopped."""
        return reached(self.neighbours, side, self.passed | side)

    def boundary(self, side: int, other: int) -> int:
        """Return the nodes around a side that the other set reaches: the separator."""
        inside = self._inside(side)
        around = union(self.neighbours, inside) & ~inside
        return union(self.neighbours, reached(self.neighbours, other, ~around)) & around

    def grown(self, side: int, other: int) -> int | None:
        """Return the smallest side of a minimal separator that takes in a set; None if none."""
        inside = self._inside(side)
        if (inside | union(self.neighbours, inside)) & other:
            return None
        return reached(self.neighbours, side, ~self.boundary(side, other))
