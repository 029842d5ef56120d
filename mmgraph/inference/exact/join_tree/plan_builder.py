"""Compile a join tree into a program for the kernel: which tables lie where, which loops to run.

The forward pass contracts from the leaves to the roots; each total that it divides out goes into
log P(evidence). The backward pass contracts the other way: the gradient of a node is the product of
everything outside it, so that ``value * gradient`` is the unnormalised belief over the node's
variables (Darwiche 2003; Shafer and Shenoy 1990). A marginal is read off the smallest table that
has the variable.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np

from mmgraph.inference.exact.join_tree import kernels
from mmgraph.inference.exact.join_tree.contraction import ContractionTree
from mmgraph.inference.exact.join_tree.plan import Leaf, Plan, Request, Strides


def compile_plan(
    tree: ContractionTree, leaves: Sequence[Leaf], rank: list[int], request: Request
) -> Plan:
    """Compile a join tree over the free variables of its leaves.

    ``rank`` is the place of each variable in the order that all tables' axes follow. An observed
    variable gets an empty marginal; what is kept is the result instead of beliefs.
    """
    builder = _PlanBuilder(tree, leaves, rank, frozenset(request.maximised))
    soft_start = builder.place_leaves()
    builder.forward()
    backward_start = len(builder.steps)
    if request.keep:  # nothing runs backwards
        output_start, outputs = builder.joint(request.keep)
        backward_start = len(builder.steps)
    else:
        factors = range(len(leaves)) if request.families else ()
        output_start, outputs = builder.beliefs(request.variables, factors)
    return Plan(
        tree=tree,
        program=np.array(builder.steps, np.int64),
        sections=np.array([builder.static_stop, backward_start, len(builder.steps)], np.int64),
        offsets=np.array(builder.offsets, np.int64),
        counter=np.zeros(builder.deepest + 1, np.int64),
        entries=builder.position,
        layout=builder.layout,
        slots=np.array(builder.slot_rows, np.int64).reshape(-1, 4),
        strides=np.array(builder.stride_rows, np.int64).reshape(-1, 2),
        soft_start=soft_start,
        output_start=output_start,
        outputs=outputs,
        table_strides=builder.strides,
        base_log=builder.base_log,
        cost=builder.cost,
    )


class _PlanBuilder:
    """Lay out the tables of a join tree and write the program step by step."""

    def __init__(
        self,
        tree: ContractionTree,
        leaves: Sequence[Leaf],
        rank: list[int],
        maximised: frozenset[int],
    ) -> None:
        self.tree, self.leaves, self.rank = tree, leaves, rank
        self.maximised = maximised
        self.card = tree.cardinalities
        nodes = len(tree.scopes)
        self.one = nodes  # the slot of the constant one, in the first entry of the buffer
        self.offsets = [0] * (nodes + 1)
        self.strides: list[Strides] = [{} for _ in range(nodes + 1)]
        self.normalised = [True] * (nodes + 1)
        self.position = 1
        self.steps: list[int] = []
        self.static_stop = 0
        self.deepest = 1
        self.cost = 0.0
        self.base_log = 0.0
        self.layout: list[tuple[int, tuple[int, ...]]] = []
        self.slot_rows: list[tuple[int, int, int, int]] = []
        self.stride_rows: list[tuple[int, int]] = []
        self.gradients: dict[int, int] = {}

    def _place(self, slot: int, scope: Iterable[int]) -> None:
        """Give a slot its stretch of the buffer, axes in the common order."""
        strides: Strides = {}
        size = 1
        for v in sorted(scope, key=self.rank.__getitem__, reverse=True):
            strides[v] = size
            size *= self.card[v]
        self.strides[slot] = strides
        self.offsets[slot] = self.position
        self.position += size

    def _new_slot(self, scope: Iterable[int]) -> int:
        self.offsets.append(0)
        self.strides.append({})
        self.normalised.append(True)
        self._place(len(self.offsets) - 1, scope)
        return len(self.offsets) - 1

    def place_leaves(self) -> int:
        """Lay out the factors; those that each row gives anew stand together at the end."""
        self.layout = [(0, ())] * len(self.leaves)
        for node, leaf in enumerate(self.leaves):
            if not leaf.row_table:
                self._place_table(node, leaf)
        soft_start = self.position
        for node, leaf in enumerate(self.leaves):
            if leaf.row_table:
                self._place_table(node, leaf)
        return soft_start

    def _place_table(self, node: int, leaf: Leaf) -> None:
        if not leaf.observed:
            axes = sorted(range(len(leaf.scope)), key=lambda i: self.rank[leaf.scope[i]])
            self.layout[node] = (self.position, tuple(axes))
            self._place(node, leaf.scope)
            return
        column = dict(leaf.observed)
        index = {v: i for i, v in enumerate(leaf.scope)}
        free = sorted((v for v in leaf.scope if v not in column), key=self.rank.__getitem__)
        # Observed axes stand outermost, so that a slice is one contiguous block.
        self.layout[node] = (self.position, tuple(index[v] for v in (*column, *free)))
        start, first = self.position, len(self.stride_rows)
        self._place(node, free)
        size = self.position - start
        for v in reversed(column):
            self.stride_rows.append((column[v], size))
            size *= self.card[v]
        self.position = start + size
        self.slot_rows.append((node, start, first, len(self.stride_rows)))

    def forward(self) -> None:
        """Write the steps from the leaves to the roots, those that no evidence changes first."""
        tree = self.tree
        dynamic = [bool(leaf.observed) or leaf.row_table for leaf in self.leaves]
        for node in range(tree.leaves, len(tree.scopes)):
            right = tree.right[node]
            dynamic.append(dynamic[tree.left[node]] or (right >= 0 and dynamic[right]))
        counts = self._counting_nodes()
        for part in (False, True):
            for node in range(tree.leaves, len(tree.scopes)):
                if dynamic[node] is part and not tree.unit[node]:
                    self._forward_step(node, counts[node])
            for root in tree.roots:
                if root < tree.leaves and dynamic[root] is part and not tree.scopes[root]:
                    total = self._new_slot(())
                    self.contract(root, self.one, total, kernels.NORMALISE | kernels.COUNTS)
            if not part:
                self.static_stop = len(self.steps)

    def value(self, node: int) -> int:
        """The slot of a node's table; no node, and one that is known to be one, need none."""
        return self.one if node < 0 or self.tree.unit[node] else node

    def _counting_nodes(self) -> list[bool]:
        """Whether a node's total belongs to log P(evidence).

        Below a node that is known to be one nothing does: what is summed out there sums to one, and
        the tables serve the backward pass only.
        """
        tree = self.tree
        counts = [True] * len(tree.scopes)
        for node in range(len(tree.scopes) - 1, tree.leaves - 1, -1):
            for child in (tree.left[node], tree.right[node]):
                if child >= 0:
                    counts[child] = counts[node] and not tree.unit[node]
        return counts

    def _forward_step(self, node: int, counts: bool) -> None:
        tree = self.tree
        first, second = self.value(tree.left[node]), self.value(tree.right[node])
        scope, gone = tree.scopes[node], tree.eliminated[node]
        reach = self.strides[first].keys() | self.strides[second].keys()
        if gone & self.maximised:
            flags = kernels.MAXIMISE | kernels.NORMALISE
        else:
            if counts:
                self.base_log += sum(math.log(self.card[v]) for v in gone - reach)
            flags = self._flags(node, tree.size(scope), bool(gone & reach), (first, second))
        self._place(node, scope)
        self.contract(first, second, node, flags | (kernels.COUNTS if counts else 0))

    def _flags(self, result: int, size: int, contracted: bool, operands: tuple[int, ...]) -> int:
        """A large plain product need not be rescaled at once, if what it multiplies was."""
        skip = size > 512 and not contracted and all(self.normalised[s] for s in operands)
        self.normalised[result] = not skip
        return 0 if skip else kernels.NORMALISE

    def joint(self, keep: Sequence[int]) -> tuple[int, list[tuple[int, int, tuple[int, ...]]]]:
        """Write the root's table out as the result.

        What evidence leaves of it counts here: it may be a factor's slice that no step has divided
        by its total.
        """
        (root,) = (r for r in self.tree.roots if self.tree.scopes[r])
        start = self.position
        slot = self._new_slot(keep)
        self.contract(self.value(root), self.one, slot, kernels.NORMALISE | kernels.COUNTS)
        return start, [(0, self.position - start, tuple(sorted(keep, key=self.rank.__getitem__)))]

    def beliefs(
        self, variables: Sequence[int], factors: Sequence[int]
    ) -> tuple[int, list[tuple[int, int, tuple[int, ...]]]]:
        """Write the backward pass to the nodes that the targets need, and read the targets off."""
        tree = self.tree
        smallest = self._smallest_nodes(variables)
        self._backward({*smallest.values(), *factors})
        start = self.position
        outputs: list[tuple[int, int, tuple[int, ...]]] = []
        by_rank = self.rank.__getitem__
        targets: list[tuple[tuple[int, ...], int]] = [
            ((v,), smallest.get(v, -1)) for v in variables
        ]
        targets += [(tuple(sorted(tree.scopes[n], key=by_rank)), n) for n in factors]
        for axes, node in targets:
            before = self.position
            slot = self._new_slot(axes)
            if node >= 0:
                self.contract(self.value(node), self.gradients[node], slot, 0)
            outputs.append((before - start, self.position - before, axes))
        return start, outputs

    def _smallest_nodes(self, variables: Sequence[int]) -> dict[int, int]:
        """For each variable the node with the smallest table that has it, the nearest to a root."""
        wanted = set(variables)
        smallest: dict[int, int] = {}
        sizes: dict[int, int] = {}
        for node, scope in enumerate(self.tree.scopes):
            size = -1
            for v in scope:
                if v in wanted:
                    size = self.tree.size(scope) if size < 0 else size
                    if size <= sizes.get(v, size):
                        sizes[v], smallest[v] = size, node
        return smallest

    def _backward(self, targets: set[int]) -> None:
        tree = self.tree
        needed = [False] * len(tree.scopes)
        for node in range(len(tree.scopes)):
            left, right = tree.left[node], tree.right[node]
            needed[node] = (
                node in targets or (left >= 0 and needed[left]) or (right >= 0 and needed[right])
            )
        for root in tree.roots:
            self.gradients[root] = self.one
        for node in range(len(tree.scopes) - 1, tree.leaves - 1, -1):
            if not needed[node]:
                continue
            left, right = tree.left[node], tree.right[node]
            if needed[left]:
                self._backward_step(node, left, right)
            if right >= 0 and needed[right]:
                self._backward_step(node, right, left)

    def _backward_step(self, parent: int, child: int, sibling: int) -> None:
        """Contract the gradient of a node with one child into the gradient of the other."""
        gradient, value = self.gradients[parent], self.value(sibling)
        reach = self.strides[gradient].keys() | self.strides[value].keys()
        scope = self.tree.scopes[child] & reach
        # Multiplied by one and with nothing to sum out, a table is its own result.
        for only, other in ((gradient, value), (value, gradient)):
            if other == self.one and scope == self.strides[only].keys():
                self.gradients[child] = only
                return
        result = self.gradients[child] = self._new_slot(scope)
        size = self.tree.size(scope)
        flags = self._flags(result, size, len(scope) < len(reach), (gradient, value))
        self.contract(gradient, value, result, flags)

    def contract(self, first: int, second: int, result: int, flags: int) -> None:
        """Write the step ``result = sum of first * second``, its loops merged and ordered."""
        a, b, c = self.strides[first], self.strides[second], self.strides[result]
        card, rank = self.card, self.rank
        union = sorted({*a, *b, *c}, key=rank.__getitem__, reverse=True)
        loops: list[list[int]] = []  # innermost first
        for v in union:
            n = card[v]
            if n == 1:
                continue
            x, y, z = a.get(v, 0), b.get(v, 0), c.get(v, 0)
            if loops:
                m, p, q, r = loops[-1]
                if p * m == x and q * m == y and r * m == z:
                    loops[-1][0] = m * n
                    continue
            loops.append([n, x, y, z])
        size = 1
        for v in c:
            size *= card[v]
        inner = loops[0] if loops else [1, 0, 0, 0]
        form = _form(inner)
        if form == _SWAPPED:
            first, second = second, first
            loops = [[n, q, p, r] for n, p, q, r in loops]
            inner = loops[0]
            form = _form(inner)
        outer = [loop for loop in loops[1:] if loop[3]]
        summed = [loop for loop in loops[1:] if not loop[3]]
        if summed and not flags & kernels.MAXIMISE:
            flags |= kernels.CLEAR
        # Summed loops run inside the others, so that a result stays in the cache until it is done.
        nest = [*reversed(outer), *reversed(summed), inner]
        self.deepest = max(self.deepest, len(nest))
        steps = self.steps
        steps += [
            kernels.HEADER + kernels.LOOP * len(nest),
            form,
            first,
            second,
            result,
            size,
            flags,
            len(nest),
        ]
        for loop in nest:
            steps += loop
        total = math.prod([loop[0] for loop in loops])
        self.cost += 15.0 + 2.0 * total / inner[0] + 0.25 * total


_SWAPPED = -1


def _form(loop: Sequence[int]) -> int:
    """The kernel's form of an innermost loop, from the tables that have its axis."""
    _, a, b, c = loop
    if c:
        if a and b:
            return kernels.PRODUCT
        if b:
            return kernels.SCALED_COPY
        return _SWAPPED if a else kernels.FILL
    if a and b:
        return kernels.DOT
    if b:
        return kernels.TOTAL
    return _SWAPPED if a else kernels.SCALAR
