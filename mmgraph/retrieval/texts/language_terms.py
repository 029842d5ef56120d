"""Texts of items in one language or several, each with its own terms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self, TypeAlias

import numpy as np
import scipy.sparse as sp
from jaxtyping import Bool

from mmgraph.graph.errors import LearningError, check_choice
from mmgraph.retrieval.texts.captions import Texts as Captions
from mmgraph.retrieval.texts.features import FittedTexts, TextFeatures
from mmgraph.retrieval.texts.word_splitting import split_words, units

Text: TypeAlias = str | Sequence[str | None] | None
"""Of an item: a caption, several, or none."""
Texts: TypeAlias = Captions | Mapping[str, Captions]
"""The text of each item; or those of each language."""
ONLY = ""
"""The name of the language where there is but one."""


def by_language(texts: Texts) -> dict[str, list[Text]]:
    """Return the texts of each language, by its name.

    Raises
    ------
    LearningError
        If languages have different numbers of items, or there is no language.
    """
    if isinstance(texts, str):
        raise LearningError("texts are a sequence with one text an item, not one text")
    languages = texts if isinstance(texts, Mapping) else {ONLY: texts}
    rows = {str(language): list(items) for language, items in languages.items()}
    if not rows:
        raise LearningError("there are texts of no language")
    first = next(iter(rows))
    for language, items in rows.items():
        if len(items) != len(rows[first]):
            raise LearningError(
                f"there are {len(rows[first])} texts in '{first}' and {len(items)} in '{language}'"
            )
    return rows


def shown_text(text: Text) -> str | None:
    """Return the text of an item as one, None where there is none."""
    if text is None or isinstance(text, str):
        return text or None
    return "; ".join(part for part in text if part) or None


@dataclass(frozen=True)
class LanguageTerms:
    """The terms of each language.

    Attributes
    ----------
    languages : dict of str to FittedTexts
    """

    languages: dict[str, FittedTexts]

    @classmethod
    def fitted(cls, features: TextFeatures, texts: Texts) -> Self:
        """Return the terms of texts.

        Raises
        ------
        LearningError
            If the texts of a language hold no term, or languages differ in length.
        """
        return cls({name: features.fit(items) for name, items in by_language(texts).items()})

    def features(self, texts: Texts) -> tuple[sp.csr_array, ...]:
        """Return the features of items in each language; zero where they have no text.

        Texts that are not given by language are looked for in all.

        Raises
        ------
        LearningError
            If a language is not known.
        """
        given = by_language(texts)
        for name in given:
            if name != ONLY and ONLY in self.languages:
                raise LearningError(
                    f"texts were learned from without languages: leave out '{name}'"
                )
            if name != ONLY:
                check_choice("language", name, list(self.languages), LearningError)
        count = len(next(iter(given.values())))
        unspoken = [None] * count
        if ONLY in given and ONLY not in self.languages:
            return self._in_best_languages(given[ONLY])
        return tuple(
            terms.features(given.get(name, unspoken)) for name, terms in self.languages.items()
        )

    def _in_best_languages(self, texts: Sequence[Text]) -> tuple[sp.csr_array, ...]:
        """Features of texts in those languages that know most of their words."""
        blocks, shares = [], []
        for terms in self.languages.values():
            blocks.append(terms.features(texts))
            shares.append([_known_share(terms, text) for text in texts])
        best = np.array(shares) >= np.max(shares, axis=0)
        return tuple(_only(block, rows) for block, rows in zip(blocks, best, strict=True))

    def unknown_words(self, text: str, language: str | None = None) -> tuple[str, ...]:
        """Return the words that no text of the language, or of any, has which was fitted to."""
        asked = self.languages.values() if language is None else [self.languages[language]]
        unknown = [terms.unknown_words(text) for terms in asked]
        return tuple(word for word in unknown[0] if all(word in words for words in unknown))


def _known_share(terms: FittedTexts, text: Text) -> float:
    shown = shown_text(text) or ""
    asked = {unit for word in split_words(shown) for unit in units(word)}
    return 1 - len(terms.unknown_words(shown)) / max(len(asked), 1)


def _only(block: sp.csr_array, rows: Bool[np.ndarray, " rows"]) -> sp.csr_array:
    """The same rows, zero where they are not asked for."""
    kept = sp.csr_array(sp.diags_array(rows.astype(np.float32)) @ block)
    kept.eliminate_zeros()
    return kept
