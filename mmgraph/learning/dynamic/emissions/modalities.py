"""Emissions of several modalities, independent given the hidden state."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np
from jaxtyping import Float64

from mmgraph.graph.errors import EvidenceError, LearningError, suggestion
from mmgraph.learning.dynamic.emissions.emission import Emission, Statistics
from mmgraph.learning.dynamic.sequences import read_row


class ModalityEmission(Emission):
    """The emissions of several modalities, whose rows lie side by side.

    A modality that is missing in a row has missing cells there.

    Parameters
    ----------
    parts : mapping of str to Emission
        All of as many states.

    Raises
    ------
    LearningError
        If there is none, or they differ in their states.
    """

    kind: ClassVar[str] = "modalities"

    def __init__(self, parts: Mapping[str, Emission]) -> None:
        counts = {name: part.states for name, part in parts.items()}
        if len(set(counts.values())) != 1:
            raise LearningError(f"emissions of modalities are of as many states each, not {counts}")
        self.parts = dict(parts)
        self.states = next(iter(counts.values()))
        self.features = sum(part.features for part in parts.values())
        self.memory = max(part.memory for part in parts.values())
        self.excludes = any(part.excludes for part in parts.values())
        widths = [part.prepared(np.empty((1, part.features))).shape[1] for part in parts.values()]
        ends = np.cumsum(widths)
        self._places = {
            name: slice(int(end - width), int(end))
            for name, width, end in zip(parts, widths, ends, strict=True)
        }

    def prepared(
        self, sequence: Float64[np.ndarray, "steps features"]
    ) -> Float64[np.ndarray, "steps prepared"]:
        """As :meth:`Emission.prepared`, of each part."""
        ends = np.cumsum([part.features for part in self.parts.values()])[:-1]
        pieces = np.split(sequence, ends, axis=1)
        return np.concatenate(
            [p.prepared(piece) for p, piece in zip(self.parts.values(), pieces, strict=True)], 1
        )

    def log_densities(
        self, rows: Float64[np.ndarray, "steps features"]
    ) -> Float64[np.ndarray, "steps states"]:
        """As :meth:`Emission.log_densities`."""
        total = np.zeros((len(rows), self.states))
        for name, part in self.parts.items():
            total += part.log_densities(np.ascontiguousarray(rows[:, self._places[name]]))
        return total

    def statistics(
        self,
        rows: Float64[np.ndarray, "steps features"],
        weights: Float64[np.ndarray, "steps states"],
    ) -> Statistics:
        """Return the statistics of the parts, under ``modality/name``."""
        return {
            f"{name}/{key}": array
            for name, part in self.parts.items()
            for key, array in part.statistics(
                np.ascontiguousarray(rows[:, self._places[name]]), weights
            ).items()
        }

    def updated(self, statistics: Mapping[str, np.ndarray]) -> Self:
        """As :meth:`Emission.updated`."""
        return type(self)(
            {name: part.updated(_under(statistics, name)) for name, part in self.parts.items()}
        )

    def log_prior(self) -> float:
        """As :meth:`Emission.log_prior`."""
        return sum(part.log_prior() for part in self.parts.values())

    def sample(
        self, states: np.ndarray, generator: np.random.Generator
    ) -> Float64[np.ndarray, "steps features"]:
        """As :meth:`Emission.sample`."""
        return np.concatenate([p.sample(states, generator) for p in self.parts.values()], 1)

    def floored_states(self) -> list[int]:
        """As :meth:`Emission.floored_states`."""
        return sorted({k for part in self.parts.values() for k in part.floored_states()})

    def parameters(self) -> dict[str, np.ndarray]:
        """As :meth:`Emission.parameters`, under ``modality/name``."""
        return {
            f"{name}/{key}": array
            for name, part in self.parts.items()
            for key, array in part.parameters().items()
        }

    def settings(self) -> dict[str, Any]:
        """Return kind and settings of each part."""
        return {n: {"kind": p.kind, "settings": p.settings()} for n, p in self.parts.items()}

    @classmethod
    def restored(cls, arrays: Mapping[str, np.ndarray], settings: Mapping[str, Any]) -> Self:
        """As :meth:`Emission.restored`."""
        from mmgraph.learning.dynamic.emissions.named import emission_class

        return cls(
            {
                name: emission_class(part["kind"]).restored(_under(arrays, name), part["settings"])
                for name, part in settings.items()
            }
        )


def row_of(emission: Emission, row: object) -> Float64[np.ndarray, " features"]:
    """Read one row: an array of its cells, or of several modalities a mapping of each to its own.

    A modality that is not in the mapping, or None, is missing, and so is a row that is None.

    Raises
    ------
    EvidenceError
        If there is no such modality, or as :func:`~mmgraph.learning.dynamic.sequences.read_row`.
    """
    if row is None:
        return np.full(emission.features, np.nan)
    if not isinstance(row, Mapping):
        return read_row(row, emission.features, emission.excludes)
    parts = emission.parts if isinstance(emission, ModalityEmission) else {}
    for name in row:
        if name not in parts:
            raise EvidenceError(f"no modality is called {name!r}{suggestion(name, parts)}")
    cells = []
    for name, part in parts.items():
        own = row.get(name)
        try:
            cells.append(
                np.full(part.features, np.nan)
                if own is None
                else read_row(own, part.features, part.excludes)
            )
        except EvidenceError as error:
            raise EvidenceError(f"modality '{name}': {error}") from None
    return np.concatenate(cells)


def _under(arrays: Mapping[str, np.ndarray], name: str) -> dict[str, np.ndarray]:
    prefix = f"{name}/"
    return {key[len(prefix) :]: array for key, array in arrays.items() if key.startswith(prefix)}
