"""Forward-backward of a hidden semi-Markov chain, with expected counts of its segments.

A step of T takes S·(S + D) operations. All log-masses are relative to one scale a step, which both
passes use, so that they stay near zero however long a sequence is. Source: S.-Z. Yu, Hidden
semi-Markov models, Artificial Intelligence 174, 2010, section 3 (explicit durations); the geometric
tail, the window and the counts in the backward pass are our own arrangement.
"""

from __future__ import annotations

import math

import numpy as np

from mmgraph.inference.exact.chain.durations_steps import (
    LARGEST_LOG,
    add_logs,
    advance,
    alive,
    edge_weight,
    largest_mass,
    transfer,
)
from mmgraph.inference.numerics.compiling import compiled, uncounted

ROUNDING = 1e-11
"""Differences of sums over a sequence below this are taken for zero."""
NEGLIGIBLE = 1e-18
"""What a segment of a smaller probability counts is left out."""


@uncounted
def scale_of(row, window, longest):
    """Return what is taken off a row: its maximum, and the size of the masses before it."""
    top = -np.inf
    for s in range(row.shape[0]):
        top = max(top, row[s])
    if top == -np.inf:
        return top
    return top + largest_mass(window, longest) if window.counters[1] > 0 else top


@uncounted
def forward_step(model, window, begins, row, ends, maximise):
    """Take in one row, which is scaled in place; return the scale, -inf if no state can emit it."""
    scale = scale_of(row, window, model.durations.shape[1])
    if scale > -np.inf:
        for s in range(row.shape[0]):
            row[s] -= scale
        advance(model, window, begins, row, ends, maximise)
        transfer(model.transition, model.log_transition, ends, begins, maximise)
    return scale


@uncounted
def living(model, window, masses, maximise):
    """Write the log-mass of each state that a sequence may be in, and return that of all."""
    total = -np.inf
    for s in range(masses.shape[0]):
        masses[s] = alive(model, window, s, maximise)
        total = add_logs(total, masses[s], maximise)
    return total


@compiled
def forward(model, window, begins, rows, passes, scales, filtered, maximise):
    """Run the forward pass; return the step that is impossible, or the number of steps.

    Parameters
    ----------
    model, window : SegmentModel, Window
        The window is as the step before has left it.
    begins : (states,) array
        Log-masses of segments that begin at the first step; what begins after the last is left.
    rows : (steps, states) array
        Log-densities; they are left relative to the scales.
    passes : (3, steps, states) array
        What begins at each step, ends at it, and ends in the tail, as log-masses.
    scales : (steps,) array
    filtered : (steps, states) array
        Where it has steps: the log-masses of the state at each step given rows up to it.
    """
    begun, ended, tails = passes
    for t in range(rows.shape[0]):
        begun[t] = begins
        scales[t] = forward_step(model, window, begins, rows[t], ended[t], maximise)
        if scales[t] == -np.inf:
            return t
        if tails.shape[0] > 0:
            tails[t] = window.tail
        if filtered.shape[0] > 0 and living(model, window, filtered[t], maximise) == -np.inf:
            return t
    return rows.shape[0]


@uncounted
def _count_lengths(model, window, s, log_weight, counts, excess):
    """Add what a segment of s that begins here is expected to be long, and whether it is cut off.

    ``log_weight`` is what the masses of the reversed window miss to be probabilities.
    """
    length, age = model.longest[s], window.counters[1]
    low = window.counters[0] + 1 - length
    first = model.durations.shape[1] - length
    offset = log_weight + window.log_base[s]
    lengths, tails, cut = counts.lengths[s, first:], counts.tails[s], counts.cut[s]
    if window.newest[s] >= low:
        if offset + window.log_reference[s] < LARGEST_LOG:
            weight = math.exp(offset + window.log_reference[s])
            shares, values = model.durations[s, first:], window.values[s, low : low + length]
            for k in range(length):
                lengths[k] += weight * shares[k] * values[k]
        else:
            for k in range(length):
                term = offset + model.log_durations[s, first + k] + window.logs[s, low + k]
                lengths[k] += math.exp(term)
    tail = math.exp(log_weight + window.tail[s])
    tails[0] += tail
    tails[1] += tail * excess[s]
    if window.edge[s] > -np.inf:
        weight = edge_weight(model.edge_ends[s], model.log_stay[s], age)
        beyond = max(age - length, 0)
        last = math.exp(log_weight + window.edge[s] + weight)
        cut[min(age, length + 1) - 1] += last
        tails[2] += last * beyond


@compiled
def backward(model, window, follows, rows, begun, ended, log_total, current, counts, counting):
    """Run the backward pass: posteriors of the states, and expected counts where they are asked.

    Parameters
    ----------
    model, window : SegmentModel, Window
        Of reversed time: the transitions transposed, the edge what is cut off at the end.
    follows : (states,) array
        The log-masses of what follows a segment that ends at the last step; changed.
    rows, begun, ended : (steps, states) arrays
        As the forward pass has left them; ``ended`` is overwritten by the posteriors.
    log_total : float
        The log-mass of all, relative to the scales.
    current : (states,) array
        The probabilities of the states at the last step; changed.
    counts : Counts
        Added to, if ``counting``.
    """
    steps, states = rows.shape
    starts = np.zeros(states)
    masses = np.empty(states)
    excess = np.zeros(states)
    for t in range(steps - 1, -1, -1):
        total = 0.0
        for s in range(states):
            if t < steps - 1:
                current[s] += math.exp(ended[t, s] + follows[s] - log_total) - starts[s]
            if rows[t, s] == -np.inf:
                current[s] = 0.0
            ended[t, s] = current[s] if current[s] > ROUNDING else 0.0
            total += ended[t, s]
        for s in range(states):
            ended[t, s] /= total
        advance(model, window, follows, rows[t], masses, False)
        for s in range(states):
            starts[s] = math.exp(begun[t, s] + masses[s] - log_total)
            if not counting:
                continue
            if model.log_tail[s] > -np.inf and window.tail[s] > -np.inf:
                logs = window.logs[s, window.counters[0] - model.longest[s]]
                into = model.log_tail[s] + logs + window.log_base[s] - window.tail[s]
                excess[s] = 1.0 + (1.0 - math.exp(into)) * excess[s]
            if starts[s] < NEGLIGIBLE:
                continue
            _count_lengths(model, window, s, begun[t, s] - log_total, counts, excess)
            if t > 0:
                for r in range(states):
                    term = ended[t - 1, r] + model.log_transition[s, r] + masses[s]
                    counts.transitions[r, s] += math.exp(term - log_total)
        transfer(model.transition, model.log_transition, masses, follows, False)
