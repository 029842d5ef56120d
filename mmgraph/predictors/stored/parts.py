"""What a model is made of: settings that JSON holds, numbers, and objects of scikit-learn."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mmgraph.formats.json_object import JsonObject, shown
from mmgraph.formats.native.directory import (
    DIGESTS,
    PARAMETERS,
    checked_bytes,
    tensors_of,
    write_document,
)
from mmgraph.graph.errors import FormatError
from mmgraph.predictors.stored.trusted_objects import packed, unpacked

OBJECTS = "objects.skops"


@dataclass
class Parts:
    """What a model, or a part of it, is made of; parts of parts stand under their names.

    Attributes
    ----------
    settings : dict
        Values that JSON holds.
    numbers : dict of str to Tensor
        In their precision.
    objects : dict of str to object
        What scikit-learn has made.
    where : str
        The place in a file, for messages.
    """

    settings: dict[str, Any] = field(default_factory=dict)
    numbers: dict[str, Tensor] = field(default_factory=dict)
    objects: dict[str, Any] = field(default_factory=dict)
    where: str = "the model"

    def add(self, name: str, values: np.ndarray | Tensor) -> None:
        """Add numbers."""
        self.numbers[name] = torch.as_tensor(values)

    def put(self, name: str, *parts: Parts, several: bool = False) -> None:
        """Add a part, or a list of them."""
        listed = [part.settings for part in parts]
        self.settings[name] = listed if several else listed[0]
        for number, part in enumerate(parts):
            prefix = f"{name}.{number}." if several else f"{name}."
            self.numbers |= {prefix + key: tensor for key, tensor in part.numbers.items()}
            self.objects |= {prefix + key: made for key, made in part.objects.items()}

    def part(self, name: str) -> Parts:
        """Take a part out: its numbers are no longer among these."""
        return self._within(f"{name}.", name, JsonObject(self.where, self.settings).get(name, dict))

    def parts(self, name: str) -> list[Parts]:
        """Take a list of parts out, as :meth:`part`."""
        entries = JsonObject(self.where, self.settings).items(name)
        return [
            self._within(f"{name}.{number}.", f"{name}[{number}]", entry.members)
            for number, entry in enumerate(entries)
        ]

    def _within(self, prefix: str, name: str, settings: dict[str, Any]) -> Parts:
        keys = [key for key in self.numbers if key.startswith(prefix)]
        return Parts(
            settings,
            {key.removeprefix(prefix): self.numbers.pop(key) for key in keys},
            {k.removeprefix(prefix): o for k, o in self.objects.items() if k.startswith(prefix)},
            f"{self.where}, {name}",
        )

    def finish(self) -> None:
        """Raise FormatError if numbers are left that no part has taken out."""
        if self.numbers:
            raise FormatError(
                f"{self.where}: the numbers '{min(self.numbers)[:60]}' belong to no part"
            )

    def take(
        self,
        name: str,
        *shape: int | None,
        dtype: torch.dtype = torch.float64,
        may_lack: bool = False,
    ) -> np.ndarray[Any, Any]:
        """Take numbers out, which must be finite and of a shape (None is any length).

        Where they ``may_lack``, a number may be missing (NaN).

        Raises
        ------
        FormatError
            If they are missing or anything else.
        """
        if name not in self.numbers:
            raise FormatError(f"{self.where}: the numbers '{name}' are missing")
        tensor = self.numbers.pop(name)
        fits = len(shape) == tensor.ndim and all(
            want is None or want == size for want, size in zip(shape, tensor.shape, strict=True)
        )
        if not fits or tensor.dtype != dtype:
            wanted = ", ".join("any" if size is None else str(size) for size in shape)
            raise FormatError(
                f"{self.where}: the numbers '{name}' are {tensor.dtype} of shape "
                f"{tuple(tensor.shape)}, not {dtype} of shape ({wanted})"
            )
        sound = tensor.isfinite() | tensor.isnan() if may_lack else tensor.isfinite()
        if not bool(sound.all()):
            raise FormatError(f"{self.where}: of the numbers '{name}' some are not finite")
        return tensor.numpy()

    def made(self, name: str) -> Any:
        """Return an object that must be there."""
        if name not in self.objects:
            raise FormatError(f"{self.where}: the object '{name}' is missing")
        return self.objects[name]

    def setting(self, name: str) -> float:
        """Return a finite number among the settings."""
        return number_in(self.where, name, self.settings.get(name))


def number_in(where: str, name: str, value: object) -> float:
    """Return a value of JSON that must be a finite number."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not np.isfinite(value):
        raise FormatError(f"{where}: expected a number in '{name}', found {shown(value)}")
    return value


def write_parts(path: Path, kind: str, parts: Parts) -> None:
    """Write a model that is all made of parts to a directory; their objects lie in one file.

    Raises
    ------
    FormatError
        If an object holds what is not trusted, or the place cannot be written.
    """
    files = {OBJECTS: packed(parts.objects, f"the {kind}")} if parts.objects else {}
    write_document(path, {"kind": kind, **parts.settings}, parts.numbers, files)


def read_parts(document: JsonObject, path: Path, size_limit: int) -> Parts:
    """Return what :func:`write_parts` has written.

    Raises
    ------
    FormatError
        If a file is missing or damaged, or holds what is not trusted.
    """
    file = path / PARAMETERS
    numbers = tensors_of(checked_bytes(document, file, size_limit), file)
    objects: dict[str, Any] = {}
    if OBJECTS in document.get(DIGESTS, dict):
        file = path / OBJECTS
        objects = unpacked(checked_bytes(document, file, size_limit), str(file), size_limit)
    return Parts(document.members, numbers, objects, document.where)
