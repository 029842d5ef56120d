"""The compiled decoder: best states or exact draws, from the roots of a join tree down."""

from __future__ import annotations

import math

from mmgraph.inference.exact.join_tree.kernels import compiled, has_lost, place_evidence, run_steps


@compiled
def decode_rows(
    program,
    sections,
    evidence,
    decoding,
    uniforms,
    assignment,
    log_evidence,
    base_log,
    doubt_below,
):
    """Run the forward pass for each row, then decide the eliminated variables from the roots down.

    Given what the nodes above have decided, a node's variables follow the product of its two
    tables: their most probable states where it maximised (the decoding of max-product), a draw
    where it summed (exact sampling by forward filtering, backward sampling).

    Parameters
    ----------
    sections : int64 array
        Where the steps of the forward pass that depend on evidence begin and end.
    decoding : int64 array
        For each node, roots first: length, the two slots, the number of variables already decided,
        the number to decide, the number of their joint states; then (variable, stride in the first
        table, stride in the second) for each decided one, and (variable, states, stride, stride)
        for each to be decided.
    uniforms : float64 array, shape (rows, draws, nodes)
        Numbers in [0, 1) to draw with; with no nodes the best state is taken instead.
    assignment : int64 array, shape (rows, draws, variables)
        Holds the observed states; receives the others.
    log_evidence, base_log, doubt_below
        As for ``run_rows``, and so is the number of rows returned.
    """
    steps, offsets, scales, buffer, counter = program
    slots, strides, codes, soft_start, soft = evidence
    impossible = 0
    for r in range(log_evidence.shape[0]):
        place_evidence(r, offsets, buffer, slots, strides, codes, soft_start, soft)
        log_total, failed = run_steps(
            steps, sections[0], sections[1], offsets, scales, buffer, counter
        )
        log_evidence[r] = base_log + log_total
        lost = failed >= 0 or not log_evidence[r] > -math.inf
        if not lost and log_evidence[r] < doubt_below:
            leaves_stop = soft_start + soft.shape[1]
            lost = has_lost(steps, sections[1], leaves_stop, offsets, scales, buffer, counter)
        if lost:
            impossible += 1
            log_evidence[r] = -math.inf
            continue
        for d in range(assignment.shape[1]):
            _decode(decoding, offsets, scales, buffer, uniforms, assignment, r, d)
    return impossible


@compiled
def _decode(decoding, offsets, scales, buffer, uniforms, assignment, r, d):
    """Decide all variables of one draw of one row."""
    at, node = 0, 0
    greedy = uniforms.shape[2] == 0
    while at < len(decoding):
        fixed, free, states = decoding[at + 3], decoding[at + 4], decoding[at + 5]
        a, b = offsets[decoding[at + 1]], offsets[decoding[at + 2]]
        scale = scales[decoding[at + 1]] * scales[decoding[at + 2]]
        for k in range(at + 6, at + 6 + 3 * fixed, 3):
            a += assignment[r, d, decoding[k]] * decoding[k + 1]
            b += assignment[r, d, decoding[k]] * decoding[k + 2]
        first = at + 6 + 3 * fixed
        threshold = 0.0
        if not greedy:
            total = 0.0
            for state in range(states):
                x, y = _state_offsets(decoding, first, free, state)
                total += scale * buffer[a + x] * buffer[b + y]
            threshold = uniforms[r, d, node] * total
        chosen, best, running = 0, -1.0, 0.0
        for state in range(states):
            x, y = _state_offsets(decoding, first, free, state)
            weight = scale * buffer[a + x] * buffer[b + y]
            if greedy:
                if weight > best:
                    best, chosen = weight, state
            elif weight > 0.0:
                # The last possible state is kept in case rounding leaves the sum short.
                chosen = state
                running += weight
                if running > threshold:
                    break
        for k in range(free - 1, -1, -1):
            loop = first + 4 * k
            assignment[r, d, decoding[loop]] = chosen % decoding[loop + 1]
            chosen //= decoding[loop + 1]
        at += decoding[at]
        node += 1


@compiled
def _state_offsets(decoding, first, free, state):
    """Where a joint state of the variables to decide lies in the two tables."""
    x, y = 0, 0
    for k in range(free - 1, -1, -1):
        loop = first + 4 * k
        code = state % decoding[loop + 1]
        state //= decoding[loop + 1]
        x += code * decoding[loop + 2]
        y += code * decoding[loop + 3]
    return x, y
