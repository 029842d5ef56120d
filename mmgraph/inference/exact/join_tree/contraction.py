"""The binary join tree: in which order factors are multiplied and variables summed out.

Bucket elimination (Dechter 1999) along an elimination order, with every product taken two factors
at a time. The result is a binary join tree in the sense of Shenoy (1997): each node multiplies its
two children and sums out the variables that no other factor needs any more. Written this way, each
step is a contraction of two tensors - a matrix product where the axes allow it - and the clique's
own table, which is larger than its messages, never exists.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

_ALL_PAIRS_LIMIT = 8
"""Up to this many factors in a bucket every pair is compared; beyond it the smallest go first."""


@dataclass
class ContractionTree:
    """A binary join tree over factors ``0 … leaves-1``; inner nodes come after their children.

    Attributes
    ----------
    scopes : list of frozenset of int
        The variables of each node's result.
    left, right : list of int
        The children of each node; ``right`` is -1 where a node only sums out, and both are -1 in a
        leaf.
    eliminated : list of frozenset of int
        The variables that each node sums out (or maximises).
    unit : list of bool
        Whether the node's result is known to be one for every state, as the sum of a conditional
        distribution over its child is.
    roots : list of int
        The nodes that are left at the end, one for each connected component.
    """

    cardinalities: Sequence[int]
    leaves: int
    scopes: list[frozenset[int]]
    left: list[int]
    right: list[int]
    eliminated: list[frozenset[int]]
    unit: list[bool]
    roots: list[int]

    def size(self, scope: frozenset[int]) -> int:
        """The number of entries of a table over these variables."""
        return math.prod(self.cardinalities[v] for v in scope)

    def clique(self, node: int) -> frozenset[int]:
        """The variables that meet in a node before it sums any out."""
        return self.scopes[node] | self.eliminated[node]

    def multiplications(self) -> int:
        """The products that one pass from the leaves to the roots takes."""
        return sum(self.size(self.clique(n)) for n in range(self.leaves, len(self.scopes)))


def contraction_tree(
    scopes: Sequence[Sequence[int]],
    cardinalities: Sequence[int],
    order: Sequence[int],
    children: Sequence[int] | None = None,
    keep: frozenset[int] = frozenset(),
    barriers: frozenset[int] = frozenset(),
) -> ContractionTree:
    """Build the join tree of a product of factors along an elimination order.

    Parameters
    ----------
    children : sequence of int, optional
        For each factor the variable it is a conditional distribution of, or -1.
    keep : frozenset of int
        Variables that stay in the roots; they are passed over in ``order``.
    barriers : frozenset of int
        Variables that may not be summed out before their turn in ``order``, because another
        operation (a maximum) eliminates them.
    """
    return _Builder(scopes, cardinalities, children, keep, barriers).build(order)


class _Builder:
    """The state of bucket elimination: which nodes are still to be used, and where."""

    def __init__(
        self,
        scopes: Sequence[Sequence[int]],
        cardinalities: Sequence[int],
        children: Sequence[int] | None,
        keep: frozenset[int],
        barriers: frozenset[int],
    ) -> None:
        count = len(scopes)
        self.tree = ContractionTree(
            cardinalities,
            leaves=count,
            scopes=[frozenset(s) for s in scopes],
            left=[-1] * count,
            right=[-1] * count,
            eliminated=[frozenset()] * count,
            unit=[False] * count,
            roots=[],
        )
        self.keep = keep
        self.late = keep | barriers
        # A node is one for every state once the variables that it summed out are exactly the
        # children of the conditional distributions below it; None means that it never can be.
        self.unsummed: list[frozenset[int] | None] = [
            frozenset((c,)) if c >= 0 and c in s else None
            for c, s in zip(children or [-1] * count, self.tree.scopes, strict=True)
        ]
        self.holders: list[set[int]] = [set() for _ in cardinalities]
        for node, scope in enumerate(self.tree.scopes):
            for v in scope:
                self.holders[v].add(node)
        self.log_size = [math.log(c) for c in cardinalities]
        self.weights = [self._weight(s) for s in self.tree.scopes]

    def _weight(self, scope: frozenset[int]) -> float:
        return sum([self.log_size[v] for v in scope])

    def build(self, order: Sequence[int]) -> ContractionTree:
        alive = set(range(self.tree.leaves))
        self.alive = alive
        for v in order:
            if v in self.keep or not self.holders[v]:
                continue
            self._eliminate(v)
        # What is kept ends in one table, however many components it comes from.
        apart = sorted((n for n in alive if self.tree.scopes[n]), key=self.weights.__getitem__)
        while len(apart) > 1:
            apart[:2] = [self._combine(apart[0], apart[1])]
        self.tree.roots = sorted(alive)
        return self.tree

    def _eliminate(self, v: int) -> None:
        self.late = self.late - {v}
        bucket = sorted(self.holders[v], key=lambda n: (self.weights[n], n))
        while len(bucket) > 1:
            i, j = self._next_pair(bucket)
            second = bucket.pop(j)
            first = bucket.pop(i)
            node = self._combine(first, second)
            if v in self.tree.scopes[node]:
                at = 0
                while at < len(bucket) and self.weights[bucket[at]] <= self.weights[node]:
                    at += 1
                bucket.insert(at, node)
        if bucket and v in self.tree.scopes[bucket[0]]:
            self._combine(bucket[0], -1)

    def _next_pair(self, bucket: list[int]) -> tuple[int, int]:
        """The two nodes whose product is smallest, larger parts preferred among equals."""
        if len(bucket) == 2 or len(bucket) > _ALL_PAIRS_LIMIT:
            return 0, 1
        best, pair = math.inf, (0, 1)
        for i in range(len(bucket)):
            scope, weight = self.tree.scopes[bucket[i]], self.weights[bucket[i]]
            for j in range(i + 1, len(bucket)):
                extra = self.tree.scopes[bucket[j]] - scope
                product = weight + sum([self.log_size[v] for v in extra])
                score = product - 0.01 * (weight + self.weights[bucket[j]])
                if score < best - 1e-12:
                    best, pair = score, (i, j)
        return pair

    def _combine(self, first: int, second: int) -> int:
        tree = self.tree
        node = len(tree.scopes)
        used = {first} if second < 0 else {first, second}
        union = tree.scopes[first] if second < 0 else tree.scopes[first] | tree.scopes[second]
        gone = frozenset([u for u in union if u not in self.late and self.holders[u] <= used])
        scope = union - gone
        tree.scopes.append(scope)
        tree.left.append(first)
        tree.right.append(second)
        tree.eliminated.append(gone)
        unsummed = self.unsummed[first]
        if second >= 0:
            other = self.unsummed[second]
            unsummed = None if unsummed is None or other is None else unsummed | other
        if unsummed is not None:
            unsummed = unsummed - gone if gone <= unsummed else None
        self.unsummed.append(unsummed)
        tree.unit.append(unsummed is not None and not unsummed)
        self.weights.append(self._weight(scope))
        for u in union:
            self.holders[u] -= used
        for u in scope:
            self.holders[u].add(node)
        self.alive -= used
        self.alive.add(node)
        return node
