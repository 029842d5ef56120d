"""What all filters have in common: how far they are, and a file of what they remember."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Self

import numpy as np

from mmgraph.graph.errors import FormatError
from mmgraph.graph.storage.whole_files import checked_path, write_bytes
from mmgraph.inference.exact.chain.pieces import check_lag
from mmgraph.learning.kept_steps import digest

_OWNER, _COUNTS = "filter", "counts"


class SavedFilter(ABC):
    """A filter of one model and one lag, whose state is saved and read again.

    Parameters
    ----------
    lag : int
        How many rows after a step its distribution is told (fixed-lag smoothing); so many steps are
        remembered.
    parameters : mapping of str to array
        Of the model.

    Attributes
    ----------
    steps : int
        How many rows it has taken.
    log_likelihood : float
        Of those rows.

    Raises
    ------
    EvidenceError
        If the lag is no number of steps.
    """

    def __init__(self, lag: int, parameters: Mapping[str, np.ndarray]) -> None:
        self.lag = check_lag(lag)
        self._whose = digest([self.lag, *parameters], parameters.values())
        self.steps, self.log_likelihood = 0, 0.0

    @abstractmethod
    def _remembered(self) -> dict[str, np.ndarray]:
        """Return what the next steps need."""

    @abstractmethod
    def _recall(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Take what :meth:`_remembered` returned.

        Raises
        ------
        KeyError, ValueError
            If it is something else; nothing is changed then.
        """

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write what is remembered to a file; :meth:`load` goes on from it."""
        from safetensors.numpy import save

        arrays = self._remembered() | {_COUNTS: np.array([self.steps, self.log_likelihood])}
        whole = {name: np.array(array, order="C") for name, array in arrays.items()}
        write_bytes(checked_path(path), save(whole, {_OWNER: self._whose}))

    def load(self, path: str | os.PathLike[str]) -> Self:
        """Go on from a file that a filter of the same model and lag wrote; returns itself.

        Raises
        ------
        FormatError
            If there is no file, it is no such one, or was written by another filter.
        """
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(checked_path(path), "numpy") as file:
                whose = (file.metadata() or {}).get(_OWNER)
                arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        except FileNotFoundError:
            raise FormatError(f"there is no file {path}") from None
        except (OSError, SafetensorError) as error:
            raise FormatError(f"{path} is no state of a filter: {error!r}") from None
        if whose not in (None, self._whose):
            raise FormatError(
                f"{path} is the state of a filter of another model, or of another lag"
            )
        try:
            if whose is None:
                raise ValueError("it does not say which model it belongs to")
            steps, total = arrays.pop(_COUNTS)
            if not total < np.inf:
                raise ValueError("its log-likelihood is no number")
            self._recall(arrays)
        except (KeyError, ValueError) as error:
            raise FormatError(f"{path} is no state of a filter: {error}") from None
        self.steps, self.log_likelihood = int(steps), float(total)
        return self
