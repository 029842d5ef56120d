"""The score of any family, remembered.

Searches are compiled, too, but do not call the scores: they look families up in a memo and come
back for those that it lacks. So neither is compiled into the other, and tables without measurements
never wait for the compilation of regressions.
"""

from __future__ import annotations

import numpy as np

from mmgraph.learning.structure.scores.records import Memo, ScoredRows
from mmgraph.learning.structure.scores.regressions import continuous_family
from mmgraph.learning.structure.scores.tables import compiled, discrete_family


@compiled
def has_parent(key, v):
    """Whether a family's key has a variable among the parents."""
    return (key[v >> 6] >> np.uint64(v & 63)) & np.uint64(1) != 0


@compiled
def change_parent(key, v):
    """Add a variable to the parents of a family's key, or take it away."""
    key[v >> 6] ^= np.uint64(1) << np.uint64(v & 63)


@compiled
def parents_in(key, count):
    """The numbers of the parents in a key, of so many variables."""
    parents = np.empty(count, np.int64)
    filled = 0
    for v in range(count):
        if has_parent(key, v):
            parents[filled] = v
            filled += 1
    return parents[:filled]


def family_score(rows: ScoredRows, child: int, key: np.ndarray, gains: np.ndarray) -> float:
    """Return the score of a child given the parents in a key; gains of changes are written.

    ``gains`` has an entry a variable, or none at all where only the score is asked.
    """
    gains[:] = -np.inf
    score = discrete_family if rows.states[child] > 0 else continuous_family
    return float(score(rows, child, parents_in(key, len(rows.states)), gains))


def remembered(rows: ScoredRows, memo: Memo, child: int, key: np.ndarray) -> int:
    """Return where the memo holds a family, which is scored if it is new; sets the key's child."""
    slot, there = slot_of(memo, child, key)
    if there:
        return int(slot)
    if 2 * memo.counters[0] > len(memo.scores):
        memo.keys[:] = 0
        memo.counters[0] = 0
        slot, there = slot_of(memo, child, key)
    memo.counters[:] += 1
    memo.scores[slot] = family_score(rows, child, key, memo.gains[slot])
    memo.keys[slot] = key
    return int(slot)


@compiled
def slot_of(memo, child, key):
    """Where a family is in the memo, or would be put, and whether it is there."""
    slots, last = len(memo.scores), len(key) - 1
    key[last] = np.uint64(child + 1)
    mixed = np.uint64(0x9E3779B97F4A7C15)
    for word in key:
        mixed = (mixed ^ word) * np.uint64(0xBF58476D1CE4E5B9)
        mixed ^= mixed >> np.uint64(29)
    slot = np.int64(mixed % np.uint64(slots))
    while memo.keys[slot, last] != 0:
        same = True
        for i in range(len(key)):
            if memo.keys[slot, i] != key[i]:
                same = False
        if same:
            return slot, True
        slot = (slot + np.int64(1)) % np.int64(slots)
    return slot, False
