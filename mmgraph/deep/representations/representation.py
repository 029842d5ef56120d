"""Rows of several modalities as numbers in one space, whatever of them is there."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import numpy as np
import torch
from jaxtyping import Bool, Float64

from mmgraph.data.multimodal_data import MultimodalData
from mmgraph.deep.encoders.named import EncoderNames, chosen_encoders
from mmgraph.deep.inputs.cells import Cells
from mmgraph.deep.inputs.modality_input import ModalityInput, cells_of, fitted_inputs
from mmgraph.deep.losses.between import BetweenModalities, Contrastive, Correlation, Cosine
from mmgraph.deep.losses.loss import Loss
from mmgraph.deep.losses.named import LossNames, sum_of_losses
from mmgraph.deep.losses.within import Reconstruction
from mmgraph.deep.representations.canonical import CanonicalMaps
from mmgraph.deep.representations.joint_learner import JointLearner
from mmgraph.deep.training.learned_net import LearnedNet
from mmgraph.deep.training.learner import NetLearner, learn_net
from mmgraph.deep.training.net import NetDesign, presence
from mmgraph.deep.training.options import NetTraining
from mmgraph.graph.errors import (
    LearningError,
    NotFittedError,
    UnknownVariableError,
    check_choice,
    suggestion,
)

Kind = Literal["joint", "coordinated"]
Tie = Literal["contrastive", "cosine", "deep_cca", "cca"]
TIES: Mapping[str, type[BetweenModalities] | None] = {
    "contrastive": Contrastive,
    "cosine": Cosine,
    "deep_cca": Correlation,
    "cca": None,
}
_TRAINING = {"batch_size": 256, "hiding": 0.8}
_FEWEST_PAIRS = 10
Codes = Float64[np.ndarray, "rows width"]


class MultimodalRepresentation:
    """One space for rows of several modalities, from those of them that are there.

    A **joint** space is the trunk of a net that sees all modalities, of which it learns to tell
    each from any others that it is shown (Ngiam et al. 2011, "Multimodal deep learning").
    **Coordinated** are spaces of each modality in which the same row lies at the same place: so the
    rows of one can be looked for by those of another. Rows may lack modalities, in training and
    later.

    Parameters
    ----------
    kind : {"joint", "coordinated"}
    tie : {"contrastive", "cosine", "deep_cca", "cca"}
        What ties coordinated spaces: that each row finds its other modalities among the rows of a
        batch (:class:`~mmgraph.deep.losses.between.Contrastive`), has their direction
        (:class:`~mmgraph.deep.losses.between.Cosine`), or correlates with them, as codes of nets
        (:class:`~mmgraph.deep.losses.between.Correlation`) or linearly, without nets. Of both
        latter ones the last step are maps by cca-zoo.
    modalities : sequence of str, optional
        Which are looked at; by default all.
    encoders : str, or mapping of str to str or (str, dict)
        As of :class:`~mmgraph.predictors.deep.deep_classifier.DeepClassifier`.
    width : int
        How many numbers a row has, of each member.
    members : int
        How many nets; their numbers stand side by side.
    losses : sequence of str or Loss, mapping of str to float, or Loss
        What is added to the loss: names of :data:`~mmgraph.deep.losses.named.LOSSES`.
    training : NetTraining or mapping, optional
        How nets are trained; by default in batches of 256.
    checkpoint : path, optional
        A directory from which interrupted training goes on.
    random_state : int

    Attributes
    ----------
    inputs_ : dict of str to ModalityInput
        The scales of the modalities that vary.
    net_ : LearnedNet or None
    maps_ : CanonicalMaps or None

    Raises
    ------
    LearningError
        By ``fit``, if modalities to be tied have too few rows in common (which), nothing varies,
        an option is unknown, or training diverges.

    Examples
    --------
    Which movement belongs to a sound, among those of 100 rows that were not learned from:

    >>> spaces = mm.MultimodalRepresentation(width=64).fit(training)     # doctest: +SKIP
    >>> codes = spaces.represent_each(held_out.rows(range(100)))         # doctest: +SKIP
    >>> found = (codes["sound"] @ codes["movement"].T).argmax(1)         # doctest: +SKIP
    """

    file_kind: ClassVar[str] = "multimodal representation"
    """The name of the kind in files."""

    def __init__(
        self,
        kind: Kind = "coordinated",
        *,
        tie: Tie = "contrastive",
        modalities: Sequence[str] | None = None,
        encoders: EncoderNames = "auto",
        width: int = 32,
        members: int = 1,
        losses: LossNames = (),
        training: NetTraining | Mapping[str, Any] | None = None,
        checkpoint: str | os.PathLike[str] | None = None,
        random_state: int = 0,
    ) -> None:
        self.kind = kind
        self.tie = tie
        self.modalities = modalities
        self.encoders = encoders
        self.width = width
        self.members = members
        self.losses = losses
        self.training = training
        self.checkpoint = checkpoint
        self.random_state = random_state

    def fit(self, data: MultimodalData) -> Self:
        """Learn the space, and return the representation; a target is not looked at.

        Parameters
        ----------
        data : MultimodalData
        """
        if not isinstance(data, MultimodalData):
            raise LearningError(
                f"rows are MultimodalData, which MultimodalData.of and MultimodalData.read return, "
                f"not {type(data).__name__}"
            )
        check_choice("kind", self.kind, ("joint", "coordinated"), LearningError)
        check_choice("tie", self.tie, tuple(TIES), LearningError)
        self.inputs_ = fitted_inputs(data, tuple(self.modalities or data.modalities))
        if self.kind == "coordinated":
            self._check_pairs(data)
        self.net_ = None if self.is_linear else self._learned(data)
        self.maps_ = None
        if self.is_mapped:
            self.maps_ = self._canonical(data)
        return self

    def represent(self, data: MultimodalData, given: Collection[str] | None = None) -> Codes:
        """Return rows in the one space, ``(rows, width · members)``.

        Parameters
        ----------
        data : MultimodalData
            It may lack modalities that were learned from.
        given : collection of str, optional
            The modalities that are looked at; by default all.

        Returns
        -------
        ndarray
            Of coordinated spaces the direction of the mean of what is there, of length one; zero of
            rows of which nothing is.
        """
        if self.kind == "coordinated":
            return _directions(np.sum(list(self.represent_each(data, given).values()), axis=0))
        fusion = self._fitted_net.net.fusion
        spaces = []
        for cells in self._cells(data, given):
            codes = self._fitted_net.net.codes(cells)
            spaces.append(_flat(fusion.joint(codes, presence(cells))))
        return np.concatenate(spaces)

    def represent_each(
        self, data: MultimodalData, given: Collection[str] | None = None
    ) -> dict[str, Codes]:
        """Return rows in the coordinated space of each modality, so that products are cosines.

        Rows have length one there, or zero where they lack the modality.

        Raises
        ------
        LearningError
            If the space is a joint one.
        """
        if self.kind == "joint":
            raise LearningError("a joint space has no part for each modality: see represent")
        parts: dict[str, list[Codes]] = {modality: [] for modality in self._fitted_inputs}
        for cells in self._cells(data, given):
            for modality, codes in self._spaces(cells).items():
                there = cells[modality].present.cpu().numpy()
                parts[modality].append(_directions(codes) * there[:, None])
        return {m: np.concatenate(p) for m, p in parts.items() if given is None or m in given}

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the fitted representation, for :func:`mmgraph.read` to read without pickle.

        Where training was kept (``checkpoint``) is not written.

        Parameters
        ----------
        path : str or path
            A directory ``NAME.mmgraph``, which is written whole or not at all.

        Raises
        ------
        FormatError
            If it is not fitted, has losses that are objects rather than names, the name has
            another ending, or the place cannot be written.
        MissingExtraError
            If skops is not installed.
        """
        from mmgraph.formats.resolve import write  # which loads every kind of model

        write(self, path)

    @property
    def is_linear(self) -> bool:
        """Whether spaces are linear maps of modalities, without nets."""
        return self.kind == "coordinated" and TIES[self.tie] is None

    @property
    def is_mapped(self) -> bool:
        """Whether the last step to the spaces are linear maps."""
        return self.kind == "coordinated" and TIES[self.tie] in (None, Correlation)

    @property
    def is_fitted(self) -> bool:
        """Whether it has learned its space."""
        return hasattr(self, "maps_")

    @property
    def _fitted_inputs(self) -> dict[str, ModalityInput]:
        if not self.is_fitted:
            raise NotFittedError("the representation is not fitted: call fit first")
        return self.inputs_

    @property
    def _fitted_net(self) -> LearnedNet:
        assert self.net_ is not None
        return self.net_

    def _learned(self, data: MultimodalData) -> LearnedNet:
        """The net of training rows."""
        joint, shapes = self.kind == "joint", {m: made.shape for m, made in self.inputs_.items()}
        classes = 1 if data.outcome is None else data.target.cardinality
        design = NetDesign(
            shapes,
            chosen_encoders(shapes, self.encoders),
            "joint" if joint else "late",
            classes,
            self.members,
            self.width,
        )
        options = self.training
        if not isinstance(options, NetTraining):
            options = NetTraining.of(_TRAINING | dict(options or {}))
        if options.mixing:
            raise LearningError("rows that are mixed have no place of their own: set mixing to 0")
        loss: Loss = Reconstruction() if joint else (TIES[self.tie] or Correlation)()
        return learn_net(
            design,
            self.inputs_,
            data,
            replace(options, seed=self.random_state),
            loss=loss + sum_of_losses(self.losses) if self.losses else loss,
            kind=JointLearner if joint else NetLearner,
            directory=None if self.checkpoint is None else Path(self.checkpoint),
        )

    def _canonical(self, data: MultimodalData) -> CanonicalMaps:
        """The linear maps of rows that have all modalities."""
        for modality, made in self.inputs_.items():
            if self.is_linear and 0 in made.shape:
                raise LearningError(
                    f"linear CCA takes tables and arrays, and '{modality}' is of sequences: tie "
                    "spaces by deep_cca or contrastive"
                )
        complete = data.rows(np.all(list(_present(data, self.inputs_).values()), axis=0))
        if len(complete) <= self.width:
            raise LearningError(
                f"{len(complete)} rows have all of {', '.join(self.inputs_)}: spaces of width "
                f"{self.width} are tied by {self.tie} from {self.width + 1} rows on"
            )
        parts = [self._spaces(cells) for cells in self._cells(complete, None)]
        tables = {m: np.concatenate([part[m] for part in parts]) for m in self.inputs_}
        return CanonicalMaps.fitted(tables, self.width * self.members, complete.counts)

    def _spaces(self, cells: Mapping[str, Cells]) -> dict[str, Codes]:
        """Each modality's codes of rows, of any length."""
        if self.net_ is None:
            spaces = {m: c.values.flatten(1).double().cpu().numpy() for m, c in cells.items()}
        else:
            spaces = {m: _flat(codes) for m, codes in self.net_.net.codes(cells).items()}
        maps = getattr(self, "maps_", None)
        return spaces if maps is None else {m: maps.mapped(m, s) for m, s in spaces.items()}

    @torch.no_grad()
    def _cells(
        self, data: MultimodalData, given: Collection[str] | None
    ) -> Iterator[dict[str, Cells]]:
        """Rows as cells, a part at a time, of the modalities that are looked at."""
        inputs = self._fitted_inputs
        for modality in given or ():
            if modality not in inputs:
                raise UnknownVariableError(
                    f"no modality '{modality}' was learned from{suggestion(modality, inputs)}"
                )
        names = [m for m in inputs if m in data.blocks and (given is None or m in given)]
        device = "cpu" if self.net_ is None else self.net_.device
        for first in range(0, max(len(data), 1), 2048):
            part = data.rows(slice(first, first + 2048))
            shown = cells_of(part, {m: inputs[m] for m in names})
            yield {
                m: (shown[m] if m in shown else _nothing(made, len(part))).to(device)
                for m, made in inputs.items()
            }

    def _check_pairs(self, data: MultimodalData) -> None:
        """Refuse modalities that no other one can be tied to."""
        present = _present(data, self.inputs_)
        if len(present) < 2:
            raise LearningError(
                f"spaces are tied of two modalities or more: only '{next(iter(present))}' varies"
            )
        for modality, rows in present.items():
            pairs = {m: int((rows & other).sum()) for m, other in present.items() if m != modality}
            nearest = max(pairs, key=lambda m: pairs[m])
            if pairs[nearest] < _FEWEST_PAIRS:
                raise LearningError(
                    f"'{modality}' is tied to no other modality: it has {pairs[nearest]} rows in "
                    f"common with '{nearest}', and should have {_FEWEST_PAIRS}"
                )


def _present(data: MultimodalData, names: Collection[str]) -> dict[str, Bool[np.ndarray, " rows"]]:
    return {modality: ~data.block(modality).missing for modality in names}


def _nothing(made: ModalityInput, rows: int) -> Cells:
    """Rows of a modality that are all missing."""
    shape = (rows, *made.shape)
    lengths = torch.zeros(rows, dtype=torch.int64) if 0 in made.shape else None
    return Cells(torch.zeros(shape), torch.zeros(shape, dtype=torch.bool), lengths)


def _flat(codes: torch.Tensor) -> Codes:
    """The codes of members, side by side."""
    return codes.double().transpose(0, 1).flatten(1).cpu().numpy()


def _directions(codes: Codes) -> Codes:
    """Rows of length one, but those that are zero."""
    lengths = np.linalg.norm(codes, axis=1, keepdims=True)
    return codes / np.where(lengths > 0, lengths, 1.0)
