"""What one of several chains emits, as an emission of their joint states."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np
from jaxtyping import Float64

from mmgraph.graph.errors import LearningError
from mmgraph.learning.dynamic.emissions.emission import Emission, Statistics


class ChainPartEmission(Emission):
    """The emission of one chain, which the states of the others do not change.

    A joint state is the index into a table with an axis a chain, the last one fastest.

    Parameters
    ----------
    part : Emission
        Of the chain's own states.
    sizes : sequence of int
        The number of states of each chain.
    axis : int
        Which chain it is.

    Raises
    ------
    LearningError
        If the emission is of another number of states than the chain.
    """

    kind: ClassVar[str] = "chain_part"

    def __init__(self, part: Emission, sizes: Sequence[int], axis: int) -> None:
        if part.states != sizes[axis]:
            raise LearningError(
                f"an emission of {part.states} states is given to a chain of {sizes[axis]}"
            )
        self.part, self.sizes, self.axis = part, tuple(sizes), axis
        self.states, self.features, self.memory = math.prod(sizes), part.features, part.memory
        self.excludes = part.excludes
        self._digits = np.indices(self.sizes)[axis].ravel()

    def prepared(
        self, sequence: Float64[np.ndarray, "steps features"]
    ) -> Float64[np.ndarray, "steps prepared"]:
        """As :meth:`Emission.prepared`."""
        return self.part.prepared(sequence)

    def log_densities(
        self, rows: Float64[np.ndarray, "steps features"]
    ) -> Float64[np.ndarray, "steps joint"]:
        """As :meth:`Emission.log_densities`."""
        return self.part.log_densities(rows)[:, self._digits]

    def statistics(
        self,
        rows: Float64[np.ndarray, "steps features"],
        weights: Float64[np.ndarray, "steps joint"],
    ) -> Statistics:
        """As :meth:`Emission.statistics`."""
        others = tuple(1 + m for m in range(len(self.sizes)) if m != self.axis)
        return self.part.statistics(rows, weights.reshape(-1, *self.sizes).sum(others))

    def updated(self, statistics: Mapping[str, np.ndarray]) -> Self:
        """As :meth:`Emission.updated`."""
        return type(self)(self.part.updated(statistics), self.sizes, self.axis)

    def log_prior(self) -> float:
        """As :meth:`Emission.log_prior`."""
        return self.part.log_prior()

    def floored_states(self) -> list[int]:
        """As :meth:`Emission.floored_states`: of the chain's own states."""
        return self.part.floored_states()

    def sample(
        self, states: np.ndarray, generator: np.random.Generator
    ) -> Float64[np.ndarray, "steps features"]:
        """As :meth:`Emission.sample`."""
        return self.part.sample(self._digits[states], generator)

    def parameters(self) -> dict[str, np.ndarray]:
        """As :meth:`Emission.parameters`, of the part."""
        return self.part.parameters()

    def settings(self) -> dict[str, Any]:
        """Return kind and settings of the part, and where it stands."""
        inside = {"kind": self.part.kind, "settings": self.part.settings()}
        return {**inside, "sizes": list(self.sizes), "axis": self.axis}

    @classmethod
    def restored(cls, arrays: Mapping[str, np.ndarray], settings: Mapping[str, Any]) -> Self:
        """As :meth:`Emission.restored`."""
        from mmgraph.learning.dynamic.emissions.named import emission_class

        part = emission_class(settings["kind"]).restored(arrays, settings["settings"])
        return cls(part, settings["sizes"], settings["axis"])
