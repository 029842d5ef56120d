"""What models of several hidden chains side by side have in common."""

from __future__ import annotations

import contextlib
import dataclasses
import math
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from numbers import Integral
from pathlib import Path
from typing import Any, Self

import numpy as np
from jaxtyping import Float64, Int64

from mmgraph.graph.errors import (
    ConvergenceWarning,
    GraphError,
    LearningError,
    NotFittedError,
    ZeroProbabilityError,
    warn_caller,
)
from mmgraph.graph.variable import Variable
from mmgraph.inference.model_settings import seeded
from mmgraph.learning.conditionals.em_records import EMReport
from mmgraph.learning.dynamic.climbing import ClimbOptions, Progress, climb
from mmgraph.learning.dynamic.emissions.emission import Emission
from mmgraph.learning.dynamic.parallel_chains import ParallelChains, chain_tables, parallel_chains
from mmgraph.learning.dynamic.parallel_chains import read_chain_labels as read_labels
from mmgraph.learning.dynamic.sequences import SequenceRows, check_ahead
from mmgraph.learning.kept_steps import digest
from mmgraph.networks.dynamic.chain_marginals import ChainMarginals
from mmgraph.networks.dynamic.face_answers import FaceAnswers

LEAST_VISITS = 1e-3
"""A state that is expected less often in all sequences together has not been visited."""

Smoothed = tuple[list[Float64[np.ndarray, "length states"]], float]
"""Of a sequence, the marginals of each chain, and the log-likelihood or its bound."""

Labels = Int64[np.ndarray, "steps chains"] | None
"""States that are known of each chain; -1 where one is not."""

Decoded = tuple[Sequence[Int64[np.ndarray, " length"]], float]
"""Of a sequence, the states of each chain on a path, and its log-probability with the rows."""


class ParallelChainModel(FaceAnswers):
    """Several hidden Markov chains side by side, whose joint states emit rows.

    Attributes
    ----------
    chains : dict of str to int
        The number of states of each chain.
    fit_report : EMReport or None
        How the last fit went.
    """

    fit_report: EMReport | None = None
    pseudo_counts: float
    random_state: int | None

    def _declare(self, chains: Mapping[str, int]) -> None:
        named = isinstance(chains, Mapping) and chains
        if not named or not all(isinstance(k, Integral) and k > 0 for k in chains.values()):
            raise GraphError(f"every chain has a number of states, which {chains!r} does not say")
        self.chains = {str(name): int(states) for name, states in chains.items()}
        if self.pseudo_counts < 0:
            raise LearningError(f"pseudo-counts are not negative, as {self.pseudo_counts} is")
        self.sizes = tuple(self.chains.values())
        self.joint_states = math.prod(self.sizes)
        self._parameters: ParallelChains | None = None

    @property
    def parameters(self) -> ParallelChains:
        """Starts, transitions and emission.

        Raises
        ------
        NotFittedError
            If there are none yet.
        """
        if self._parameters is None:
            raise NotFittedError("the model has no parameters: fit or set_parameters gives them")
        return self._parameters

    @property
    @abstractmethod
    def method(self) -> str:
        """What answers: by name."""

    @property
    def exact(self) -> bool:
        """Whether answers are exact up to rounding."""
        return True

    @abstractmethod
    def _read_rows(self, sequences: object, emission: Emission | None) -> SequenceRows:
        """Read sequences, modalities side by side; of the features of an emission, if any."""

    def _read(self, sequences: object) -> SequenceRows:
        return self._read_rows(sequences, self.parameters.emission)

    @abstractmethod
    def _initial_emission(
        self, sequences: Any, read: SequenceRows, generator: np.random.Generator, labels: Labels
    ) -> Emission:
        """First values of the emission for EM, from sequences as given and as read."""

    @abstractmethod
    def _steady(self) -> list[np.ndarray]:
        """The transitions of chains that stay as they are."""

    @abstractmethod
    def _smoothed(self, rows: list[np.ndarray]) -> Iterator[Smoothed]:
        """Answer prepared sequences one after the other."""

    @abstractmethod
    def _decoded(self, rows: list[np.ndarray]) -> Iterator[Decoded]:
        """The best paths of prepared sequences."""

    @abstractmethod
    def _drawn(
        self, rows: list[np.ndarray], count: int, generator: np.random.Generator
    ) -> Iterator[Sequence[Int64[np.ndarray, "count length"]]]:
        """Drawn paths of prepared sequences, of each chain."""

    @abstractmethod
    def _ascent(self, rows: list[np.ndarray], labels: Labels) -> Any:
        """What an iteration of EM does with parameters; see :func:`climb`."""

    def _first(
        self, sequences: object, read: SequenceRows, restart: int, labels: Labels
    ) -> ParallelChains:
        """First values: chains that mostly stay as they are."""
        generator = seeded(self.random_state, restart)
        emission = self._initial_emission(sequences, read, generator, labels)
        starts = tuple(np.full(states, 1 / states) for states in self.sizes)
        transitions = tuple(0.1 / table.shape[1] + 0.9 * table for table in self._steady())
        return ParallelChains(starts, transitions, emission)

    def fit(
        self,
        sequences: object,
        labels: Mapping[str, object] | None = None,
        *,
        start: str = "data",
        iterations: int = 100,
        tolerance: float = 1e-6,
        restarts: int = 1,
        checkpoint: Path | str | None = None,
        progress: Progress | None = None,
    ) -> Self:
        """Learn all parameters by expectation maximisation, in place.

        Parameters
        ----------
        sequences : sequences
        labels : mapping of chain to sequence of array-like, optional
            The states of a chain's steps that are known; None, NaN or -1 where one is not.
        start : {"data", "current"}
            First values by the data, or the present ones.
        iterations, tolerance, restarts, checkpoint, progress
            See :class:`~mmgraph.learning.dynamic.climbing.ClimbOptions`.

        Warns
        -----
        ConvergenceWarning
            If it ended before it converged, or the objective fell: at which iteration; if states
            were never visited, or spreads are at their floor: which ones.

        Raises
        ------
        EvidenceError, LearningError
            If sequences, labels and settings do not fit together.
        ZeroProbabilityError
            If a sequence is impossible under the first values: which one.
        """
        if start not in ("data", "current"):
            raise LearningError(f"start is 'data' or 'current', not {start!r}")
        options = ClimbOptions(iterations, tolerance, restarts if start == "data" else 1)
        known = self.parameters.emission if start == "current" else None
        read = self._read_rows(sequences, known)
        codes = None if labels is None else read_labels(labels, read.lengths, self.chains)
        first = [self.parameters if start == "current" else self._first(sequences, read, i, codes)
                 for i in range(options.restarts)]  # fmt: skip
        rows = [first[0].emission.prepared(part) for part in read.parts]
        settings = {n: v for n, v in self.get_params().items() if n != "emission"}
        belongs_to = {
            "settings": repr(settings),
            "data": digest(read.lengths, rows),
            "labels": digest(codes is not None, [] if codes is None else [codes]),
            "first values": digest(first[0].settings(), first[0].arrays().values()),
        }
        options = dataclasses.replace(
            options, checkpoint=checkpoint, belongs_to=belongs_to, progress=progress
        )
        fitted, self.fit_report = climb(
            first.__getitem__, self._ascent(rows, codes), options, ParallelChains.arrays,
            first[0].restored, sum(read.lengths),
        )  # fmt: skip
        self._parameters = fitted
        self._warn(rows)
        return self

    def _warn(self, rows: list[np.ndarray]) -> None:
        """Say which states were not visited, and what keeps to its floor."""
        visits = [np.zeros(states) for states in self.sizes]
        for marginals, _ in self._smoothed(rows):
            visits = [v + part.sum(0) for v, part in zip(visits, marginals, strict=True)]
        for name, each in zip(self.chains, visits, strict=True):
            if unvisited := np.flatnonzero(each < LEAST_VISITS).tolist():
                what = f"no step was learned from by states {unvisited} of chain '{name}'"
                warn_caller(f"{what}, which keep their first values", ConvergenceWarning)
        if floored := self._at_floor():
            what = f"the spread of {', '.join(floored)} is at its floor"
            warn_caller(f"{what}: too few different rows are behind it", ConvergenceWarning)

    @abstractmethod
    def _at_floor(self) -> list[str]:
        """What emits rows whose spread learning has stopped at its floor."""

    def set_parameters(
        self,
        start: Mapping[str, object] | None = None,
        transition: Mapping[str, object] | None = None,
        emission: Emission | None = None,
        **arrays: Any,
    ) -> Self:
        """Set parameters, in place of learning them, or for a fit to start from.

        Parameters
        ----------
        start : mapping of chain to array-like of shape (states,)
            By default as it is, or equal for all states; of chains that are not named, too.
        transition : mapping of chain to array-like
            Likewise, by row; zeros stay zeros when learned. ``(states, states)`` where chains do
            not look at one another, else ``(*all chains' states, states)``.
        emission : emission of the joint states, optional
        **arrays
            Or what it is made of; see the class.

        Raises
        ------
        LearningError
            If shapes do not fit, a chain is unknown, or a row is no distribution: which one.
        """
        made = emission if emission is not None else self._made_emission(arrays)
        if made is None:
            made = self.parameters.emission
        if made.states != self.joint_states:
            raise LearningError(
                f"the emission is of {made.states} joint states, the model of {self.joint_states}"
            )
        before, steady = self._parameters, self._steady()
        first, like = self._named([table[0] for table in steady]), self._named(steady)
        starts = chain_tables("start", start, before and before.starts, first)
        moves = chain_tables("transition", transition, before and before.transitions, like)
        self._parameters = ParallelChains(starts, moves, made)
        return self

    @abstractmethod
    def _made_emission(self, arrays: Mapping[str, Any]) -> Emission | None:
        """The emission that arrays describe, or None if there are none."""

    def _prepared(self, sequences: object) -> tuple[SequenceRows, list[np.ndarray]]:
        read = self._read(sequences)
        return read, [self.parameters.emission.prepared(part) for part in read.parts]

    def log_likelihood(self, sequences: object) -> Any:
        """Return log P of each sequence, ``(sequences,)``; ``-inf`` of impossible ones.

        These are lower bounds unless :attr:`exact`.
        """
        read, rows = self._prepared(sequences)
        totals = np.full(len(rows), -np.inf)
        for number, part in enumerate(rows):
            with contextlib.suppress(ZeroProbabilityError):
                ((_, totals[number]),) = self._smoothed([part])
        return float(totals[0]) if read.single else totals

    def posterior(self, sequences: object) -> Any:
        """Return of each sequence the :class:`ChainMarginals`.

        Raises
        ------
        ZeroProbabilityError
            If a sequence is impossible: which one.
        """
        read, rows = self._prepared(sequences)
        return read.answer(self._marginals(rows))

    def forecast(self, sequences: object, steps: int = 1) -> Any:
        """Return the :class:`ChainMarginals` of the steps after each sequence, ``(steps, states)``.

        Raises as :meth:`posterior`.
        """
        check_ahead(steps)
        read, emission = self._read(sequences), self.parameters.emission
        ahead = np.full((steps, emission.features), np.nan)
        rows = [emission.prepared(np.concatenate([part, ahead])) for part in read.parts]
        return read.answer(self._marginals(rows, steps))

    def _marginals(self, rows: list[np.ndarray], last: int = 0) -> list[ChainMarginals]:
        """Those of all steps, or of the last ones."""
        how = self.method, self.exact
        return [
            ChainMarginals(self._named([part[-last:] for part in parts]), *how, total)
            for parts, total in self._smoothed(rows)
        ]

    def predict(self, sequences: object) -> Any:
        """Return of each sequence the states on its most probable path, by chain.

        Of structured mean field they are each chain's best path where the others stand at their
        means. Raises as :meth:`posterior`.
        """
        read, rows = self._prepared(sequences)
        return read.answer([self._named(path) for path, _ in self._decoded(rows)])

    def sample_paths(self, sequences: object, count: int, random_state: int | None = None) -> Any:
        """Return of each sequence paths drawn given it, ``(count, length)``, by chain.

        Of structured mean field they are drawn from the product of chains that it finds. Raises as
        :meth:`posterior`.
        """
        read, rows = self._prepared(sequences)
        drawn = self._drawn(rows, count, self._generator(random_state))
        return read.answer([self._named(paths) for paths in drawn])

    def _named(self, parts: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
        return dict(zip(self.chains, parts, strict=True))

    def _hidden(self) -> dict[str, Variable]:
        return {name: Variable(name, states) for name, states in self.chains.items()}

    def _decoded_paths(
        self, sequences: Any
    ) -> tuple[list[dict[str, np.ndarray]], np.ndarray, bool]:
        _, rows = self._prepared(sequences)
        found = list(self._decoded(rows))
        weights = np.array([weight for _, weight in found])
        return [self._named(path) for path, _ in found], weights, self.exact

    def _drawn_paths(
        self, sequences: Any, draws: int, generator: np.random.Generator
    ) -> list[dict[str, np.ndarray]]:
        _, rows = self._prepared(sequences)
        return [self._named(paths) for paths in self._drawn(rows, draws, generator)]

    def sample(self, length: int, random_state: int | None = None) -> tuple[Any, dict[str, Any]]:
        """As :meth:`HiddenMarkovModel.sample`, with the states of each chain."""
        if length < 1:
            raise LearningError(f"a sequence has at least one step, not {length}")
        generator = self._generator(random_state)
        starts, transitions, emission = self.parameters
        uniform = generator.random((length, len(starts)))
        path = np.empty((length, len(starts)), np.int64)
        for t in range(length):
            before = int(np.ravel_multi_index(tuple(path[t - 1]), self.sizes)) if t else 0
            for m, states in enumerate(self.sizes):
                row = path[t - 1, m] if len(transitions[m]) == states else before
                chances = (transitions[m][row] if t else starts[m]).cumsum()
                path[t, m] = min(np.searchsorted(chances, uniform[t, m], "right"), states - 1)
        joint = np.asarray(np.ravel_multi_index(tuple(path.T), self.sizes))
        rows = emission.sample(joint, generator)
        return self._given(rows), dict(zip(self.chains, path.T, strict=True))

    def _given(self, rows: np.ndarray) -> Any:
        """Rows as users give them."""
        return rows

    def stored(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """Return what the model is made of: JSON values, and arrays by name."""
        parameters = self.parameters
        pairs = [list(pair) for pair in self.chains.items()]
        settings = self.get_params() | {"states": pairs, "emission": self._emission_kinds()}
        return {"settings": settings, "parameters": parameters.settings()}, parameters.arrays()

    @classmethod
    def restored(cls, document: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Self:
        """Return the model that :meth:`stored` describes."""
        settings = dict(document["settings"])
        make: Any = cls
        model: Self = make(**{**settings, "states": dict(settings["states"])})
        model._parameters = parallel_chains(document["parameters"], arrays)
        return model

    def _emission_kinds(self) -> Any:
        """The setting ``emission`` as JSON values."""
        return "gaussian"

    def __repr__(self) -> str:
        fitted = "" if self._parameters is not None else ", without parameters"
        chains = ", ".join(f"{name}: {states}" for name, states in self.chains.items())
        return f"{type(self).__name__}({chains}{fitted})"
