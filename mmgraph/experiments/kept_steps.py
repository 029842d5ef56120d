"""The steps of a run that are done, kept in files, so that an interrupted run can go on."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from mmgraph.data.whole_files import write_bytes

_log = logging.getLogger(__name__)


class KeptSteps:
    """Arrays by step, each step a file of its own.

    Parameters
    ----------
    directory : Path or None
        Where the files lie; with None nothing is kept.
    fingerprint : str
        Of all that the steps depend on; a file with another one is ignored.
    """

    def __init__(self, directory: Path | None, fingerprint: str) -> None:
        self.directory = directory
        self.fingerprint = fingerprint

    def read(self, step: str) -> tuple[dict[str, np.ndarray], Any] | None:
        """Return what an earlier run of the same model and data kept of a step, if it did."""
        from safetensors import SafetensorError, safe_open

        if self.directory is None or not self._path(step).is_file():
            return None
        try:
            with safe_open(self._path(step), framework="numpy") as file:
                about = file.metadata() or {}
                if about.get("fingerprint") != self.fingerprint:
                    return None
                arrays = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
            notes = json.loads(about.get("notes", "null"))
        except (SafetensorError, json.JSONDecodeError):
            return None
        _log.info("an earlier run has done %s, which is taken from %s", step, self._path(step))
        return arrays, notes

    def write(self, step: str, arrays: Mapping[str, np.ndarray], notes: object = None) -> None:
        """Keep the arrays of a step, and notes that JSON can hold."""
        from safetensors.numpy import save

        if self.directory is None:
            return
        tensors = {key: np.ascontiguousarray(array) for key, array in arrays.items()}
        about = {"fingerprint": self.fingerprint, "notes": json.dumps(notes)}
        self._path(step).parent.mkdir(parents=True, exist_ok=True)
        write_bytes(self._path(step), save(tensors, metadata=about))

    def _path(self, step: str) -> Path:
        assert self.directory is not None
        return self.directory / "steps" / f"{step}.safetensors"


def fingerprint(declaration: Any, arrays: Iterable[np.ndarray]) -> str:
    """Return a digest of a declaration (a dataclass) and of data."""
    digest = hashlib.sha256(json.dumps(asdict(declaration), sort_keys=True).encode())
    for array in arrays:
        digest.update(repr((array.shape, array.dtype.str)).encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
