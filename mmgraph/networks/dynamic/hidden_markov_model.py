"""Hidden Markov models: a chain of states, and rows that they emit."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from jaxtyping import Float64

from mmgraph.graph.errors import (
    ConvergenceWarning,
    LearningError,
    NotFittedError,
    warn_caller,
)
from mmgraph.graph.variable import Variable
from mmgraph.inference.model_settings import seeded
from mmgraph.learning.conditionals.em_records import EMReport
from mmgraph.learning.dynamic.climbing import ClimbOptions, Progress, climb
from mmgraph.learning.dynamic.emissions.choice import EmissionChoice, EmissionSpec
from mmgraph.learning.dynamic.emissions.emission import Emission
from mmgraph.learning.dynamic.emissions.modalities import ModalityEmission
from mmgraph.learning.dynamic.hidden_chain import HiddenChain, hidden_chain
from mmgraph.learning.dynamic.sequences import SequenceRows, column_names, read_labels, with_columns
from mmgraph.learning.kept_steps import digest
from mmgraph.networks.dynamic.filters.step_filter import StepFilter
from mmgraph.networks.dynamic.scanned_chain import ScannedChain

_LEAST_VISITS = 1e-3
"""A state that is expected less often in all sequences together has not been visited."""


class HiddenMarkovModel(ScannedChain):
    """A Markov chain of hidden states that emit rows of numbers or categories.

    Sequences are arrays of shape ``(length, features)`` or lists of them, of any lengths; NaN is
    missing. Where one array is given, answers are of that sequence alone. Of several modalities
    they are a mapping of modality to sequences, any of which may be missing, in part or altogether.

    Parameters
    ----------
    states : int or sequence of labels
        The number of hidden states, or their labels.
    emission : str, Emission, or mapping of modality to either
        ``gaussian``, ``mixture`` (of normal densities), ``autoregressive``, ``categorical``
        (indices of categories), or ``scores`` (rows are log-likelihoods of the states).
    covariance : {"diagonal", "full", "tied", "spherical"}
        Of normal densities.
    components : int
        Of a mixture.
    order : int
        Of autoregression: how many rows before.
    floor : float
        The least variance that is learned, as a part of that of all rows.
    pseudo_counts : float
        Added to the counts of starts, transitions and categories that are possible (MAP).
    random_state : int or None
        The seed of first values and draws: the same draw at each call; of None another.

    Attributes
    ----------
    labels : tuple
        Of the states.
    fit_report : EMReport or None
        How the last fit went.
    columns : dict of str to tuple of str
        Of each modality (``""`` where there are none) that was learned from as data frames, their
        columns; later frames are put in this order, and others refused.

    References
    ----------
    Rabiner (1989), "A tutorial on hidden Markov models and selected applications in speech
    recognition".
    """

    def __init__(
        self,
        states: int | Sequence[Any],
        emission: EmissionSpec = "gaussian",
        covariance: str = "diagonal",
        components: int = 2,
        order: int = 1,
        floor: float = 1e-3,
        pseudo_counts: float = 0.0,
        random_state: int | None = 0,
    ) -> None:
        given: Any = states
        self.labels = Variable("state", given).labels
        states = int(states) if isinstance(states, np.integer) else states
        self.states, self.emission, self.covariance = states, emission, covariance
        self.components, self.order, self.floor = components, order, floor
        self.pseudo_counts, self.random_state = pseudo_counts, random_state
        _ = self._choice  # says at once what is wrong
        self._parameters: HiddenChain | None = None
        self._set: HiddenChain | None = None
        self.columns: dict[str, tuple[str, ...]] = {}
        self.fit_report: EMReport | None = None

    @property
    def _choice(self) -> EmissionChoice:
        names = ("covariance", "components", "order", "floor", "pseudo_counts")
        return EmissionChoice(self.emission, *(getattr(self, name) for name in names))

    @property
    def parameters(self) -> HiddenChain:
        """Start, transition and emission.

        Raises
        ------
        NotFittedError
            If there are none yet.
        """
        if self._parameters is None:
            raise NotFittedError(
                "the model has no parameters yet: fit or set_parameters gives them"
            )
        return self._parameters

    def set_parameters(
        self,
        start: object = None,
        transition: object = None,
        emission: Emission | None = None,
        **arrays: Any,
    ) -> Self:
        """Set parameters, in place of learning them, or for a fit to start from.

        Parameters
        ----------
        start : array-like, shape (states,)
            By default as it is, or equal for all states.
        transition : array-like, shape (states, states)
            Row by row, likewise. Zeros stay zeros when learned (left-to-right models).
        emission : Emission, optional
        **arrays
            Or what its class takes: ``means`` and ``covariances`` of ``gaussian``,
            ``probabilities`` of ``categorical``, ``weights`` besides of ``mixture``,
            ``coefficients`` and ``covariances`` of ``autoregressive``.

        Raises
        ------
        LearningError
            If shapes do not fit, or a row is no distribution: which one, and its sum.
        """
        count = len(self.labels)
        before = self._parameters
        made = emission if emission is not None else self._choice.made(arrays, count)
        if made is None:
            if before is None:
                raise LearningError("the emission has no parameters yet: give them too")
            made = before.emission
        if made.states != count:
            raise LearningError(f"the emission is of {made.states} states, the model of {count}")
        equal = np.full((count, count), 1 / count)
        if start is None:
            start = equal[0] if before is None else before.start
        if transition is None:
            transition = equal if before is None else before.transition
        self._parameters = self._set = HiddenChain.checked(start, transition, made)
        return self

    def fit(
        self,
        sequences: object,
        labels: object = None,
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
        labels : sequence of array-like, optional
            The states of steps that are known, by label; None, NaN or -1 (unless a state is called
            that) where one is not. Where all are, learning is counting.
        start : {"data", "current"}
            First values by k-means (or by the labels), or the present ones.
        iterations, tolerance, restarts, checkpoint, progress
            See :class:`~mmgraph.learning.dynamic.climbing.ClimbOptions`.

        Warns
        -----
        ConvergenceWarning
            If it ended before it converged; if states were never visited, or keep to the floor of
            their spread: which ones.

        Raises
        ------
        EvidenceError, LearningError
            If sequences, labels and settings do not fit together.
        ZeroProbabilityError
            If a sequence is impossible under the first values: which one, and from which step on.
        """
        if start not in ("data", "current"):
            raise LearningError(f"start is 'data' or 'current', not {start!r}")
        options = ClimbOptions(iterations, tolerance, restarts if start == "data" else 1)
        self.columns = self._columns_of(sequences) if start == "data" else self.columns
        read = self._read(sequences) if start == "current" else self._choice.read(sequences, None)
        lengths = read.lengths
        codes = None
        if labels is not None:
            codes = np.concatenate(read_labels(labels, lengths, self.labels))
        first: list[HiddenChain] = []
        for restart in range(options.restarts):
            given = (
                self.parameters
                if start == "current"
                else self._initial(sequences, read, codes, restart)
            )
            first.append(given)
        emission = first[0].emission
        if emission.states != len(self.labels):
            raise LearningError(
                f"the emission is of {emission.states} states, the model of {len(self.labels)}"
            )
        rows = np.concatenate([emission.prepared(part) for part in read.parts])
        if codes is not None and not (codes < 0).any() and not _has_hidden_parts(emission, rows):
            options = ClimbOptions(2, 1.0)  # counting: the second iteration changes nothing
        else:
            belongs_to = {
                "settings": self._settings_text(),
                "data": digest(lengths, [rows]),
                "labels": digest(codes is not None, [] if codes is None else [codes]),
                "first values": digest(first[0].settings(), first[0].arrays().values()),
            }
            options = dataclasses.replace(
                options, checkpoint=checkpoint, belongs_to=belongs_to, progress=progress
            )
        fitted, self.fit_report = climb(
            lambda restart: first[restart],
            lambda p: p.ascend(rows, lengths, codes, self.pseudo_counts),
            options,
            lambda chain: chain.arrays(),
            emission_of(first[0]),
            len(rows),
        )
        self._parameters = fitted
        self._warn(fitted, rows, lengths, codes)
        return self

    def _settings_text(self) -> str:
        return repr({n: v for n, v in self.get_params().items() if n != "emission"})

    def _warn(
        self, fitted: HiddenChain, rows: np.ndarray, lengths: list[int], codes: np.ndarray | None
    ) -> None:
        """Say which states were not visited, and which keep to the floor."""
        visits = np.zeros(len(self.labels))

        def count(part: slice, marginals: Float64[np.ndarray, "steps states"]) -> None:
            visits[:] += marginals.sum(0)

        fitted.chain.smooth(fitted.densities(rows, codes), lengths, count, pairs=False)
        unvisited = [self.labels[k] for k in np.flatnonzero(visits < _LEAST_VISITS)]
        if unvisited:
            warn_caller(
                f"no step was learned from by state {_listed(unvisited)}, which keeps its first "
                "values",
                ConvergenceWarning,
            )
        floored = [self.labels[k] for k in fitted.emission.floored_states()]
        if floored:
            warn_caller(
                f"the spread of state {_listed(floored)} is at its floor: it stands for too few "
                "different rows",
                ConvergenceWarning,
            )

    def _initial(
        self, sequences: object, read: SequenceRows, codes: np.ndarray | None, restart: int
    ) -> HiddenChain:
        """First values of a restart; a topology that was set is kept."""
        count = len(self.labels)
        generator = seeded(self.random_state, restart)
        emission = self._choice.first(sequences, read, count, generator, codes)
        start, transition = np.full(count, 1 / count), 0.9 * np.eye(count) + 0.1 / count
        if self._set is not None:
            start = np.where(self._set.start > 0, start, 0)
            transition = np.where(self._set.transition > 0, transition, 0)
        sums = transition.sum(1, keepdims=True)
        return HiddenChain(start / start.sum(), transition / sums, emission)

    def _columns_of(self, sequences: object) -> dict[str, tuple[str, ...]]:
        """The columns of data frames, by modality."""
        several = isinstance(self.emission, Mapping) and isinstance(sequences, Mapping)
        given = sequences.items() if several else [("", sequences)]  # type: ignore[attr-defined]
        return {name: found for name, one in given if (found := column_names(one)) is not None}

    def _read(self, sequences: Any) -> SequenceRows:
        if isinstance(self.emission, Mapping) and isinstance(sequences, Mapping):
            sequences = {n: with_columns(s, self.columns.get(n)) for n, s in sequences.items()}
        else:
            sequences = with_columns(sequences, self.columns.get(""))
        emission = None if self._parameters is None else self._parameters.emission
        return self._choice.read(sequences, emission)

    def filter(self, lag: int = 0, state: Path | str | None = None) -> StepFilter:
        """Return a filter that takes rows one by one, perhaps from where ``state`` left off."""
        made = StepFilter(self.parameters, lag)
        return made if state is None else made.load(state)

    def sample(self, length: int, random_state: int | None = None) -> tuple[Any, np.ndarray]:
        """Return a drawn sequence, as it would be given, and the labels of its states.

        Without a ``random_state`` of its own a call draws by that of the model, of which an int
        gives the same draw each time.
        """
        if length < 1:
            raise LearningError(f"a sequence has at least one step, not {length}")
        generator = self._generator(random_state)
        start, transition, emission = self.parameters
        uniform = generator.random(length)
        path = np.empty(length, np.int64)
        table = start
        for t in range(length):
            path[t] = min(np.searchsorted(table.cumsum(), uniform[t]), len(start) - 1)
            table = transition[path[t]]
        return self._as_given(emission.sample(path, generator)), self._label_array[path]

    def stored(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """Return what the model is made of: JSON values, and arrays by name."""
        parameters = self.parameters
        kinds = {n: k if isinstance(k, str) else k.kind for n, k in self._choice.kinds.items()}
        settings = self.get_params() | {"emission": kinds}
        if not isinstance(self.states, int):
            settings["states"] = list(self.labels)
        arrays = parameters.arrays()
        if self._set is not None:
            arrays |= {f"possible/{n}": getattr(self._set, n) > 0 for n in ("start", "transition")}
        document = {"settings": settings, "parameters": parameters.settings()}
        return document | {"columns": self.columns}, arrays

    @classmethod
    def restored(cls, document: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Self:
        """Return the model that :meth:`stored` describes."""
        settings = dict(document["settings"])
        kinds = settings.pop("emission")
        model = cls(emission=kinds.get("", kinds), **settings)
        model.columns = {n: tuple(c) for n, c in document.get("columns", {}).items()}
        own = {name: array for name, array in arrays.items() if not name.startswith("possible/")}
        model._parameters = found = cls._chain_of(document["parameters"], own)
        if not len(model.labels) == found.emission.states == len(found.start):
            raise LearningError(f"{len(model.labels)} states have the parameters of others")
        if "possible/start" in arrays:
            model._set = found._replace(
                start=arrays["possible/start"], transition=arrays["possible/transition"]
            )
        return model

    _chain_of: ClassVar[Callable[..., HiddenChain]] = staticmethod(hidden_chain)

    def __repr__(self) -> str:
        fitted = "" if self._parameters is not None else ", without parameters"
        return f"HiddenMarkovModel({len(self.labels)} states, {self.emission!r:.60}{fitted})"


def emission_of(parameters: HiddenChain) -> Any:
    """Return what restores parameters from arrays."""
    return parameters.restored


def _has_hidden_parts(emission: Emission, rows: Float64[np.ndarray, "steps prepared"]) -> bool:
    """Whether something of an emission is hidden even where states are known."""
    parts = emission.parts.values() if isinstance(emission, ModalityEmission) else [emission]
    dependent = any(getattr(part, "covariance", "") in ("full", "tied") for part in parts)
    mixed = any(part.kind == "mixture" for part in parts)
    return mixed or (dependent and bool(np.isnan(rows).any()))


def _listed(labels: Sequence[Any]) -> str:
    return ", ".join(map(str, labels[:5])) + (", …" if len(labels) > 5 else "")
