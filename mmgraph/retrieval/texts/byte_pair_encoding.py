"""Byte pair encoding: words as symbols that grow by merging the most frequent pair.

Sennrich, Haddow and Birch 2016, "Neural machine translation of rare words with subword units",
section 3.2. The symbol at the end of a word carries a mark, except in scripts without spaces.
"""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

from mmgraph.retrieval.texts.word_splitting import is_unspaced, split_words

_END = " "
_LONGEST_WORD = 100
"""Letters; what is longer is cut, as the time to merge grows with the square of the length."""
_MOST_WORDS = 100_000
"""Words whose symbols are remembered."""


def learned_merges(words: Mapping[str, int], symbols: int) -> tuple[tuple[str, str], ...]:
    """Return the pairs to merge, in order; of equal counts the first in order of code points.

    Parameters
    ----------
    words : mapping of str to int
        How often each word occurs.
    symbols : int
        Letters and merges together, at most; a pair that occurs once is not merged.
    """
    counts = Counter[tuple[str, ...]]()
    for word, count in words.items():
        for letters in _letters(word):
            counts[letters] += count
    sequences: dict[tuple[str, ...], Sequence[str]] = {letters: letters for letters in counts}
    pairs = Counter[tuple[str, str]]()
    holders = defaultdict[tuple[str, str], set[tuple[str, ...]]](set)
    for letters, count in counts.items():
        for pair in pairwise(letters):
            pairs[pair] += count
            holders[pair].add(letters)
    most = symbols - len({letter for letters in counts for letter in letters})
    heap = [(-count, pair) for pair, count in pairs.items()]
    heapq.heapify(heap)
    merges: list[tuple[str, str]] = []
    while heap and len(merges) < most and heap[0][0] < -1:
        negative, pair = heapq.heappop(heap)
        if -negative != pairs[pair]:
            continue  # an entry from before the count changed
        merges.append(pair)
        changed = set()
        for letters in holders.pop(pair):
            before, after = sequences[letters], _merged(sequences[letters], pair)
            for sequence, change in ((before, -counts[letters]), (after, counts[letters])):
                for neighbours in pairwise(sequence):
                    pairs[neighbours] += change
                    changed.add(neighbours)
            for neighbours in pairwise(after):
                holders[neighbours].add(letters)
            sequences[letters] = after
        for neighbours in changed:
            heapq.heappush(heap, (-pairs[neighbours], neighbours))
    return tuple(merges)


class Segmentation:
    """Splits a text into the symbols that merges make of its words.

    Parameters
    ----------
    merges : sequence of (str, str)
        As :func:`learned_merges`.
    """

    def __init__(self, merges: Sequence[tuple[str, str]]) -> None:
        self._ranks = {pair: rank for rank, pair in enumerate(merges)}
        self._symbols: dict[tuple[str, ...], Sequence[str]] = {}

    def __call__(self, text: str) -> Iterator[str]:
        """Yield the symbols of a text, in order."""
        for word in split_words(text):
            for letters in _letters(word):
                yield from self._symbols.get(letters) or self._merge(letters)

    def _merge(self, letters: tuple[str, ...]) -> Sequence[str]:
        sequence: Sequence[str] = letters
        while ranked := [pair for pair in pairwise(sequence) if pair in self._ranks]:
            sequence = _merged(sequence, min(ranked, key=self._ranks.__getitem__))
        if len(self._symbols) >= _MOST_WORDS:
            self._symbols.clear()
        self._symbols[letters] = sequence
        return sequence


def _letters(word: str) -> Iterator[tuple[str, ...]]:
    """The letters of a word, the last one with the mark; of a very long one, in pieces."""
    letters = (*word[:-1], word[-1] if is_unspaced(word) else word[-1] + _END)
    return (letters[p : p + _LONGEST_WORD] for p in range(0, len(letters), _LONGEST_WORD))


def _merged(sequence: Sequence[str], pair: tuple[str, str]) -> list[str]:
    """The sequence with each occurrence of a pair as one symbol, from the left."""
    merged: list[str] = []
    place = 0
    while place < len(sequence):
        together = tuple(sequence[place : place + 2]) == pair
        merged.append("".join(pair) if together else sequence[place])
        place += 2 if together else 1
    return merged
