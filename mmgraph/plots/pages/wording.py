"""Counts and lists in sentences."""

from __future__ import annotations

from collections.abc import Sequence


def counted(count: int, what: str, several: str = "") -> str:
    """Return a count with what is counted, whose plural has an s unless ``several`` says it."""
    return f"{count:,} {what if count == 1 else several or what + 's'}"


def listed(names: Sequence[str], most: int = 6, comma: str = ",") -> str:
    """Return names as a list in a sentence, the first ones and how many others."""
    shown = list(names)
    if len(shown) > most:
        shown = [*shown[:most], counted(len(shown) - most, "other")]
    if len(shown) == 1:
        return shown[0]
    return f"{f'{comma} '.join(shown[:-1])} and {shown[-1]}"
