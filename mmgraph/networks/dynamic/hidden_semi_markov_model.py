"""Hidden semi-Markov models: hidden states that last for as long as a distribution says."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from jaxtyping import Float64

from mmgraph.graph.errors import LearningError
from mmgraph.learning.dynamic.durations import Durations, count_segments
from mmgraph.learning.dynamic.emissions.choice import EmissionSpec
from mmgraph.learning.dynamic.emissions.emission import Emission
from mmgraph.learning.dynamic.hidden_chain import normalised
from mmgraph.learning.dynamic.segment_chain import SegmentChain, segment_chain
from mmgraph.learning.dynamic.sequences import SequenceRows, check_ahead
from mmgraph.networks.dynamic.filters.duration_filter import DurationFilter
from mmgraph.networks.dynamic.hidden_markov_model import HiddenMarkovModel


class HiddenSemiMarkovModel(HiddenMarkovModel):
    """A chain of segments: each has a state and a duration, and its state emits every row.

    Sequences, emissions, learning and answers are as of :class:`HiddenMarkovModel`. A step takes
    states · (states + longest) operations.

    Parameters
    ----------
    states : int or sequence of labels
    emission : str, Emission, or mapping of modality to either
        Of ``scores`` rows are log-likelihoods ``(steps, states)``, such as a classifier's
        log-probabilities minus those of the classes.
    durations : {"table", "negative_binomial", "poisson", "gamma", "geometric"}
        See :class:`~mmgraph.learning.dynamic.durations.Durations`.
    longest : int or sequence of int
        The longest duration, in steps, that is described one by one (for each state, if several are
        given); what is longer falls geometrically.
    smoothing : float, optional
        How many segments the distribution weighs that tables of durations are drawn towards: a
        negative binomial one learned from labels. By default 1 where labels are given, else 0.
    left_censored, right_censored : bool
        Whether the first segment may have begun before its sequence, and the last may go on after.
    random_state : int or None
    **settings
        Others of :class:`HiddenMarkovModel`: ``covariance``, ``components``, ``order``, ``floor``,
        ``pseudo_counts``.

    References
    ----------
    Yu (2010), "Hidden semi-Markov models", Artificial Intelligence 174.
    """

    methods = ("chain",)

    def __init__(
        self,
        states: int | Sequence[Any],
        emission: EmissionSpec = "gaussian",
        durations: str = "table",
        longest: int | Sequence[int] = 60,
        smoothing: float | None = None,
        left_censored: bool = False,
        right_censored: bool = True,
        random_state: int | None = 0,
        **settings: Any,
    ) -> None:
        super().__init__(states, emission, random_state=random_state, **settings)
        self.durations, self.longest, self.smoothing = durations, longest, smoothing
        self.left_censored, self.right_censored = left_censored, right_censored
        self._new_durations()  # says at once what is wrong

    def _new_durations(self, labelled: bool = False) -> Durations:
        weight = float(labelled) if self.smoothing is None else self.smoothing
        return Durations.initial(self.durations, len(self.labels), self.longest, weight)

    def _possible(self) -> Float64[np.ndarray, "states states"]:
        """The transitions that are possible, equally likely: what was set, or all to others."""
        count = len(self.labels)
        table = 1.0 - np.eye(count) if count > 1 else np.ones((1, 1))
        if self._set is not None:
            table = (self._set.transition > 0).astype(float)
        return table / table.sum(1, keepdims=True)

    @property
    def parameters(self) -> SegmentChain:  # type: ignore[override]
        """Start, transition, emission and durations.

        Raises
        ------
        NotFittedError
            If there are none yet.
        """
        found = super().parameters
        assert isinstance(found, SegmentChain)
        return found

    def set_parameters(
        self,
        start: object = None,
        transition: object = None,
        emission: Emission | None = None,
        durations: object = None,
        stay: object = None,
        **arrays: Any,
    ) -> Self:
        """Set parameters, in place of learning them, or for a fit to start from.

        Parameters
        ----------
        start, emission, **arrays
            See :meth:`HiddenMarkovModel.set_parameters`.
        transition : array-like, shape (states, states)
            Of one segment to the next; by default as it is, or equal for all other states.
        durations : Durations, or array-like of shape (states, longest)
            Or the probability of each duration of ``table`` durations; what a row lacks to 1 is
            that of longer ones.
        stay : array-like, shape (states,)
            The probability of each step beyond the first one after the longest.

        Raises
        ------
        LearningError
            If shapes do not fit, or a row is no distribution: which one, and its sum.
        """
        before: Any = self._parameters
        lasting = self._new_durations() if before is None else before.durations
        if isinstance(durations, Durations):
            lasting = durations
        elif durations is not None:
            lasting = lasting.tabulated(durations)
        if stay is not None:
            lasting = lasting.staying(stay)
        lasting.checked(len(self.labels))
        if transition is None:
            transition = self._possible() if before is None else before.transition
        super().set_parameters(start, transition, emission, **arrays)
        found = self._parameters
        assert found is not None
        made = SegmentChain(
            found.start,
            found.transition,
            found.emission,
            lasting,
            self.left_censored,
            self.right_censored,
        )
        self._parameters: Any = made
        self._set: Any = made
        return self

    def _initial(  # type: ignore[override]
        self, sequences: object, read: SequenceRows, codes: np.ndarray | None, restart: int
    ) -> SegmentChain:
        """First values of a restart; of labels their counts."""
        start, _, emission = super()._initial(sequences, read, codes, restart)
        transition, durations = self._possible(), self._new_durations(codes is not None)
        made = SegmentChain(
            start, transition, emission, durations, self.left_censored, self.right_censored
        )
        if codes is None:
            return made
        counts = made.chain.counts()
        for labels in np.split(codes, np.cumsum(read.lengths)[:-1]):
            count_segments(
                labels, counts, durations.longest, self.left_censored, self.right_censored
            )
        whole = (codes >= 0).all()  # else what is not known may be what was not seen
        return made._replace(
            transition=normalised(counts.transitions, transition, self.pseudo_counts)
            if whole
            else transition,
            durations=durations.learned(counts),
        )

    def forecast(self, sequences: object, steps: int = 1) -> Any:
        """Return the distributions of the states that follow each sequence, ``(steps, states)``."""
        check_ahead(steps)
        read, densities = self._densities(sequences)
        return read.answer(self.parameters.chain.forecasts(densities, read.lengths, steps))

    def filter(  # type: ignore[override]
        self, lag: int = 0, state: Path | str | None = None
    ) -> DurationFilter:
        """Return a filter that takes rows one by one, perhaps from where ``state`` left off."""
        made = DurationFilter(self.parameters, lag)
        return made if state is None else made.load(state)

    def sample(self, length: int, random_state: int | None = None) -> tuple[Any, np.ndarray]:
        """As :meth:`HiddenMarkovModel.sample`."""
        if length < 1:
            raise LearningError(f"a sequence has at least one step, not {length}")
        generator = self._generator(random_state)
        parameters = self.parameters
        states = np.arange(len(self.labels))
        rests = parameters.chain.rests() if self.left_censored else None
        path: list[int] = []
        while len(path) < length:
            chances = parameters.transition[path[-1]] if path else parameters.start
            state = int(generator.choice(states, p=chances))
            masses = rests[state] if rests is not None and not path else None
            path += [state] * parameters.durations.draw(state, generator, masses)
        states = np.array(path[:length])
        rows = parameters.emission.sample(states, generator)
        return self._as_given(rows), self._label_array[states]

    def stored(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """Return what the model is made of: JSON values, and arrays by name."""
        document, arrays = super().stored()
        document["settings"]["longest"] = self.parameters.durations.longest.tolist()
        return document, arrays

    _chain_of: ClassVar[Callable[..., Any]] = staticmethod(segment_chain)

    def __repr__(self) -> str:
        return super().__repr__().replace("HiddenMarkovModel", "HiddenSemiMarkovModel")
