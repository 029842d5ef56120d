"""Compiled passes along chains whose states are one dense axis, piece by piece.

Sequences lie one behind the other; ``begins`` marks their first steps. What passes from one piece
to the next is a message of ``(states,)``, so that a long chain can be worked through in pieces of
any length, of any number of sequences. Rows of log-densities may have any size: the largest among
the states that can be reached is subtracted before exponentials are taken.

A state that can be reached never vanishes: filtered probabilities below ``FLOOR`` are set to it,
and its likelihood is raised so that this is exact in a slightly different model. Only what passes
through such cells is then wrong, and by less than their posterior probability, which the backward
pass adds up; where that is not negligible, the sequence is worked through in the log domain. So
are all where a transition or a start lies between zero and ``LEAST``: its product with ``FLOOR``
would be zero.
"""

from __future__ import annotations

import numpy as np

from mmgraph.inference.numerics.compiling import compiled, inlined
from mmgraph.inference.numerics.exponentials import exponentials

FLOOR = 1e-200
"""The least filtered probability of a state that can be reached."""

LEAST = 1e-100
"""The least transition or start above zero that :func:`forward` and :func:`backward` take."""


@inlined
def weighted_sum(weights, rows, out):
    """Write the sum of weighted rows; four at a time, so that fewer sums go to memory and back."""
    count = len(weights)
    out[:] = 0.0
    whole = count - count % 4
    for j in range(0, whole, 4):
        a, b, c, d = weights[j], weights[j + 1], weights[j + 2], weights[j + 3]
        if a != 0.0 or b != 0.0 or c != 0.0 or d != 0.0:
            first, second, third, fourth = rows[j], rows[j + 1], rows[j + 2], rows[j + 3]
            for k in range(len(out)):
                out[k] += (a * first[k] + b * second[k]) + (c * third[k] + d * fourth[k])
    for j in range(whole, count):
        if weights[j] != 0.0:
            for k in range(len(out)):
                out[k] += weights[j] * rows[j, k]


@compiled
def forward(start, transition, logs, begins, message, filtered, increments):
    """Filter a piece; return how many cells were raised, and the first impossible step, or -1.

    From an impossible step to the end of its sequence increments are -inf, and all else is zero.
    ``logs`` (steps, states) holds log-densities, and then the ratios of filtered to predicted
    probabilities, by which :func:`backward` goes back; ``message`` the filtered probabilities
    before the piece, and then after it; ``increments`` receives what each step adds to the
    log-likelihood.
    """
    steps, states = logs.shape
    predicted, room = np.empty(states), np.empty(states)
    raised, impossible = 0, -1
    for t in range(steps):
        if begins[t]:
            predicted[:] = start
        else:
            weighted_sum(message, transition, predicted)
        row, here = logs[t], filtered[t]
        largest = -np.inf
        for k in range(states):
            row[k] = row[k] if predicted[k] > 0.0 else -np.inf
            largest = max(largest, row[k])
        if largest == -np.inf:
            impossible = t if impossible < 0 else impossible
            increments[t] = -np.inf
            row[:] = 0.0
            here[:] = 0.0
            message[:] = 0.0
            continue
        exponentials(row, largest, room, here)
        mass = 0.0
        for k in range(states):
            mass += here[k] * predicted[k]
        increments[t] = np.log(mass) + largest
        norm = 1.0 / mass
        small = 0
        for k in range(states):
            room[k] = here[k] * norm
            here[k] = room[k] * predicted[k]
            small += 1 if here[k] < FLOOR and row[k] > -np.inf else 0
        if small > 0:
            raised += small
            for k in range(states):
                if here[k] < FLOOR and row[k] > -np.inf:
                    here[k] = FLOOR
                    room[k] = FLOOR / predicted[k]
        row[:] = room
        message[:] = here
    return raised, impossible


@compiled
def backward(transposed, ratios, begins, filtered, later, marginals, suspect):
    """Smooth a piece that :func:`forward` filtered; return nothing.

    ``later`` is the backward message into the piece's last step, and then that into the step before
    the piece; ``ratios`` becomes what pairs are made of (:func:`add_pairs`); ``suspect``
    ``(steps,)`` the probability of raised cells.
    """
    steps, states = filtered.shape
    ahead = np.empty(states)
    for t in range(steps - 1, -1, -1):
        row, weight, doubt = filtered[t], ratios[t], 0.0
        for k in range(states):
            ahead[k] = weight[k] * later[k]
        out = marginals[t]
        total = 0.0
        for k in range(states):
            chance = row[k] * later[k]
            total += chance
            if row[k] == FLOOR:
                doubt += chance
            out[k] = chance
        norm = 1.0 / total if total > 0.0 else 0.0  # one but for rounding, which is not to add up
        suspect[t] = doubt * norm
        for k in range(states):
            out[k] *= norm
            weight[k] = ahead[k] * norm
        if begins[t]:
            later[:] = 1.0
            continue
        weighted_sum(weight, transposed, later)


@compiled
def add_pairs(before, filtered, ahead, begins, pairs):
    """Add what expected transitions are proportional to: products of neighbours, ``(states,
    states)``.

    ``before`` is the filtered distribution before the piece. Times the transition matrix it is the
    expected number of transitions.
    """
    steps = len(filtered)
    for t in range(steps):
        if begins[t]:
            ahead[t] = 0.0
    if steps > 1:
        pairs += np.dot(filtered[: steps - 1].T, ahead[1:])
    for j in range(len(before)):
        weight = before[j]
        if weight != 0.0:
            for k in range(len(before)):
                pairs[j, k] += weight * ahead[0, k]


@compiled
def best_scores(start, transition, logs, begins, message):
    """Turn log-densities into the log-probability of the best path to each state; Viterbi's forward
    pass.

    ``start`` and ``transition`` are logarithms. Returns the first impossible step, or -1.
    """
    steps, states = logs.shape
    best = np.empty(states)
    for t in range(steps):
        if begins[t]:
            best[:] = start
        else:
            best[:] = -np.inf
            for j in range(states):
                score = message[j]
                if score > -np.inf:
                    row = transition[j]
                    for k in range(states):
                        best[k] = max(best[k], score + row[k])
        row = logs[t]
        largest = -np.inf
        for k in range(states):
            row[k] += best[k]
            largest = max(largest, row[k])
        if largest == -np.inf:
            return t
        message[:] = row
    return -1


@compiled
def best_path(transposed, scores, begins, last, path):
    """Write the best path through a piece, and return the best state before it.

    ``last`` is the state at the step after the piece (or -1 where a sequence begins there, or none
    is), ``scores`` as :func:`best_scores` leaves them, ``transposed`` logarithms.
    """
    steps, states = scores.shape
    for t in range(steps - 1, -1, -1):
        row = scores[t]
        choice, largest = 0, -np.inf
        if last < 0:
            for k in range(states):
                if row[k] > largest:
                    choice, largest = k, row[k]
        else:
            column = transposed[last]
            for k in range(states):
                score = row[k] + column[k]
                if score > largest:
                    choice, largest = k, score
        path[t] = choice
        last = -1 if begins[t] else choice
    return last


@compiled
def drawn_path(transition, filtered, begins, uniform, last, path):
    """Write a path through a piece that :func:`forward` filtered, drawn backwards; as best_path."""
    steps, states = filtered.shape
    weights = np.empty(states)
    for t in range(steps - 1, -1, -1):
        total = 0.0
        for k in range(states):
            weights[k] = filtered[t, k] if last < 0 else filtered[t, k] * transition[k, last]
            total += weights[k]
        aim, reached, choice = uniform[t] * total, 0.0, -1
        for k in range(states):
            reached += weights[k]
            if weights[k] > 0.0:
                choice = k
                if reached >= aim:
                    break
        path[t] = choice
        last = -1 if begins[t] else choice
    return last


@compiled
def log_forward(start, transition, logs, filtered, increments):
    """Filter one sequence in the log domain: ``filtered`` receives logarithms, too.

    ``start`` and ``transition`` are logarithms; ``increments`` as of :func:`forward`.
    """
    steps, states = logs.shape
    for t in range(steps):
        row = filtered[t]
        for k in range(states):
            if t == 0:
                row[k] = start[k] + logs[t, k]
                continue
            largest = -np.inf
            for j in range(states):
                largest = max(largest, filtered[t - 1, j] + transition[j, k])
            if largest == -np.inf:
                row[k] = -np.inf
                continue
            total = 0.0
            for j in range(states):
                total += np.exp(filtered[t - 1, j] + transition[j, k] - largest)
            row[k] = np.log(total) + largest + logs[t, k]
        increments[t] = _log_sum(row)
        for k in range(states):
            row[k] -= increments[t]


@compiled
def log_forward_backward(start, transition, logs, marginals, pairs):
    """Smooth one sequence in the log domain; return its log-likelihood.

    ``start`` and ``transition`` are logarithms; ``pairs`` receives expected transitions, which are
    added. Messages are normalised at each step, so that no digits go into their sums; ``logs`` is
    overwritten.
    """
    steps, states = logs.shape
    increments = np.empty(steps)
    log_forward(start, transition, logs, marginals, increments)
    later = np.zeros(states)
    for t in range(steps - 1, -1, -1):
        for k in range(states):
            logs[t, k] = later[k] + logs[t, k] - increments[t] if later[k] > -np.inf else -np.inf
        if t > 0:
            for j in range(states):
                for k in range(states):
                    pairs[j, k] += np.exp(marginals[t - 1, j] + transition[j, k] + logs[t, k])
        total = 0.0
        for k in range(states):
            marginals[t, k] = np.exp(marginals[t, k] + later[k])
            total += marginals[t, k]
        for k in range(states):
            marginals[t, k] /= total
        for j in range(states):
            later[j] = _log_sum(transition[j] + logs[t])
    return increments.sum()


@compiled
def _log_sum(values):
    largest = -np.inf
    for value in values:
        largest = max(largest, value)
    if largest == -np.inf:
        return largest
    total = 0.0
    for value in values:
        total += np.exp(value - largest)
    return np.log(total) + largest
