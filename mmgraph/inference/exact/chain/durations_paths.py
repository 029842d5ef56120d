"""Paths of a hidden semi-Markov chain: the likeliest one, and draws given what is observed.

Both walk back from the end, segment by segment, over what a forward pass has left; the weights of a
segment's beginnings are summed anew there, so that no table of pointers is needed.
"""

from __future__ import annotations

import math

import numpy as np

from mmgraph.inference.exact.chain.durations_steps import edge_weight
from mmgraph.inference.numerics.compiling import compiled


@compiled
def _chosen(weights, count, generator, maximise):
    """Return the place of the largest log-weight, or one drawn; -1 if all are impossible."""
    top, best = -np.inf, -1
    for k in range(count):
        if weights[k] > top:
            top, best = weights[k], k
    if maximise or best < 0:
        return best
    total = 0.0
    for k in range(count):
        total += math.exp(weights[k] - top)
    left = generator.random() * total
    for k in range(count):
        left -= math.exp(weights[k] - top)
        if left < 0.0:
            return k
    return best


@compiled
def _first_step_in_tail(model, s, t, rows, tails, generator, maximise):
    """Return the step at which a segment that ends at t, in its tail, had entered the tail."""
    while t > 0:
        on = tails[t - 1, s] + model.log_stay[s] + rows[t, s]
        # A maximum is one of the two numbers that it is taken of, to the last bit but for the order
        # of additions; what falls between is a tie.
        share = on - tails[t, s]
        if share < -1e-9 if maximise else generator.random() >= math.exp(share):
            break
        t -= 1
    return t


@compiled
def _prefix_masses(edge, rows):
    """Return what was under way before the first step times as many rows as it can have emitted."""
    reach, until = edge.copy(), np.zeros(edge.shape[0], dtype=np.int64)
    for s in range(edge.shape[0]):
        if edge[s] > -np.inf:
            while until[s] < rows.shape[0] and rows[until[s], s] > -np.inf:
                reach[s] += rows[until[s], s]
                until[s] += 1
    return reach, until


@compiled
def walk_back(model, edge, rows, passes, last, censored, path, generator, maximise):
    """Write a path: the likeliest one or a draw.

    Parameters
    ----------
    model : SegmentModel
    edge : (states,) array
        The log-masses of what was under way before the first step.
    rows : (steps, states) array
        As the forward pass has left them.
    passes : (3, steps, states) array
        What begins and ends at each step, and ends in the tail; of maxima if ``maximise``.
    last : (states,) array
        The log-masses of the states at the last step.
    censored : bool
        Whether the last segment goes on behind the last step.
    path : (steps,) array of int
        Written.
    """
    begun, ended, tails = passes
    states, longest = model.durations.shape
    weights = np.empty(max(states, longest + 2))
    t = rows.shape[0] - 1
    weights[:states] = last
    s = _chosen(weights, states, generator, maximise)
    reach, until = _prefix_masses(edge, rows)
    while True:
        length = min(model.longest[s], t + 1)
        tables = model.log_survivors[s] if censored else model.log_durations[s]
        mass = 0.0
        for d in range(1, length + 1):
            mass += rows[t - d + 1, s]
            weights[d - 1] = tables[longest - d] + mass + begun[t - d + 1, s]
        weights[length] = weights[length + 1] = -np.inf
        if model.log_tail[s] > -np.inf:
            weights[length] = tails[t, s] - (model.log_leave[s] if censored else 0.0)
        while until[s] > t + 1:
            until[s] -= 1
            reach[s] -= rows[until[s], s]
        if until[s] == t + 1:
            table = model.edge_survivors[s] if censored else model.edge_ends[s]
            weights[length + 1] = reach[s] + edge_weight(table, model.log_stay[s], t + 1)
        choice = _chosen(weights, length + 2, generator, maximise)
        if choice == length + 1:
            first = 0
        elif choice == length:
            entered = _first_step_in_tail(model, s, t, rows, tails, generator, maximise)
            first = entered - model.longest[s]
        else:
            first = t - choice
        path[first : t + 1] = s
        if choice == length + 1 or first == 0:
            return
        t, censored = first - 1, False
        for r in range(states):
            weights[r] = ended[t, r] + model.log_transition[r, s]
        s = _chosen(weights, states, generator, maximise)
