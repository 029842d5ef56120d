"""What models of one hidden chain answer about sequences."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Float64

from mmgraph.graph.variable import Variable
from mmgraph.inference.samples import label_array
from mmgraph.learning.dynamic.emissions.modalities import ModalityEmission
from mmgraph.learning.dynamic.hidden_chain import HiddenChain
from mmgraph.learning.dynamic.sequences import SequenceRows, check_ahead
from mmgraph.networks.dynamic.face_answers import FaceAnswers


class ChainFace(FaceAnswers):
    """Answers of a model whose ``parameters`` have a chain and an emission.

    Sequences are as of :class:`~mmgraph.networks.dynamic.hidden_markov_model.HiddenMarkovModel`.
    """

    labels: tuple[Any, ...]
    emission: Any

    question_options: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "query": ("lag",),
        "sample": ("length",),
    }

    @property
    @abstractmethod
    def parameters(self) -> HiddenChain:
        """Start, transition and emission."""

    @property
    def _label_array(self) -> np.ndarray:
        """The labels, which indices pick from."""
        return label_array(self._hidden()["state"])

    def log_likelihood(self, sequences: object) -> Any:
        """Return log P of each sequence, ``(sequences,)``; ``-inf`` of impossible ones."""
        read, densities = self._densities(sequences)
        totals = self.parameters.chain.log_likelihoods(densities, read.lengths)
        return float(totals[0]) if read.single else totals

    def _densities(self, sequences: object) -> tuple[SequenceRows, Any]:
        parameters = self.parameters
        read = self._read(sequences)
        rows = np.concatenate([parameters.emission.prepared(part) for part in read.parts])
        return read, parameters.densities(rows, None)

    def posterior(self, sequences: object, lag: int | None = None) -> Any:
        """Return the distribution of the state at each step, ``(length, states)``, of each
        sequence.

        Parameters
        ----------
        sequences : sequences
        lag : int, optional
            Given rows up to so many steps later (0: filtered); by default given all.

        Raises
        ------
        EvidenceError
            If the lag is negative.
        ZeroProbabilityError
            If a sequence is impossible: which one, and from which step on.
        """
        read, densities = self._densities(sequences)
        chain = self.parameters.chain
        if lag is None:
            marginals, _ = chain.marginals(densities, read.lengths)
        else:
            marginals = chain.lagged(densities, read.lengths, lag)
        return read.answer(np.split(marginals, np.cumsum(read.lengths)[:-1]))

    def _smoothed_sequences(self, sequences: Any, options: Mapping[str, Any]) -> tuple[Any, Any]:
        if options:
            return super()._smoothed_sequences(sequences, options)
        read, densities = self._densities(sequences)
        marginals, totals = self.parameters.chain.marginals(densities, read.lengths)
        return np.split(marginals, np.cumsum(read.lengths)[:-1]), totals

    def predict(self, sequences: object) -> Any:
        """Return the most probable path of states of each sequence, by label.

        Raises
        ------
        ZeroProbabilityError
            As :meth:`posterior`.
        """
        read, densities = self._densities(sequences)
        path, _ = self.parameters.chain.best_paths(densities, read.lengths)
        named = self._label_array[path]
        return read.answer(np.split(named, np.cumsum(read.lengths)[:-1]))

    def sample_paths(self, sequences: object, count: int, random_state: int | None = None) -> Any:
        """Return paths drawn given each sequence, ``(count, length)``, by label.

        Raises
        ------
        ZeroProbabilityError
            As :meth:`posterior`.
        """
        read, densities = self._densities(sequences)
        generator = self._generator(random_state)
        drawn = self.parameters.chain.sample_paths(densities, read.lengths, count, generator)
        return read.answer([self._label_array[paths] for paths in drawn])

    def _hidden(self) -> dict[str, Variable]:
        return {"state": Variable("state", self.labels)}

    def modality_names(self) -> tuple[str, ...]:
        """As :meth:`SequenceModel.modality_names`."""
        return tuple(self.emission) if isinstance(self.emission, Mapping) else ()

    def _decoded_paths(
        self, sequences: Any
    ) -> tuple[list[dict[str, np.ndarray]], np.ndarray, bool]:
        read, densities = self._densities(sequences)
        path, weights = self.parameters.chain.best_paths(densities, read.lengths)
        parts = np.split(path, np.cumsum(read.lengths)[:-1])
        return [{"state": part} for part in parts], weights, True

    def _drawn_paths(
        self, sequences: Any, draws: int, generator: np.random.Generator
    ) -> list[dict[str, np.ndarray]]:
        read, densities = self._densities(sequences)
        chain = self.parameters.chain
        drawn = chain.sample_paths(densities, read.lengths, draws, generator)
        return [{"state": paths} for paths in drawn]

    def _as_given(self, rows: Float64[np.ndarray, "length features"]) -> Any:
        """Rows as users give them: of several modalities a mapping."""
        emission = self.parameters.emission
        if not self.modality_names() or not isinstance(emission, ModalityEmission):
            return rows
        ends = np.cumsum([part.features for part in emission.parts.values()])[:-1]
        return dict(zip(emission.parts, np.split(rows, ends, axis=1), strict=True))

    def forecast(self, sequences: object, steps: int = 1) -> Any:
        """Return the distributions of the states that follow each sequence, ``(steps, states)``."""
        check_ahead(steps)
        last = [part[-1] for part in _listed_answers(self.posterior(sequences))]
        ahead = []
        for chances in last:
            rows = []
            for _ in range(steps):
                chances = chances @ self.parameters.transition
                rows.append(chances)
            ahead.append(np.array(rows).reshape(steps, -1))
        return self._read(sequences).answer(ahead)


def _listed_answers(answers: Any) -> list[np.ndarray]:
    return answers if isinstance(answers, list) else [answers]
