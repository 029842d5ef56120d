"""Recursions along several chains at once, compiled, on the joint states of a step.

A vector over the joint states is a table with an axis a chain, the last one fastest. A step moves
it through the transition of one chain after the other (Ghahramani and Jordan 1997, "Factorial
hidden Markov models", appendix B): ``chains * states^(chains + 1)`` products, not
``states^(2 chains)``. One chain alone is an ordinary hidden Markov model.

``tables`` are the transitions one after the other, flat; ``sizes`` the numbers of states.
"""

from __future__ import annotations

import math

import numpy as np

from mmgraph.inference.exact.chain.dense_kernels import FLOOR
from mmgraph.inference.numerics.compiling import compiled, uncounted


@uncounted
def move(source, target, table, size, right):
    """Sum one axis out: ``target[l, k, r] = sum_j source[l, j, r] * table[j, k]``, all flat."""
    block = size * right
    for s in range(target.size):
        target[s] = 0.0
    for first in range(0, source.size, block):
        if right == 1:
            for j in range(size):
                value = source[first + j]
                if value != 0.0:
                    for k in range(size):
                        target[first + k] += value * table[j * size + k]
        else:
            for j in range(size):
                for k in range(size):
                    value = table[j * size + k]
                    if value != 0.0:
                        begin, end = first + j * right, first + k * right
                        for r in range(right):
                            target[end + r] += value * source[begin + r]


@compiled
def predict(source, stages, tables, sizes):
    """Fill ``stages[m + 1]`` with what stands before a step, the first ``m + 1`` chains moved."""
    right, offset = source.size, 0
    stages[0] = source
    for m in range(sizes.size):
        size = sizes[m]
        right //= size
        move(stages[m], stages[m + 1], tables[offset : offset + size * size], size, right)
        offset += size * size


@uncounted
def weigh(predicted, logs, filtered):
    """Multiply a prediction by densities and norm it; return the logarithm of the sum.

    The greatest log-density of a possible state is subtracted first. ``logs`` becomes the ratios of
    filtered to predicted probabilities. A possible state is raised to ``FLOOR``, as in
    ``dense_kernels``. ``-inf``: no state is possible.
    """
    highest = -np.inf
    for s in range(predicted.size):
        if predicted[s] > 0.0:
            highest = max(highest, logs[s])
    if highest == -np.inf:
        return highest
    total = 0.0
    for s in range(predicted.size):
        possible = predicted[s] > 0.0 and logs[s] > -np.inf
        logs[s] = math.exp(logs[s] - highest) if possible else -1.0
        total += predicted[s] * logs[s] if possible else 0.0
    for s in range(predicted.size):
        if logs[s] < 0.0:
            logs[s], filtered[s] = 0.0, 0.0
            continue
        filtered[s] = predicted[s] * logs[s] / total
        logs[s] /= total
        if filtered[s] < FLOOR:
            filtered[s], logs[s] = FLOOR, FLOOR / predicted[s]
    return highest + math.log(total)


@compiled
def filter_forward(start, tables, sizes, logs, filtered, log_norms):
    """Fill the filtered probabilities and the log-density of each row given those before.

    ``logs`` holds log-densities, and then what :func:`weigh` makes of them. Returns the first step
    that is impossible, or -1.
    """
    stages = np.empty((sizes.size + 1, start.size))
    stages[sizes.size] = start
    for t in range(logs.shape[0]):
        if t > 0:
            predict(filtered[t - 1], stages, tables, sizes)
        log_norms[t] = weigh(stages[sizes.size], logs[t], filtered[t])
        if log_norms[t] == -np.inf:
            return t
    return -1


@compiled
def smooth_backward(tables, transposed, sizes, ratios, probabilities, counts):
    """Turn filtered into smoothed probabilities in place, and add up the expected transitions.

    Before a chain is moved back, the chains after it stand at the step before, those up to it at
    the step after; ``stages`` has the other half, so that their product is a pair of its states.
    Returns the probability of raised states, summed over steps.
    """
    chains, joint, doubt = sizes.size, probabilities.shape[1], 0.0
    stages, behind, ahead = np.empty((chains + 1, joint)), np.ones(joint), np.empty(joint)
    for t in range(ratios.shape[0] - 1, -1, -1):
        total = 0.0
        for s in range(joint):
            chance = probabilities[t, s] * behind[s]
            ahead[s] = behind[s] * ratios[t, s]
            doubt += chance if probabilities[t, s] == FLOOR else 0.0
            probabilities[t, s] = chance
            total += chance
        for s in range(joint):  # the total is one but for rounding, which is not to add up
            probabilities[t, s] /= total
            ahead[s] /= total
        if t == 0:
            break
        predict(probabilities[t - 1], stages, tables, sizes)
        offset, right = tables.size, 1
        for m in range(chains - 1, -1, -1):
            size = sizes[m]
            offset -= size * size
            _add_pairs(stages[m], ahead, counts[offset : offset + size * size], size, right)
            move(ahead, behind, transposed[offset : offset + size * size], size, right)
            ahead[:] = behind
            right *= size
    for i in range(counts.size):
        counts[i] *= tables[i]
    return doubt


@uncounted
def _add_pairs(before, after, counts, size, right):
    """Add ``sum_(l, r) before[l, j, r] * after[l, k, r]`` to ``counts[j, k]``."""
    block = size * right
    for first in range(0, before.size, block):
        for j in range(size):
            for k in range(size):
                begin, end = first + j * right, first + k * right
                total = 0.0
                for r in range(right):
                    total += before[begin + r] * after[end + r]
                counts[j * size + k] += total


@compiled
def decode(log_start, log_tables, sizes, log_densities, path):
    """Fill the most probable path of joint states; return its log-density, ``-inf`` if none."""
    steps, joint, chains = log_densities.shape[0], log_start.size, sizes.size
    origins = np.empty((steps, chains, joint), np.uint16)
    score, moved = log_start + log_densities[0], np.empty(joint)
    for t in range(1, steps):
        offset, right = 0, joint
        for m in range(chains):
            size = sizes[m]
            right //= size
            table = log_tables[offset : offset + size * size]
            _move_highest(score, moved, table, size, right, origins[t, m])
            score[:] = moved
            offset += size * size
        for s in range(joint):
            score[s] += log_densities[t, s]
    best = np.argmax(score)
    state = best
    for t in range(steps - 1, -1, -1):
        path[t] = state
        right = 1
        if t > 0:
            for m in range(chains - 1, -1, -1):
                digit = (state // right) % sizes[m]
                state += (np.int64(origins[t, m, state]) - digit) * right
                right *= sizes[m]
    return score[best]


@uncounted
def _move_highest(source, target, table, size, right, origins):
    """As :func:`move`, with maxima of logarithms, and the state each of them came from."""
    block = size * right
    for first in range(0, source.size, block):
        for k in range(size):
            for r in range(right):
                best, origin = -np.inf, 0
                for j in range(size):
                    value = source[first + j * right + r] + table[j * size + k]
                    if value > best:
                        best, origin = value, j
                target[first + k * right + r] = best
                origins[first + k * right + r] = origin


@compiled
def draw_paths(filtered, tables, sizes, uniforms, paths):
    """Fill paths of joint states, drawn backwards from filtered probabilities."""
    steps, joint = filtered.shape
    weights = np.empty(joint)
    for n in range(paths.shape[0]):
        for t in range(steps - 1, -1, -1):
            weights[:] = filtered[t]
            if t < steps - 1:
                _weigh_origins(weights, tables, sizes, paths[n, t + 1])
            total = 0.0
            for s in range(joint):
                total += weights[s]
            rest, drawn = uniforms[n, t] * total, -1
            for s in range(joint):
                if weights[s] > 0.0:
                    drawn = s
                    rest -= weights[s]
                    if rest < 0.0:
                        break
            paths[n, t] = drawn


@compiled
def _weigh_origins(weights, tables, sizes, after):
    """Multiply each joint state's weight by the probability that ``after`` follows it."""
    offset, right, joint = tables.size, 1, weights.size
    for m in range(sizes.size - 1, -1, -1):
        size = sizes[m]
        offset -= size * size
        next_state = (after // right) % size
        for s in range(joint):
            weights[s] *= tables[offset + ((s // right) % size) * size + next_state]
        right *= size
