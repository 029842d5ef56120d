"""A network of encoders and graphical leaves as a classifier, whatever a row has."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from jaxtyping import Float64
from scipy.special import softmax

from mmgraph.data.folds import warn_of_groups
from mmgraph.data.multimodal_data import MultimodalData
from mmgraph.deep.encoders.named import EncoderNames
from mmgraph.deep.training.learned_net import LearnedNet
from mmgraph.deep.training.options import NetTraining
from mmgraph.graph.errors import LearningError, check_choice
from mmgraph.predictors.deep.fitted_net import fitted_net
from mmgraph.predictors.inputs import Modalities, seed_of
from mmgraph.predictors.leaves.leaf import log_shares
from mmgraph.predictors.leaves.named import LeafNames
from mmgraph.predictors.modality_sets import asked_modalities, modality_sets
from mmgraph.predictors.pooling.fitting import fit_pooled, inner_folds, leaf_worth
from mmgraph.predictors.pooling.placement import placed_leaves, telling_modalities
from mmgraph.predictors.pooling.pooled_leaves import FittedPlace
from mmgraph.predictors.pooling.powers import HeldOut
from mmgraph.predictors.row_classifier import RowClassifier

FUSION_OF = {"end_to_end": "network", "part_by_part": "late"}
"""How encoders are joined while they are trained."""
WIDTH = 96
"""How wide codes are."""
LEAST_PROBABILITY = 1e-6


@dataclass(frozen=True, eq=False)
class HybridModel:
    """A target whose children are graphical leaves and what encoders say, each with a power.

    Attributes
    ----------
    leaves : tuple of FittedPlace
        Fitted to all training rows.
    net : LearnedNet
        Encoders of modalities, joined by tables that say what each shows of the target.
    held_out : HeldOut
        What leaves, and after them the encoders, said of rows that they had not learned from.
    """

    leaves: tuple[FittedPlace, ...]
    net: LearnedNet
    held_out: HeldOut

    @property
    def modalities(self) -> tuple[str, ...]:
        """Those that any leaf or encoder sees."""
        return tuple(dict.fromkeys(m for names in self.held_out.leaves for m in names))

    def predict_proba(
        self, data: MultimodalData, given: Collection[str]
    ) -> Float64[np.ndarray, "rows states"]:
        """Return the posterior of the target in each row, by some modalities."""
        asked = asked_modalities(self.modalities, given)
        log_prior = self.held_out.log_prior
        powers = np.zeros((len(self.held_out.leaves), len(data)))
        for names, rows in modality_sets(data, asked):
            powers[:, rows] = self.held_out.powers(frozenset(names))[:, None]
        silent = np.zeros((len(data), len(log_prior)))
        said = [
            leaf.log_likelihoods(data) if power.any() else silent
            for leaf, power in zip(self.leaves, powers, strict=False)
        ]
        encoded = encoders_say(self.net, data, log_prior)
        weighted = powers[:, :, None] * np.stack([*said, *encoded])
        return softmax(log_prior + weighted.sum(0), axis=1)


class HybridClassifier(RowClassifier):
    """A network in which encoders speak beside graphical leaves, trained through its inference.

    The target has a child for each modality, what the modality shows, whose states an encoder
    gives soft evidence of. End to end, encoders and the tables of these children are trained
    together: the loss is that of the network's exact posterior, by all modalities that a row has
    and by each alone, so that encoders learn what the others lack. Part by part, each encoder is
    trained by itself. Graphical leaves (densities, kernels, trees) of each modality and of all
    together are further children of the target. They are fitted by themselves under either, and
    are no part of the encoders' loss. The answer is the target's posterior by all children: each
    encoder's posterior by its modality, divided by the prior, and each leaf's likelihood have a
    power, and the powers are learned together, for each set of modalities, on rows that neither
    had seen (of other groups, where there are groups). A modality that is missing is marginalised;
    one of which no cell varies in training says nothing.

    Parameters
    ----------
    modalities : mapping of str to sequence of str, optional
        The columns of each modality. By default those of the data's own schema, or one of all
        columns.
    encoders : str, or mapping of str to str or (str, dict)
        As of :class:`DeepClassifier`.
    leaves, joint : str or sequence
        Graphical leaves, as of :class:`MultimodalClassifier`; ``()`` are none.
    learning : {"end_to_end", "part_by_part"}
        How encoders are trained: through the network's posterior, or each by itself.
    members : int
        How many nets speak together, in one batched product.
    training : NetTraining or mapping, optional
        Of encoders, as of :class:`DeepClassifier`; e.g. ``{"epochs": 100}``. A mapping may name
        the ``"device"``, too, such as ``"cuda"``; it is no part of files.
    folds : int
        How many times leaves and encoders are fitted to a part of the rows, to learn the powers.
    checkpoint : path, optional
        A directory where the state of the encoders' training is kept, from which the same call
        goes on after an interruption, to the same numbers.
    random_state : int, RandomState or None
        The seed; of None another one at each fit.

    Attributes
    ----------
    classes_ : ndarray
        The labels, sorted.
    model_ : HybridModel
        What was learned.
    n_features_in_, feature_names_in_ : int, ndarray
        The columns of the rows that it learned from.

    Raises
    ------
    LearningError
        By ``fit``, if no column varies, a modality is of texts, an encoder, leaf or option is
        unknown, or training diverges (in which epoch).

    Examples
    --------
    >>> clf = mm.HybridClassifier(modalities={"sound": sound, "movement": movement})
    >>> clf.fit(frame, y, groups=recordings)                     # doctest: +SKIP
    >>> clf.predict_proba(frame, given=["movement"])             # doctest: +SKIP
    """

    file_kind: ClassVar[str] = "hybrid classifier"
    """The name of the kind in files."""
    budget: ClassVar[float] = 600.0
    """The seconds for graphical leaves, as of :class:`MultimodalClassifier`."""

    def __init__(
        self,
        modalities: Modalities | None = None,
        *,
        encoders: EncoderNames = "auto",
        leaves: LeafNames | Mapping[str, LeafNames] = "auto",
        joint: LeafNames = "auto",
        learning: Literal["end_to_end", "part_by_part"] = "end_to_end",
        members: int = 5,
        training: NetTraining | Mapping[str, Any] | None = None,
        folds: int = 5,
        checkpoint: str | os.PathLike[str] | None = None,
        random_state: Any = 0,
    ) -> None:
        self.modalities = modalities
        self.encoders = encoders
        self.leaves = leaves
        self.joint = joint
        self.learning = learning
        self.members = members
        self.training = training
        self.folds = folds
        self.checkpoint = checkpoint
        self.random_state = random_state

    def _learn(self, data: MultimodalData) -> None:
        check_choice("learning", self.learning, tuple(FUSION_OF), LearningError)
        if self.folds < 2:
            raise LearningError(f"powers are learned in two folds or more, not {self.folds}")
        seed = seed_of(self.random_state)
        warn_of_groups(data)
        telling = telling_modalities(data)
        net = self._encoded(data, telling, seed, "all")
        shares = log_shares(data.codes, data.counts, data.target.cardinality)
        leaves, said = self._graphical(data, seed)
        encoded = np.zeros((len(net.inputs), *said.shape[1:]))
        for number, (training, rest) in enumerate(inner_folds(data, self.folds, seed)):
            part, others = data.rows(training), data.rows(rest)
            learned = self._encoded(part, tuple(net.inputs), seed, f"part_{number}")
            prior = log_shares(part.codes, part.counts, data.target.cardinality)
            for place, modality in enumerate(net.inputs):
                if modality in learned.inputs:
                    row = tuple(learned.inputs).index(modality)
                    encoded[place, rest] = encoders_say(learned, others, prior)[row]
        everything = np.concatenate([said, encoded])
        self.model_ = HybridModel(
            leaves,
            net,
            HeldOut(
                (*(leaf.place.modalities for leaf in leaves), *((m,) for m in net.inputs)),
                everything - everything.max(2, keepdims=True),
                data.codes,
                shares,
                data.counts,
                *leaf_worth(data),
            ),
        )

    def _graphical(
        self, data: MultimodalData, seed: int
    ) -> tuple[tuple[FittedPlace, ...], Float64[np.ndarray, "leaves rows states"]]:
        """Graphical leaves, and what they said of rows that they had not seen."""
        if not isinstance(self.leaves, str | Mapping) and not tuple(self.leaves):  # type: ignore[arg-type]
            return (), np.zeros((0, len(data), data.target.cardinality))
        placed = placed_leaves(data, self.leaves, self.joint)
        pooled = fit_pooled(data, placed, self.folds, seed, budget=self.budget, jobs=-1)
        return pooled.leaves, pooled.held_out.log_likelihoods

    def _encoded(
        self, data: MultimodalData, modalities: Collection[str], seed: int, part: str
    ) -> LearnedNet:
        """Encoders of some rows, whose state is kept under the name of the part."""
        training, device = without_device(self.training)
        return fitted_net(
            data,
            modalities,
            self.encoders,
            FUSION_OF[self.learning],
            replace(NetTraining.read(training), seed=seed),
            members=self.members,
            width=WIDTH,
            device=device,
            directory=None if self.checkpoint is None else Path(self.checkpoint) / part,
        )

    @property
    def modalities_(self) -> tuple[str, ...]:
        """As :attr:`RowPredictor.modalities_`."""
        return self.model_.modalities

    def _posterior(
        self, data: MultimodalData, asked: tuple[str, ...]
    ) -> Float64[np.ndarray, "rows classes"]:
        return self.model_.predict_proba(data, asked)


def encoders_say(
    net: LearnedNet, data: MultimodalData, log_prior: Float64[np.ndarray, " states"]
) -> Float64[np.ndarray, "modalities rows states"]:
    """Return log P(modality | state) of rows up to a constant a row, by each encoder; else zeros.

    It is the mean of the members' posteriors by that modality, divided by the prior that they
    were trained with.
    """
    said = np.zeros((len(net.inputs), len(data), len(log_prior)))
    for place, modality in enumerate(net.inputs if len(data) else ()):
        there = [cells[modality].present.cpu().numpy() for cells in net.batches(data, [modality])]
        rows = np.flatnonzero(np.concatenate(there))
        if len(rows):
            table = net.probabilities(data.rows(rows), [modality])
            said[place, rows] = np.log(table.clip(LEAST_PROBABILITY)) - log_prior
    return said


def without_device(
    training: NetTraining | Mapping[str, Any] | None,
) -> tuple[NetTraining | Mapping[str, Any] | None, str]:
    """Return how encoders are trained, and where."""
    if not isinstance(training, Mapping):
        return training, "cpu"
    others = {name: value for name, value in training.items() if name != "device"}
    return others, training.get("device", "cpu")
