"""What leaves are made of in files: settings, numbers and objects of scikit-learn."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mmgraph.formats.json_object import shown
from mmgraph.graph.errors import FormatError


@dataclass
class Parts:
    """What a leaf is made of.

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
    where: str = "a leaf"

    def add(self, name: str, values: np.ndarray | Tensor) -> None:
        """Add numbers."""
        self.numbers[name] = torch.as_tensor(values)

    def take(
        self, name: str, *shape: int | None, dtype: torch.dtype = torch.float64
    ) -> np.ndarray[Any, Any]:
        """Take numbers out, which must be finite and of a shape (None is any length).

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
        if not bool(tensor.isfinite().all()):
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
