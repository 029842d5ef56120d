"""Elimination orders: which variable to sum out next, so that the tables stay small.

Finding the best order is NP-hard (Arnborg, Corneil and Proskurowski 1987). Greedy orders are good
in practice (Kjærulff 1990) and cheap, so several are tried, ties broken by a seeded random number,
and the one with the smallest total table size is kept.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Sequence
from typing import NamedTuple

import numba
import numpy as np

MIN_FILL, MIN_WEIGHT, WEIGHTED_MIN_FILL = 0, 1, 2
DENSE_LIMIT = 6000
"""Above this many variables the bit matrix of the compiled search would be too large."""


class EliminationOrder(NamedTuple):
    """Variables, first eliminated first, and the sum of the entries of the cliques that arise."""

    order: list[int]
    total_size: float


def best_elimination_order(
    scopes: Sequence[Sequence[int]],
    cardinalities: Sequence[int],
    last: frozenset[int] = frozenset(),
) -> EliminationOrder:
    """Return the cheapest of several greedy elimination orders; more are tried on large tables.

    Variables that are ``last`` come after all others (those to maximise in marginal MAP, or to
    keep).
    """
    count = len(cardinalities)
    log_sizes = np.log(np.asarray(cardinalities, np.float64)) if count else np.empty(0)
    if count > DENSE_LIMIT:
        return _sparse_min_fill(scopes, log_sizes, last)
    adjacency = _adjacency_bits(scopes, count)
    late = np.zeros(count, np.bool_)
    late[list(last)] = True
    best_order, best = _greedy_order(adjacency, log_sizes, late, MIN_FILL, 0)
    if best > 64 * count:
        tries = [(MIN_WEIGHT, 0), (WEIGHTED_MIN_FILL, 0)]
        # A search costs about as much as running a few thousand table entries a variable.
        restarts = int(min(10.0, best / (20_000.0 * count)))
        tries += [((MIN_FILL, WEIGHTED_MIN_FILL)[i % 2], i + 1) for i in range(restarts)]
        for heuristic, tie_seed in tries:
            order, total = _greedy_order(adjacency, log_sizes, late, heuristic, tie_seed)
            if total < best:
                best_order, best = order, total
    return EliminationOrder(best_order.tolist(), float(best))


def _adjacency_bits(scopes: Sequence[Sequence[int]], count: int) -> np.ndarray:
    words = (count + 63) // 64
    flat = np.array([v for scope in scopes for v in scope], np.int64)
    starts = np.zeros(len(scopes) + 1, np.int64)
    np.cumsum([len(scope) for scope in scopes], out=starts[1:])
    return _fill_adjacency(flat, starts, np.zeros((count, words), np.uint64))


@numba.njit(cache=True, nogil=True)
def _fill_adjacency(flat, starts, adjacency):  # type: ignore[no-untyped-def]
    one = np.uint64(1)
    for s in range(len(starts) - 1):
        for i in range(starts[s], starts[s + 1]):
            for j in range(starts[s], starts[s + 1]):
                if flat[i] != flat[j]:
                    adjacency[flat[i], flat[j] >> 6] |= one << np.uint64(flat[j] & 63)
    return adjacency


@numba.njit(cache=True, nogil=True)
def _population_count(word):  # type: ignore[no-untyped-def]
    word = word - ((word >> np.uint64(1)) & np.uint64(0x5555555555555555))
    word = (word & np.uint64(0x3333333333333333)) + (
        (word >> np.uint64(2)) & np.uint64(0x3333333333333333)
    )
    word = (word + (word >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return np.int64((word * np.uint64(0x0101010101010101)) >> np.uint64(56))


@numba.njit(cache=True, nogil=True)
def _members(row, out):  # type: ignore[no-untyped-def]
    """Write the indices of the set bits into ``out`` and return how many there are."""
    count = 0
    for w in range(len(row)):
        word = row[w]
        while word != np.uint64(0):
            low = word & (~word + np.uint64(1))
            out[count] = (w << 6) + _population_count(low - np.uint64(1))
            count += 1
            word ^= low
    return count


@numba.njit(cache=True, nogil=True)
def _cost(v, adjacency, log_sizes, heuristic, neighbours):  # type: ignore[no-untyped-def]
    """The greedy criterion of one variable, and the logarithm of its clique's size."""
    degree = _members(adjacency[v], neighbours)
    weight = log_sizes[v]
    for i in range(degree):
        weight += log_sizes[neighbours[i]]
    if heuristic == MIN_WEIGHT:
        return weight, weight
    fill = 0.0
    for i in range(degree):
        a = neighbours[i]
        missing = -1  # a itself is a neighbour of v, but not of a
        for w in range(adjacency.shape[1]):
            missing += _population_count(adjacency[v, w] & ~adjacency[a, w])
        if heuristic == MIN_FILL:
            fill += missing
        elif missing > 0:
            fill += missing * math.exp(log_sizes[a])
    # Among equal fill the smaller clique goes first; the weight is far below the smallest step.
    return fill + weight * 1e-6, weight


@numba.njit(cache=True, nogil=True)
def _greedy_order(adjacency, log_sizes, late, heuristic, seed):  # type: ignore[no-untyped-def]
    """Eliminate greedily; return the order and the total size of its cliques."""
    adjacency = adjacency.copy()
    count, words = adjacency.shape
    neighbours = np.empty(count, np.int64)
    scratch = np.empty(count, np.int64)
    cost = np.empty(count)
    size = np.empty(count)
    alive = np.ones(count, np.bool_)
    order = np.empty(count, np.int64)
    touched = np.zeros(words, np.uint64)
    one = np.uint64(1)
    if seed > 0:
        np.random.seed(seed)  # noqa: NPY002 - compiled code has no Generator of its own seed
    for v in range(count):
        cost[v], size[v] = _cost(v, adjacency, log_sizes, heuristic, scratch)
    waiting = count - late.sum()
    total = 0.0
    for step in range(count):
        if step == waiting:
            late = np.zeros(count, np.bool_)
        best, best_cost, ties = -1, np.inf, 0
        for v in range(count):
            if not alive[v] or late[v]:
                continue
            if seed > 0 and abs(cost[v] - best_cost) < 1e-9 + 0.02 * abs(best_cost):
                ties += 1
                if np.random.random() * (ties + 1) < 1.0:  # noqa: NPY002
                    best, best_cost = v, min(cost[v], best_cost)
            elif cost[v] < best_cost:
                best, best_cost, ties = v, cost[v], 0
        v = best
        order[step] = v
        alive[v] = False
        total += math.exp(min(size[v], 300.0))
        degree = _members(adjacency[v], neighbours)
        for w in range(words):
            touched[w] = adjacency[v, w]
        for i in range(degree):
            a = neighbours[i]
            adjacency[a, v >> 6] &= ~(one << np.uint64(v & 63))
        for i in range(degree):
            a = neighbours[i]
            for j in range(i + 1, degree):
                b = neighbours[j]
                if adjacency[a, b >> 6] & (one << np.uint64(b & 63)) == np.uint64(0):
                    adjacency[a, b >> 6] |= one << np.uint64(b & 63)
                    adjacency[b, a >> 6] |= one << np.uint64(a & 63)
                    for w in range(words):  # a new edge lowers the fill of those that see both ends
                        touched[w] |= adjacency[a, w] & adjacency[b, w]
        changed = _members(touched, neighbours)
        for i in range(changed):
            a = neighbours[i]
            if alive[a]:
                cost[a], size[a] = _cost(a, adjacency, log_sizes, heuristic, scratch)
    return order, total


def _sparse_min_fill(
    scopes: Sequence[Sequence[int]], log_sizes: np.ndarray, last: frozenset[int]
) -> EliminationOrder:
    """Min-fill with neighbour sets and a heap, for graphs too large for a bit matrix."""
    neighbours: list[set[int]] = [set() for _ in log_sizes]
    for scope in scopes:
        for v in scope:
            neighbours[v].update(u for u in scope if u != v)

    def cost(v: int) -> tuple[bool, int, float]:
        around = neighbours[v]
        missing = sum(len(around - neighbours[a]) - 1 for a in around) // 2
        return v in last, missing, float(log_sizes[v] + sum(log_sizes[a] for a in around))

    current = {v: cost(v) for v in range(len(log_sizes))}
    heap = [(c, v) for v, c in current.items()]
    heapq.heapify(heap)
    order: list[int] = []
    total = 0.0
    while heap:
        priority, v = heapq.heappop(heap)
        if current.get(v) != priority:
            continue
        del current[v]
        order.append(v)
        total += math.exp(min(priority[2], 300.0))
        around = sorted(neighbours[v])
        touched = set(around)
        for a in around:
            neighbours[a].discard(v)
        for i, a in enumerate(around):
            for b in around[i + 1 :]:
                if b not in neighbours[a]:
                    neighbours[a].add(b)
                    neighbours[b].add(a)
                    touched |= neighbours[a] & neighbours[b]
        for a in touched:
            if a in current:
                current[a] = cost(a)
                heapq.heappush(heap, (current[a], a))
    return EliminationOrder(order, total)
