"""One colour of a checkerboard of two-state elements, drawn at once in vector registers.

A grid is kept as two compact boards: of row ``r``, board ``a`` holds the columns with
``(r + column) % 2 == a``, one after the other, between two columns and two rows of zeros. All four
neighbours of an element lie on the other board, at its own place or beside it.

The probability of state one is ``1 / (1 + odds of state zero)``, where the odds are a product of
one number an element and one a neighbour: no exponential is taken in any sweep. A neighbour that
is not there counts as one in state zero; the element's own odds make up for it.
"""

# The functions of this file are compiled: their arguments are arrays, and carry no annotations.
# mypy: disallow_untyped_defs=False, disallow_untyped_calls=False

from __future__ import annotations

import numpy as np

from mmgraph.inference.numerics.compiling import compiled
from mmgraph.inference.numerics.counted_random import (
    HALF_STEP_SINGLE,
    SINGLE_SHIFT,
    STEP_SINGLE,
    random_words,
)

_ONE = np.uint64(1)


@compiled
def sweep_uniform(
    boards, board, first_row, last_row, odds, across, down, key, chain, sweep, sums, recorded
):
    """Draw the rows ``first_row:last_row`` of one board; one weight in a row, one in a column.

    Parameters are arrays ``boards`` (2, height + 2, width + 2) of uint8, ``odds`` (2, height,
    width), ``across`` and ``down`` (3,), the factor for none, one or two neighbours in state one,
    and ``sums`` (2, height, width) of float64, to which the probabilities are added where
    ``recorded``.
    """
    width = np.uint64(odds.shape[2])
    quarter = np.uint64((odds.shape[2] + 3) // 4)
    words = np.empty(np.uint64(4) * quarter, np.uint32)
    chance = np.empty(width, np.float32)
    one = np.float32(1)
    across0, across1, across2 = across[0], across[1], across[2]
    down0, down1, down2 = down[0], down[1], down[2]
    for r in range(np.uint64(first_row), np.uint64(last_row)):
        random_words(words, quarter, r * quarter, np.uint64(sweep), chain, board, key)
        own, other = boards[board], boards[1 - board]
        above, here, below = other[r], other[r + _ONE], other[r + np.uint64(2)]
        # The row of the element is r + 1 between the borders; its columns start at one.
        left = here[(r + np.uint64(board)) & _ONE :]
        right = left[1:]
        target = own[r + _ONE]
        own_odds = odds[board, r]
        for j in range(width):
            h = left[j] + right[j]
            v = above[j + _ONE] + below[j + _ONE]
            factor = across0 if h == 0 else (across1 if h == 1 else across2)
            factor *= down0 if v == 0 else (down1 if v == 1 else down2)
            chance[j] = one / (one + own_odds[j] * factor)
        for j in range(width):
            uniform = np.float32(np.int32(words[j] >> SINGLE_SHIFT)) * STEP_SINGLE
            target[j + _ONE] = uniform + HALF_STEP_SINGLE < chance[j]
        if recorded:
            own_sums = sums[board, r]
            for j in range(width):
                own_sums[j] += chance[j]


@compiled
def sweep_weighted(
    boards, board, first_row, last_row, odds, weights, key, chain, sweep, sums, recorded
):
    """Draw rows of one board where every edge has its own weight, see :func:`sweep_uniform`.

    ``weights`` (2, 4, height, width) holds the exponentials of the weights towards the left, the
    right, above and below.
    """
    width = np.uint64(odds.shape[2])
    quarter = np.uint64((odds.shape[2] + 3) // 4)
    words = np.empty(np.uint64(4) * quarter, np.uint32)
    chance = np.empty(width, np.float32)
    one = np.float32(1)
    for r in range(np.uint64(first_row), np.uint64(last_row)):
        random_words(words, quarter, r * quarter, np.uint64(sweep), chain, board, key)
        own, other = boards[board], boards[1 - board]
        above, here, below = other[r], other[r + _ONE], other[r + np.uint64(2)]
        left = here[(r + np.uint64(board)) & _ONE :]
        right = left[1:]
        target = own[r + _ONE]
        own_odds = odds[board, r]
        w_left, w_right = weights[board, 0, r], weights[board, 1, r]
        w_above, w_below = weights[board, 2, r], weights[board, 3, r]
        for j in range(width):
            # A neighbour in state zero multiplies the odds of state zero, one in state one divides.
            zero = own_odds[j]
            state = one
            zero *= w_left[j] if left[j] == 0 else one
            state *= w_left[j] if left[j] != 0 else one
            zero *= w_right[j] if right[j] == 0 else one
            state *= w_right[j] if right[j] != 0 else one
            zero *= w_above[j] if above[j + _ONE] == 0 else one
            state *= w_above[j] if above[j + _ONE] != 0 else one
            zero *= w_below[j] if below[j + _ONE] == 0 else one
            state *= w_below[j] if below[j + _ONE] != 0 else one
            chance[j] = state / (state + zero)
        for j in range(width):
            uniform = np.float32(np.int32(words[j] >> SINGLE_SHIFT)) * STEP_SINGLE
            target[j + _ONE] = uniform + HALF_STEP_SINGLE < chance[j]
        if recorded:
            own_sums = sums[board, r]
            for j in range(width):
                own_sums[j] += chance[j]


@compiled
def board_sweeps(
    first_board, last_board, first_row, last_row, first_chain, last_chain, first_sweep, last_sweep,
    boards, odds, uniform, across, down, weights, key, burn_in, thinning, interval, sums, trace,
):  # fmt: skip
    """Draw some rows of the boards of some chains in each of some sweeps.

    ``boards`` is (chains, 2, height + 2, width + 2); the schedule, ``sums`` (chains or 1, 2,
    height, width) and ``trace`` (kept, chains, 2, height, width) are as for general programs.
    """
    for chain in range(first_chain, last_chain):
        total = sums[chain if len(sums) > 1 else 0]
        for sweep in range(first_sweep, last_sweep):
            after = sweep - burn_in + 1
            recorded = after > 0 and after % thinning == 0
            number = after // thinning - 1
            for board in range(first_board, last_board):
                if uniform:
                    sweep_uniform(
                        boards[chain], board, first_row, last_row, odds, across, down,
                        key, chain, sweep, total, recorded,
                    )  # fmt: skip
                else:
                    sweep_weighted(
                        boards[chain], board, first_row, last_row, odds, weights,
                        key, chain, sweep, total, recorded,
                    )  # fmt: skip
                if recorded and number % interval == 0:
                    for r in range(first_row, last_row):
                        trace[number // interval, chain, board, r] = boards[
                            chain, board, r + 1, 1:-1
                        ]
