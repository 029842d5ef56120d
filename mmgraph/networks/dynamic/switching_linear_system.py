"""Linear Gaussian systems that a Markov chain switches between."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np
from jaxtyping import Float64

from mmgraph.graph.errors import EvidenceError, GraphError, check_choice
from mmgraph.inference.gaussian.state_space.parameters import SystemParameters
from mmgraph.inference.gaussian.state_space.regimes import Regimes
from mmgraph.inference.gaussian.state_space.switching import (
    RegimeChain,
    SwitchingStates,
    by_enumeration,
    by_merging,
    by_particles,
)
from mmgraph.learning.dynamic.sequences import read_sequences
from mmgraph.networks.dynamic.linear_gaussian_system import LinearGaussianSystem
from mmgraph.networks.dynamic.system_answers import SystemAnswers

METHODS = ("auto", "enumeration", "gpb2", "imm", "particles")
MOST_PATHS = 2**16
"""So many paths of regimes are enumerated at most; a few thousand where nobody asks for it."""
_FEW_PATHS = 2**12


class SwitchingLinearSystem(SystemAnswers):
    """A Markov chain of regimes, each of which moves and shows a state by its own linear system.

    The regime of a step says how the state got there and how a row shows it; that of the first step
    where the state starts. Sequences are as for :class:`LinearGaussianSystem`. Exact answers take
    time exponential in the length: beyond ``regimes ** steps`` of a few thousand, merging takes
    their place, and says so.

    Parameters
    ----------
    systems : sequence of LinearGaussianSystem
        One a regime, of the same numbers of states and features.
    transition : array of shape (regimes, regimes)
        The probabilities of the next regime, row by row.
    start : array of shape (regimes,), optional
        Of the first regime; equal by default.

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
        self.systems = tuple(systems)
        self.regimes = count = len(self.systems)
        if not count:
            raise GraphError("a switching system has at least one regime")
        shapes = {(s.system.states, s.system.features) for s in self.systems}
        if len(shapes) > 1:
            raise GraphError(f"regimes differ in (states, features): {sorted(shapes)}")
        self.transition = np.array(transition, np.float64)
        self.start = np.full(count, 1 / count) if start is None else np.array(start, np.float64)
        if self.transition.shape != (count, count) or self.start.shape != (count,):
            raise GraphError(
                f"{count} regimes take a transition of shape {(count, count)} and a start of shape "
                f"{(count,)}, not {self.transition.shape} and {self.start.shape}"
            )
        for name, row in [("start", self.start), *enumerate(self.transition)]:
            if not (row >= 0).all() or not abs(row.sum() - 1) < 1e-8:
                where = name if name == "start" else f"row {name} of the transition"
                raise GraphError(f"{where} is no distribution: {row.tolist()}")
        with np.errstate(divide="ignore"):
            self._chain = RegimeChain(
                Regimes([s.system for s in self.systems]),
                np.log(self.start),
                np.log(self.transition),
            )

    def parameters(self) -> dict[str, np.ndarray]:
        """Return the arrays by name, those of regimes stacked, as files store them."""
        stacked = zip(*(s.system for s in self.systems), strict=True)
        named = zip(SystemParameters._fields, map(np.stack, stacked), strict=True)
        return {
            "regime_start": self.start.copy(),
            "regime_transition": self.transition.copy(),
            **dict(named),
        }

    def stored(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """Return what the system is made of: JSON values, of which it has none, and arrays."""
        return {}, self.parameters()

    @classmethod
    def restored(cls, document: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Self:
        """Return the system that :meth:`stored` describes."""
        start, transition = arrays["regime_start"], arrays["regime_transition"]
        systems = [
            LinearGaussianSystem(**{n: arrays[n][k] for n in SystemParameters._fields})
            for k in range(len(start))
        ]
        return cls(systems, transition, start)

    def smooth(
        self, sequences: object, method: str = "auto", particles: int = 1000, random_state: int = 0
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

    def filter(
        self, sequences: object, method: str = "auto", particles: int = 1000, random_state: int = 0
    ) -> Any:
        """Return regimes and states given the rows up to each step; as :meth:`smooth`."""
        return self._answered(sequences, False, method, particles, random_state)

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
        self, sequences: object, smoothing: bool, method: str, particles: int, random_state: int
    ) -> Any:
        check_choice("method", method, METHODS, EvidenceError)
        if particles < 1:
            raise EvidenceError(f"{particles} particles are none")
        read = read_sequences(sequences, self.systems[0].system.features)
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
        self, rows: np.ndarray, smoothing: bool, method: str, particles: int, random_state: int
    ) -> SwitchingStates:
        paths = len(self.systems) ** len(rows)
        if method == "auto":
            method = "enumeration" if paths <= _FEW_PATHS else "gpb2"
        if method == "particles":
            generator = np.random.default_rng(random_state)
            return by_particles(self._chain, rows, smoothing, particles, generator)
        if method != "enumeration":
            return by_merging(self._chain, rows, smoothing, method == "imm")
        if paths > MOST_PATHS:
            raise EvidenceError(
                f"{len(self.systems)} regimes take too many paths in {len(rows)} steps to be "
                f"enumerated (at most {MOST_PATHS}); use method='gpb2', 'imm' or 'particles'"
            )
        return by_enumeration(self._chain, rows, smoothing)

    def sample(
        self, length: int, random_state: int = 0
    ) -> tuple[
        Float64[np.ndarray, "length features"], Float64[np.ndarray, "length states"], np.ndarray
    ]:
        """Return a drawn sequence, its states and its regimes."""
        if length < 1:
            raise EvidenceError(f"a sequence has at least one step, not {length}")
        generator = np.random.default_rng(random_state)
        states: list[np.ndarray] = []
        regimes, rows = np.empty(length, np.int64), []
        for t in range(length):
            chances = self.transition[regimes[t - 1]] if t else self.start
            regimes[t] = generator.choice(len(chances), p=chances / chances.sum())
            p = self.systems[regimes[t]].system
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
        return f"SwitchingLinearSystem({len(self.systems)} regimes of {self.systems[0]!r})"
