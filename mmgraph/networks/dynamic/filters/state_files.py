"""Files of what filters remember, which belong to one model and one lag."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping

import numpy as np

from mmgraph.graph.errors import FormatError
from mmgraph.graph.storage.whole_files import checked_path, write_bytes
from mmgraph.learning.kept_steps import digest

_OWNER = "filter"


def owner(lag: int, parameters: Mapping[str, np.ndarray]) -> str:
    """Return a digest of what a filter's state belongs to: its lag and its model's numbers."""
    return digest([lag, *parameters], parameters.values())


def write_state(path: str | os.PathLike[str], whose: str, arrays: Mapping[str, np.ndarray]) -> None:
    """Write the arrays of a filter's state."""
    from safetensors.numpy import save

    whole = {name: np.array(array, order="C") for name, array in arrays.items()}
    write_bytes(checked_path(path), save(whole, {_OWNER: whose}))


def read_state(
    path: str | os.PathLike[str], whose: str, names: Iterable[str] = ()
) -> dict[str, np.ndarray]:
    """Return the arrays of a filter's state.

    Parameters
    ----------
    names : iterable of str
        Those that must be there.

    Raises
    ------
    FormatError
        If it is no such file, or was written by a filter of another model or lag.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(checked_path(path), "numpy") as file:
            found = (file.metadata() or {}).get(_OWNER)
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise FormatError(f"{path} is no state of a filter: {error!r}") from None
    missing = [name for name in names if name not in arrays]
    if found is None or missing:
        raise FormatError(f"{path} is no state of a filter")
    if found != whose:
        raise FormatError(f"{path} is the state of a filter of another model, or of another lag")
    return arrays
