"""Which emissions a model has, by modality: how they are read, started and set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Int64

from mmgraph.graph.errors import EvidenceError, LearningError, check_choice
from mmgraph.learning.dynamic.emissions.autoregressive import lagged
from mmgraph.learning.dynamic.emissions.emission import Emission
from mmgraph.learning.dynamic.emissions.gaussian import COVARIANCES
from mmgraph.learning.dynamic.emissions.modalities import ModalityEmission
from mmgraph.learning.dynamic.emissions.named import emission_class
from mmgraph.learning.dynamic.sequences import SequenceRows, read_modalities, read_sequences

_ARRAYS = {
    "gaussian": ("means", "covariances"),
    "mixture": ("weights", "means", "covariances"),
    "categorical": ("probabilities",),
    "autoregressive": ("coefficients", "covariances"),
    "scores": (),
}
"""What the parameters of an emission are called."""

EmissionSpec = str | Emission | Mapping[str, "str | Emission"]


@dataclass(frozen=True)
class EmissionChoice:
    """The emission of a model, or of each of its modalities.

    Attributes
    ----------
    spec : str, Emission, or mapping of modality to either
    covariance, components, order, floor, pseudo_counts
        Settings, as of :class:`~mmgraph.networks.dynamic.hidden_markov_model.HiddenMarkovModel`.
    """

    spec: EmissionSpec
    covariance: str = "diagonal"
    components: int = 2
    order: int = 1
    floor: float = 1e-3
    pseudo_counts: float = 0.0

    def __post_init__(self) -> None:
        if self.pseudo_counts < 0:
            raise LearningError(f"pseudo-counts are not negative, as {self.pseudo_counts} is")
        if not self.floor >= 0:
            raise LearningError(f"a floor of variances is not negative, as {self.floor} is")
        check_choice("covariance", self.covariance, COVARIANCES, LearningError)
        for kind in self.kinds.values():
            if not isinstance(kind, Emission):
                emission_class(kind)

    @property
    def kinds(self) -> dict[str, str | Emission]:
        """The emission of each modality; under the empty name where there is but one."""
        return dict(self.spec) if isinstance(self.spec, Mapping) else {"": self.spec}

    def read(self, sequences: object, emission: Emission | None) -> SequenceRows:
        """Read sequences as users give them, modalities side by side.

        Parameters
        ----------
        emission : Emission, optional
            The present one, which says how many features there are.

        Raises
        ------
        EvidenceError
            As :func:`~mmgraph.learning.dynamic.sequences.read_sequences`.
        """
        scores = {n for n, kind in self.kinds.items() if _class_of(kind).excludes}
        if not isinstance(self.spec, Mapping):
            known = self.spec if isinstance(self.spec, Emission) else emission
            return read_sequences(
                sequences, None if known is None else known.features, bool(scores)
            )
        if not isinstance(sequences, Mapping):
            raise EvidenceError(
                f"of several modalities ({', '.join(self.kinds)}) sequences are a mapping"
            )
        return read_modalities(sequences, self.widths(sequences, emission), scores)

    def widths(
        self, sequences: Mapping[str, Any], emission: Emission | None
    ) -> dict[str, int | None]:
        """Return the features of each modality; None where nothing says."""
        if isinstance(emission, ModalityEmission):
            return {name: part.features for name, part in emission.parts.items()}
        found: dict[str, int | None] = {}
        for name, kind in self.kinds.items():
            if isinstance(kind, Emission):
                found[name] = kind.features
                continue
            given = sequences.get(name)
            listed = given if isinstance(given, list | tuple) else [given]
            some = next((sequence for sequence in listed if sequence is not None), None)
            width = None if some is None else read_sequences([some], None, True).parts[0].shape[1]
            found[name] = width
        return found

    def first(
        self,
        sequences: object,
        read: SequenceRows,
        states: int,
        generator: np.random.Generator,
        codes: Int64[np.ndarray, " steps"] | None = None,
    ) -> Emission:
        """Return first values for EM: k-means, or the rows of known states.

        Parameters
        ----------
        sequences
            As they were given, which says how wide modalities are.
        read : SequenceRows
        codes : ndarray of int, shape (steps,), optional
            Known states, -1 where one is not.
        """
        widths: dict[str, int | None] = {"": read.parts[0].shape[1]}
        if isinstance(self.spec, Mapping):
            assert isinstance(sequences, Mapping)
            widths = self.widths(sequences, None)
        weights = None
        if codes is not None:
            weights = np.zeros((len(codes), states))
            known = codes >= 0
            weights[np.flatnonzero(known), codes[known]] = 1
        parts: dict[str, Emission] = {}
        column = 0
        for name, kind in self.kinds.items():
            width = kind.features if isinstance(kind, Emission) else widths[name]
            assert width is not None  # or reading had failed
            own = [part[:, column : column + width] for part in read.parts]
            column += width
            parts[name] = self._first_of(kind, own, states, generator, weights)
        return parts[""] if "" in parts else ModalityEmission(parts)

    def _first_of(
        self,
        kind: str | Emission,
        own: list[np.ndarray],
        states: int,
        generator: np.random.Generator,
        weights: np.ndarray | None,
    ) -> Emission:
        if isinstance(kind, Emission):
            return kind
        if kind == "autoregressive":
            own = [lagged(part, self.order) for part in own]
        rows = np.ascontiguousarray(np.concatenate(own))
        made = emission_class(kind).initial(
            rows,
            states,
            generator,
            covariance=self.covariance,
            components=self.components,
            order=self.order,
            floor=self.floor,
            pseudo_counts=self.pseudo_counts,
        )
        return made if weights is None else made.updated(made.statistics(rows, weights))

    def made(self, arrays: Mapping[str, Any], states: int) -> Emission | None:
        """Return the emission that arrays by name are, or None if there are none.

        Raises
        ------
        LearningError
            If there are several modalities, or the arrays are not what the emission takes.
        """
        if self.spec == "scores" and not arrays:
            return emission_class("scores").restored({}, {"states": states})
        if not arrays:
            return None
        if not isinstance(self.spec, str):
            raise LearningError("of several modalities give emission=ModalityEmission({…})")
        given, settings = dict(arrays), {}
        if self.spec in ("gaussian", "mixture"):
            settings["covariance"] = self.covariance
        if self.spec == "mixture":
            for name in ("means", "covariances"):
                if name in given and not (name == "covariances" and self.covariance == "tied"):
                    array = np.asarray(given[name], np.float64)
                    given[name] = array.reshape(-1, *array.shape[2:])
        cls: Any = emission_class(self.spec)
        try:
            if self.spec == "categorical":
                return cls(**given, pseudo_counts=self.pseudo_counts)
            if self.spec == "autoregressive":
                return cls(**given, order=self.order)
            return cls.restored(given, settings)
        except LearningError:
            raise
        except (TypeError, KeyError, ValueError, IndexError) as error:
            for name in arrays:
                check_choice(
                    f"array of {self.spec} emissions:", name, _ARRAYS[self.spec], LearningError
                )
            wanted = ", ".join(_ARRAYS[self.spec])
            raise LearningError(
                f"these are not the arrays of {self.spec} emissions ({wanted}): {error}"
            ) from None


def _class_of(kind: str | Emission) -> Emission | type[Emission]:
    return kind if isinstance(kind, Emission) else emission_class(kind)
