"""Queries: what is refused, and which of their words are unknown."""

from __future__ import annotations

from collections.abc import Sequence

from mmgraph.graph.errors import EvidenceError, warn_caller
from mmgraph.retrieval.texts.language_terms import LanguageTerms
from mmgraph.retrieval.texts.word_splitting import split_words

_SHOWN = 10


class UnknownWordsWarning(UserWarning):
    """A query has words that no caption had which was learned from."""


def check_query(text: object, image: object, which: str) -> None:
    """Refuse what is no text, or holds no word where there is no picture either.

    Raises
    ------
    EvidenceError
        With ``which`` query it is.
    """
    if text is not None and not isinstance(text, str):
        raise EvidenceError(f"{which} is no text but {text!r:.60}: a picture is given by image=")
    if image is None and not split_words(text or ""):
        said = f": {text!r:.60} has no word" if (text or "").strip() else ""
        raise EvidenceError(f"{which} is empty{said}: give words, a picture, or both")


def unknown_words(
    terms: LanguageTerms, texts: Sequence[str | None], language: str | None
) -> list[tuple[str, ...]]:
    """Return the words of each query that no caption had which was learned from; warn of them."""
    unknown = [terms.unknown_words(text, language) if text else () for text in texts]
    words = list(dict.fromkeys(word for one in unknown for word in one))
    if words:
        named = ", ".join(f"'{word}'" for word in words[:_SHOWN]) + ", …" * (len(words) > _SHOWN)
        warn_caller(
            f"no caption that was learned from has {named}: of unknown words at most groups of "
            "letters count",
            UnknownWordsWarning,
        )
    return unknown
