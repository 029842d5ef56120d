"""Pickles of arrays, read without anything that could run code."""

from __future__ import annotations

import codecs
import pickle
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from mmgraph.graph.errors import DatasetError


def unpickled(
    file: BinaryIO, member: str, stubs: Mapping[str, Callable[..., Any]] | None = None
) -> Any:
    """Read one pickle that is made of containers and arrays alone.

    Parameters
    ----------
    file : binary file
        Stands at the beginning of the pickle.
    member : str
        Name of the file, for errors.
    stubs : mapping of str to callable, optional
        What stands for other names that the pickle may use, such as
        ``{"pandas.core.frame.DataFrame": Record}``.

    Returns
    -------
    object
        What was pickled.

    Raises
    ------
    DatasetError
        If it is no pickle, or asks for a name that is not admitted (which).
    """
    try:
        return _Arrays(file, member, stubs or {}).load()
    except (ValueError, EOFError, pickle.UnpicklingError, TypeError, LookupError) as error:
        raise DatasetError(f"{member} is no pickle of arrays: {error}") from error


class _Arrays(pickle.Unpickler):
    def __init__(
        self, file: BinaryIO, member: str, stubs: Mapping[str, Callable[..., Any]]
    ) -> None:
        super().__init__(file)
        self._member = member
        self._admitted = {**_ADMITTED, **stubs}

    def find_class(self, module: str, name: str) -> Any:
        """Return one of the few names that arrays are made by."""
        if f"{module}.{name}" not in self._admitted:
            raise DatasetError(f"{self._member} asks for {module}.{name}; only arrays are read")
        return self._admitted[f"{module}.{name}"]


def _latin1(text: str, encoding: str) -> bytes:
    """Bytes as Python 2 wrote them."""
    if encoding != "latin1":
        raise ValueError(f"bytes in {encoding!r}, not in latin1")
    return codecs.latin_1_encode(text)[0]


def _empty(*_: Any) -> NDArray[Any]:
    """An array whose shape, type and content follow."""
    return np.ndarray((0,), np.int8)


_ADMITTED: Mapping[str, Callable[..., Any]] = {
    "numpy.core.multiarray._reconstruct": _empty,
    "numpy.ndarray": np.ndarray,
    "numpy.dtype": np.dtype,
    "_codecs.encode": _latin1,
}
