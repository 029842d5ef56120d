"""A multimodal deep Boltzmann machine as a classifier, whatever a row has."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Float64

from mmgraph.data.blocks.sequences_and_texts import Texts
from mmgraph.data.folds import warn_of_groups
from mmgraph.data.multimodal_data import MultimodalData
from mmgraph.graph.errors import LearningError
from mmgraph.networks.boltzmann.multimodal import MultimodalDeepBoltzmannMachine
from mmgraph.predictors.inputs import Modalities, seed_of
from mmgraph.predictors.learned_machine import LearnedMachine, MachineLearning
from mmgraph.predictors.pooling.placement import telling_modalities
from mmgraph.predictors.tempered_classifier import TemperedClassifier


class MachineClassifier(TemperedClassifier):
    """One deep Boltzmann machine of all modalities and the target, trained to predict the hidden.

    Each modality has a pathway of hidden units, and a joint layer is over all; labels are linked to
    both. Training hides whole modalities, and single cells, and predicts them and the labels from
    the rest; so one machine answers whatever is there.

    Columns of numbers are Gaussian units of their normal quantiles, columns of states softmax
    units; images and what sums up sequences are numbers, too. A cell that is missing, in training
    or later, is missing to the machine: mean field fills it in by what it has heard of the rest.
    Columns that do not vary are left out. Rows of which nothing is there get the shares of the
    classes. Of rows with weights training sees as many in all, each as often as its weight says.

    A machine may be too sure of itself, above all on rows of other groups. Therefore its likelihood
    of each set of modalities has a power, at most one, learned on held-out rows (of other groups,
    where there are groups).

    Parameters
    ----------
    modalities : mapping of str to sequence of str, optional
        The columns of each modality. By default those of the data's own schema, or one of all
        columns.
    hidden : int or sequence of int
        The units of the hidden layers of each pathway, from below.
    joint : int
        The units of the joint layer.
    epochs : int
        How often training goes through the rows; more of them are more accurate, in more time.
    temper : bool
        Whether answers are tempered; without, one machine is trained, and not ``folds + 1``.
    folds : int
        How many times a machine is trained on a part of the rows, to learn the powers.
    random_state : int, RandomState or None
        The seed; of None another one at each fit.

    Attributes
    ----------
    classes_ : ndarray
        The labels, sorted.
    machine_ : MultimodalDeepBoltzmannMachine
        Over the scaled columns of all modalities, ``MODALITY.numbers`` and ``MODALITY.states2``,
        …; its labels are the indices of the classes. :func:`mmgraph.query` asks it, and it imputes,
        represents and samples.
    n_features_in_, feature_names_in_ : int, ndarray
        The columns of the rows that it learned from.

    Raises
    ------
    LearningError
        By ``fit``, if no column varies, or a modality is of texts.

    References
    ----------
    Srivastava and Salakhutdinov (2014), "Multimodal learning with deep Boltzmann machines";
    Goodfellow et al. (2013), "Multi-prediction deep Boltzmann machines".

    Examples
    --------
    >>> clf = mm.MachineClassifier(modalities={"sound": sound, "movement": movement})
    >>> clf.fit(frame, y, groups=recordings)                     # doctest: +SKIP
    >>> clf.predict_proba(frame, given=["movement"])             # doctest: +SKIP
    """

    file_kind: ClassVar[str] = "machine classifier"
    """The name of the kind in files."""

    def __init__(
        self,
        modalities: Modalities | None = None,
        *,
        hidden: int | Sequence[int] = 128,
        joint: int = 64,
        epochs: int = 60,
        temper: bool = True,
        folds: int = 2,
        random_state: Any = 0,
    ) -> None:
        self.modalities = modalities
        self.hidden = hidden
        self.joint = joint
        self.epochs = epochs
        self.temper = temper
        self.folds = folds
        self.random_state = random_state

    def _learn(self, data: MultimodalData) -> None:
        for modality, block in data.blocks.items():
            if isinstance(block, Texts) and not block.missing.all():
                raise LearningError(
                    f"the modality '{modality}' of {data.origin} is of texts, of which a machine "
                    "has no units"
                )
        telling_modalities(data)  # for its warnings
        seed = seed_of(self.random_state)
        hidden = (self.hidden,) if isinstance(self.hidden, int) else tuple(self.hidden)
        learning = MachineLearning(hidden, self.joint, self.epochs)
        shares = np.bincount(data.codes, data.counts, data.target.cardinality)
        self.prior_ = shares / shares.sum()
        self._learned = learning.learned(data, seed)
        self.told_ = tuple(self._learned.inputs)
        self.independent_ = (self.told_,)
        if self.temper:
            warn_of_groups(data)
            self._hold_out(data, seed, lambda part: learning.learned(part, seed))

    @property
    def machine_(self) -> MultimodalDeepBoltzmannMachine:
        """The machine of all training rows."""
        return self._learned.machine

    @property
    def _model(self) -> LearnedMachine:
        return self._learned

    def _prior(self, model: LearnedMachine) -> Float64[np.ndarray, " classes"]:
        """The shares of the classes, which training has shown to each machine."""
        return self.prior_

    def _answers(
        self, model: LearnedMachine, data: MultimodalData, names: Collection[str]
    ) -> Float64[np.ndarray, "rows classes"]:
        names = [modality for modality in names if modality in model.inputs]
        table = np.tile(self.prior_, (len(data), 1))
        if names:
            empty = np.all([data.block(modality).missing for modality in names], axis=0)
            rows = np.flatnonzero(~empty)
            if len(rows):
                table[rows] = model.probabilities(data.rows(rows), names)
        return table
