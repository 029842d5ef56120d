"""A label for each step of recordings of several modalities, of which any may be missing."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np
from jaxtyping import Float64, Int64
from scipy.optimize import minimize_scalar
from scipy.special import softmax

from mmgraph.data.multimodal_data import MultimodalData
from mmgraph.data.reading import Outcome
from mmgraph.graph.errors import (
    LearningError,
    UnknownVariableError,
    check_choice,
    needs,
    suggestion,
)
from mmgraph.graph.variable import Variable
from mmgraph.learning.prediction.segment_figures import runs
from mmgraph.networks.dynamic.hidden_semi_markov_model import HiddenSemiMarkovModel
from mmgraph.predictors.inputs import seed_of
from mmgraph.predictors.leaves.named import LeafNames
from mmgraph.predictors.leaves.perceptrons import PerceptronsLeaf
from mmgraph.predictors.modality_sets import asked_modalities
from mmgraph.predictors.multimodal_classifier import MultimodalClassifier
from mmgraph.predictors.sequences.recording_cells import (
    UNLABELLED,
    RecordingCells,
    cells_of,
    coded_labels,
)
from mmgraph.predictors.sequences.window_features import WindowFeatures

with needs("data", "scikit-learn", "predictors"):
    from sklearn.base import BaseEstimator
    from sklearn.utils.validation import check_is_fitted

PERCEPTRONS = PerceptronsLeaf(members=2, hidden=128, layers=1, epochs=6, batch=512)
"""Cells are many, and those of one stretch alike: few epochs do."""
UNLABELLED_WAYS = ("state", "skip")
_LEAST_POWER = 0.01
_BY_ITSELF = 1e-6
"""How far a cell is trusted by itself: which label is likeliest where it surely has none, say."""
_TRIALS = 8
"""How many powers are tried."""
_LONGEST = 200
"""Cells up to which durations are described one by one."""
Recordings = MultimodalData | Mapping[str, Sequence[object]] | RecordingCells


@dataclass(frozen=True)
class Segment:
    """A stretch of a recording with one label.

    Attributes
    ----------
    begin, end : int
        Its first step, and the one after its last.
    label : object
        One of the labels learned from.
    probability : float
        The mean over its steps of the label's probability.
    """

    begin: int
    end: int
    label: Any
    probability: float


class SequenceLabeller(BaseEstimator):
    """Labels the steps of recordings, by what windows show and how long each label lasts.

    Features are computed for cells of some steps. A classifier tells the label of a cell,
    with leaves in each modality and over all of them, calibrated on people (or recordings) that
    they have not learned from; a modality that is missing drops out. Its likelihoods are the
    emissions of a hidden semi-Markov model (Bourlard and Morgan 1994, "Connectionist speech
    recognition"), whose transitions and durations are those of the labels. What neighbouring cells
    say is much the same, so that likelihoods have a power, under which the held-out training
    recordings are labelled best; each set of modalities, and each lag, has one of its own.

    Parameters
    ----------
    rate : float
        Steps a second of all recordings.
    features : mapping of str to float or tuple, optional
        Settings of :class:`~mmgraph.predictors.sequences.window_features.WindowFeatures`, such as
        ``{"step": 1.0, "windows": (5.0,)}``.
    leaves, joint
        As of :class:`~mmgraph.predictors.multimodal_classifier.MultimodalClassifier`; by default
        small perceptrons.
    durations : str
        The family of durations, see
        :class:`~mmgraph.networks.dynamic.hidden_semi_markov_model.HiddenSemiMarkovModel`.
    unlabelled : {"state", "skip"}
        Whether stretches without a label are a state of their own, which is never answered, or not
        learned from.
    folds : int
        How many times leaves are fitted to a part of the people, to learn powers.
    n_jobs : int, optional
        How many leaves are fitted at a time, as scikit-learn's.
    random_state : int, RandomState or None
        The seed.

    Attributes
    ----------
    classes_ : ndarray
        The labels, sorted.
    classifier_ : MultimodalClassifier
        Of cells; its state after the labels, if any, is that of stretches without one.
    durations_ : HiddenSemiMarkovModel
        Of the states of the classifier.
    channels_ : dict of str to int
        Of each modality.
    columns_ : dict of str to list of str
        What the channels of a modality are called, in order, where whoever learned has noted it, as
        ``mmgraph recognise`` does.

    Examples
    --------
    >>> labeller = mm.SequenceLabeller(rate=50.0)
    >>> labeller.fit({"accelerometer": signals, "gyroscope": turns}, labels, groups=people)
    ...                                                          # doctest: +SKIP
    >>> labeller.segments({"gyroscope": others})                 # doctest: +SKIP
    """

    file_kind: ClassVar[str] = "sequence labeller"
    classes_: np.ndarray[Any, Any]

    def __init__(
        self,
        *,
        rate: float = 50.0,
        features: Mapping[str, Any] | None = None,
        leaves: LeafNames | Mapping[str, LeafNames] = PERCEPTRONS,
        joint: LeafNames = "auto",
        durations: str = "negative_binomial",
        unlabelled: str = "state",
        folds: int = 3,
        n_jobs: int | None = -1,
        random_state: Any = 0,
    ) -> None:
        self.rate = rate
        self.features = features
        self.leaves = leaves
        self.joint = joint
        self.durations = durations
        self.unlabelled = unlabelled
        self.folds = folds
        self.n_jobs = n_jobs
        self.random_state = random_state

    def cells(self, recordings: Recordings, groups: object = None) -> RecordingCells:
        """Return the features of recordings, which all methods take in the place of these.

        Raises
        ------
        LearningError
            If a setting does not fit, or as :func:`cells_of`.
        """
        features = WindowFeatures.of_settings(self.rate, self.features or {})
        if isinstance(recordings, RecordingCells):
            if recordings.features != features:
                raise LearningError(f"cells are of {recordings.features}, not of {features}")
            return recordings
        return cells_of(recordings, features, groups)

    def fit(self, recordings: Recordings, labels: Sequence[object], groups: object = None) -> Self:
        """Learn from labelled recordings.

        Parameters
        ----------
        recordings : mapping of str to list of array (steps, channels), or MultimodalData
            Of each modality all recordings, of the same steps in each modality. None is a modality
            that is missing, NaN a missing cell.
        labels : list of array (steps,)
            Of each recording; -1 (among numbers), None, NaN and "" are no label.
        groups : sequence, optional
            What each recording belongs to, such as the person: what is learned on held-out
            recordings is learned on those of others.

        Raises
        ------
        LearningError
            If a setting, a recording or labels do not fit (which).
        """
        check_choice("unlabelled", self.unlabelled, UNLABELLED_WAYS, LearningError)
        cells = self.cells(recordings, groups)
        self.learned_from_ = tuple(cells.data.modalities)
        self.channels_ = dict(cells.channels)
        self.columns_: dict[str, list[str]] = {}
        self.classes_, of_steps = coded_labels(labels, cells.steps)
        codes, states = cells.labels(of_steps), len(self.classes_)
        if self.unlabelled == "state" and (codes == UNLABELLED).any():
            codes, states = np.where(codes == UNLABELLED, states, codes), states + 1
        known = np.flatnonzero(codes != UNLABELLED)
        target = Outcome(Variable("label", tuple(map(str, range(states)))), codes)
        self.classifier_ = MultimodalClassifier(
            leaves=self.leaves,
            joint=self.joint,
            folds=self.folds,
            n_jobs=self.n_jobs,
            random_state=seed_of(self.random_state),
        ).fit(replace(cells.data, outcome=target).rows(known))
        self.durations_ = self._durations(cells.split(codes), states)
        self._held_out = HeldOutCells(cells, known, codes)
        self._powers: dict[tuple[tuple[str, ...], int | None], float] = {}
        self._power(self.modalities_)
        return self

    def _durations(
        self, codes: list[Int64[np.ndarray, " cells"]], states: int
    ) -> HiddenSemiMarkovModel:
        """Transitions and durations of labelled cells."""
        longest = np.ones(states, np.int64)
        for one in codes:
            begins, ends, labels = runs(one)
            np.maximum.at(longest, labels, ends - begins)
        model = HiddenSemiMarkovModel(
            states,
            "scores",
            self.durations,
            np.minimum(longest + longest // 2, _LONGEST),
            left_censored=True,
        )
        return model.fit([np.zeros((len(one), states)) for one in codes], codes)

    @property
    def modalities_(self) -> tuple[str, ...]:
        """The modalities that tell something."""
        return self.classifier_.modalities_

    def _power(self, asked: tuple[str, ...], later: int | None = None) -> float:
        """The power of the likelihoods of cells, where some modalities and later cells are seen.

        It has the least Brier score: unlike the log-loss that is bounded, so that a recording which
        is labelled wrongly throughout does not outweigh the others.
        """
        if (asked, later) not in self._powers:
            held, classes = self._held_out, len(self.classes_)
            model, data = self.classifier_.model_, held.cells.data
            evidence = np.zeros((len(data), model.target.cardinality))
            powers = model.powers(data.rows(held.rows), asked)
            evidence[held.rows] = np.einsum("lr,lrs->rs", powers, model.held_out.log_likelihoods)
            labelled = np.flatnonzero((held.codes >= 0) & (held.codes < classes))
            truth = np.eye(classes)[held.codes[labelled]]

            def loss(log_power: float) -> float:
                scores = held.cells.split(np.exp(log_power) * evidence)
                table = np.concatenate(self.durations_.posterior(scores, later))
                return float(((self._of_classes(table[labelled]) - truth) ** 2).sum(1).mean())

            least = _LEAST_POWER if later is None else self._power(asked)
            bounds, options = (np.log(least), 0.0), {"maxiter": _TRIALS, "xatol": 0.05}
            best = minimize_scalar(loss, bounds=bounds, method="bounded", options=options)
            self._powers[asked, later] = float(np.exp(best.x))
        return self._powers[asked, later]

    def _posteriors(
        self, recordings: Recordings, given: Collection[str] | None, lag: float | None = None
    ) -> tuple[RecordingCells, list[Float64[np.ndarray, "cells states"]]]:
        """Cells, and the probabilities of the states of each recording's."""
        check_is_fitted(self)
        named = recordings.channels if isinstance(recordings, RecordingCells) else recordings
        for name in named if isinstance(named, Mapping) else ():
            if name not in self.learned_from_:
                hint = suggestion(name, self.learned_from_)
                raise UnknownVariableError(f"no modality is called {name!r}{hint}")
        cells = self.cells(recordings)
        for name, count in cells.channels.items():
            if count != (known := self.channels_.get(name, count)):
                raise LearningError(f"'{name}' has {count} channels, and learned was from {known}")
        later = None if lag is None else cells.features.later_cells(lag)
        asked = asked_modalities(self.modalities_, given)
        there = tuple(m for m in asked if m in cells.data.modalities)
        evidence = self.classifier_.model_.contributions(self.classifier_._rows(cells.data), there)
        evidence = evidence.sum(0)
        scores = cells.split(self._power(there, later) * evidence)
        alone = cells.split(softmax(self.classifier_.model_.log_prior + evidence, axis=1))
        posteriors = self.durations_.posterior(scores, later)
        return cells, [
            (1 - _BY_ITSELF) * posterior + _BY_ITSELF * one
            for posterior, one in zip(posteriors, alone, strict=True)
        ]

    def _of_classes(
        self, table: Float64[np.ndarray, "cells states"]
    ) -> Float64[np.ndarray, "cells classes"]:
        """Probabilities, given that there is a label."""
        classes = np.maximum(table[:, : len(self.classes_)], np.finfo(np.float64).tiny)
        return classes / classes.sum(1, keepdims=True)

    def predict_proba(
        self,
        recordings: Recordings,
        given: Collection[str] | None = None,
        lag: float | None = None,
    ) -> list[Float64[np.ndarray, "steps classes"]]:
        """Return the probability of each label at each step of each recording.

        Parameters
        ----------
        recordings : mapping of str to list of array (steps, channels), or MultimodalData
            As of :meth:`fit`; modalities may be lacking, and recordings lack some.
        given : collection of str, optional
            The modalities to look at; by default all that are there.
        lag : float, optional
            Given what is recorded up to so many seconds after the step alone; by default given the
            whole recording.

        Raises
        ------
        UnknownVariableError
            If there is no such modality.
        LearningError
            If a recording has other channels than those learned from, or features look farther
            ahead than the lag.
        """
        cells = self.cells(recordings)
        return cells.on_steps(np.concatenate(self.posteriors(cells, given, lag)))

    def posteriors(
        self, cells: RecordingCells, given: Collection[str] | None = None, lag: float | None = None
    ) -> list[Float64[np.ndarray, "cells classes"]]:
        """Return the probabilities of :meth:`predict_proba` for each cell, by recording."""
        return [self._of_classes(table) for table in self._posteriors(cells, given, lag)[1]]

    def cell_probabilities(
        self, cells: RecordingCells, given: Collection[str] | None = None
    ) -> Float64[np.ndarray, "cells classes"]:
        """Return what the classifier says of each cell by itself, whatever is before and after."""
        check_is_fitted(self)
        return self._of_classes(self.classifier_.predict_proba(cells.data, given))

    def filter(
        self, recordings: Recordings, lag: float = 2.0, given: Collection[str] | None = None
    ) -> list[Float64[np.ndarray, "steps classes"]]:
        """Return :meth:`predict_proba` as it would be known ``lag`` seconds after each step."""
        return self.predict_proba(recordings, given, lag)

    def predict(
        self, recordings: Recordings, given: Collection[str] | None = None
    ) -> list[np.ndarray]:
        """Return the most probable label of each step, as :meth:`predict_proba`."""
        tables = self.predict_proba(recordings, given)
        return [self.classes_[table.argmax(1)] for table in tables]

    def segments(
        self,
        recordings: Recordings,
        given: Collection[str] | None = None,
        lag: float | None = None,
    ) -> list[list[Segment]]:
        """Return the stretches of each recording with one most probable label, in order.

        Stretches that are most probably such as had no label are left out. Options are those of
        :meth:`predict_proba`.
        """
        cells, posteriors = self._posteriors(recordings, given, lag)
        return [
            self._segments_of(posterior, cells.features.stride, int(steps))
            for posterior, steps in zip(posteriors, cells.steps, strict=True)
        ]

    def _segments_of(
        self, posterior: Float64[np.ndarray, "cells states"], stride: int, steps: int
    ) -> list[Segment]:
        table, likeliest = self._of_classes(posterior), posterior.argmax(1)
        labels = np.where(likeliest < len(self.classes_), likeliest, UNLABELLED)
        return [
            Segment(
                int(begin) * stride,
                min(int(end) * stride, steps),
                self.classes_[label],
                float(table[begin:end, label].mean()),
            )
            for begin, end, label in zip(*runs(labels), strict=True)
        ]


@dataclass(frozen=True, eq=False)
class HeldOutCells:
    """The cells learned from: which of them the classifier saw, and their states."""

    cells: RecordingCells
    rows: Int64[np.ndarray, " rows"]
    codes: Int64[np.ndarray, " cells"]
