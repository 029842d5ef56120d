"""Gibbs sweeps and interaction energies over the flat arrays of a program, compiled.

Interactions may be tempered: finite energies are multiplied by an inverse temperature and hard
zeros cost a penalty, both one number a chain. One and infinity are the model itself.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64, Int, UInt32

from mmgraph.inference.numerics.compiling import compiled, inlined
from mmgraph.inference.numerics.counted_random import HALF_STEP_DOUBLE, STEP_DOUBLE, random_words
from mmgraph.inference.pairwise.graph import POTTS, QUADRATIC
from mmgraph.inference.sampling.gibbs_program import ProgramArrays, Tempering
from mmgraph.inference.sampling.schedule import Part, Schedule, draw_number

BLOCK = 256
"""Elements whose random numbers are made at once; tasks of one sweep are cut where blocks start."""

_SWEEPS_STREAM = 2  # the fourth counter of random numbers made here; the two boards have 0 and 1


@inlined
def conditional(
    n: int,
    state: Int[np.ndarray, " nodes"],
    program: ProgramArrays,
    inverse: float,
    penalty: float,
    energy: Float64[np.ndarray, " largest"],
) -> int:
    """Write the energies of all states of a node given the others; return how many there are."""
    joined = program.interactions
    begin = program.offsets[n]
    states = program.offsets[n + 1] - begin
    for k in range(states):
        energy[k] = program.values[begin + k]
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
            value = program.values[at + k * stride]
            energy[k] += weight * value if value < np.inf else penalty
    return states


@inlined
def draw(energy: Float64[np.ndarray, " largest"], states: int, uniform: float) -> int:
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
    part: Part,
    program: ProgramArrays,
    states: Int[np.ndarray, "chains nodes"],
    tempering: Tempering,
    key: UInt32[np.ndarray, " 2"],
    schedule: Schedule,
    sums: Float64[np.ndarray, "chains states"],
    trace: Int[np.ndarray, "traced chains free"],
) -> None:
    """Draw some elements, in the program's order, of some chains in each of some sweeps.

    Of the first ``schedule.chains`` chains the probabilities of a recorded sweep are added to
    ``sums`` (of one row for all chains, or of one for each), and the states of one draw in
    ``schedule.interval`` are written to ``trace``.
    """
    energy = np.empty(program.largest, np.float64)
    words = np.empty(BLOCK, np.uint32)
    for chain in range(part.first_chain, part.last_chain):
        state = states[chain]
        recorded = chain < schedule.chains
        total = sums[chain if recorded and len(sums) > 1 else 0]
        inverse, penalty = tempering.inverse[chain], tempering.penalty[chain]
        for sweep in range(part.first_sweep, part.last_sweep):
            number = draw_number(sweep, schedule) if recorded else -1
            traced = number >= 0 and number % schedule.interval == 0
            for i in range(part.begin, part.end):
                place = i % BLOCK
                if place == 0 or i == part.begin:
                    counter = i // BLOCK * (BLOCK // 4)
                    random_words(words, BLOCK // 4, counter, sweep, chain, _SWEEPS_STREAM, key)
                n = program.order[i]
                count = conditional(n, state, program, inverse, penalty, energy)
                chosen = draw(energy, count, words[place] * STEP_DOUBLE + HALF_STEP_DOUBLE)
                state[n] = chosen
                if number >= 0:
                    at = program.offsets[n]
                    for k in range(count):
                        total[at + k] += energy[k]
                    if traced:
                        trace[number // schedule.interval, chain, i] = chosen


@compiled
def interaction_energies(
    states: Int[np.ndarray, "chains nodes"],
    elements: Int[np.ndarray, " elements"],
    program: ProgramArrays,
    result: Float64[np.ndarray, "chains 2"],
) -> None:
    """Write each chain's finite interaction energy, and how many hard zeros it violates."""
    joined = program.interactions
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
                    value = program.values[at]
                    if value < np.inf:
                        finite += joined.table_weight[i] * value
                    else:
                        violated += 1.0
        result[chain, 0], result[chain, 1] = finite, violated
