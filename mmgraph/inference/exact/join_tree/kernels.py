"""The compiled interpreter: one loop that runs a plan of contractions over rows of evidence.

A plan is a list of steps ``C[...] = sum over some axes of A[...] * B[...]``. All tables lie in one
buffer, and their axes follow one order, so that every step is a nest of loops with constant strides
whose innermost axis is contiguous in each table that has it. What the innermost loop does depends
only on which tables have that axis; those five forms are written out so that they vectorise.

Numbers stay in range because each result is divided by its total. The division is not carried out:
its reciprocal waits in ``scales`` for the next step, and the total is kept in the evidence's
logarithm.

What is lost to underflow is below 1e-290 of the total of the table that lost it, so that all of it
together is below 1e-280 of the largest total that the assignments could have. As long as the total
found is far above that, the loss is below rounding, and one comparison a row says so
(``doubt_below``). Only where it is not (many observations, or tables that contradict one another)
are the tables of the pass, which all still lie in the buffer, looked at one by one.
"""

from __future__ import annotations

import math

import numba
import numpy as np

# The header of a step in the program, followed by five numbers a loop (outermost first).
LENGTH, FORM, FIRST, SECOND, RESULT, SIZE, FLAGS, LOOPS = range(8)
HEADER = 8
LOOP = 4  # extent, stride in A, stride in B, stride in C

# What the innermost loop is, by the tables that have its axis.
SCALED_COPY, DOT, PRODUCT, TOTAL, FILL, SCALAR = range(6)

# Flags of a step.
CLEAR, NORMALISE, COUNTS, MAXIMISE = 1, 2, 4, 8

LEAST_TOTAL, LARGEST_TOTAL = 1e-290, 1e290
"""A table whose total lies outside has lost its numbers, or is about to."""

LEAST_PRODUCT, LARGEST_PRODUCT = 1e-15, 1e15
"""A product of totals goes on as a number between these: the next one leaves it a normal double."""

LEAST_ENTRY = 1e-280
"""A smaller positive entry may have been rounded, or stand for one that is smaller still."""

compiled = numba.njit(
    cache=True, fastmath={"contract", "reassoc", "nsz"}, nogil=True, error_model="numpy"
)


@compiled
def _inner_sum(form, buffer, a, b, c, n, alpha, clear_first):
    """The innermost loop of a sum-product; ``clear_first`` stores instead of adding.

    Places are unsigned, so that the compiler need not ask whether one counts from the end.
    """
    a, b, c, n = np.uint64(a), np.uint64(b), np.uint64(c), np.uint64(n)
    if form == SCALED_COPY:  # the axis belongs to B and C
        x = alpha * buffer[a]
        if clear_first:
            for i in range(n):
                buffer[c + i] = x * buffer[b + i]
        else:
            for i in range(n):
                buffer[c + i] += x * buffer[b + i]
    elif form == DOT:  # A and B; summed out
        total = 0.0
        for i in range(n):
            total += buffer[a + i] * buffer[b + i]
        if clear_first:
            buffer[c] = alpha * total
        else:
            buffer[c] += alpha * total
    elif form == PRODUCT:  # all three
        if clear_first:
            for i in range(n):
                buffer[c + i] = alpha * buffer[a + i] * buffer[b + i]
        else:
            for i in range(n):
                buffer[c + i] += alpha * buffer[a + i] * buffer[b + i]
    elif form == TOTAL:  # B alone; summed out
        total = 0.0
        for i in range(n):
            total += buffer[b + i]
        if clear_first:
            buffer[c] = alpha * buffer[a] * total
        else:
            buffer[c] += alpha * buffer[a] * total
    elif form == FILL:  # C alone
        x = alpha * buffer[a] * buffer[b]
        if clear_first:
            for i in range(n):
                buffer[c + i] = x
        else:
            for i in range(n):
                buffer[c + i] += x
    else:
        x = alpha * buffer[a] * buffer[b]
        if clear_first:
            buffer[c] = x
        else:
            buffer[c] += x


@compiled
def _inner_max(form, buffer, a, b, c, n, alpha):
    """The innermost loop of a max-product; results start from zero."""
    a, b, c, n = np.uint64(a), np.uint64(b), np.uint64(c), np.uint64(n)
    if form == SCALED_COPY:
        x = alpha * buffer[a]
        for i in range(n):
            buffer[c + i] = max(buffer[c + i], x * buffer[b + i])
    elif form == DOT:
        best = 0.0
        for i in range(n):
            best = max(best, buffer[a + i] * buffer[b + i])
        buffer[c] = max(buffer[c], alpha * best)
    elif form == PRODUCT:
        for i in range(n):
            buffer[c + i] = max(buffer[c + i], alpha * buffer[a + i] * buffer[b + i])
    elif form == TOTAL:
        best = 0.0
        for i in range(n):
            best = max(best, buffer[b + i])
        buffer[c] = max(buffer[c], alpha * buffer[a] * best)
    elif form == FILL:
        x = alpha * buffer[a] * buffer[b]
        for i in range(n):
            buffer[c + i] = max(buffer[c + i], x)
    else:
        buffer[c] = max(buffer[c], alpha * buffer[a] * buffer[b])


@compiled
def advance(program, first, outer, counter, a, b, c):
    """Step the outer loops of a nest once, like an odometer; return the places and whether on."""
    k = outer - 1
    while k >= 0:
        loop = first + LOOP * k
        counter[k] += 1
        a += program[loop + 1]
        b += program[loop + 2]
        c += program[loop + 3]
        if counter[k] < program[loop]:
            return a, b, c, True
        counter[k] = 0
        a -= program[loop + 1] * program[loop]
        b -= program[loop + 2] * program[loop]
        c -= program[loop + 3] * program[loop]
        k -= 1
    return a, b, c, False


@compiled
def _contract(program, at, buffer, a, b, c, alpha, counter):
    """Run one step of the program."""
    form, loops, flags = program[at + FORM], program[at + LOOPS], program[at + FLAGS]
    clear, maximise = flags & CLEAR, flags & MAXIMISE
    if clear or maximise:
        for i in range(np.uint64(c), np.uint64(c + program[at + SIZE])):
            buffer[i] = 0.0
    store = not clear
    first = at + HEADER
    last = first + LOOP * (loops - 1)
    n = program[last]
    if maximise:
        if loops == 1:
            _inner_max(form, buffer, a, b, c, n, alpha)
            return
    elif loops == 1:
        _inner_sum(form, buffer, a, b, c, n, alpha, store)
        return
    second = last - LOOP
    rows, row_a, row_b, row_c = (
        program[second],
        program[second + 1],
        program[second + 2],
        program[second + 3],
    )
    outer = loops - 2
    for k in range(outer):
        counter[k] = 0
    while True:
        ra, rb, rc = a, b, c
        if maximise:
            for _ in range(rows):
                _inner_max(form, buffer, ra, rb, rc, n, alpha)
                ra += row_a
                rb += row_b
                rc += row_c
        else:
            for _ in range(rows):
                _inner_sum(form, buffer, ra, rb, rc, n, alpha, store)
                ra += row_a
                rb += row_b
                rc += row_c
        a, b, c, more = advance(program, first, outer, counter, a, b, c)
        if not more:
            return


@compiled
def run_steps(program, start, stop, offsets, scales, buffer, counter):
    """Run a stretch of the program; return the logarithm of the totals of the steps that count.

    It is ``-inf`` as soon as a total is zero, or out of the range of doubles; beside it the
    position of that step, or -1.
    """
    log_total, product = 0.0, 1.0
    at = start
    while at < stop:
        first, second, result = program[at + FIRST], program[at + SECOND], program[at + RESULT]
        c = offsets[result]
        _contract(
            program,
            at,
            buffer,
            offsets[first],
            offsets[second],
            c,
            scales[first] * scales[second],
            counter,
        )
        flags = program[at + FLAGS]
        if flags & NORMALISE:
            total = 0.0
            for i in range(np.uint64(c), np.uint64(c + program[at + SIZE])):
                total += buffer[i]
            if not LEAST_TOTAL < total < LARGEST_TOTAL:  # a NaN neither
                return -math.inf, at
            scales[result] = 1.0 / total
            if flags & COUNTS:
                product *= total
                if not LEAST_PRODUCT < product < LARGEST_PRODUCT:
                    log_total += math.log(product)
                    product = 1.0
        else:
            scales[result] = 1.0
        at += program[at + LENGTH]
    return log_total + math.log(product), -1


@compiled
def has_lost(program, stop, leaves_stop, offsets, scales, buffer, counter):
    """Whether a sum of products in the program's tables came out too small to be trusted.

    True zeros are no loss: only where a product of two positive numbers has ended in an entry, or
    come from one, that is below ``LEAST_ENTRY``. Products are looked at one by one only where some
    entry of a leaf, or of their sum, is so small.
    """
    is_small = False
    for i in range(np.uint64(1), np.uint64(leaves_stop)):
        is_small |= 0.0 < buffer[i] < LEAST_ENTRY
    at = 0
    while at < stop:
        first, second = program[at + FIRST], program[at + SECOND]
        c = offsets[program[at + RESULT]]
        # The products are added up before or after they are scaled.
        least = LEAST_ENTRY * max(scales[first] * scales[second], 1.0)
        suspect = is_small
        for i in range(np.uint64(c), np.uint64(c + program[at + SIZE])):
            suspect |= not buffer[i] > least
        if suspect and _loses(
            program, at, offsets[first], offsets[second], c, least, buffer, counter
        ):
            return True
        at += program[at + LENGTH]
    return False


@compiled
def _loses(program, at, a, b, c, least, buffer, counter):
    """Whether a product of one step has lost its number."""
    loops = program[at + LOOPS]
    for k in range(loops):
        counter[k] = 0
    more = True
    while more:
        x, y = buffer[a], buffer[b]
        is_small = x < LEAST_ENTRY or y < LEAST_ENTRY or not buffer[c] > least
        if is_small and x > 0.0 and y > 0.0:
            return True
        a, b, c, more = advance(program, at + HEADER, loops, counter, a, b, c)
    return False


@compiled
def slice_start(slots, s, strides, codes, r):
    """Where the slice of a table begins that a row's observed states pick."""
    start = slots[s, 1]
    for k in range(slots[s, 2], slots[s, 3]):
        start += codes[r, strides[k, 0]] * strides[k, 1]
    return start


@compiled
def place_evidence(r, offsets, buffer, slots, strides, codes, soft_start, soft):
    """Move the sliced tables to where a row's states point, and copy its soft evidence in."""
    for s in range(slots.shape[0]):
        offsets[slots[s, 0]] = slice_start(slots, s, strides, codes, r)
    for i in range(soft.shape[1]):
        buffer[soft_start + i] = soft[r, i]


@compiled
def run_rows(
    steps,
    offsets,
    scales,
    buffer,
    counter,
    places,
    slots,
    strides,
    observed,
    blocks,
    base_log,
    doubt_below,
    codes,
    soft,
    output,
    log_evidence,
):
    """Run a plan over rows of evidence.

    The arguments are those of :class:`Program` and :class:`RowEvidence` one by one: a warm query
    of alarm takes 11 microseconds in all, and to unbox the two records adds 1.8 of them.

    Parameters
    ----------
    places : int64 array
        Where the steps that depend on evidence begin and end, where soft evidence goes in the
        buffer, and where the marginals lie in it.
    observed : int64 array, shape (columns,)
        Where in a row of the output the observed variables' marginals start, or -1.
    output : float64 array (rows, entries)
        Receives the marginals.
    blocks : int64 array, shape (n, 2)
        The stretches of an output row that are distributions, to be divided by their sums.
    log_evidence : float64 array (rows,)
        Receives log P(evidence).
    base_log : float
        The part of it that no row changes.
    doubt_below : float
        A smaller log P(evidence) is trusted only after a look at the tables.

    Returns
    -------
    int
        How many rows have probability zero, or one that doubles do not hold; their outputs are
        zero and their logarithm ``-inf``.
    """
    impossible = 0
    entries = output.shape[1]
    begin, end, soft_start, output_start = places[0], places[1], places[2], places[3]
    for r in range(log_evidence.shape[0]):
        place_evidence(r, offsets, buffer, slots, strides, codes, soft_start, soft)
        log_total, failed = run_steps(steps, begin, end, offsets, scales, buffer, counter)
        lost = failed >= 0 or not base_log + log_total > -math.inf
        if not lost and base_log + log_total < doubt_below:
            leaves_stop = soft_start + soft.shape[1]
            lost = has_lost(steps, end, leaves_stop, offsets, scales, buffer, counter)
        for i in range(entries):
            output[r, i] = buffer[output_start + i]
        for k in range(blocks.shape[0]):
            total = 0.0
            for i in range(blocks[k, 0], blocks[k, 1]):
                total += output[r, i]
            lost |= not LEAST_TOTAL < total < LARGEST_TOTAL
            inverse = 1.0 / total
            for i in range(blocks[k, 0], blocks[k, 1]):
                output[r, i] *= inverse
        log_evidence[r] = base_log + log_total
        if lost:
            impossible += 1
            log_evidence[r] = -math.inf
            for i in range(entries):
                output[r, i] = 0.0
            continue
        for k in range(observed.shape[0]):
            if observed[k] >= 0:
                output[r, observed[k] + codes[r, k]] = 1.0
    return impossible
