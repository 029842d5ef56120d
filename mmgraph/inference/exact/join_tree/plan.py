"""What a plan is asked for and what it is: a program for the kernel, and where its tables lie."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from mmgraph.inference.exact.join_tree.contraction import ContractionTree

Strides = dict[int, int]
"""The stride of each variable's axis in a table."""


class Request(NamedTuple):
    """What a plan is compiled for; plans are kept under it.

    Attributes
    ----------
    observed : tuple of int
        The variables that every row fixes, in the order of the columns of the codes.
    row_scopes : tuple of tuple of int
        The scopes of the tables that come with every row: soft evidence, observed continuous
        leaves, variables that only some rows observe.
    variables : tuple of int
        The variables whose marginals are wanted.
    families : bool
        Whether the joint belief of every factor, and of every row table, is wanted.
    keep : tuple of int
        The variables whose joint distribution is wanted instead.
    maximised : tuple of int
        The variables to maximise, the others being summed out first.
    """

    observed: tuple[int, ...] = ()
    row_scopes: tuple[tuple[int, ...], ...] = ()
    variables: tuple[int, ...] = ()
    families: bool = False
    keep: tuple[int, ...] = ()
    maximised: tuple[int, ...] = ()


@dataclass(frozen=True)
class Leaf:
    """Where a factor's numbers come from: its own table, or one that comes with every row.

    ``observed`` are the variables of the scope that evidence fixes, with their column of the codes.
    """

    scope: tuple[int, ...]
    observed: tuple[tuple[int, int], ...] = ()
    row_table: bool = False


class Program(NamedTuple):
    """The steps of a plan, and the tables that they work on.

    Attributes
    ----------
    steps : ndarray of int64
    offsets, scales : ndarray over slots
        Where each table starts, and the factor it waits to be multiplied by.
    buffer : ndarray of float64
        All tables.
    counter : ndarray of int64
        What the outer loops of a step count with.
    """

    steps: np.ndarray
    offsets: np.ndarray
    scales: np.ndarray
    buffer: np.ndarray
    counter: np.ndarray


class RowEvidence(NamedTuple):
    """What rows observe, and where in the buffer it goes.

    Attributes
    ----------
    slots : ndarray of int64, shape (n, 4)
        The tables that evidence slices: slot, unsliced start, first and last+1 row of ``strides``.
    strides : ndarray of int64, shape (m, 2)
        Column of ``codes`` and stride of the sliced axis.
    codes : ndarray of int64, shape (rows, columns)
        Observed states.
    soft_start, soft : int, ndarray of float64 (rows, entries)
        Where soft evidence goes, and the likelihoods of each row.
    """

    slots: np.ndarray
    strides: np.ndarray
    codes: np.ndarray
    soft_start: int
    soft: np.ndarray


@dataclass
class Plan:
    """A program and its memory map, for one pattern of evidence.

    Attributes
    ----------
    program : ndarray of int64
        The steps.
    sections : ndarray of int64, shape (3,)
        Where the part that depends on evidence begins, where the backward pass begins, the end.
    offsets : ndarray
        For each slot where its table starts in the buffer.
    entries : int
        The length of the buffer.
    layout : list of (start, axes)
        For each leaf where its table goes, and how its axes are permuted first.
    slots, strides : ndarray of int64
        The leaves that evidence slices (see :class:`RowEvidence`).
    soft_start : int
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
    counter: np.ndarray
    entries: int
    layout: list[tuple[int, tuple[int, ...]]]
    slots: np.ndarray
    strides: np.ndarray
    soft_start: int
    output_start: int
    outputs: list[tuple[int, int, tuple[int, ...]]]
    table_strides: list[Strides]
    base_log: float
    cost: float

    @property
    def output_entries(self) -> int:
        """The length of a row of the output."""
        return sum(entries for _, entries, _ in self.outputs)


def decoding_steps(plan: Plan, only: frozenset[int] | None = None) -> np.ndarray:
    """Write the program of ``decode_rows``: the nodes from the roots down.

    ``only`` are the variables to decide (the maximised ones of marginal MAP), by default all.
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
