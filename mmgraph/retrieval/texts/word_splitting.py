"""The words of a text in any script.

Letters in all their forms are one by Unicode's compatibility composition and full case folding
(Unicode Standard Annex 15, and section 3.13 of the core specification).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

_UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"  # Thai, Lao, Burmese, Khmer
    "\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff"  # Japanese syllables
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"  # Chinese characters
)
_RUNS = re.compile(f"[{_UNSPACED}]+|[^{_UNSPACED}]+")
_IS_UNSPACED = re.compile(f"[{_UNSPACED}]")


class _WordCharacters(dict[int, int | None]):
    """What `str.translate` makes of each character: itself, a space, or nothing.

    Marks are parts of words (vowels of Devanagari are), unlike in Python's regular expressions.
    What only controls how characters are shown is dropped.
    """

    def __missing__(self, code: int) -> int | None:
        category = unicodedata.category(chr(code))
        if category == "Cf" or 0xFE00 <= code <= 0xFE0F:  # variation selectors count as marks
            kept = None
        else:
            kept = code if category[0] in "LN" or category in ("Mn", "Mc") else ord(" ")
        self[code] = kept
        return kept


_WORD_CHARACTERS = _WordCharacters()


def split_words(text: str) -> list[str]:
    """Return the words of a text in order, repeats included.

    What is written without spaces (Chinese, Japanese, Thai and their neighbours) is a word as far
    as it goes, see :func:`is_unspaced`.
    """
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    spaced = folded.translate(_WORD_CHARACTERS).split()
    return [run for word in spaced for run in _RUNS.findall(word)]


def is_unspaced(word: str) -> bool:
    """Whether a word of :func:`split_words` is of a script without spaces."""
    return _IS_UNSPACED.match(word) is not None


def units(word: str) -> Iterator[str]:
    """Yield the word, or its characters if its script has no spaces."""
    yield from word if is_unspaced(word) else (word,)


def unspaced_terms(word: str) -> Iterator[str]:
    """Yield the characters of a word, and each two in a row."""
    yield from word
    yield from (word[place : place + 2] for place in range(len(word) - 1))
