"""The files of a model's directory: what JSON says of it, and its numbers.

``network.json`` says what the model is made of and ``parameters.safetensors`` holds the numbers, in
their precision and to the last bit; neither can carry code. Kinds of models from above this package
may have files beside them. The directory is written whole or not at all.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from mmgraph.formats.files import read_bytes
from mmgraph.formats.json_object import JsonObject, read_json, shown
from mmgraph.graph.errors import FormatError
from mmgraph.graph.storage.whole_files import checked_path, write_directory

FORMAT, VERSION = "mmgraph network", 1
CONDITIONAL_RANDOM_FIELD = "conditional random field"
"""The kind of model that is no graph."""
NETWORK, PARAMETERS = "network.json", "parameters.safetensors"
DIGESTS = "sha256"
"""The member of a document that has the digest of each other file."""


def write_document(
    path: str | os.PathLike[str],
    document: Mapping[str, Any],
    tensors: Mapping[str, Tensor],
    files: Mapping[str, bytes] | None = None,
) -> None:
    """Write the directory of a model, replacing one that an earlier call has written.

    Beside the document and the tensors it may hold other files, by name, or a mapping without
    any; the document has the digests of all files then, see :func:`checked_bytes`.
    """
    from safetensors.torch import save

    path = checked_path(path)
    if path.exists() and not is_native(path) and not (path.is_dir() and not any(path.iterdir())):
        raise FormatError(f"{path} stands there already and is no network; it is left as it is")
    # Copies of their own: the file format refuses tensors that share their memory.
    copies = {name: t.detach().cpu().contiguous().clone() for name, t in tensors.items()}
    contents = {PARAMETERS: save(copies), **(files or {})}
    try:
        named = {"format": FORMAT, "version": VERSION, **document}
        if files is not None:
            named[DIGESTS] = {name: _digest(content) for name, content in contents.items()}
        text = json.dumps(named, indent=1, ensure_ascii=True)
    except TypeError as error:
        raise FormatError(f"{path}: a state or a setting has no place in JSON ({error})") from None

    def fill(directory: Path) -> None:
        (directory / NETWORK).write_text(text + "\n", encoding="ascii")
        for name, content in contents.items():
            (directory / name).write_bytes(content)

    write_directory(path, fill)


def is_native(path: str | os.PathLike[str]) -> bool:
    """Whether a path is a directory that holds a model of this format."""
    return (checked_path(path) / NETWORK).is_file()


def read_document(path: Path, size_limit: int) -> JsonObject:
    """Return what ``network.json`` of a directory says, in the version that is known here."""
    file = path / NETWORK
    document = JsonObject(f"{file}", read_json(file, size_limit))
    if document.get("format", str) != FORMAT:
        raise FormatError(
            f"{file}: expected the format '{FORMAT}', found {shown(document.members['format'])}"
        )
    if document.get("version", int) != VERSION:
        raise FormatError(
            f"{file}: expected the version {VERSION}, found {document.members['version']}; "
            "another version of mmgraph has written it"
        )
    return document


def checked_bytes(document: JsonObject, file: Path, size_limit: int) -> bytes:
    """Return a file's content, which must be what was written together with the document."""
    content = read_bytes(file, size_limit)
    digests = JsonObject(f"{document.where}, {DIGESTS}", document.get(DIGESTS, dict))
    if digests.get(file.name, str) != _digest(content):
        raise FormatError(
            f"{file} is damaged, or was not written together with {document.where}: its digest "
            "is another"
        )
    return content


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def read_tensors(file: Path, size_limit: int) -> dict[str, Tensor]:
    """Return the tensors of a file in the safetensors format."""
    return tensors_of(read_bytes(file, size_limit), file)


def tensors_of(content: bytes, file: Path) -> dict[str, Tensor]:
    """Return the tensors that the content of a file holds."""
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        return load(content)
    except (SafetensorError, KeyError, ValueError, RuntimeError, OverflowError) as error:
        raise FormatError(f"{file}: expected tensors in the safetensors format ({error})") from None
