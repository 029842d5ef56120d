"""Gibbs sweeps and interaction energies over the flat arrays of a program, compiled.

Interactions may be tempered: finite energies are multiplied by ``inverse`` and hard zeros cost
``penalty``, both one number a chain. One and infinity are the model itself.
"""

# The functions of this file are compiled: their arguments are arrays, and carry no annotations.
# mypy: disallow_untyped_defs=False, disallow_untyped_calls=False

from __future__ import annotations

import numpy as np

from mmgraph.inference.numerics.compiling import compiled, inlined
from mmgraph.inference.numerics.counted_random import HALF_STEP_DOUBLE, STEP_DOUBLE, random_words
from mmgraph.inference.pairwise.graph import POTTS, QUADRATIC

BLOCK = 256
"""Elements whose random numbers are made at once; tasks of one sweep are cut where blocks start."""

_SWEEPS_STREAM = 2  # the fourth counter of random numbers made here; the two boards have 0 and 1


@inlined
def conditional(n, state, offsets, values, joined, inverse, penalty, energy):
    """Write the energies of all states of a node given the others; return how many there are."""
    begin = offsets[n]
    states = offsets[n + 1] - begin
    for k in range(states):
        energy[k] = values[begin + k]
    for i in range(joined.edge_start[n], joined.edge_start[n + 1]):
        x = np.int64(state[joined.neighbour[i]])
        weight = inverse * joined.weight[i]
        if joined.kind[i] == POTTS:
            energy[x] -= weight  # up to what all states have in common
        else:
            for k in range(states):
                distance = np.float64(abs(k - x))
                if joined.kind[i] == QUADRATIC:
                    distance *= distance
                energy[k] += weight * min(distance, joined.truncation[i])
    for i in range(joined.table_start[n], joined.table_start[n + 1]):
        at = joined.base[i]
        for j in range(joined.scope_start[i], joined.scope_start[i + 1]):
            at += np.int64(state[joined.member[j]]) * joined.member_stride[j]
        weight = inverse * joined.table_weight[i]
        stride = joined.stride[i]
        for k in range(states):
            value = values[at + k * stride]
            energy[k] += weight * value if value < np.inf else penalty
    return states


@inlined
def draw(energy, states, uniform):
    """Turn energies into probabilities in place, and return a state drawn from them."""
    low = energy[0]
    for k in range(1, states):
        low = min(low, energy[k])
    total = 0.0
    for k in range(states):
        chance = 1.0 if energy[k] == low else np.exp(low - energy[k])
        energy[k] = chance
        total += chance
    threshold = uniform * total
    chosen, below = -1, 0.0
    for k in range(states):
        if energy[k] > 0.0 and (chosen < 0 or below <= threshold):
            chosen = k
        below += energy[k]
        energy[k] /= total
    return chosen


@compiled
def gibbs_sweeps(
    order, begin, end, first_chain, last_chain, first_sweep, last_sweep, states, offsets, values,
    joined, inverse, penalty, largest, key, burn_in, thinning, interval, sums, trace,
):  # fmt: skip
    """Draw elements ``order[begin:end]`` of some chains in each of some sweeps.

    Of every ``thinning``-th sweep after ``burn_in`` the probabilities are added to ``sums``
    (chains or 1, states), and of every ``interval``-th of those the states are written to
    ``trace`` (kept, chains, free).
    """
    energy = np.empty(largest, np.float64)
    words = np.empty(BLOCK, np.uint32)
    for chain in range(first_chain, last_chain):
        state = states[chain]
        total = sums[chain if len(sums) > 1 else 0]
        for sweep in range(first_sweep, last_sweep):
            after = sweep - burn_in + 1
            recorded = after > 0 and after % thinning == 0
            number = after // thinning - 1
            traced = recorded and number % interval == 0
            for i in range(begin, end):
                place = i % BLOCK
                if place == 0 or i == begin:
                    random_words(
                        words, BLOCK // 4, i // BLOCK * (BLOCK // 4), sweep, chain,
                        _SWEEPS_STREAM, key,
                    )  # fmt: skip
                n = order[i]
                count = conditional(
                    n, state, offsets, values, joined, inverse[chain], penalty[chain], energy
                )
                chosen = draw(energy, count, words[place] * STEP_DOUBLE + HALF_STEP_DOUBLE)
                state[n] = chosen
                if recorded:
                    at = offsets[n]
                    for k in range(count):
                        total[at + k] += energy[k]
                    if traced:
                        trace[number // interval, chain, i] = chosen


@compiled
def interaction_energies(states, elements, values, joined, result):
    """Write each chain's finite interaction energy, and how many hard zeros it violates."""
    for chain in range(len(states)):
        state = states[chain]
        finite, violated = 0.0, 0.0
        for n in elements:
            x = np.int64(state[n])
            for i in range(joined.edge_start[n], joined.edge_start[n + 1]):
                if joined.neighbour[i] > n:
                    distance = np.float64(abs(x - np.int64(state[joined.neighbour[i]])))
                    if joined.kind[i] == POTTS:
                        distance = min(distance, np.float64(1))
                    elif joined.kind[i] == QUADRATIC:
                        distance *= distance
                    finite += joined.weight[i] * min(distance, joined.truncation[i])
            for i in range(joined.table_start[n], joined.table_start[n + 1]):
                at = joined.base[i] + joined.stride[i] * x
                counted = True  # once, at the lowest of the table's variables
                for j in range(joined.scope_start[i], joined.scope_start[i + 1]):
                    counted = counted and joined.member[j] > n
                    at += np.int64(state[joined.member[j]]) * joined.member_stride[j]
                if counted:
                    value = values[at]
                    if value < np.inf:
                        finite += joined.table_weight[i] * value
                    else:
                        violated += 1.0
        result[chain, 0], result[chain, 1] = finite, violated
