"""The interpreter for many rows: blocks of rows go through each step side by side.

Small tables leave a vector unit idle, and the bookkeeping of a step costs as much as its
arithmetic. Here every table that depends on evidence holds a number for each row of a block in each
entry, so that the innermost loop runs over rows and vectorises whatever the shape of the table.
Tables that are the same for all rows stay single numbers.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from mmgraph.inference.exact.join_tree.kernels import (
    COUNTS,
    FIRST,
    FLAGS,
    HEADER,
    LARGEST_PRODUCT,
    LARGEST_TOTAL,
    LEAST_PRODUCT,
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

ROWS = 32
"""How many rows make a block."""

UNSIGNED_ROWS = np.uint64(ROWS)


class Blocks(NamedTuple):
    """The tables of a block of rows.

    Attributes
    ----------
    varying : ndarray of bool, over slots
        Which tables depend on evidence.
    sizes : ndarray of int64
        The sizes of the tables that evidence slices.
    tables : ndarray of float64, shape (entries * ROWS,)
        The tables that depend on evidence, entry by entry.
    """

    varying: np.ndarray
    sizes: np.ndarray
    tables: np.ndarray


class Outputs(NamedTuple):
    """Where the marginals lie, and where they go; see ``kernels.run_rows``."""

    observed: np.ndarray
    start: int
    distributions: np.ndarray
    output: np.ndarray


@compiled
def _inner(program, last, buffer, tables, places, varies, alpha, width):
    """The innermost loop, by which operands differ from row to row.

    Places are unsigned, so that the compiler need not ask whether one counts from the end, and the
    width is an argument, since a loop of known length is unrolled before it could be vectorised.
    """
    a, b, c = places
    varies_a, varies_b = varies
    n, step_a, step_b, step_c = (
        program[last],
        program[last + 1],
        program[last + 2],
        program[last + 3],
    )
    r, step_r = np.uint64(c * ROWS), np.uint64(step_c * ROWS)
    if varies_a and varies_b:
        p, step_p = np.uint64(a * ROWS), np.uint64(step_a * ROWS)
        q, step_q = np.uint64(b * ROWS), np.uint64(step_b * ROWS)
        for _ in range(n):
            for w in range(width):
                tables[r + w] += tables[p + w] * tables[q + w]
            p += step_p
            q += step_q
            r += step_r
    elif varies_a or varies_b:
        if varies_a:
            p, step_p = np.uint64(a * ROWS), np.uint64(step_a * ROWS)
            single, step_single = np.uint64(b), np.uint64(step_b)
        else:
            p, step_p = np.uint64(b * ROWS), np.uint64(step_b * ROWS)
            single, step_single = np.uint64(a), np.uint64(step_a)
        for _ in range(n):
            x = alpha * buffer[single]
            for w in range(width):
                tables[r + w] += x * tables[p + w]
            p += step_p
            single += step_single
            r += step_r
    else:
        for _ in range(n):
            x = alpha * buffer[a] * buffer[b]
            for w in range(width):
                tables[r + w] += x
            a += step_a
            b += step_b
            r += step_r


@compiled
def _contract(program, at, buffer, tables, places, varies, alpha, counter, width):
    """Run one step of the program for a block of rows."""
    loops = program[at + LOOPS]
    a, b, c = places
    for i in range(np.uint64(c * ROWS), np.uint64((c + program[at + SIZE]) * ROWS)):
        tables[i] = 0.0
    first = at + HEADER
    last = first + LOOP * (loops - 1)
    for k in range(loops - 1):
        counter[k] = 0
    while True:
        _inner(program, last, buffer, tables, (a, b, c), varies, alpha, width)
        a, b, c, more = advance(program, first, loops - 1, counter, a, b, c)
        if not more:
            return


@compiled
def _normalise(tables, c, size, total, product, log_total, counts, width):
    """Divide each row's table by its total, and keep the totals that count."""
    start, stop = np.uint64(c * ROWS), np.uint64((c + size) * ROWS)
    for w in range(width):
        total[w] = tables[start + w]
    r = start + UNSIGNED_ROWS
    while r < stop:
        for w in range(width):
            total[w] += tables[r + w]
        r += UNSIGNED_ROWS
    if counts:
        for w in range(width):
            product[w] *= total[w]
            if not LEAST_PRODUCT < product[w] < LARGEST_PRODUCT:
                log_total[w] += math.log(product[w]) if product[w] > 0.0 else -math.inf
                product[w] = 1.0
    for w in range(width):
        inside = LEAST_TOTAL < total[w] < LARGEST_TOTAL
        log_total[w] = log_total[w] if inside else -math.inf
        total[w] = 1.0 / total[w] if inside else 0.0
    r = start
    while r < stop:
        for w in range(width):
            tables[r + w] *= total[w]
        r += UNSIGNED_ROWS


@compiled
def _gather(buffer, tables, slots, sizes, strides, codes, row, last):
    """Copy what each row's evidence slices out of the tables side by side."""
    for s in range(slots.shape[0]):
        start = slots[s, 1]
        for w in range(ROWS):
            r = min(row + w, last)
            offset = slice_start(slots, s, strides, codes, r)
            for i in range(sizes[s]):
                tables[(start + i) * ROWS + w] = buffer[offset + i]


@compiled
def run_blocks(program, blocks, sections, evidence, outputs, log_evidence, base_log):
    """Run a plan over rows of evidence, a block at a time, as ``kernels.run_rows``.

    ``sections`` are where the steps that depend on evidence begin and end. A row whose numbers are
    lost has the logarithm ``-inf``, but rows of small probability are not looked at for numbers
    that they have lost.
    """
    steps, offsets, scales, buffer, counter = program
    varying, sizes, tables = blocks
    slots, strides, codes, soft_start, soft = evidence
    observed, output_start, distributions, output = outputs
    rows = log_evidence.shape[0]
    width = np.uint64(tables.shape[0] // np.int64(buffer.shape[0]))
    total, product, log_total = np.empty(ROWS), np.empty(ROWS), np.empty(ROWS)
    entries = output.shape[1]
    for row in range(0, rows, ROWS):
        _gather(buffer, tables, slots, sizes, strides, codes, row, rows - 1)
        for w in range(ROWS):
            r = min(row + w, rows - 1)
            product[w], log_total[w] = 1.0, base_log
            for i in range(soft.shape[1]):
                tables[(soft_start + i) * ROWS + w] = soft[r, i]
        at = sections[0]
        while at < sections[1]:
            first, second, result = steps[at + FIRST], steps[at + SECOND], steps[at + RESULT]
            varies = varying[first], varying[second]
            alpha = 1.0
            if not varying[first]:
                alpha *= scales[first]
            if not varying[second]:
                alpha *= scales[second]
            c = offsets[result]
            places = offsets[first], offsets[second], c
            _contract(steps, at, buffer, tables, places, varies, alpha, counter, width)
            flags = steps[at + FLAGS]
            if flags & NORMALISE:
                counts = flags & COUNTS != 0
                _normalise(tables, c, steps[at + SIZE], total, product, log_total, counts, width)
            at += steps[at + LENGTH]
        for k in range(distributions.shape[0]):
            start = output_start + distributions[k, 0]
            size = distributions[k, 1] - distributions[k, 0]
            _normalise(tables, start, size, total, product, log_total, False, width)
        for w in range(min(ROWS, rows - row)):
            r = row + w
            log_evidence[r] = log_total[w] + (math.log(product[w]) if product[w] > 0 else -math.inf)
            for i in range(entries):
                output[r, i] = tables[(output_start + i) * ROWS + w]
            for k in range(observed.shape[0]):
                if observed[k] >= 0:
                    output[r, observed[k] + codes[r, k]] = 1.0
