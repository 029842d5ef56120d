"""The score of any family, remembered."""

from __future__ import annotations

import numpy as np

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
def family_score(rows, child, key, gains):
    """The score of a child given the parents in a key; gains of changes are written to ``gains``.

    ``gains`` has an entry a variable, or none at all where only the score is asked.
    """
    parents = np.empty(len(rows.states), np.int64)
    count = 0
    for v in range(len(rows.states)):
        if has_parent(key, v):
            parents[count] = v
            count += 1
    if len(gains):
        gains[:] = -np.inf
    if rows.states[child] > 0:
        return discrete_family(rows, child, parents[:count], gains)
    return continuous_family(rows, child, parents[:count], gains)


@compiled
def remembered(rows, memo, child, key):
    """Where the memo holds a family; it is scored if it is new. The key's last word is set."""
    key[-1] = np.uint64(child + 1)
    slot, there = _slot(memo, key)
    if there:
        return slot
    if 2 * memo.counters[0] > len(memo.scores):
        memo.keys[:] = 0
        memo.counters[0] = 0
        slot, there = _slot(memo, key)
    memo.keys[slot] = key
    memo.counters[0] += 1
    memo.counters[1] += 1
    memo.scores[slot] = family_score(rows, child, key, memo.gains[slot])
    return slot


@compiled
def _slot(memo, key):
    """Where a key is, or would be put, and whether it is there."""
    slots, last = len(memo.scores), len(key) - 1
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
