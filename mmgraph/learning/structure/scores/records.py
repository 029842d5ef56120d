"""The records that compiled scores and searches take: rows, constraints, and a memo of families."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float64, Int64, Integer, UInt64

BIC, AIC, HELD_OUT, BDEU, BDS, K2, BGE = range(7)

MAX_CELLS = 1 << 20
"""A family of more cells (states of its members, or moments of its regressions) is never scored."""


class ScoredRows(NamedTuple):
    """Rows, and how a family is scored on them.

    A *set of rows* says which rows count: all, or those in which some variable was not set by the
    experiment. Weights of other rows are zero in it.

    Attributes
    ----------
    states : int64, shape (variables,)
        How many states each variable has; 0 of a continuous one.
    place : int64, shape (variables,)
        Its row in ``codes``, or in ``values``.
    codes : integer, shape (discrete, rows)
        States; -1 where a cell is missing.
    values : float64, shape (continuous, rows)
        Standardised values.
    log_scale : float64, shape (variables,)
        Logarithm of what the values of each variable were divided by.
    rows_of : int64, shape (variables,)
        The set of rows that counts for each child.
    weights, held_out : float64, shape (sets, rows)
        How often each row counts; ``held_out`` has no sets unless its rows are what is scored.
    totals : float64, shape (sets,)
        Sums of ``weights``.
    moments, held_out_moments : float64, shape (sets, 1 + continuous, 1 + continuous)
        Weighted sums of products of (1, *values); for BGe the posterior's scatter matrix.
    bits : uint64, shape (states of all discrete variables, words)
        A bit for each row (as often as it counts) in which a variable of few states has a state; no
        words where weights are no small whole numbers.
    first_bit : int64, shape (discrete,)
        The row of each variable's first state in ``bits``; -1 where it has more states.
    counted : uint64, shape (sets, words)
        A bit for each row that counts.
    complete : bool
        Whether no discrete cell is missing.
    allowed, required : bool, shape (parents, children)
    max_parents : int
    kind : int
        BIC, AIC, HELD_OUT, BDEU, BDS, K2 or BGE.
    strength : float
        Equivalent sample size (BDEU, BDS), pseudo-count a cell (HELD_OUT), rows that the prior's
        mean counts for (BGE).
    """

    states: Int64[np.ndarray, " variables"]
    place: Int64[np.ndarray, " variables"]
    codes: Integer[np.ndarray, "discrete rows"]
    values: Float64[np.ndarray, "continuous rows"]
    log_scale: Float64[np.ndarray, " variables"]
    rows_of: Int64[np.ndarray, " variables"]
    weights: Float64[np.ndarray, "sets rows"]
    held_out: Float64[np.ndarray, "held_out_sets rows"]
    totals: Float64[np.ndarray, " sets"]
    moments: Float64[np.ndarray, "sets m m"]
    held_out_moments: Float64[np.ndarray, "held_out_sets m m"]
    bits: UInt64[np.ndarray, "states words"]
    first_bit: Int64[np.ndarray, " discrete"]
    counted: UInt64[np.ndarray, "sets words"]
    complete: bool
    allowed: Bool[np.ndarray, "parents children"]
    required: Bool[np.ndarray, "parents children"]
    max_parents: int
    kind: int
    strength: float


class Memo(NamedTuple):
    """Families that were scored: a hash table with linear probing, emptied when it is half full.

    Attributes
    ----------
    keys : uint64, shape (slots, words + 1)
        A bit for each parent, then the child's number plus 1 (0 in an empty slot).
    scores : float64, shape (slots,)
    gains : float64, shape (slots, variables)
        How much the score grows when a variable joins the parents, or leaves them; ``-inf`` where
        that is not allowed.
    counters : int64, shape (2,)
        Families in the memo, and families scored so far.
    """

    keys: UInt64[np.ndarray, "slots words"]
    scores: Float64[np.ndarray, " slots"]
    gains: Float64[np.ndarray, "slots variables"]
    counters: Int64[np.ndarray, " 2"]


_MEMO_BYTES = 128 << 20


def empty_memo(variables: int) -> Memo:
    """Return a memo for a number of variables, in at most some 128 MiB unless they are many."""
    slots = 1 << 15
    while slots * variables * 8 > _MEMO_BYTES and slots > 8 * variables:
        slots //= 2
    return Memo(
        np.zeros((slots, key_words(variables)), np.uint64),
        np.empty(slots),
        np.empty((slots, variables)),
        np.zeros(2, np.int64),
    )


def key_words(variables: int) -> int:
    """Return how many words name a family: a bit for each variable, and the child."""
    return (variables + 63) // 64 + 1
