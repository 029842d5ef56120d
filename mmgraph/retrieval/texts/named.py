"""The features of texts by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields

from mmgraph.formats.json_object import JsonObject
from mmgraph.graph.errors import FormatError, LearningError, check_choice
from mmgraph.predictors.stored.parts import Parts
from mmgraph.retrieval.texts.features import FittedTexts, TextFeatures, vectoriser
from mmgraph.retrieval.texts.kinds import Letters, Subwords, Words, WordsAndLetters

TEXT_FEATURES: Mapping[str, type[TextFeatures]] = {
    kind.name: kind for kind in (Words, Letters, Subwords, WordsAndLetters)
}
"""The kinds by name."""


def text_features(name: str | TextFeatures) -> TextFeatures:
    """Return features by name, as they are by default; settings that are given stay as they are.

    Raises
    ------
    LearningError
        If none are called so; names the nearest.
    """
    if isinstance(name, TextFeatures):
        return name
    check_choice("text features", name, TEXT_FEATURES, LearningError)
    return TEXT_FEATURES[name]()


def restored_texts(parts: Parts) -> FittedTexts:
    """Return the features of :meth:`FittedTexts.parts`, which takes its numbers out.

    Raises
    ------
    FormatError
        If the parts are those of none, or not what they must be.
    """
    entry = JsonObject(parts.where, parts.settings)
    kind = entry.choice("name", TEXT_FEATURES)
    try:
        settings = kind(**{f.name: entry.get(f.name, type(f.default)) for f in fields(kind)})
    except LearningError as error:
        raise FormatError(f"{parts.where}: {error}") from None
    symbols, tables = entry.names("merges"), []
    if len(symbols) % 2:
        raise FormatError(f"{parts.where}: expected pairs in 'merges', found {len(symbols)} names")
    merges = tuple(zip(symbols[::2], symbols[1::2], strict=True))
    for number, split in enumerate(settings.splits(merges)):
        terms = entry.names(f"terms.{number}")
        if not terms or len(set(terms)) < len(terms):
            raise FormatError(f"{parts.where}: expected distinct names in 'terms.{number}'")
        table = vectoriser(split, vocabulary=terms)
        table.idf_ = parts.take(f"rarities.{number}", len(terms))
        tables.append(table)
    return FittedTexts(settings, merges, frozenset(entry.names("known")), tuple(tables))
