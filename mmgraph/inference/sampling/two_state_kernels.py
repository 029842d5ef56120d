"""One colour of a checkerboard of two-state elements, drawn at once in vector registers.

A grid is kept as two compact boards: of row ``r``, board ``a`` holds the columns with
``(r + column) % 2 == a``, one after the other, between two columns and two rows of zeros. All four
neighbours of an element lie on the other board, at its own place or beside it.

The probability of state one is ``1 / (1 + odds of state zero)``, where the odds are a product of
one number an element and one a neighbour: no exponential is taken in any sweep. A neighbour that
is not there counts as one in state zero; the element's own odds make up for it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float32, Float64, UInt8, UInt32

from mmgraph.inference.numerics.compiling import compiled, inlined
from mmgraph.inference.numerics.counted_random import (
    HALF_STEP_SINGLE,
    SINGLE_SHIFT,
    STEP_SINGLE,
    random_words,
)
from mmgraph.inference.sampling.schedule import Part, Schedule, draw_number

_ONE = np.uint64(1)


class GridOdds(NamedTuple):
    """The factors of the odds of state zero."""

    alone: Float32[np.ndarray, "2 height width"]  # infinite where no element lies
    uniform: bool  # whether all weights along the rows are the same, and all along the columns
    # Where uniform: by none, one or two neighbours in state one of the row, of the column.
    across: Float32[np.ndarray, " 3"]
    down: Float32[np.ndarray, " 3"]
    # Where not: exponentials of the weights to the left, the right, above and below.
    weights: Float32[np.ndarray, "2 4 height width"]


@inlined
def _row_chances(
    odds: GridOdds,
    board: int,
    r: int,
    other: UInt8[np.ndarray, "height+2 width+2"],
    chance: Float32[np.ndarray, " width"],
) -> None:
    """Write the probabilities of state one of a row of one board, given the other board."""
    width, one = np.uint64(len(chance)), np.float32(1)
    above, here, below = other[r], other[r + _ONE], other[r + np.uint64(2)]
    # The row of the element is r + 1 between the borders; its columns start at one.
    left = here[(r + np.uint64(board)) & _ONE :]
    right = left[1:]
    alone = odds.alone[board, r]
    if odds.uniform:
        across0, across1, across2 = odds.across[0], odds.across[1], odds.across[2]
        down0, down1, down2 = odds.down[0], odds.down[1], odds.down[2]
        for j in range(width):
            h = left[j] + right[j]
            v = above[j + _ONE] + below[j + _ONE]
            zero = alone[j] * (across0 if h == 0 else (across1 if h == 1 else across2))
            zero *= down0 if v == 0 else (down1 if v == 1 else down2)
            chance[j] = one / (one + zero)
    else:
        w_left, w_right = odds.weights[board, 0, r], odds.weights[board, 1, r]
        w_above, w_below = odds.weights[board, 2, r], odds.weights[board, 3, r]
        for j in range(width):
            # A neighbour in state zero multiplies the odds of state zero, one in state one divides.
            zero = alone[j]
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


@compiled
def board_sweeps(
    part: Part,
    boards: UInt8[np.ndarray, "chains 2 height+2 width+2"],
    odds: GridOdds,
    key: UInt32[np.ndarray, " 2"],
    schedule: Schedule,
    sums: Float64[np.ndarray, "chains 2 height width"],
    trace: UInt8[np.ndarray, "traced chains 2 height width"],
) -> None:
    """Draw some rows of the boards, those of both counted through, see ``gibbs_sweeps``."""
    _, height, columns = odds.alone.shape
    width, quarter = np.uint64(columns), np.uint64((columns + 3) // 4)
    words = np.empty(np.uint64(4) * quarter, np.uint32)
    chance = np.empty(width, np.float32)
    for chain in range(part.first_chain, part.last_chain):
        total = sums[chain if len(sums) > 1 else 0]
        for sweep in range(part.first_sweep, part.last_sweep):
            number = draw_number(sweep, schedule)
            traced = number >= 0 and number % schedule.interval == 0
            for board in range(2):
                first = max(part.begin - board * height, 0)
                last = max(min(part.end - board * height, height), first)
                drawn, other = boards[chain, board], boards[chain, 1 - board]
                for r in range(np.uint64(first), np.uint64(last)):
                    random_words(words, quarter, r * quarter, np.uint64(sweep), chain, board, key)
                    _row_chances(odds, board, r, other, chance)
                    target = drawn[r + _ONE]
                    for j in range(width):
                        uniform = np.float32(np.int32(words[j] >> SINGLE_SHIFT)) * STEP_SINGLE
                        target[j + _ONE] = uniform + HALF_STEP_SINGLE < chance[j]
                    if number >= 0:
                        row_sums = total[board, r]
                        for j in range(width):
                            row_sums[j] += chance[j]
                    if traced:
                        trace[number // schedule.interval, chain, board, r] = target[1:-1]
