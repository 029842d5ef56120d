"""What a compiled plan is: a program for the kernel, and where its tables lie."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mmgraph.inference.exact.join_tree.contraction import ContractionTree

Strides = dict[int, int]
"""The stride of each variable's axis in a table."""


@dataclass(frozen=True)
class Leaf:
    """Where a factor's numbers come from.

    Attributes
    ----------
    scope : tuple of int
        The variables of the factor, in the order of its axes.
    observed : tuple of (int, int)
        The variables of the scope that evidence fixes, with their column of the codes.
    row_table : bool
        Whether the table is given anew with every row (soft evidence).
    """

    scope: tuple[int, ...]
    observed: tuple[tuple[int, int], ...] = ()
    row_table: bool = False


@dataclass
class Plan:
    """A program and its memory map, for one pattern of evidence.

    Attributes
    ----------
    program : ndarray of int64
        The steps.
    sections : ndarray of int64, shape (3,)
        Where the part that depends on evidence begins, where the backward pass begins, the end.
    offsets, scales : ndarray
        For each slot where its table starts in the buffer, and its pending factor.
    entries : int
        The length of the buffer.
    layout : list of (start, axes)
        For each leaf where its table goes, and how its axes are permuted first.
    slots, strides : ndarray of int64
        The leaves that evidence slices (see ``run_rows``).
    soft_start, soft_entries : int
        The part of the buffer that each row overwrites.
    output_start : int
        The part of the buffer that holds the results.
    outputs : list of (start, entries, axes)
        Where each target stands in a row of the output, and the variables of its axes.
    table_strides : list of dict
        The strides of every slot's table.
    base_log : float
        What no table holds of log P(evidence).
    cost : float
        A rough number of nanoseconds for one row.
    """

    tree: ContractionTree
    program: np.ndarray
    sections: np.ndarray
    offsets: np.ndarray
    scales: np.ndarray
    counter: np.ndarray
    entries: int
    layout: list[tuple[int, tuple[int, ...]]]
    slots: np.ndarray
    strides: np.ndarray
    soft_start: int
    soft_entries: int
    output_start: int
    outputs: list[tuple[int, int, tuple[int, ...]]]
    table_strides: list[Strides]
    base_log: float
    cost: float

    @property
    def output_entries(self) -> int:
        """The length of a row of the output."""
        return sum(entries for _, entries, _ in self.outputs)


def axis_ranks(order: Sequence[int], latest_innermost: bool = True) -> list[int]:
    """Give each variable its place in the one order that all tables' axes follow."""
    rank = [0] * len(order)
    for place, v in enumerate(order if latest_innermost else reversed(order)):
        rank[v] = place
    return rank


def decoding_steps(plan: Plan, only: frozenset[int] | None = None) -> np.ndarray:
    """Write the program of ``decode_rows``: the nodes from the roots down.

    Parameters
    ----------
    plan : Plan
        With a forward pass at least.
    only : frozenset of int, optional
        The variables to decide (the maximised ones of marginal MAP); by default all.
    """
    tree, one = plan.tree, len(plan.tree.scopes)
    steps: list[int] = []
    for node in range(len(tree.scopes) - 1, tree.leaves - 1, -1):
        free = sorted(tree.eliminated[node] if only is None else tree.eliminated[node] & only)
        if not free:
            continue
        slots = [
            one if child < 0 or tree.unit[child] else child
            for child in (tree.left[node], tree.right[node])
        ]
        first, second = (plan.table_strides[slot] for slot in slots)
        fixed = [v for v in tree.scopes[node] if v in first or v in second]
        states = math.prod(tree.cardinalities[v] for v in free)
        record = [*slots, len(fixed), len(free), states]
        for v in fixed:
            record += [v, first.get(v, 0), second.get(v, 0)]
        for v in free:
            record += [v, tree.cardinalities[v], first.get(v, 0), second.get(v, 0)]
        steps += [len(record) + 1, *record]
    return np.array(steps, np.int64)
