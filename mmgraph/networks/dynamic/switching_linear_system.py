"""Linear Gaussian systems that a Markov chain switches between."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from jaxtyping import Float64

from mmgraph.graph.errors import (
    ConvergenceWarning,
    EvidenceError,
    GraphError,
    LearningError,
    check_choice,
    warn_caller,
)
from mmgraph.inference.gaussian.state_space.switching import (
    SwitchingStates,
    by_particles,
    without_draws,
)
from mmgraph.learning.conditionals.em_records import EMReport
from mmgraph.learning.dynamic.climbing import ClimbOptions, Progress, climb
from mmgraph.learning.dynamic.linear_gaussian import SystemLearning
from mmgraph.learning.dynamic.sequences import SequenceRows, check_ahead, read_sequences
from mmgraph.learning.dynamic.switching_linear import SwitchingParameters, ascend
from mmgraph.learning.kept_steps import digest
from mmgraph.networks.dynamic.filters.switching_step_filter import SwitchingStepFilter
from mmgraph.networks.dynamic.linear_gaussian_system import LinearGaussianSystem
from mmgraph.networks.dynamic.system_answers import SystemAnswers

PARTICLES = 1000
METHODS = ("auto", "enumeration", "gpb2", "imm", "particles")
MOST_PATHS = 2**16
"""So many paths of regimes are enumerated at most; a few thousand where nobody asks for it."""
_FEW_PATHS = 2**12


class SwitchingLinearSystem(SystemAnswers):
    """A Markov chain of regimes, each of which moves and shows a state by its own linear system.

    The regime of a step says how the state got there and how a row shows it; that of the first step
    where the state starts. Sequences are as for :class:`LinearGaussianSystem`. Exact answers take
    time exponential in the length: beyond ``regimes ** steps`` of a few thousand, merging takes
    their place, and says so. A step of merging takes about a millisecond, in numpy.

    Parameters
    ----------
    systems : sequence of LinearGaussianSystem
        One a regime, of the same numbers of states and features.
    transition : array of shape (regimes, regimes)
        The probabilities of the next regime, row by row.
    start : array of shape (regimes,), optional
        Of the first regime; equal by default.

    Attributes
    ----------
    fit_report : EMReport or None
        How the last fit went.

    Raises
    ------
    GraphError
        If numbers do not match, or a row is no distribution: which one.
    """

    methods = METHODS[1:]
    question_options: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "query": ("particles", "random_state"),
        "sample": ("length",),
    }

    def __init__(
        self, systems: Sequence[LinearGaussianSystem], transition: object, start: object = None
    ) -> None:
        self.regimes = count = len(systems)
        if not count:
            raise GraphError("a switching system has at least one regime")
        shapes = {(s.system.states, s.system.features) for s in systems}
        if len(shapes) > 1:
            raise GraphError(f"regimes differ in (states, features): {sorted(shapes)}")
        moves = np.array(transition, np.float64)
        first = np.full(count, 1 / count) if start is None else np.array(start, np.float64)
        if moves.shape != (count, count) or first.shape != (count,):
            raise GraphError(
                f"{count} regimes take a transition of shape {(count, count)} and a start of shape "
                f"{(count,)}, not {moves.shape} and {first.shape}"
            )
        for name, row in [("start", first), *enumerate(moves)]:
            if not (row >= 0).all() or not abs(row.sum() - 1) < 1e-8:
                where = name if name == "start" else f"row {name} of the transition"
                raise GraphError(f"{where} is no distribution: {row.tolist()}")
        self.fit_report: EMReport | None = None
        self._take(SwitchingParameters(first, moves, tuple(s.system for s in systems)))

    def _take(self, parameters: SwitchingParameters) -> None:
        self._parameters, self._chain = parameters, parameters.chain

    @property
    def systems(self) -> tuple[LinearGaussianSystem, ...]:
        """The system of each regime."""
        return tuple(LinearGaussianSystem(**p._asdict()) for p in self._parameters.systems)

    @property
    def start(self) -> Float64[np.ndarray, " regimes"]:
        """The probabilities of the first regime."""
        return self._parameters.start

    @property
    def transition(self) -> Float64[np.ndarray, "regimes regimes"]:
        """The probabilities of the next regime, row by row."""
        return self._parameters.transition

    def parameters(self) -> dict[str, np.ndarray]:
        """Return the arrays by name, those of regimes stacked, as files store them."""
        return self._parameters.arrays()

    def stored(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """Return what the system is made of: JSON values, of which it has none, and arrays."""
        return {}, self.parameters()

    @classmethod
    def restored(cls, document: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Self:
        """Return the system that :meth:`stored` describes."""
        found = SwitchingParameters.of(arrays)
        systems = [LinearGaussianSystem(**p._asdict()) for p in found.systems]
        return cls(systems, found.transition, found.start)

    def fit(
        self,
        sequences: object,
        *,
        method: str = "auto",
        learn: Collection[str] | str | None = None,
        diagonal: Collection[str] | str = (),
        floor: float = 1e-8,
        pseudo_counts: float = 0.0,
        iterations: int = 100,
        tolerance: float = 1e-6,
        checkpoint: Path | str | None = None,
        progress: Progress | None = None,
    ) -> Self:
        """Learn the chain and all systems by expectation maximisation from the present ones on.

        Regimes that are equal stay equal. Where densities are merged, expectations and the
        log-likelihood are approximate: learning ends at the first iteration at which this falls,
        says so, and returns the parameters before.

        Parameters
        ----------
        sequences : sequences
        method : {"auto", "enumeration", "gpb2", "imm"}
            As of :meth:`smooth`.
        learn, diagonal, floor
            Of the systems, as of :meth:`LinearGaussianSystem.fit`.
        pseudo_counts : float
            Added to the counts of starts and transitions that are possible (MAP).
        iterations, tolerance, checkpoint, progress
            See :class:`~mmgraph.learning.dynamic.climbing.ClimbOptions`.

        Warns
        -----
        ConvergenceWarning
            If it ended before it converged; or a covariance keeps to its floor: of which regime.

        Raises
        ------
        EvidenceError, GraphError
            As :meth:`smooth`.
        LearningError
            If there is no parameter of a name, or nothing to learn from.
        """
        check_choice("method", method, [m for m in METHODS if m != "particles"], EvidenceError)
        if pseudo_counts < 0:
            raise LearningError(f"pseudo-counts are not negative, as {pseudo_counts} is")
        read = self._read(sequences)
        rows = np.concatenate(read.parts)
        what = SystemLearning.checked(learn, diagonal, floor, rows)
        methods = [self._method(method, length) for length in read.lengths]
        options = ClimbOptions(
            iterations,
            tolerance,
            checkpoint=checkpoint,
            belongs_to={
                "settings": repr([what.learn, what.diagonal, floor, method, pseudo_counts]),
                "data": digest(read.lengths, [rows]),
                "first values": digest([], self.parameters().values()),
            },
            progress=progress,
            approximate=set(methods) != {"enumeration"},
        )
        found, self.fit_report = climb(
            lambda restart: self._parameters,
            lambda parameters: ascend(parameters, read.parts, methods, what, pseudo_counts),
            options,
            SwitchingParameters.arrays,
            SwitchingParameters.of,
            len(rows),
        )
        self._take(found)
        for regime, system in enumerate(found.systems):
            for name in what.at_floor(system):
                where = f"{name} of regime {regime}"
                warn_caller(f"{where} is at the floor of its eigenvalues", ConvergenceWarning)
        return self

    def _read(self, sequences: object) -> SequenceRows:
        return read_sequences(sequences, self._parameters.systems[0].features)

    def smooth(
        self,
        sequences: object,
        method: str = "auto",
        particles: int = PARTICLES,
        random_state: int | None = 0,
    ) -> Any:
        """Return regimes and states given all rows, a :class:`SwitchingStates` a sequence.

        Parameters
        ----------
        sequences : sequences
        method : {"auto", "enumeration", "gpb2", "imm", "particles"}
            All paths of regimes; merging pairs of densities, or densities; drawn paths of regimes.
            By default the first where paths are few, else the second.
        particles : int
            How many paths are drawn.
        random_state : int
            The seed of the draws.

        Raises
        ------
        EvidenceError
            If sequences are not of this system's features, empty, or infinite: where; if there is
            no such method, or paths are too many for it.
        GraphError
            If a regime leaves a row no noise at all, or states overflow.
        """
        return self._answered(sequences, True, method, particles, random_state)

    def posterior(self, sequences: object, method: str = "auto") -> Any:
        """Return :meth:`smooth`."""
        return self.smooth(sequences, method)

    def filter(
        self,
        sequences: object = None,
        method: str = "auto",
        particles: int = PARTICLES,
        random_state: int | None = 0,
        *,
        lag: int = 0,
        state: Path | str | None = None,
    ) -> Any:
        """Return regimes and states given the rows up to each step; as :meth:`smooth`.

        Parameters
        ----------
        sequences : sequences, optional
            Without, a
            :class:`~mmgraph.networks.dynamic.filters.switching_step_filter.SwitchingStepFilter` is
            returned, which takes rows one by one and merges densities: by ``"gpb2"`` or ``"imm"``.
        method, particles, random_state
            As of :meth:`smooth`.
        lag : int
            Of the filter a step at a time: how many rows later a step is told of.
        state : path, optional
            A file that such a filter left off with.

        Raises
        ------
        EvidenceError
            As :meth:`smooth`; if a method does not filter a step at a time.
        """
        if sequences is not None:
            if state is not None or lag:
                raise EvidenceError("lag and state are of a filter that takes rows one by one")
            return self._answered(sequences, False, method, particles, random_state)
        check_choice("method of a step at a time", method, ("auto", "gpb2", "imm"), EvidenceError)
        made = SwitchingStepFilter(self._parameters, method == "imm", lag)
        return made if state is None else made.load(state)

    def forecast(self, sequences: object, steps: int = 1, method: str = "auto") -> Any:
        """Return regimes and states of the steps after each sequence, a :class:`SwitchingStates`.

        Raises
        ------
        EvidenceError
            As :meth:`smooth`; or if there is no step to forecast.
        """
        check_ahead(steps)
        read = self._read(sequences)
        ahead = np.full((steps, read.parts[0].shape[1]), np.nan)
        longer = [np.concatenate([part, ahead]) for part in read.parts]
        names = ("probabilities", "means", "covariances")
        return read.answer(
            [
                dataclasses.replace(found, **{n: getattr(found, n)[-steps:] for n in names})
                for found in self._answered(longer, False, method, PARTICLES, 0)
            ]
        )

    def log_likelihood(self, sequences: object, method: str = "auto") -> Any:
        """Return log p of each sequence, ``(sequences,)``; exact where :meth:`smooth` is."""
        found = self.filter(sequences, method)
        if isinstance(found, SwitchingStates):
            return found.log_likelihood
        return np.array([answer.log_likelihood for answer in found])

    def predict(self, sequences: object, method: str = "auto") -> Any:
        """Return the likeliest regime of each step, ``(steps,)``, of each sequence."""
        found = self.smooth(sequences, method)
        if isinstance(found, SwitchingStates):
            return found.probabilities.argmax(1)
        return [answer.probabilities.argmax(1) for answer in found]

    def _answered(
        self,
        sequences: object,
        smoothing: bool,
        method: str,
        particles: int,
        random_state: int | None,
    ) -> Any:
        check_choice("method", method, METHODS, EvidenceError)
        if particles < 1:
            raise EvidenceError(f"{particles} particles are none")
        read = self._read(sequences)
        answers = []
        for number, rows in enumerate(read.parts):
            answer = self._answer(rows, smoothing, method, particles, random_state)
            if not (np.isfinite(answer.log_likelihood) and np.isfinite(answer.means).all()):
                raise GraphError(
                    f"the states of sequence {number} grow beyond the range of numbers"
                )
            answers.append(answer)
        return read.answer(answers)

    def _answer(
        self,
        rows: np.ndarray,
        smoothing: bool,
        method: str,
        particles: int,
        random_state: int | None,
    ) -> SwitchingStates:
        method = self._method(method, len(rows))
        if method == "particles":
            generator = np.random.default_rng(random_state)
            return by_particles(self._chain, rows, smoothing, particles, generator)
        return without_draws(self._chain, rows, smoothing, method)

    def _method(self, method: str, steps: int) -> str:
        """What answers about a sequence of so many steps; EvidenceError if it cannot."""
        paths = self.regimes**steps
        if method == "auto":
            return "enumeration" if paths <= _FEW_PATHS else "gpb2"
        if method == "enumeration" and paths > MOST_PATHS:
            raise EvidenceError(
                f"{self.regimes} regimes take too many paths in {steps} steps to be enumerated "
                f"(at most {MOST_PATHS}); use method='gpb2', 'imm' or 'particles'"
            )
        return method

    def sample(
        self, length: int, random_state: int | None = 0
    ) -> tuple[
        Float64[np.ndarray, "length features"], Float64[np.ndarray, "length states"], np.ndarray
    ]:
        """Return a drawn sequence, its states and its regimes: the same of a seed."""
        if length < 1:
            raise EvidenceError(f"a sequence has at least one step, not {length}")
        generator = np.random.default_rng(random_state)
        states: list[np.ndarray] = []
        regimes, rows = np.empty(length, np.int64), []
        for t in range(length):
            chances = self.transition[regimes[t - 1]] if t else self.start
            regimes[t] = generator.choice(len(chances), p=chances / chances.sum())
            p = self._parameters.systems[regimes[t]]
            mean, covariance = p.start_mean, p.start_covariance
            if t:
                mean = p.transition @ states[-1] + p.transition_offset
                covariance = p.transition_covariance
            states.append(generator.multivariate_normal(mean, covariance, method="eigh"))
            shown = p.observation @ states[-1] + p.observation_offset
            rows.append(
                generator.multivariate_normal(shown, p.observation_covariance, method="eigh")
            )
        return np.stack(rows), np.stack(states), regimes

    def __repr__(self) -> str:
        return f"SwitchingLinearSystem({self.regimes} regimes of {self.systems[0]!r})"
