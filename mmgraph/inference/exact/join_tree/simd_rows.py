"""The interpreter for many rows: blocks of rows go through each step side by side.

Small tables leave a vector unit idle, and the bookkeeping of a step costs as much as its
arithmetic. Here every table that depends on evidence holds a number for each row of a block in each
entry, so that the innermost loop runs over rows and vectorises whatever the shape of the table.
Tables that are the same for all rows stay single numbers.
"""

# The functions of this file are compiled: their arguments are arrays, and carry no annotations.
# mypy: disallow_untyped_defs=False, disallow_untyped_calls=False

from __future__ import annotations

import math

import numpy as np

from mmgraph.inference.exact.join_tree.kernels import (
    COUNTS,
    FIRST,
    FLAGS,
    HEADER,
    LARGEST_TOTAL,
    LEAST_TOTAL,
    LENGTH,
    LOOP,
    LOOPS,
    NORMALISE,
    RESULT,
    SECOND,
    SIZE,
    advance,
    compiled,
    slice_start,
)

LANES = 32
UNSIGNED_LANES = np.uint64(LANES)


@compiled
def _inner(buffer, lanes, a, b, c, n, step_a, step_b, step_c, wide_a, wide_b, alpha, width):
    """The innermost loop, by which operands differ from row to row.

    Places are unsigned, so that the compiler need not ask whether one counts from the end, and the
    width is an argument, since a loop of known length is unrolled before it could be vectorised.
    """
    r, step_r = np.uint64(c * LANES), np.uint64(step_c * LANES)
    if wide_a and wide_b:
        p, step_p = np.uint64(a * LANES), np.uint64(step_a * LANES)
        q, step_q = np.uint64(b * LANES), np.uint64(step_b * LANES)
        for _ in range(n):
            for w in range(width):
                lanes[r + w] += lanes[p + w] * lanes[q + w]
            p += step_p
            q += step_q
            r += step_r
    elif wide_a or wide_b:
        if wide_a:
            p, step_p = np.uint64(a * LANES), np.uint64(step_a * LANES)
            single, step_single = np.uint64(b), np.uint64(step_b)
        else:
            p, step_p = np.uint64(b * LANES), np.uint64(step_b * LANES)
            single, step_single = np.uint64(a), np.uint64(step_a)
        for _ in range(n):
            x = alpha * buffer[single]
            for w in range(width):
                lanes[r + w] += x * lanes[p + w]
            p += step_p
            single += step_single
            r += step_r
    else:
        for _ in range(n):
            x = alpha * buffer[a] * buffer[b]
            for w in range(width):
                lanes[r + w] += x
            a += step_a
            b += step_b
            r += step_r


@compiled
def _contract(program, at, buffer, lanes, a, b, c, wide_a, wide_b, alpha, counter, width):
    """Run one step of the program for a block of rows."""
    loops = program[at + LOOPS]
    for i in range(np.uint64(c * LANES), np.uint64((c + program[at + SIZE]) * LANES)):
        lanes[i] = 0.0
    first = at + HEADER
    last = first + LOOP * (loops - 1)
    n, step_a, step_b, step_c = (
        program[last],
        program[last + 1],
        program[last + 2],
        program[last + 3],
    )
    for k in range(loops - 1):
        counter[k] = 0
    while True:
        _inner(buffer, lanes, a, b, c, n, step_a, step_b, step_c, wide_a, wide_b, alpha, width)
        a, b, c, more = advance(program, first, loops - 1, counter, a, b, c)
        if not more:
            return


@compiled
def _normalise(lanes, c, size, total, product, log_total, counts, width):
    """Divide each row's table by its total, and keep the totals that count."""
    start, stop = np.uint64(c * LANES), np.uint64((c + size) * LANES)
    for w in range(width):
        total[w] = lanes[start + w]
    r = start + UNSIGNED_LANES
    while r < stop:
        for w in range(width):
            total[w] += lanes[r + w]
        r += UNSIGNED_LANES
    if counts:
        for w in range(width):
            product[w] *= total[w]
            if product[w] < 1e-120 or product[w] > 1e120:
                log_total[w] += math.log(product[w]) if product[w] > 0.0 else -math.inf
                product[w] = 1.0
    for w in range(width):
        inside = LEAST_TOTAL < total[w] < LARGEST_TOTAL
        log_total[w] = log_total[w] if inside else -math.inf
        total[w] = 1.0 / total[w] if inside else 0.0
    r = start
    while r < stop:
        for w in range(width):
            lanes[r + w] *= total[w]
        r += UNSIGNED_LANES


@compiled
def _gather(buffer, lanes, slots, sizes, strides, codes, row, last):
    """Copy what each row's evidence slices out of the tables side by side."""
    for s in range(slots.shape[0]):
        start = slots[s, 1]
        for w in range(LANES):
            r = min(row + w, last)
            offset = slice_start(slots, s, strides, codes, r)
            for i in range(sizes[s]):
                lanes[(start + i) * LANES + w] = buffer[offset + i]


@compiled
def run_rows_in_lanes(
    program,
    sections,
    offsets,
    scales,
    wide,
    buffer,
    lanes,
    counter,
    slots,
    slot_sizes,
    strides,
    codes,
    soft_start,
    soft,
    observed,
    output_start,
    output,
    blocks,
    log_evidence,
    base_log,
):
    """Run a plan over rows of evidence, a block at a time.

    Parameters
    ----------
    wide : bool array over slots
        Which tables depend on evidence.
    lanes : float64 array, shape (entries * LANES,)
        The tables of a block of rows, entry by entry.
    slot_sizes : int64 array
        The sizes of the sliced tables.

    The other parameters are those of ``kernels.run_rows``; a row whose numbers are lost has the
    logarithm ``-inf``, but nobody looks whether rows of small probability have lost some.
    """
    rows = log_evidence.shape[0]
    width = np.uint64(lanes.shape[0] // np.int64(buffer.shape[0]))
    total, product, log_total = np.empty(LANES), np.empty(LANES), np.empty(LANES)
    entries = output.shape[1]
    for row in range(0, rows, LANES):
        _gather(buffer, lanes, slots, slot_sizes, strides, codes, row, rows - 1)
        for w in range(LANES):
            r = min(row + w, rows - 1)
            product[w], log_total[w] = 1.0, base_log
            for i in range(soft.shape[1]):
                lanes[(soft_start + i) * LANES + w] = soft[r, i]
        at = sections[0]
        while at < sections[1]:
            first, second, result = program[at + FIRST], program[at + SECOND], program[at + RESULT]
            alpha = 1.0
            if not wide[first]:
                alpha *= scales[first]
            if not wide[second]:
                alpha *= scales[second]
            c = offsets[result]
            _contract(
                program,
                at,
                buffer,
                lanes,
                offsets[first],
                offsets[second],
                c,
                wide[first],
                wide[second],
                alpha,
                counter,
                width,
            )
            flags = program[at + FLAGS]
            if flags & NORMALISE:
                counts = flags & COUNTS != 0
                _normalise(lanes, c, program[at + SIZE], total, product, log_total, counts, width)
            at += program[at + LENGTH]
        for k in range(blocks.shape[0]):
            start = output_start + blocks[k, 0]
            size = blocks[k, 1] - blocks[k, 0]
            _normalise(lanes, start, size, total, product, log_total, False, width)
        for w in range(min(LANES, rows - row)):
            r = row + w
            log_evidence[r] = log_total[w] + (math.log(product[w]) if product[w] > 0 else -math.inf)
            for i in range(entries):
                output[r, i] = lanes[(output_start + i) * LANES + w]
            for k in range(observed.shape[0]):
                if observed[k] >= 0:
                    output[r, observed[k] + codes[r, k]] = 1.0
