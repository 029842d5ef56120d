"""The steps of a run that are done, kept in files, so that an interrupted run can go on."""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mmgraph.graph.errors import FormatError
from mmgraph.learning.kept_state import KeptState

_log = logging.getLogger(__name__)


class KeptSteps:
    """Arrays by step, each step a file of its own in a directory; without one nothing is kept.

    The fingerprint is of all that the steps depend on; a file with another one is passed over, as
    is a damaged one.
    """

    def __init__(self, directory: Path | None, fingerprint: str) -> None:
        self.directory = directory
        self.fingerprint = fingerprint

    def read(self, step: str, quietly: bool = False) -> tuple[dict[str, np.ndarray], Any] | None:
        """Return what an earlier run of the same model and data kept of a step, if it did."""
        if self.directory is None:
            return None
        state = self._state(self.directory, step)
        with contextlib.suppress(FormatError):
            if (earlier := state.load()) is not None:
                level = logging.DEBUG if quietly else logging.INFO
                _log.log(
                    level, "an earlier run has done %s, which is taken from %s", step, state.path
                )
                arrays = {key: tensor.numpy() for key, tensor in earlier.tensors.items()}
                return arrays, earlier.document["notes"]
        return None

    def write(self, step: str, arrays: Mapping[str, np.ndarray], notes: object = None) -> None:
        """Keep the arrays of a step, and notes that JSON can hold."""
        if self.directory is not None:
            tensors = {k: torch.from_numpy(np.ascontiguousarray(a)) for k, a in arrays.items()}
            self._state(self.directory, step).save({"notes": notes}, tensors)

    def _state(self, directory: Path, step: str) -> KeptState:
        belongs_to = {"declaration and data": self.fingerprint}
        return KeptState(directory / "steps", "run", belongs_to, step)


def digest(document: object, arrays: Iterable[np.ndarray]) -> str:
    """Return a digest of what JSON can hold, and of arrays."""
    total = hashlib.sha256(json.dumps(document, sort_keys=True).encode())
    for array in arrays:
        total.update(repr((array.shape, array.dtype.str)).encode())
        total.update(np.ascontiguousarray(array).tobytes())
    return total.hexdigest()
