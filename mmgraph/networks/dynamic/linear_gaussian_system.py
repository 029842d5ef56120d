"""Linear Gaussian systems over time: a hidden state that moves, and rows that show it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from jaxtyping import Float64

from mmgraph.graph.errors import (
    ConvergenceWarning,
    EvidenceError,
    warn_caller,
)
from mmgraph.inference.exact.chain.pieces import check_lag
from mmgraph.inference.gaussian.state_space.parameters import SystemParameters, covariance_root
from mmgraph.inference.gaussian.state_space.passes import passes
from mmgraph.learning.conditionals.em_records import EMReport
from mmgraph.learning.dynamic.climbing import ClimbOptions, Progress, climb
from mmgraph.learning.dynamic.linear_gaussian import SystemLearning, ascend, first_values
from mmgraph.learning.dynamic.sequences import SequenceRows, read_sequences
from mmgraph.learning.kept_steps import digest
from mmgraph.networks.dynamic.filters.linear_step_filter import LinearStepFilter

if TYPE_CHECKING:
    import torch
from mmgraph.networks.dynamic.system_answers import SystemAnswers


@dataclass(frozen=True, eq=False)
class GaussianStates:
    """The states of a sequence, normal at each step.

    Attributes
    ----------
    means : array of shape (steps, states)
    covariances : array of shape (steps, states, states)
    log_likelihood : float
        Of the rows that were given.
    observation_means, observation_covariances : arrays, (steps, features[, features])
        Of the rows that such states give; None where none are predicted.
    """

    means: Float64[np.ndarray, "steps states"]
    covariances: Float64[np.ndarray, "steps states states"]
    log_likelihood: float
    observation_means: Float64[np.ndarray, "steps features"] | None = None
    observation_covariances: Float64[np.ndarray, "steps features features"] | None = None


class LinearGaussianSystem(SystemAnswers):
    """``x[t+1] = F x[t] + c + w`` and ``y[t] = H x[t] + d + v`` with normal noise ``w`` and ``v``.

    Sequences are arrays of shape ``(steps, features)`` or lists of them, of any lengths; NaN is a
    missing cell. Where one array is given, answers are of that sequence alone. Answers are exact.

    Parameters
    ----------
    transition : array of shape (states, states)
        F.
    observation : array of shape (features, states)
        H.
    transition_covariance, observation_covariance : arrays (states, states), (features, features)
        Of w and v. All covariances may be singular: a state may be known, a cell free of noise. A
        cell that those before it determine says nothing new, and has no part in the likelihood.
    start_mean, start_covariance : arrays of shape (states,) and (states, states), optional
        Of the state of the first row; by default zero and the identity.
    transition_offset, observation_offset : arrays of shape (states,) and (features,), optional
        c and d; by default zero.

    Attributes
    ----------
    system : SystemParameters
    fit_report : EMReport or None
        How the last fit went.

    Raises
    ------
    GraphError
        If shapes do not match, a number is not finite, or a covariance is not symmetric or has a
        negative eigenvalue: which parameter.

    References
    ----------
    Kalman (1960); Rauch, Tung and Striebel (1965); Durbin and Koopman (2012), "Time series analysis
    by state space methods", chapter 4.
    """

    def __init__(
        self,
        transition: object,
        observation: object,
        transition_covariance: object,
        observation_covariance: object,
        start_mean: object = None,
        start_covariance: object = None,
        transition_offset: object = None,
        observation_offset: object = None,
    ) -> None:
        self.system = SystemParameters.checked(self.get_params())
        self.fit_report: EMReport | None = None

    @classmethod
    def first_guess(cls, sequences: object, states: int) -> Self:
        """Return a system to learn from: its states are principal components of short windows.

        Raises
        ------
        LearningError
            If a feature is never there, or there are fewer rows than states.
        """
        return cls(**first_values(read_sequences(sequences).parts, states)._asdict())

    def parameters(self) -> dict[str, np.ndarray]:
        """Return copies of the arrays by the names that the class takes, as files store them."""
        return {name: array.copy() for name, array in self.system._asdict().items()}

    def stored(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """Return what the system is made of: JSON values, of which it has none, and arrays."""
        return {}, self.parameters()

    @classmethod
    def restored(cls, document: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Self:
        """Return the system that :meth:`stored` describes."""
        return cls(**arrays)

    def _read(self, sequences: object) -> SequenceRows:
        return read_sequences(sequences, self.system.features)

    def log_likelihood(self, sequences: object) -> Any:
        """Return log p of each sequence, ``(sequences,)``; a number for one sequence.

        Raises
        ------
        EvidenceError
            If sequences are not of this system's features, empty, or infinite: where.
        ZeroProbabilityError
            If a row contradicts what is certain: which sequence and step.
        """
        read = self._read(sequences)
        totals = np.empty(len(read.parts))
        for group in passes(self.system, read.parts):
            totals[group.sequences] = group.log_likelihoods
        return float(totals[0]) if read.single else totals

    def _answered(self, read: SequenceRows, lag: int | None) -> Any:
        """States given the rows up to ``lag`` steps later, or given all of them."""
        states = self.system.states
        answers: list[Any] = [None] * len(read.parts)
        for group in passes(self.system, read.parts, lag is not None, lag != 0):
            if lag is None:
                means, covariances = group.smoothed()
            else:
                means, covariances = group.lagged(lag) if lag else (group.means, group.filtered())
            covariances = covariances[:, :states, :states]
            for i, number in enumerate(group.sequences):
                own = means[i, :, :states]
                answers[number] = GaussianStates(own, covariances, float(group.log_likelihoods[i]))
        return read.answer(answers)

    def smooth(self, sequences: object, device: torch.device | str | None = None) -> Any:
        """Return the states given all rows, a :class:`GaussianStates` a sequence.

        Parameters
        ----------
        sequences : sequences
        device : torch.device or str, optional
            Where to run a parallel scan, of logarithmic depth, over all sequences at once; by
            default compiled code on the CPU, which is exact for singular covariances, too.

        Raises
        ------
        EvidenceError, ZeroProbabilityError
            As :meth:`log_likelihood`.
        """
        read = self._read(sequences)
        if device is None:
            return self._answered(read, None)
        from mmgraph.inference.gaussian.state_space.parallel_scan import smooth_in_parallel

        answers = smooth_in_parallel(self.system, read.parts, device)
        return read.answer([GaussianStates(*answer) for answer in answers])

    def posterior(self, sequences: object, lag: int | None = None) -> Any:
        """Return :meth:`smooth`, or given rows up to ``lag`` steps later :meth:`filter`."""
        return self.smooth(sequences) if lag is None else self.filter(sequences, lag)

    def filter(
        self, sequences: object = None, lag: int = 0, state: Path | str | None = None
    ) -> Any:
        """Return the states given the rows up to each step, or up to ``lag`` steps later.

        Parameters
        ----------
        sequences : sequences, optional
            Without, a
            :class:`~mmgraph.networks.dynamic.filters.linear_step_filter.LinearStepFilter` is
            returned, which takes rows one by one.
        lag : int
            Fixed-lag smoothing; the last steps are given what rows there are.
        state : path, optional
            A file that a filter a step at a time left off with.

        Raises
        ------
        EvidenceError, ZeroProbabilityError
            As :meth:`log_likelihood`.
        """
        check_lag(lag)
        if sequences is not None:
            if state is not None:
                raise EvidenceError(
                    "a state to go on from is of a filter that takes rows one by one"
                )
            return self._answered(self._read(sequences), lag)
        made = LinearStepFilter(self.system, lag)
        return made if state is None else made.load(state)

    def predict(self, sequences: object, steps: int = 1) -> Any:
        """Return states and rows of the steps after each sequence, with their covariances.

        Raises
        ------
        EvidenceError, ZeroProbabilityError
            As :meth:`log_likelihood`; or if there is no step to predict.
        """
        if steps < 1:
            raise EvidenceError(f"a prediction is at least one step ahead, not {steps}")
        read, system = self._read(sequences), self.system
        ahead = np.full((steps, system.features), np.nan)
        longer = [np.concatenate([part, ahead]) for part in read.parts]
        answers = []
        for found in self._answered(SequenceRows(longer, False), 0):
            means, covariances = found.means[-steps:], found.covariances[-steps:]
            spread = system.observation @ covariances @ system.observation.T
            answers.append(
                GaussianStates(
                    means,
                    covariances,
                    found.log_likelihood,
                    means @ system.observation.T + system.observation_offset,
                    spread + system.observation_covariance,
                )
            )
        return read.answer(answers)

    forecast = predict

    def sample(
        self, length: int, draws: int = 1, random_state: int | None = 0
    ) -> tuple[
        Float64[np.ndarray, "draws length features"], Float64[np.ndarray, "draws length states"]
    ]:
        """Return drawn sequences and their states: the same of a seed, of None others."""
        if length < 1 or draws < 1:
            raise EvidenceError(f"{draws} sequences of {length} steps cannot be drawn")
        system, generator = self.system, np.random.default_rng(random_state)
        states, features = system.states, system.features
        noise = generator.standard_normal((draws, length + 1, states))
        paths = noise[:, 1:] @ covariance_root(system.transition_covariance).T
        state = system.start_mean + noise[:, 0] @ covariance_root(system.start_covariance).T
        for t in range(length):
            following = state @ system.transition.T + system.transition_offset + paths[:, t]
            paths[:, t], state = state, following
        error = generator.standard_normal((draws, length, features))
        error = error @ covariance_root(system.observation_covariance).T
        return paths @ system.observation.T + system.observation_offset + error, paths

    def sample_states(
        self, rows: object, draws: int = 1, random_state: int | None = 0
    ) -> Float64[np.ndarray, "draws steps states"]:
        """Return paths of states drawn given the rows of a sequence.

        What smoothing makes of drawn rows is off the drawn states by as much as true states are off
        what it makes of the true rows (Durbin and Koopman 2002, "A simple and efficient simulation
        smoother for state space time series analysis").

        Raises
        ------
        EvidenceError, ZeroProbabilityError
            As :meth:`log_likelihood`; or if there are several sequences.
        """
        parts = self._read(rows).parts
        if len(parts) > 1:
            raise EvidenceError(f"paths are drawn given one sequence, not {len(parts)}")
        drawn, paths = self.sample(len(parts[0]), draws, random_state)
        drawn[:, np.isnan(parts[0])] = np.nan
        group = next(passes(self.system, [*drawn, parts[0]], smoothing=True))
        means = group.smoothed()[0][:, :, : self.system.states]
        return paths + means[-1] - means[:-1]

    def fit(
        self,
        sequences: object,
        *,
        learn: Collection[str] | str | None = None,
        diagonal: Collection[str] | str = (),
        floor: float = 1e-8,
        iterations: int = 100,
        tolerance: float = 1e-6,
        checkpoint: Path | str | None = None,
        progress: Progress | None = None,
    ) -> Self:
        """Learn parameters by expectation maximisation from the present ones on, in place.

        Parameters
        ----------
        sequences : sequences
        learn : str or collection of str, optional
            The parameters to learn, by name; by default all but the offsets.
        diagonal : str or collection of str
            Covariances of which only the diagonal is learned.
        floor : float
            The least eigenvalue of a covariance that is learned, as a part of the rows' variance.
        iterations, tolerance, checkpoint, progress
            See :class:`~mmgraph.learning.dynamic.climbing.ClimbOptions`.

        Warns
        -----
        ConvergenceWarning
            If it ended before it converged; or a covariance keeps to its floor: which.

        Raises
        ------
        EvidenceError, ZeroProbabilityError
            As :meth:`log_likelihood`.
        LearningError
            If there is no parameter of a name.
        """
        read = self._read(sequences)
        rows = np.concatenate(read.parts)
        what = SystemLearning.checked(learn, diagonal, floor, rows)
        options = ClimbOptions(
            iterations,
            tolerance,
            checkpoint=checkpoint,
            belongs_to={
                "settings": repr([what.learn, what.diagonal, floor]),
                "data": digest(read.lengths, [rows]),
                "first values": digest([], self.system),
            },
            progress=progress,
        )
        self.system, self.fit_report = climb(
            lambda restart: self.system,
            lambda system: ascend(system, read.parts, what),
            options,
            SystemParameters._asdict,
            lambda arrays: SystemParameters(**arrays),
            len(rows),
        )
        for name in what.at_floor(self.system):
            warn_caller(f"{name} is at the floor of its eigenvalues", ConvergenceWarning)
        return self

    def __repr__(self) -> str:
        return f"LinearGaussianSystem({self.system.states} states, {self.system.features} features)"
