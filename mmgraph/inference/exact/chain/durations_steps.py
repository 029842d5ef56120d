"""One step of a hidden semi-Markov chain: which segments live on, which end, what begins.

A segment of state s that begins at step u has, at step t, the *mass* of all that leads to it times
its emissions so far. As each segment of s is multiplied by the same emission, what is stored of a
segment never changes: one number a state (``log_base``) moves for all of them, and the mass that
ends at a step is a dot product of the window of the last D beginnings with the durations. Beyond D
steps a duration is geometric, so that a single number a state stands for all longer segments.

No mass is lost to underflow: a window stands twice, as logarithms and as numbers relative to a
reference of their own (``log_reference``); where a dot product of numbers comes out so small that
one of those that were lost could matter, it is taken anew from the logarithms.

The backward pass is the same step in reversed time, with ends for beginnings.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64

from mmgraph.inference.numerics.compiling import uncounted

SAFE_SUM = 1e-200
"""A sum of numbers above this has lost nothing that matters: what was lost is below 1e-300."""
LARGEST_LOG, LARGEST_BASE, NEGLIGIBLE = 300.0, 4096.0, -40.0


class SegmentModel(NamedTuple):
    """Transitions and durations as the compiled steps read them, in one direction of time.

    Lengths run backwards in ``durations`` and ``survivors``: the last column is of length 1. A
    state whose table is shorter than D has it at the end of its row.
    """

    transition: Float64[np.ndarray, "states states"]
    durations: Float64[np.ndarray, "states D"]
    survivors: Float64[np.ndarray, "states D"]  # of at least that length
    longest: Float64[np.ndarray, " states"]
    log_transition: Float64[np.ndarray, "states states"]
    log_durations: Float64[np.ndarray, "states D"]
    log_survivors: Float64[np.ndarray, "states D"]
    log_tail: Float64[np.ndarray, " states"]  # of ending at the first step beyond the table
    log_stay: Float64[np.ndarray, " states"]  # of each further step
    log_leave: Float64[np.ndarray, " states"]
    edge_ends: Float64[np.ndarray, "states D+1"]  # of what was under way at the first step: it
    edge_survivors: Float64[np.ndarray, "states D+1"]  # ends, or is there, at each age


class Window(NamedTuple):
    """What a chain remembers of its past: segments that may still go on."""

    logs: Float64[np.ndarray, "states capacity"]
    values: Float64[np.ndarray, "states capacity"]
    log_base: Float64[np.ndarray, " states"]
    log_reference: Float64[np.ndarray, " states"]
    tail: Float64[np.ndarray, " states"]  # log mass of ending now in the tail
    edge: Float64[np.ndarray, " states"]  # log mass of what was under way at the first step
    counters: np.ndarray  # the place of the newest, the age of the edge
    newest: np.ndarray  # the place of the newest possible segment, a state


def new_window(
    states: int, longest: int, edge: Float64[np.ndarray, " states"] | None = None
) -> Window:
    """Return an empty window; ``edge`` are log-masses of what is under way before it."""
    capacity = 2 * longest + 64
    nothing = np.full(states, -np.inf)
    return Window(
        np.full((states, capacity), -np.inf),
        np.zeros((states, capacity)),
        np.zeros(states),
        np.zeros(states),
        nothing,
        nothing.copy() if edge is None else edge.copy(),
        np.array([longest, 0]),
        np.full(states, -longest),
    )


@uncounted
def add_logs(a, b, maximise):
    """Return log(exp(a) + exp(b)), or the larger of the two."""
    top, low = (a, b) if a > b else (b, a)
    if maximise or low == -np.inf or low - top < NEGLIGIBLE:
        return top
    return top + math.log(1.0 + math.exp(low - top))


@uncounted
def edge_weight(table, log_stay, age):
    """Return the log-weight of an age, of a table that is geometric beyond its last column."""
    last = table.shape[0]
    return table[age - 1] if age <= last else table[last - 1] + (age - last) * log_stay


@uncounted
def _log_sum(weights, logs, maximise):
    """Return the logarithm of a sum of products (or their maximum), from logarithms alone."""
    top = -np.inf
    for k in range(weights.shape[0]):
        top = max(top, weights[k] + logs[k])
    if maximise or top == -np.inf:
        return top
    total = 0.0
    for k in range(weights.shape[0]):
        term = weights[k] + logs[k] - top
        if term > NEGLIGIBLE:
            total += math.exp(term)
    return top + math.log(total)


@uncounted
def _lower_reference(window, s, logs, values):
    """Take a window's numbers anew where the largest of them has become tiny."""
    top = -np.inf
    for k in range(logs.shape[0]):
        top = max(top, logs[k])
    if -np.inf < top < window.log_reference[s] - 0.5 * LARGEST_LOG:
        window.log_reference[s] = top
        for k in range(logs.shape[0]):
            values[k] = math.exp(logs[k] - top)


@uncounted
def window_sum(window, s, longest, weights, log_weights, maximise):
    """Return log sum of weight times mass over the segments in the window of a state."""
    high = window.counters[0] + 1
    low = high - longest
    if window.newest[s] < low:
        return -np.inf
    first = weights.shape[0] - longest
    logs = window.logs[s, low:high]
    if not maximise:
        # Slices of their own: a loop whose places may count from the end is not vectorised.
        values, shares, total = window.values[s, low:high], weights[first:], 0.0
        for k in range(values.shape[0]):
            total += shares[k] * values[k]
        if total > SAFE_SUM:
            return math.log(total) + window.log_reference[s] + window.log_base[s]
        _lower_reference(window, s, logs, values)
    total = _log_sum(log_weights[first:], logs, maximise)
    return total + window.log_base[s]


@uncounted
def _begin(window, s, mass, longest):
    """Put the mass of a new segment into a window."""
    place = window.counters[0]
    logs, values = window.logs[s], window.values[s]
    logs[place], values[place] = -np.inf, 0.0
    if mass == -np.inf:
        return
    low = place - longest
    relative = mass - window.log_base[s]
    if window.newest[s] < low:
        window.log_reference[s] = relative
    elif relative - window.log_reference[s] > LARGEST_LOG:
        factor = math.exp(window.log_reference[s] - relative)
        older = values[low:place]
        for k in range(older.shape[0]):
            older[k] *= factor
        window.log_reference[s] = relative
    logs[place] = relative
    values[place] = math.exp(relative - window.log_reference[s])
    window.newest[s] = place


@uncounted
def _forget(window, s, longest):
    """Empty the window of a state that cannot have emitted what is seen."""
    place = window.counters[0]
    window.logs[s, place], window.values[s, place] = -np.inf, 0.0
    if window.newest[s] >= place - longest:
        window.logs[s, place - longest : place] = -np.inf
        window.values[s, place - longest : place] = 0.0
        window.newest[s] = -longest


@uncounted
def _make_room(window, longest):
    """Advance the place of the newest; at the end of the buffer move the window to its front."""
    place = window.counters[0] + 1
    if place == window.logs.shape[1]:
        moved = place - longest - 1
        for s in range(window.logs.shape[0]):
            for k in range(longest + 1):
                window.logs[s, k] = window.logs[s, moved + k]
                window.values[s, k] = window.values[s, moved + k]
            window.newest[s] = max(window.newest[s] - moved, -longest)
        place = longest + 1
    window.counters[0] = place
    window.counters[1] += 1


@uncounted
def advance(model, window, begins, row, ends, maximise):
    """Take one step: segments begin, all emit, some end.

    ``begins`` are the log-masses of new segments before their first emission, ``row`` the
    log-densities; ``ends`` is written: the log-mass of segments whose last step is this one.
    """
    longest = model.durations.shape[1]
    _make_room(window, longest)
    place, age = window.counters[0], window.counters[1]
    for s in range(row.shape[0]):
        emitted, length = row[s], model.longest[s]
        if emitted == -np.inf:
            _forget(window, s, longest)
            window.tail[s] = window.edge[s] = ends[s] = -np.inf
            continue
        base = window.log_base[s] + emitted
        if abs(base) > LARGEST_BASE:
            for k in range(place - longest, place):
                window.logs[s, k] += base
            window.log_reference[s] += base
            base = 0.0
        window.log_base[s] = base
        _begin(window, s, begins[s] + emitted, longest)
        end = window_sum(window, s, length, model.durations[s], model.log_durations[s], maximise)
        if model.log_tail[s] > -np.inf:
            into = model.log_tail[s] + window.logs[s, place - length] + base
            on = window.tail[s] + model.log_stay[s] + emitted
            window.tail[s] = add_logs(into, on, maximise)
            end = add_logs(end, window.tail[s], maximise)
        if window.edge[s] > -np.inf:
            window.edge[s] += emitted
            edge = window.edge[s] + edge_weight(model.edge_ends[s], model.log_stay[s], age)
            end = add_logs(end, edge, maximise)
        ends[s] = end


@uncounted
def transfer(transition, log_transition, ends, begins, maximise):
    """Write the log-masses of segments that begin after others have ended."""
    states = ends.shape[0]
    top = -np.inf
    for r in range(states):
        top = max(top, ends[r])
    if top > -np.inf and not maximise:
        begins[:] = 0.0
        for r in range(states):
            if ends[r] - top > -700.0:
                share = math.exp(ends[r] - top)
                for s in range(states):
                    begins[s] += share * transition[r, s]
    for s in range(states):
        if top > -np.inf and not maximise and begins[s] > SAFE_SUM:
            begins[s] = top + math.log(begins[s])
        else:
            begins[s] = _log_sum(log_transition[:, s], ends, maximise)


@uncounted
def alive(model, window, s, maximise):
    """Return the log-mass of all segments of a state that have emitted the last row."""
    total = window_sum(
        window, s, model.longest[s], model.survivors[s], model.log_survivors[s], maximise
    )
    total = add_logs(total, window.tail[s] - model.log_leave[s], maximise)
    if window.edge[s] > -np.inf:
        weight = edge_weight(model.edge_survivors[s], model.log_stay[s], window.counters[1])
        total = add_logs(total, window.edge[s] + weight, maximise)
    return total


@uncounted
def largest_mass(window, longest):
    """Return about the largest log-mass of a window: what the next step is scaled by."""
    top = -np.inf
    for s in range(window.tail.shape[0]):
        if window.newest[s] > window.counters[0] - longest:
            top = max(top, window.log_base[s] + window.log_reference[s])
        top = max(top, window.tail[s], window.edge[s])
    return top if top > -np.inf else 0.0
