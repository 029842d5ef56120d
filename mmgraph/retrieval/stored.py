"""Fitted retrievers with their items, in the package's own format."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from mmgraph.formats.json_object import JsonObject, shown
from mmgraph.formats.native.directory import checked_bytes, write_document
from mmgraph.graph.errors import FormatError, MmgraphError
from mmgraph.graph.storage.whole_files import checked_path
from mmgraph.predictors.stored.parts import OBJECTS, Parts, read_parts
from mmgraph.predictors.stored.trusted_objects import packed
from mmgraph.retrieval.collection import SIDES, Collection, Item, Side
from mmgraph.retrieval.held_out_matches import QUESTIONS
from mmgraph.retrieval.images.described import PictureFeatures
from mmgraph.retrieval.indices.index import Id, Index
from mmgraph.retrieval.indices.stored import index_files, read_index
from mmgraph.retrieval.measures.calibration import MatchCalibration
from mmgraph.retrieval.model import RetrievalModel
from mmgraph.retrieval.retriever import Retriever
from mmgraph.retrieval.spaces.named import FITTED, restored_settings, space_settings
from mmgraph.retrieval.texts.language_terms import LanguageTerms
from mmgraph.retrieval.texts.named import restored_texts


def write_model(retriever: Retriever, path: str | os.PathLike[str]) -> None:
    """Write a fitted retriever to a directory, replacing one that an earlier call has written.

    Raises
    ------
    FormatError
        If it is not fitted, or the place cannot be written.
    """
    path = checked_path(path)
    if type(retriever) is not Retriever:
        raise FormatError(f"{path}: {type(retriever).__name__} is a kind of its own")
    if not retriever.is_fitted:
        raise FormatError(f"{path}: the retriever is not fitted; there is nothing to write")
    representation, collection = retriever.representation, retriever.collection_
    model = retriever.model_
    names = [kind.name for kind in retriever.model_.pictures.kinds]
    parts = Parts()
    parts.settings["parameters"] = {
        "representation": (
            representation if isinstance(representation, str) else space_settings(representation)
        ),
        "image": names,
        "random_state": int(retriever.random_state),
    }
    parts.settings["languages"] = list(model.terms.languages)
    parts.put("terms", *(t.parts() for t in model.terms.languages.values()), several=True)
    parts.settings["space_kind"] = model.space.name
    parts.put("space", model.space.parts())
    parts.settings["calibrations"] = {
        question: made.settings for question, made in model.calibrations.items()
    }
    parts.settings["items"] = [[name, *item] for name, item in collection.items.items()]
    files = {OBJECTS: packed(parts.objects, "the retriever")} if parts.objects else {}
    for side, index in collection.indices.items():
        files |= index_files(index, side)
    document = {"kind": retriever.file_kind, **parts.settings}
    write_document(path, document, parts.numbers, files)


def restored_model(document: JsonObject, path: Path, size_limit: int) -> Retriever:
    """Return the retriever of a directory whose ``network.json`` is read already.

    The places of items stay in their files until items are added or deleted.

    Raises
    ------
    FormatError
        If a file is missing, damaged, or not what the others say: such as the index of another
        retriever.
    MissingExtraError
        If a package is not installed that the retriever needs.
    """
    parts = read_parts(document, path, size_limit)
    try:
        retriever = _restored_parameters(parts)
        names = JsonObject(parts.where, parts.settings).names("languages")
        terms = [restored_texts(part) for part in parts.parts("terms")]
        if not names or len(set(names)) != len(names) or len(names) != len(terms):
            raise FormatError(f"{parts.where}: expected terms of each language once")
        kind = JsonObject(parts.where, parts.settings).choice("space_kind", FITTED)
        retriever.text = terms[0].settings
        retriever.model_ = RetrievalModel(
            PictureFeatures.named(retriever.image),
            LanguageTerms(dict(zip(names, terms, strict=True))),
            kind.restored(parts.part("space")),
            _restored_calibrations(parts),
        )
        parts.finish()
    except FormatError:
        raise
    except (MmgraphError, TypeError, ValueError, KeyError) as error:
        raise FormatError(f"{parts.where}: {error}") from None
    for side in SIDES:
        checked_bytes(document, path / f"{side}.json", size_limit)
    width = retriever.model_.space.width
    retriever.collection_ = _restored_collection(parts, path, size_limit, width)
    return retriever


def _restored_parameters(parts: Parts) -> Retriever:
    entry = JsonObject(
        f"{parts.where}, parameters",
        JsonObject(parts.where, parts.settings).get("parameters", dict),
    )
    said: Any = entry.get("representation", object)
    names = tuple(entry.names("image"))
    retriever = Retriever(
        said if isinstance(said, str) else restored_settings(JsonObject(entry.where, said)),
        image=names[0] if len(names) == 1 else names,
        random_state=entry.get("random_state", int),
    )
    return retriever


def _restored_calibrations(parts: Parts) -> dict[str, MatchCalibration]:
    entry = JsonObject(parts.where, parts.settings)
    said = JsonObject(f"{parts.where}, calibrations", entry.get("calibrations", dict))
    return {
        str(question): MatchCalibration.restored(said.get(str(question), dict))
        for question in QUESTIONS
    }


def _restored_collection(parts: Parts, path: Path, size_limit: int, width: int) -> Collection:
    """The items, each of which is in the index of pictures or of texts, and no other is."""
    items: dict[Id, Item] = {}
    for row in JsonObject(parts.where, parts.settings).get("items", list):
        if not isinstance(row, list) or len(row) != 3 or not isinstance(row[0], str | int):
            raise FormatError(f"{parts.where}: expected an item, found {shown(row)}")
        if not all(value is None or isinstance(value, str) for value in row[1:]):
            raise FormatError(f"{parts.where}: expected texts of an item, found {shown(row)}")
        items[row[0]] = Item(*row[1:])
    indices: dict[Side, Index] = {side: read_index(path, side, size_limit) for side in SIDES}
    held = {name for index in indices.values() for name in index.ids}
    if held != set(items) or any(index.width != width for index in indices.values()):
        raise FormatError(f"{path}: the indices are not those of the retriever: of other items")
    return Collection(indices, items)
