"""Deep fusion of modalities as a classifier, whatever a row has."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Float64

from mmgraph.data.blocks.sequences_and_texts import Texts
from mmgraph.data.folds import warn_of_groups
from mmgraph.data.multimodal_data import MultimodalData
from mmgraph.deep.encoders.named import EncoderNames
from mmgraph.deep.fusion.late import LateFusion
from mmgraph.deep.fusion.named import FusionName
from mmgraph.deep.training.learned_net import LearnedNet
from mmgraph.deep.training.options import NetTraining
from mmgraph.graph.errors import LearningError
from mmgraph.predictors.deep.fitted_net import fitted_net
from mmgraph.predictors.inputs import Modalities, seed_of
from mmgraph.predictors.pooling.placement import telling_modalities
from mmgraph.predictors.tempered_classifier import TemperedClassifier


class DeepClassifier(TemperedClassifier):
    """Encoders of modalities and a fusion of their codes, trained to tell the target.

    Columns are normal quantiles of their values, states zeros and ones; arrays and sequences are
    standardised by channel. A cell that is missing, in training or later, is masked: which cells
    are there is an input of the net, and rows of which nothing is there get the shares of the
    classes. Fusions without a head of each modality learn from rows of which modalities are hidden,
    so that one fit answers whatever is there. Several members, that differ in their initial
    parameters and in what is left out at random, are trained in one batched product; their mean
    probabilities are the answer.

    Nets may be too sure of themselves, or not sure enough, above all on rows of other groups.
    Therefore the mean has a power, learned for each set of modalities on held-out rows (of other
    groups, where there are groups); late fusion has one for each modality, as the leaves of a
    network have.

    Parameters
    ----------
    modalities : mapping of str to sequence of str, optional
        The columns of each modality. By default those of the data's own schema, or one of all
        columns.
    encoders : str, or mapping of str to str or (str, dict)
        A name of :data:`~mmgraph.deep.encoders.named.ENCODERS` for all modalities, or for each,
        with options. ``"auto"`` are perceptrons of columns, and convolutions of arrays and
        sequences.
    fusion : str or (str, dict)
        A name, or with options such as ``("low_rank", {"rank": 4, "dropout": 0.1})``, of
        :data:`~mmgraph.deep.fusion.named.FUSIONS`; or ``"multimodal_cnn"`` or
        ``"multimodal_rnn"``: feature maps or hidden states of arrays and sequences that are merged.
        Early fusion takes sequences by their summaries. Of ``("late", {"pool": "average"})`` the
        average has one power.
    members : int
        How many nets answer together.
    width : int
        How wide codes, and the fusion's hidden layers, are.
    training : NetTraining or mapping, optional
        How it is trained, e.g. ``{"epochs": 100}``; see
        :class:`~mmgraph.deep.training.options.NetTraining`.
    folds : int
        On how many parts of the rows powers are learned, with nets that have not seen them; with
        0 there are no powers, and one net is trained instead of ``folds + 1``.
    checkpoint : path, optional
        A directory where the state of training is kept: after an interruption the same call goes
        on from there, to the same numbers.
    device : str
        Where training takes place, e.g. ``"cuda"``.
    random_state : int, RandomState or None
        The seed; of None another one at each fit.

    Attributes
    ----------
    classes_ : ndarray
        The labels, sorted.
    net_ : LearnedNet
        The net of all training rows.
    n_features_in_, feature_names_in_ : int, ndarray
        The columns of the rows that it learned from.

    Raises
    ------
    LearningError
        By ``fit``, if no column varies, a modality is of texts, an encoder, fusion or option is
        unknown, or training diverges (in which epoch).

    References
    ----------
    Baltrušaitis, Ahuja and Morency (2019), "Multimodal machine learning: a survey and taxonomy";
    Lakshminarayanan, Pritzel and Blundell (2017), "Simple and scalable predictive uncertainty
    estimation using deep ensembles"; Laurent et al. (2023), "Packed-ensembles for efficient
    uncertainty estimation".

    Examples
    --------
    >>> clf = mm.DeepClassifier(modalities={"sound": sound, "movement": movement})
    >>> clf.fit(frame, y, groups=recordings)                     # doctest: +SKIP
    >>> clf.predict_proba(frame, given=["movement"])             # doctest: +SKIP
    """

    file_kind: ClassVar[str] = "deep classifier"
    """The name of the kind in files."""
    largest_power: ClassVar[float] = 5.0

    def __init__(
        self,
        modalities: Modalities | None = None,
        *,
        encoders: EncoderNames = "auto",
        fusion: FusionName = "late",
        members: int = 5,
        width: int = 128,
        training: NetTraining | Mapping[str, Any] | None = None,
        folds: int = 2,
        checkpoint: str | os.PathLike[str] | None = None,
        device: str = "cpu",
        random_state: Any = 0,
    ) -> None:
        self.modalities = modalities
        self.encoders = encoders
        self.fusion = fusion
        self.members = members
        self.width = width
        self.training = training
        self.folds = folds
        self.checkpoint = checkpoint
        self.device = device
        self.random_state = random_state

    @property
    def temper(self) -> bool:  # type: ignore[override]
        """Whether answers are tempered."""
        return self.folds > 0

    def _learn(self, data: MultimodalData) -> None:
        for modality, block in data.blocks.items():
            if isinstance(block, Texts) and not block.missing.all():
                raise LearningError(
                    f"the modality '{modality}' of {data.origin} is of texts, of which there is no "
                    "encoder"
                )
        if self.folds == 1 or self.folds < 0:
            raise LearningError(
                f"powers are learned in two folds or more, or none, not {self.folds}"
            )
        if self.temper:
            _check_folds(data)
        seed = seed_of(self.random_state)
        telling = telling_modalities(data)
        shares = np.bincount(data.codes, data.counts, data.target.cardinality)
        self.prior_ = shares / shares.sum()
        self.net_ = self._learned(data, telling, seed, "all")
        self.told_ = tuple(self.net_.inputs)
        fusion = self.net_.net.fusion
        pooled = isinstance(fusion, LateFusion) and fusion.pool == "powers"
        self.independent_ = tuple((m,) for m in self.told_) if pooled else (self.told_,)
        if self.temper:
            warn_of_groups(data)
            parts = iter(range(self.folds))
            self._hold_out(
                data, seed, lambda part: self._learned(part, telling, seed, f"part_{next(parts)}")
            )

    def _learned(
        self, data: MultimodalData, modalities: Collection[str], seed: int, part: str
    ) -> LearnedNet:
        """A net of some rows, whose state is kept under the name of the part."""
        return fitted_net(
            data,
            modalities,
            self.encoders,
            self.fusion,
            replace(NetTraining.read(self.training), seed=seed),
            members=self.members,
            width=self.width,
            device=self.device,
            directory=None if self.checkpoint is None else Path(self.checkpoint) / part,
        )

    @property
    def _model(self) -> LearnedNet:
        return self.net_

    def _prior(self, model: LearnedNet) -> Float64[np.ndarray, " classes"]:
        """The shares of the classes in the rows that the net has learned from."""
        return model.prior

    def _answers(
        self, model: LearnedNet, data: MultimodalData, names: Collection[str]
    ) -> Float64[np.ndarray, "rows classes"]:
        return model.probabilities(data, names)


def _check_folds(data: MultimodalData) -> None:
    """Refuse classes of one row where powers are learned on random rows."""
    counts = np.bincount(data.codes)
    grouped = data.groups is not None and len(np.unique(data.groups.codes)) > 1
    if not grouped and (counts == 1).any():
        label = data.target.labels[int((counts == 1).argmax())]
        raise LearningError(
            f"the class {label!r} has one row, which cannot both be learned from and held out for "
            "powers: with folds=0 there are none"
        )
