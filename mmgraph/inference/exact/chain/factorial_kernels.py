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
from mmgraph.inference.numerics.exponentials import exponentials


@uncounted
def move(source, target, table, size, right):
    """Sum one axis out: ``target[l, k, r] = sum_j source[l, j, r] * table[j, k]``, all flat.

    Inner loops run along slices, whose indices are never negative: those are vectorised.
    """
    for s in range(target.size):
        target[s] = 0.0
    for first in range(0, source.size, size * right):
        for j in range(size):
            row = table[j * size : (j + 1) * size]
            if right == 1:
                weight, out = source[first + j], target[first : first + size]
                for k in range(size):
                    out[k] += weight * row[k]
                continue
            begin = first + j * right
            here = source[begin : begin + right]
            for k in range(size):
                weight, end = row[k], first + k * right
                out = target[end : end + right]
                for r in range(right):
                    out[r] += weight * here[r]


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


@compiled
def weigh(predicted, logs, filtered, room):
    """Multiply a prediction by densities and norm it; return the logarithm of the sum.

    The greatest log-density of a possible state is subtracted first. ``logs`` becomes the ratios of
    filtered to predicted probabilities. A possible state is raised to ``FLOOR``, as in
    ``dense_kernels``. ``-inf``: no state is possible.
    """
    highest, total, small = -np.inf, 0.0, 0
    for s in range(predicted.size):
        logs[s] = logs[s] if predicted[s] > 0.0 else -np.inf
        highest = max(highest, logs[s])
    if highest == -np.inf:
        return highest
    exponentials(logs, highest, room, filtered)
    for s in range(predicted.size):
        total += predicted[s] * filtered[s]
    norm = 1.0 / total
    for s in range(predicted.size):
        room[s] = filtered[s] * norm
        filtered[s] = predicted[s] * room[s]
        small += 1 if filtered[s] < FLOOR and logs[s] > -np.inf else 0
    if small > 0:
        for s in range(predicted.size):
            if filtered[s] < FLOOR and logs[s] > -np.inf:
                filtered[s], room[s] = FLOOR, FLOOR / predicted[s]
    for s in range(predicted.size):
        logs[s] = room[s]
    return highest + math.log(total)


@compiled
def filter_forward(start, tables, sizes, logs, filtered, log_norms):
    """Fill the filtered probabilities and the log-density of each row given those before.

    ``logs`` holds log-densities, and then what :func:`weigh` makes of them. Returns the first step
    that is impossible, or -1.
    """
    stages, room = np.empty((sizes.size + 1, start.size)), np.empty(start.size)
    stages[sizes.size] = start
    for t in range(logs.shape[0]):
        if t > 0:
            predict(filtered[t - 1], stages, tables, sizes)
        log_norms[t] = weigh(stages[sizes.size], logs[t], filtered[t], room)
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
    for first in range(0, before.size, size * right):
        for j in range(size):
            row = counts[j * size : (j + 1) * size]
            if right == 1:
                weight, there = before[first + j], after[first : first + size]
                for k in range(size):
                    row[k] += weight * there[k]
                continue
            begin = first + j * right
            here = before[begin : begin + right]
            for k in range(size):
                end = first + k * right
                there = after[end : end + right]
                total = 0.0
                for r in range(right):
                    total += here[r] * there[r]
                row[k] += total


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
    for s in range(target.size):
        target[s] = -np.inf
        origins[s] = 0
    for first in range(0, source.size, size * right):
        for j in range(size):
            row = table[j * size : (j + 1) * size]
            if right == 1:
                base, out = source[first + j], target[first : first + size]
                origin = origins[first : first + size]
                for k in range(size):
                    score = base + row[k]
                    if score > out[k]:
                        out[k] = score
                        origin[k] = j
                continue
            begin = first + j * right
            here = source[begin : begin + right]
            for k in range(size):
                step, end = row[k], first + k * right
                out, origin = target[end : end + right], origins[end : end + right]
                for r in range(right):
                    score = here[r] + step
                    if score > out[r]:
                        out[r] = score
                        origin[r] = j


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
