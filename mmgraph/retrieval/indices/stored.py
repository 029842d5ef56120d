"""Indices as files: a document with the ids, and the vectors, which are mapped into memory."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

from mmgraph.formats.files import SIZE_LIMIT
from mmgraph.formats.json_object import JsonObject, read_json
from mmgraph.graph.errors import FormatError, MmgraphError
from mmgraph.retrieval.indices.exact import ExactIndex
from mmgraph.retrieval.indices.index import Index
from mmgraph.retrieval.indices.neighbours import NeighbourIndex

INDICES: Mapping[str, type[Index]] = {kind.kind: kind for kind in (ExactIndex, NeighbourIndex)}
"""The kinds of indices by name."""
_DOCUMENT, _VECTORS, _DIGEST = ".json", ".vectors", "sha256"


def index_files(index: Index, name: str = "index") -> dict[str, bytes]:
    """Return the contents of two files that hold an index: ``NAME.json``, ``NAME.vectors``.

    Parameters
    ----------
    index : Index
        Any.
    name : str
        What their names begin with, so that a directory may hold several.
    """
    content = index.content()
    document = {
        "kind": index.kind,
        "width": index.width,
        "ids": index.ids,
        "settings": index.settings,
        _DIGEST: hashlib.sha256(content).hexdigest(),
    }
    return {name + _DOCUMENT: json.dumps(document).encode(), name + _VECTORS: content}


def read_index(directory: Path, name: str = "index", size_limit: int = SIZE_LIMIT) -> Index:
    """Return the index that lies in two files of a directory; it answers as it did, to the bit.

    Vectors stay in their file, which is mapped into memory until the index changes.

    Parameters
    ----------
    directory : path
        Where the files of :func:`index_files` lie.
    name : str
        What their names begin with.
    size_limit : int
        The bytes that the document may hold.

    Raises
    ------
    FormatError
        If a file is missing, damaged, or not what was written together with the other.
    MissingExtraError
        If the index needs usearch, and that is not installed.
    """
    file, vectors = directory / (name + _DOCUMENT), directory / (name + _VECTORS)
    document = JsonObject(str(file), read_json(file, size_limit))
    kind, width = document.choice("kind", INDICES), document.get("width", int)
    try:
        with vectors.open("rb") as opened:
            digest = hashlib.file_digest(opened, "sha256").hexdigest()
    except OSError as error:
        raise FormatError(f"{vectors} cannot be read ({error.strerror})") from None
    if digest != document.get(_DIGEST, str):
        raise FormatError(f"{vectors} is damaged, or was not written together with {file}")
    index = kind(width)
    settings = JsonObject(f"{file}, settings", document.get("settings", dict))
    try:
        index.view(vectors, document.get("ids", list), settings)
    except MmgraphError as error:  # an id that is none, or twice
        raise error if isinstance(error, FormatError) else FormatError(f"{file}: {error}") from None
    return index
