"""The kinds of text features: what their terms are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

from mmgraph.retrieval.texts.byte_pair_encoding import Segmentation, learned_merges
from mmgraph.retrieval.texts.features import Merges, Split, TextFeatures
from mmgraph.retrieval.texts.word_splitting import is_unspaced, split_words, unspaced_terms


@dataclass(frozen=True)
class Words(TextFeatures):
    """Words in any script; where it has no spaces, characters and pairs of them."""

    name: ClassVar[str] = "words"

    def splits(self, merges: Merges) -> tuple[Split, ...]:
        """As :meth:`TextFeatures.splits`."""
        return (_words,)


@dataclass(frozen=True)
class Letters(TextFeatures):
    """Three to five letters in a row within a word and its bounds, each of which counts as one.

    So a word never met has some that were. Where a script has no spaces, as :class:`Words`.
    """

    name: ClassVar[str] = "letters"
    terms_per_character: ClassVar[int] = 3

    def splits(self, merges: Merges) -> tuple[Split, ...]:
        """As :meth:`TextFeatures.splits`."""
        return (_letters,)


@dataclass(frozen=True)
class WordsAndLetters(TextFeatures):
    """Words and letters side by side: an unknown word is found by what is spelled like it.

    Attributes
    ----------
    word_weight, letter_weight : float
        What the rows of either are multiplied by. More letters find captions better, and queries of
        a single word worse.
    """

    name: ClassVar[str] = "words_and_letters"
    terms_per_character: ClassVar[int] = 5
    word_weight: float = 1.0
    letter_weight: float = 0.7

    @property
    def weights(self) -> tuple[float, ...]:
        """As :attr:`TextFeatures.weights`."""
        return self.word_weight, self.letter_weight

    def splits(self, merges: Merges) -> tuple[Split, ...]:
        """As :meth:`TextFeatures.splits`."""
        return _words, _letters


@dataclass(frozen=True)
class Subwords(TextFeatures):
    """Parts of words by byte pair encoding, learned on the training texts.

    Attributes
    ----------
    symbols : int
        Letters and parts of words together. More make more words whole.
    """

    name: ClassVar[str] = "subwords"
    symbols: int = 4000

    def merges(self, words: Mapping[str, int]) -> Merges:
        """As :meth:`TextFeatures.merges`."""
        return learned_merges(words, self.symbols)

    def splits(self, merges: Merges) -> tuple[Split, ...]:
        """As :meth:`TextFeatures.splits`."""
        return (Segmentation(merges),)


def _words(text: str) -> Iterator[str]:
    for word in split_words(text):
        yield from unspaced_terms(word) if is_unspaced(word) else (word,)


def _letters(text: str) -> Iterator[str]:
    for word in split_words(text):
        bounded = f" {word} "
        if is_unspaced(word):
            yield from unspaced_terms(word)
            continue
        for length in range(3, min(5, len(bounded)) + 1):
            yield from (bounded[p : p + length] for p in range(len(bounded) - length + 1))
