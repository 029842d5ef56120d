"""The distinct rows of a table with their multiplicities, gathered in one pass over its chunks.

A row's states are packed into as few 64-bit words as hold them, and the words are looked up in a
hash table with linear probing (Knuth 1998, *The Art of Computer Programming* 3, section 6.4): a
table of any length takes the memory of its distinct rows, and one pass.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import NamedTuple

import numba
import numpy as np
from jaxtyping import Float64, Integer, UInt64

from mmgraph.data.beyond_memory.partitions import are_partitioned, reduced
from mmgraph.data.column_codes import code_type
from mmgraph.data.encoding import CodedRows, coded_chunks
from mmgraph.data.table import CHUNK_ROWS
from mmgraph.graph.errors import LearningError
from mmgraph.graph.evidence import MISSING
from mmgraph.graph.memory_budget import check_required, default_memory_budget
from mmgraph.graph.variable import Variable

_WORD_BITS = 64

_FIRST_ROWS = 1024

_compiled = numba.njit(cache=True, nogil=True, error_model="numpy")


class DistinctRows(NamedTuple):
    """The distinct rows of a table.

    Attributes
    ----------
    codes : integer array, shape (distinct, columns)
        State indices, ``MISSING`` (-1) where a cell is, in the order of first occurrence; columns
        are contiguous, and of the smallest integer type that holds every variable's states.
    weights : ndarray, shape (distinct,)
        How often each row occurs, or the sum of its weights.
    """

    codes: Integer[np.ndarray, "distinct columns"]
    weights: Float64[np.ndarray, " distinct"]


def distinct_rows(
    data: object,
    variables: Mapping[str, Variable],
    *,
    weights: object = None,
    chunk_rows: int | None = None,
    memory_budget: int | None = None,
) -> DistinctRows:
    """Return the distinct rows of a table, coded, and how often each occurs.

    Parameters
    ----------
    data : frame of pandas or Dask, mapping of str to array, path, Table, CodedTable or CodedRows
    variables : mapping of str to Variable
        Discrete variables; the columns of the answer are in their order.
    weights : array-like, optional
        How often each row of the table counts.
    chunk_rows : int, optional
        How many rows are read at once; by default 100,000 of a file, and all that is in memory.
    memory_budget : int, optional
        Bytes that the distinct rows may take, by default half of the machine's memory.

    Raises
    ------
    LearningError
        If a variable is continuous or has no column, or the data cannot be learned from.
    MemoryBudgetError
        As soon as the distinct rows exceed the budget.
    """
    for name, variable in variables.items():
        if not variable.is_discrete:
            raise LearningError(f"'{name}' is continuous: rows of states alone are told apart")
    budget = default_memory_budget() if memory_budget is None else memory_budget
    chunks = coded_chunks(data, variables, chunk_rows, weights)
    gather = partial(_gathered, variables, budget)
    if are_partitioned(chunks):
        return reduced(chunks, gather, partial(_joined, gather, variables))
    return gather(chunks)


def _gathered(
    variables: Mapping[str, Variable], memory_budget: int, chunks: Iterable[CodedRows]
) -> DistinctRows:
    """The distinct rows of coded chunks."""
    gathered = _DistinctWords({n: v.cardinality for n, v in variables.items()}, memory_budget)
    for rows in chunks:
        for name in variables:
            if name not in rows.columns:
                raise LearningError(f"the data has no column '{name}'")
        for start in range(0, len(rows), CHUNK_ROWS):
            gathered.add(rows, slice(start, min(start + CHUNK_ROWS, len(rows))))
    return gathered.unpacked()


def _joined(
    gather: Callable[[Iterable[CodedRows]], DistinctRows],
    variables: Mapping[str, Variable],
    one: DistinctRows,
    other: DistinctRows,
) -> DistinctRows:
    names = tuple(variables)
    return gather(CodedRows(variables, names, p.codes, weights=p.weights) for p in (one, other))


def _bytes(distinct: int, cardinalities: list[int]) -> int:
    """Twice the words and the weight of a row while they grow, four slots of a place, the codes."""
    words = int(_layout(cardinalities)[0].max(initial=0)) + 1
    code = np.dtype(code_type(max(cardinalities, default=1))).itemsize
    return distinct * (2 * 8 * (words + 1) + 4 * 8 + len(cardinalities) * code)


def _layout(cardinalities: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """The word of each column and its lowest bit there; a missing cell is one more state."""
    words, shifts = [], []
    word, used = 0, 0
    for cardinality in cardinalities:
        bits = cardinality.bit_length()
        if used + bits > _WORD_BITS:
            word, used = word + 1, 0
        words.append(word)
        shifts.append(used)
        used += bits
    return np.array(words, np.int64), np.array(shifts, np.uint64)


class _DistinctWords:
    """Packed rows in a hash table that grows with them."""

    def __init__(self, cardinalities: Mapping[str, int], memory_budget: int) -> None:
        self._names = list(cardinalities)
        self._cards = np.array(list(cardinalities.values()), np.int64)
        self._word, self._shift = _layout(self._cards.tolist())
        self._budget = memory_budget
        width = int(self._word.max(initial=0)) + 1
        self._keys: UInt64[np.ndarray, "capacity words"] = np.empty((_FIRST_ROWS, width), np.uint64)
        self._mass = np.zeros(_FIRST_ROWS)
        self._slots = np.full(2 * _FIRST_ROWS, -1, np.int64)
        self._distinct = 0

    def add(self, rows: CodedRows, part: slice) -> None:
        """Count some of the rows, too."""
        places = np.array([rows.columns.index(name) for name in self._names], np.int64)
        codes = rows.codes[part].T  # a column at a time, contiguous in coded rows
        words = np.zeros((codes.shape[1], self._keys.shape[1]), np.uint64)
        column, row = _pack(codes, places, self._cards, self._word, self._shift, words)
        if column >= 0:
            raise LearningError(
                f"'{self._names[column]}' has {self._cards[column]} states; the code "
                f"{codes[places[column], row]} in row {rows.first_row + part.start + row} is not "
                "one of them"
            )
        weights = np.ones(1) if rows.weights is None else rows.weights[part]
        begin = 0
        while True:
            table = self._keys, self._mass, self._slots
            self._distinct, begin = _insert(words, weights, begin, *table, self._distinct)
            if begin == len(words):
                return
            self._grow()

    def _grow(self) -> None:
        """Make room for twice as many rows, if the budget allows one more."""
        allowed = self._budget // _bytes(1, self._cards.tolist())
        check_required(
            f"more than {self._distinct:,} distinct rows of {len(self._cards)} columns",
            _bytes(self._distinct + 1, self._cards.tolist()),
            self._budget,
            "Leave out columns, merge states, or raise memory_budget",
        )
        capacity = min(2 * self._distinct, allowed)
        keys = np.empty((capacity, self._keys.shape[1]), np.uint64)
        keys[: self._distinct] = self._keys
        self._mass = np.concatenate([self._mass, np.zeros(capacity - self._distinct)])
        self._keys = keys
        self._slots = np.full(1 << (2 * capacity - 1).bit_length(), -1, np.int64)
        _index(self._keys[: self._distinct], self._slots)

    def unpacked(self) -> DistinctRows:
        kind = code_type(int(self._cards.max(initial=1)))
        codes = np.empty((self._distinct, len(self._cards)), kind, order="F")
        for column, cardinality in enumerate(self._cards):
            mask = np.uint64((1 << int(cardinality).bit_length()) - 1)
            packed = self._keys[: self._distinct, self._word[column]] >> self._shift[column]
            codes[:, column] = (packed & mask).astype(np.int64) + MISSING
        return DistinctRows(codes, self._mass[: self._distinct].copy())


@_compiled
def _pack(codes, places, cards, word, shift, words):
    """Write each row's states, one up, into its words; return where a code is none, or (-1, -1)."""
    for column in range(len(places)):
        some = codes[places[column]]
        for row in range(len(some)):
            if some[row] < -1 or some[row] >= cards[column]:
                return column, row
            words[row, word[column]] |= np.uint64(some[row] + 1) << shift[column]
    return -1, -1


@_compiled
def _slot(key, keys, slots):
    """The slot that holds the place of these words, or the free one where it belongs."""
    mixed = np.uint64(0x9E3779B97F4A7C15)
    for word in key:  # the finaliser of SplitMix64 (Steele, Lea and Flood 2014) over each word
        mixed ^= word
        mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        mixed ^= mixed >> np.uint64(31)
    last = np.uint64(len(slots) - 1)
    slot = mixed & last
    while slots[slot] >= 0:
        other = keys[slots[slot]]
        same = True
        for i in range(len(key)):
            same &= key[i] == other[i]
        if same:
            break
        slot = (slot + np.uint64(1)) & last
    return slot


@_compiled
def _insert(words, weights, begin, keys, mass, slots, distinct):
    """Add rows from ``begin`` on until the keys are full; return how many distinct, and how far."""
    step = 1 if len(weights) == len(words) else 0
    for row in range(begin, len(words)):
        slot = _slot(words[row], keys, slots)
        place = slots[slot]
        if place < 0:
            if distinct == len(keys):
                return distinct, row
            place = distinct
            keys[place] = words[row]
            slots[slot] = place
            distinct += 1
        mass[place] += weights[row * step]
    return distinct, len(words)


@_compiled
def _index(keys, slots):
    """Enter distinct keys into empty slots."""
    for place in range(len(keys)):
        slots[_slot(keys[place], keys, slots)] = place
