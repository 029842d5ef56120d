"""Texts as weighted terms: settings, fitted to texts, then asked for the rows of any others."""

from __future__ import annotations

import abc
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, ClassVar

import numpy as np
import scipy.sparse as sp

from mmgraph.graph.errors import LearningError, needs
from mmgraph.graph.memory_budget import check_required, default_memory_budget
from mmgraph.predictors.stored.parts import Parts
from mmgraph.retrieval.texts.captions import Texts, captions_of_items, checked_text
from mmgraph.retrieval.texts.word_splitting import split_words, units

Split = Callable[[str], Iterable[str]]
Merges = tuple[tuple[str, str], ...]

_BYTES_PER_TERM, _BYTES_PER_NEW_TERM = 32, 200
"""Of a term while it is counted, and in a vocabulary."""


@dataclass(frozen=True)
class TextFeatures(abc.ABC):
    r"""Terms by how often they stand in a text, and how rare they are in all (TF-IDF).

    The weight of a term is :math:`(1 + \log n)(1 + \log((1 + N) / (1 + d)))` for ``n`` times in a
    caption, and ``d`` of all ``N`` captions that hold it (Salton and Buckley 1988, "Term-weighting
    approaches in automatic text retrieval"); so words like "the" count little without being listed.

    Attributes
    ----------
    least_captions : int
        Captions that a term must stand in. One, so that rare nouns can be searched for.
    most_terms : int
        The most frequent are taken, of each kind of terms.

    Raises
    ------
    LearningError
        If a setting is not positive (which).
    """

    name: ClassVar[str]
    terms_per_character: ClassVar[int] = 2
    """At most, for the estimate of memory."""
    least_captions: int = 1
    most_terms: int = 100_000

    def __post_init__(self) -> None:
        for option in fields(self):
            value = getattr(self, option.name)
            if not 0 < value < np.inf:
                raise LearningError(
                    f"text features '{self.name}': expected '{option.name}' to be positive, "
                    f"found {value}"
                )

    @property
    def weights(self) -> tuple[float, ...]:
        """What each kind of terms is multiplied by."""
        return (1.0,)

    def merges(self, words: Mapping[str, int]) -> Merges:
        """Return what is learned of words and their counts before texts are split."""
        return ()

    @abc.abstractmethod
    def splits(self, merges: Merges) -> tuple[Split, ...]:
        """Return what splits a text into terms, of each kind."""

    def fit(self, texts: Texts) -> FittedTexts:
        """Learn which terms there are, and how rare each is.

        Parameters
        ----------
        texts : sequence of str, sequence of str, or None
            Of each item a caption, several (in one language or in many), or nothing.

        Raises
        ------
        FormatError
            If an item is no text (which), or holds half of a surrogate pair.
        LearningError
            If no text holds a word, or no term stands in as many captions as it must.
        MemoryBudgetError
            If the terms may need more than half of the machine's memory.
        MissingExtraError
            If scikit-learn is not installed.
        """
        captions = [caption for item in captions_of_items(texts) for caption in item]
        words = Counter(word for caption in captions for word in split_words(caption))
        self.check_memory(captions, words)
        if not words:
            raise LearningError("no text holds a word")
        merges = self.merges(words)
        cuts = {"min_df": self.least_captions, "max_features": self.most_terms}
        tables = [vectoriser(split, **cuts) for split in self.splits(merges)]
        try:
            for table in tables:
                table.fit(captions)
        except ValueError:
            least = f"{self.least_captions} of {len(captions)} captions ('least_captions')"
            raise LearningError(f"no term stands in {least}") from None
        known = frozenset(unit for word in words for unit in units(word))
        return FittedTexts(self, merges, known, tuple(tables))

    def check_memory(self, captions: Sequence[str], words: Iterable[str] = ()) -> None:
        """Raise MemoryBudgetError if captions, and distinct words to learn, may need too much."""
        size = _BYTES_PER_TERM * sum(map(len, captions))
        size += _BYTES_PER_NEW_TERM * sum(map(len, words))
        required, budget = self.terms_per_character * size, default_memory_budget()
        what = f"The terms of {len(captions)} captions"
        check_required(what, required, budget, "Give fewer at once, or use 'words'.")


@dataclass(frozen=True, eq=False)
class FittedTexts:
    """What is learned of texts.

    Attributes
    ----------
    settings : TextFeatures
        What was fitted.
    merges : tuple of (str, str)
        What was learned before texts were split.
    known : frozenset of str
        The words of the training texts.
    tables : tuple of TfidfVectorizer
        Of scikit-learn, for each kind of terms.
    """

    settings: TextFeatures
    merges: Merges
    known: frozenset[str]
    tables: tuple[Any, ...]

    @property
    def width(self) -> int:
        """How many terms there are."""
        return sum(len(table.idf_) for table in self.tables)

    @property
    def names(self) -> list[str]:
        """The terms, column by column."""
        return [str(name) for table in self.tables for name in table.get_feature_names_out()]

    def features(self, texts: Texts) -> sp.csr_array:
        """Return float32 rows of length one, ``(items, width)``.

        The row of several captions is the sum of theirs, scaled. It is zero where there is no text
        or no known term.

        Raises
        ------
        FormatError, MemoryBudgetError
            As :meth:`TextFeatures.fit`.
        """
        from sklearn.preprocessing import normalize

        items = captions_of_items(texts)
        captions = [caption for item in items for caption in item]
        self.settings.check_memory(captions)
        if not captions:
            return sp.csr_array((len(items), self.width), dtype=np.float32)
        weighted = zip(self.settings.weights, self.tables, strict=True)
        kinds = [np.float32(weight) * table.transform(captions) for weight, table in weighted]
        rows = normalize(sp.hstack(kinds, format="csr"))
        ends, places = np.cumsum([0, *map(len, items)]), np.arange(len(captions))
        shape, ones = (len(items), len(captions)), np.ones(len(captions), np.float32)
        return sp.csr_array(normalize(sp.csr_array((ones, places, ends), shape) @ rows))

    def unknown_words(self, text: str) -> list[str]:
        """Return the words of a text that no training text held, in order, each once.

        Words are as they are compared, in lower case. Of scripts without spaces they are single
        characters.
        """
        words = split_words(checked_text(text, "the text"))
        units_once = dict.fromkeys(unit for word in words for unit in units(word))
        return [unit for unit in units_once if unit not in self.known]

    def parts(self) -> Parts:
        """Return what a file holds of them, with no code in it."""
        parts = Parts({"name": self.settings.name, "known": sorted(self.known)})
        for option in fields(self.settings):
            kind: Any = type(option.default)
            parts.settings[option.name] = kind(getattr(self.settings, option.name))
        parts.settings["merges"] = [symbol for pair in self.merges for symbol in pair]
        for number, table in enumerate(self.tables):
            parts.settings[f"terms.{number}"] = table.get_feature_names_out().tolist()
            parts.add(f"rarities.{number}", table.idf_.astype(np.float64))
        return parts


def vectoriser(split: Split, **options: Any) -> Any:
    """Return scikit-learn's maker of weighted rows of terms, not yet fitted."""
    with needs("retrieval", "scikit-learn", "texts as numbers"):
        from sklearn.feature_extraction.text import TfidfVectorizer

    return TfidfVectorizer(analyzer=split, sublinear_tf=True, dtype=np.float32, **options)
