"""Which variables meet when unobserved elements are eliminated one after the other (symbolic)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float64, Int64

from mmgraph.inference.numerics.compiling import compiled, inlined


class Equations(NamedTuple):
    """Scalar equations ``coefficients · elements = constant + noise``, in units of the noise.

    The noise of each is standard normal and independent of all others, or there is none. Their
    numbers depend on the configuration of the discrete parents of the factor that an equation comes
    from.

    Attributes
    ----------
    first : array of shape (equations + 1,)
        Where the columns of each equation begin.
    columns : array
        The elements that have a coefficient.
    factor : array of shape (equations,)
        The factor that each equation belongs to.
    place : array of shape (equations,)
        Of the coefficients of its first configuration; those of the next ones follow.
    constant_place : array of shape (equations,)
        The same of the numbers below.
    coefficients, constants : arrays
    log_factors : array
        The logarithm of what a density of the noise is multiplied by, and that of its constant.
    is_exact : array
        Whether there is no noise.
    may_be_exact : array of shape (equations,)
        Whether some configuration leaves no noise.
    """

    first: Int64[np.ndarray, "..."]
    columns: Int64[np.ndarray, "..."]
    factor: Int64[np.ndarray, " equations"]
    place: Int64[np.ndarray, " equations"]
    constant_place: Int64[np.ndarray, " equations"]
    coefficients: Float64[np.ndarray, "..."]
    constants: Float64[np.ndarray, "..."]
    log_factors: Float64[np.ndarray, "..."]
    is_exact: Bool[np.ndarray, "..."]
    may_be_exact: Bool[np.ndarray, " equations"]


class Fronts(NamedTuple):
    """What meets when the elements that a missing pattern leaves are eliminated in order.

    The front of an element joins the equations that name it first and what its children leave over:
    equations in its columns, later elements. They are numbered in the order of elimination.

    Attributes
    ----------
    elements : array of shape (fronts,)
        The element that each eliminates.
    first : array of shape (fronts + 1,)
        Where the columns of each begin, the eliminated element left out.
    columns : array
        The other elements, as numbers of their fronts, ascending.
    own_first : array of shape (fronts + 2,)
        Where the equations of each begin; last come those that have no unobserved element.
    own : array
    child, sibling : arrays of shape (fronts,)
        The first front that leaves equations to each, and the next one with the same parent, or -1.
    rows : array of shape (fronts,)
        How many equations meet at most.
    message_first : array of shape (fronts + 1,)
        Where the equations begin that each leaves to its parent.
    """

    elements: Int64[np.ndarray, " fronts"]
    first: Int64[np.ndarray, "..."]
    columns: Int64[np.ndarray, "..."]
    own_first: Int64[np.ndarray, "..."]
    own: Int64[np.ndarray, "..."]
    child: Int64[np.ndarray, " fronts"]
    sibling: Int64[np.ndarray, " fronts"]
    rows: Int64[np.ndarray, " fronts"]
    message_first: Int64[np.ndarray, "..."]


@compiled
def fronts_of(equations, members, ranked, observed, position):  # type: ignore[no-untyped-def]
    """Return the fronts of some equations, their elements in order of elimination.

    ``position`` is written: the number of the front of each unobserved element, -1 of an observed.
    """
    elements = np.empty(len(ranked), np.int64)
    count = 0
    for element in ranked:
        position[element] = -1
        if not observed[element]:
            position[element] = count
            elements[count] = element
            count += 1
    own_first, own = _sorted_by_front(equations, members, position, count)
    first = np.zeros(count + 1, np.int64)
    columns = np.empty(4 * count + 16, np.int64)
    child = np.full(count, -1, np.int64)
    sibling = np.full(count, -1, np.int64)
    rows = np.zeros(count, np.int64)
    exact = np.zeros(count, np.int64)
    message_first = np.zeros(count + 1, np.int64)
    seen = np.full(count, -1, np.int64)
    for front in range(count):
        at = first[front]
        for i in range(own_first[front], own_first[front + 1]):
            e = own[i]
            exact[front] += equations.may_be_exact[e]
            for j in range(equations.first[e], equations.first[e + 1]):
                other = position[equations.columns[j]]
                columns, at = _with_column(columns, at, other, front, seen)
        rows[front] = own_first[front + 1] - own_first[front]
        below = child[front]
        while below >= 0:
            rows[front] += message_first[below + 1] - message_first[below]
            exact[front] += exact[below]
            for j in range(first[below], first[below + 1]):
                columns, at = _with_column(columns, at, columns[j], front, seen)
            below = sibling[below]
        width = at - first[front]
        _sort(columns, first[front], at)
        first[front + 1] = at
        left = 0
        if width > 0:
            parent = columns[first[front]]
            sibling[front] = child[parent]
            child[parent] = front
            left = max(0, min(rows[front] - 1, width + exact[front]))
        message_first[front + 1] = message_first[front] + left
    return Fronts(
        elements[:count],
        first,
        columns[: first[count]],
        own_first,
        own,
        child,
        sibling,
        rows,
        message_first,
    )


@compiled
def _sorted_by_front(equations, members, position, count):  # type: ignore[no-untyped-def]
    """The equations by the first front that has one of their elements; others come last."""
    front_of = np.empty(len(members), np.int64)
    own_first = np.zeros(count + 2, np.int64)
    for i in range(len(members)):
        e = members[i]
        front = count
        for j in range(equations.first[e], equations.first[e + 1]):
            p = position[equations.columns[j]]
            if 0 <= p < front:
                front = p
        front_of[i] = front
        own_first[front + 1] += 1
    for front in range(count + 1):
        own_first[front + 1] += own_first[front]
    place = own_first[:-1].copy()
    own = np.empty(len(members), np.int64)
    for i in range(len(members)):
        own[place[front_of[i]]] = members[i]
        place[front_of[i]] += 1
    return own_first, own


@inlined
def _sort(array, begin, end):  # type: ignore[no-untyped-def]
    """Sort the few numbers of a part of an array in place, by insertion."""
    for i in range(begin + 1, end):
        number = array[i]
        j = i
        while j > begin and array[j - 1] > number:
            array[j] = array[j - 1]
            j -= 1
        array[j] = number


@inlined
def _with_column(columns, at, other, front, seen):  # type: ignore[no-untyped-def]
    """Add a later element to the columns of a front, once; return them and how many there are."""
    if other > front and seen[other] != front:
        seen[other] = front
        if at == len(columns):
            columns = _doubled(columns)
        columns[at] = other
        at += 1
    return columns, at


@compiled
def _doubled(array):  # type: ignore[no-untyped-def]
    larger = np.empty(2 * len(array), np.int64)
    larger[: len(array)] = array
    return larger
