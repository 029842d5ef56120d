"""What users give as texts, checked: of each item its captions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from mmgraph.graph.errors import FormatError

Texts = Sequence[str | Sequence[str | None] | None]
"""Of each item a caption, several of them, or None."""


def captions_of_items(texts: Texts) -> list[list[str]]:
    """Return the captions of each item; none where there is None.

    Raises
    ------
    FormatError
        If the texts are one string, or an item is no text (which), or a text holds half of a
        surrogate pair (which, and where).
    """
    if isinstance(texts, str):
        raise FormatError(f"expected a list of texts, found one string; give [{texts[:40]!r}]")
    return [_captions(item, f"text {place}") for place, item in enumerate(texts)]


def _captions(item: object, where: str) -> list[str]:
    if isinstance(item, Iterable) and not isinstance(item, str | bytes | dict):
        named = ((c, f"{where}, caption {number}") for number, c in enumerate(item))
        return [checked_text(caption, place) for caption, place in named if caption is not None]
    return [] if item is None else [checked_text(item, where)]


def checked_text(text: object, where: str) -> str:
    """Return a text that consists of characters.

    Raises
    ------
    FormatError
        If it is no string, or holds half of a surrogate pair, which no file can hold.
    """
    if not isinstance(text, str):
        raise FormatError(
            f"{where}: expected a string, or None where it is missing, found {type(text).__name__}"
        )
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise FormatError(
            f"{where}: U+{ord(text[error.start]):04X} at character {error.start} is half of a "
            "surrogate pair and no character; the text was decoded wrongly"
        ) from None
    return text
