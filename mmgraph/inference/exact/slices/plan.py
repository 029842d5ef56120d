"""The plan of a slice: how a message over the slice before becomes one over this slice.

A message is a table over the *interface*: the variables of a slice that the next one depends on. A
step multiplies it by the tables of the slice, introduces the slice's variables one by one, and sums
each variable out as soon as nothing needs it (the frontier algorithm on the order that keeps tables
small). Every operation is of one form, ``out[to[i]] += in[of[i]] * table[at[i]]`` over the cells of
a table, so that its adjoint gives backward messages, marginals and expected counts, the maximum in
place of the sum the best path, and the logarithm of all that what doubles cannot hold.

References
----------
Murphy (2002), "Dynamic Bayesian networks", sections 3.2 to 3.4.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Int64, UInt32, UInt64

from mmgraph.graph.memory_budget import check_required, default_memory_budget

Axes = tuple[str, ...]


class SliceTable(NamedTuple):
    """A table that a step multiplies by.

    Attributes
    ----------
    axes : tuple of str
        The hidden variables that it is over, in the order of its cells.
    number : int
        Which table of its kind it is.
    of_rows : bool
        Whether each step has one of its own, rather than a part of one for all steps.
    """

    axes: Axes
    number: int
    of_rows: bool


class Operation(NamedTuple):
    """One operation over the cells of ``layout``; see this module.

    Attributes
    ----------
    layout : tuple of str
        The axes of the cells.
    table : SliceTable or None
        None where there is nothing to multiply by.
    of, at, to : ndarray of uint32, shape (cells,)
        Places in what comes in, in the table and in what goes out.
    size : int
        The cells of what goes out.
    order : ndarray of int64, shape (cells,)
        Where each of these cells stands in the layout. Those that are next to each other read and
        write in different places, which does not wait for memory.
    """

    layout: Axes
    table: SliceTable | None
    of: UInt32[np.ndarray, " cells"]
    at: UInt32[np.ndarray, " cells"]
    to: UInt32[np.ndarray, " cells"]
    size: int
    order: Int64[np.ndarray, " cells"]


@dataclass(frozen=True)
class SlicePlan:
    """The operations of one slice, in order.

    Attributes
    ----------
    incoming, outgoing : tuple of str
        The axes of the messages before and after.
    operations : tuple of Operation
    """

    incoming: Axes
    outgoing: Axes
    operations: tuple[Operation, ...]

    @property
    def cells(self) -> int:
        """How many cells its operations are over: its cost."""
        return sum(len(operation.of) for operation in self.operations)


def slice_plan(
    incoming: Axes,
    outgoing: Axes,
    families: Mapping[str, Sequence[str]],
    tables: Sequence[SliceTable],
    sizes: Mapping[str, int],
    memory_budget: int | None = None,
) -> SlicePlan:
    """Return the plan of a slice.

    Parameters
    ----------
    incoming, outgoing : tuple of str
        The interfaces.
    families : mapping of str to sequence of str
        The hidden variables of the slice, each with its hidden parents.
    tables : sequence of SliceTable
    sizes : mapping of str to int
        The number of states of each axis.
    memory_budget : int, optional
        In bytes.

    Raises
    ------
    MemoryBudgetError
        If a table would not fit the memory budget.
    """
    remaining, layout = list(tables), incoming
    waiting = dict(families)
    operations: list[Operation] = []

    def needed(axes: Axes, rest: Sequence[SliceTable]) -> Axes:
        later = {a for table in rest for a in table.axes}
        later |= {p for parents in waiting.values() for p in parents}
        return tuple(a for a in axes if a in outgoing or a in later)

    def fits(axes: Axes) -> list[SliceTable]:
        return [table for table in remaining if set(table.axes) <= set(axes)]

    def add(axes: Axes, table: SliceTable | None) -> Axes:
        if table is not None:
            remaining.remove(table)
        after = axes if fits(axes) else needed(axes, remaining)
        _check(axes, sizes, memory_budget)
        operations.append(_operation(layout, axes, after, table, sizes))
        return after

    while True:
        while ready := fits(layout):
            layout = add(layout, ready[0])
        if not waiting:
            break
        open_names = [n for n, parents in waiting.items() if not set(parents) & set(waiting)]

        def cost(name: str, before: Axes) -> tuple[int, int]:
            parents = waiting.pop(name)
            after = needed((*before, name), [t for t in remaining if name not in t.axes])
            waiting[name] = parents
            return math.prod(sizes[a] for a in after), list(families).index(name)

        name = min(open_names, key=lambda n: cost(n, layout))
        del waiting[name]
        axes = (*layout, name)
        layout = add(axes, next(iter(fits(axes)), None))
    if layout != outgoing or not operations:
        operations.append(_operation(layout, layout, outgoing, None, sizes))
    return SlicePlan(incoming, outgoing, tuple(operations))


def _check(axes: Axes, sizes: Mapping[str, int], memory_budget: int | None) -> None:
    """Refuse a table that is too large: a few doubles a cell, maps, and its place on each axis."""
    required = (96 + 8 * len(axes)) * math.prod(sizes[a] for a in axes)
    budget = default_memory_budget() if memory_budget is None else memory_budget
    check_required(
        f"a table of {len(axes)} hidden variables of a slice ({', '.join(axes[:8])})",
        required,
        budget,
        "method='particle_filter' answers approximately.",
    )


def _operation(
    before: Axes,
    layout: Axes,
    after: Axes,
    table: SliceTable | None,
    sizes: Mapping[str, int],
) -> Operation:
    shape = tuple(sizes[a] for a in layout)
    places = np.indices(shape, np.int64).reshape(len(shape), -1) if shape else np.zeros((0, 1))
    by_axis: dict[str, Int64[np.ndarray, " cells"]] = dict(zip(layout, places, strict=True))

    def flat(axes: Axes) -> UInt32[np.ndarray, " cells"]:
        total = np.zeros(math.prod(shape), np.int64)
        for axis in axes:
            total = total * sizes[axis] + by_axis[axis]
        return total

    of, at, to = (flat(axes) for axes in (before, () if table is None else table.axes, after))
    order = np.lexsort((_rank(to), _rank(of)))
    of, at, to = (places[order].astype(np.uint32) for places in (of, at, to))
    return Operation(layout, table, of, at, to, math.prod(sizes[a] for a in after), order)


def _rank(groups: Int64[np.ndarray, " cells"]) -> Int64[np.ndarray, " cells"]:
    """How many cells of its own group stand before each."""
    order = np.argsort(groups, kind="stable")
    counts = np.bincount(groups)
    rank = np.empty_like(order)
    rank[order] = np.arange(len(groups)) - np.repeat(np.cumsum(counts) - counts, counts)
    return rank


class Program(NamedTuple):
    """Plans of the first slices and of all later ones, as arrays that compiled code runs.

    Attributes
    ----------
    first : ndarray of int64, shape (plans + 1,)
        Where the operations of each plan begin.
    cells : ndarray of uint64, shape (operations + 1,)
        Where the cells of each operation begin in the maps.
    source, target : ndarray of uint64, shape (operations,)
        Where what goes in and out stands in the room for work.
    size : ndarray of uint64, shape (operations,)
        The cells of what goes out.
    table : ndarray of int64, shape (operations,)
        Its number; -1 where there is none.
    of_rows : ndarray of bool, shape (operations,)
    of, at, to : ndarray of uint32
        The maps of all operations. Places have no sign, which spares compiled code a look at it.
    incoming, outgoing : ndarray of uint64, shape (plans,)
        The sizes of messages.
    room : int
        Of work, in doubles.
    """

    first: Int64[np.ndarray, " plans_and_one"]
    cells: UInt64[np.ndarray, " operations_and_one"]
    source: UInt64[np.ndarray, " operations"]
    target: UInt64[np.ndarray, " operations"]
    size: UInt64[np.ndarray, " operations"]
    table: Int64[np.ndarray, " operations"]
    of_rows: np.ndarray
    of: UInt32[np.ndarray, " cells"]
    at: UInt32[np.ndarray, " cells"]
    to: UInt32[np.ndarray, " cells"]
    incoming: UInt64[np.ndarray, " plans"]
    outgoing: UInt64[np.ndarray, " plans"]
    room: int


def program(plans: Sequence[SlicePlan], sizes: Mapping[str, int]) -> Program:
    """Return plans as arrays."""
    first, cells, source, target, size, table, of_rows = [0], [0], [], [], [], [], []
    maps: list[list[np.ndarray]] = [[], [], []]
    room = 0
    for plan in plans:
        place, end = 0, math.prod(sizes[a] for a in plan.incoming)
        for operation in plan.operations:
            source.append(place)
            target.append(end)
            place, end = end, end + operation.size
            size.append(operation.size)
            cells.append(cells[-1] + len(operation.of))
            table.append(-1 if operation.table is None else operation.table.number)
            of_rows.append(operation.table is not None and operation.table.of_rows)
            for collected, one in zip(maps, operation[2:5], strict=True):
                collected.append(one)
        first.append(len(source))
        room = max(room, end)
    whole: list[Any] = [np.array(first, np.int64)]
    whole += [np.array(a, np.uint64) for a in (cells, source, target, size)]
    whole.append(np.array(table, np.int64))
    ends = [[math.prod(sizes[a] for a in axes) for axes in (p.incoming, p.outgoing)] for p in plans]
    whole += [np.array(of_rows, bool), *map(np.concatenate, maps)]
    whole += [*np.array(ends, np.uint64).T.copy(), room]
    return Program(*whole)
