"""What a file of rows lacks of the columns that a predictor has learned from, in words."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from mmgraph.graph.errors import suggestion

if TYPE_CHECKING:
    from mmgraph.data.schema.schema import Schema

_NAMED = 5
"""How many columns are named at most."""


def lacking_words(
    origin: str, columns: Collection[str], learned: Schema, asked: Collection[str]
) -> str:
    """Return which columns of the modalities asked for a file lacks, ``""`` where it has all.

    A modality of which every column is lacking is named as a whole, unless the file has a column
    that nothing was learned from and that is called nearly like one of it.
    """
    unused = [name for name in columns if name not in learned.columns]
    modalities, lacking = [], []
    for modality, names in learned.modalities.items():
        if modality not in asked:
            continue
        gone = [name for name in names if name not in columns]
        if len(gone) == len(names):
            modalities.append(modality)
        if len(gone) < len(names) or any(suggestion(name, unused) for name in gone):
            lacking += gone
    parts = []
    if lacking:
        some = _some(lacking, unused)
        parts.append(f"{origin} lacks columns that were learned from, and are missing now: {some}")
    if modalities:
        subject = "" if lacking else f"{origin}: "
        plural = "modalities" if len(modalities) > 1 else "modality"
        parts.append(f"{subject}not in the file: {plural} {', '.join(modalities)}")
    return "; ".join(parts)


def _some(lacking: Sequence[str], unused: Sequence[str]) -> str:
    """The first columns, each with the unused one that it may be, and how many there are."""
    named = []
    for name in lacking[:_NAMED]:
        hint = suggestion(name, unused).removeprefix("; ")
        named.append(f"'{name}'" + (f" ({hint})" if hint else ""))
    return ", ".join(named) + (f", … ({len(lacking)})" if len(lacking) > _NAMED else "")
