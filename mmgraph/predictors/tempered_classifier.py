"""Classifiers whose likelihoods have powers, learned on rows that the model has not seen."""

from __future__ import annotations

import abc
from collections.abc import Callable, Collection
from typing import Any, ClassVar

import numpy as np
import torch
from jaxtyping import Float64, Int64
from scipy.special import log_softmax, softmax

from mmgraph.data.multimodal_data import MultimodalData
from mmgraph.learning.likelihood_weights import learn_likelihood_weights
from mmgraph.predictors.modality_sets import modality_sets
from mmgraph.predictors.pooling.fitting import inner_folds
from mmgraph.predictors.row_classifier import RowClassifier

_LEAST_PROBABILITY = float(np.finfo(np.float64).tiny)


class TemperedClassifier(RowClassifier):
    """A classifier that tempers the answers of one model of all modalities.

    The likelihood of each set of modalities that depend on each other given the target has a power,
    at most :attr:`largest_power`, under which held-out training rows are told best; powers are
    learned anew for each set of modalities that are there.
    """

    largest_power: ClassVar[float] = 1.0
    temper: bool
    folds: int
    prior_: Float64[np.ndarray, " classes"]
    told_: tuple[str, ...]
    """The modalities that the model knows."""
    independent_: tuple[tuple[str, ...], ...]
    """Sets of these, each of which is independent of the others given the target."""
    _held_out: list[tuple[Any, MultimodalData]]
    """Models, and rows that they have not learned from."""
    _codes: Int64[np.ndarray, " rows"]
    """The classes of these rows, one part after another."""

    @property
    @abc.abstractmethod
    def _model(self) -> Any:
        """The model of all training rows."""

    @abc.abstractmethod
    def _answers(
        self, model: Any, data: MultimodalData, names: Collection[str]
    ) -> Float64[np.ndarray, "rows classes"]:
        """A model's posterior of the target in each row, given some modalities."""

    @abc.abstractmethod
    def _prior(self, model: Any) -> Float64[np.ndarray, " classes"]:
        """The probabilities of the classes to a model where nothing is observed."""

    def _hold_out(
        self, data: MultimodalData, seed: int, learned: Callable[[MultimodalData], Any]
    ) -> None:
        """Learn models from parts of the rows, and powers from what they say of the others."""
        held_out = [
            (learned(data.rows(training)), data.rows(test))
            for training, test in inner_folds(data, self.folds, seed)
        ]
        self._keep_held_out(held_out, np.concatenate([part.codes for _, part in held_out]))

    def _keep_held_out(
        self, held_out: list[tuple[Any, MultimodalData]], codes: Int64[np.ndarray, " rows"]
    ) -> None:
        """Learn powers from models, and rows with classes that they have not learned from."""
        self._held_out, self._codes = held_out, codes
        self._powers: dict[tuple[str, ...], Float64[np.ndarray, " sets"]] = {}
        self._powers_of(self.told_)

    @property
    def modalities_(self) -> tuple[str, ...]:
        """As :attr:`RowPredictor.modalities_`."""
        return self.told_

    def _posterior(
        self, data: MultimodalData, asked: tuple[str, ...]
    ) -> Float64[np.ndarray, "rows classes"]:
        if not self.temper:
            return self._answers(self._model, data, asked)
        said = self._log_likelihoods(self._model, data, asked)
        with np.errstate(divide="ignore"):
            log_prior = np.log(self.prior_)
        table = np.tile(self.prior_, (len(data), 1))
        for names, rows in modality_sets(data, asked):
            if names:
                weighted = np.tensordot(self._powers_of(names), said[:, rows], 1)
                table[rows] = softmax(log_prior + weighted, axis=1)
        return table

    def _log_likelihoods(
        self, model: Any, data: MultimodalData, names: Collection[str]
    ) -> Float64[np.ndarray, "sets rows classes"]:
        """Log P(modalities | class) of each independent set of them, up to a constant a row.

        Of classes that the model has not seen it says nothing.
        """
        prior = self._prior(model)
        seen = prior > 0
        said = np.zeros((len(self.independent_), len(data), len(prior)))
        for place, together in enumerate(self.independent_):
            looked_at = [m for m in together if m in names]
            if looked_at:
                answers = self._answers(model, data, looked_at)[:, seen]
                said[place][:, seen] = np.log(answers.clip(_LEAST_PROBABILITY) / prior[seen])
        return said

    def _powers_of(self, names: tuple[str, ...]) -> Float64[np.ndarray, " sets"]:
        """The powers on the likelihoods of independent sets, where these modalities are there."""
        if names not in self._powers:
            # A class without probability stays without, and is no reason for smaller powers.
            possible = self.prior_ > 0
            rows = np.flatnonzero(possible[self._codes])
            codes = (np.cumsum(possible) - 1)[self._codes[rows]]
            said = np.concatenate(
                [self._log_likelihoods(model, part, names) for model, part in self._held_out],
                axis=1,
            )[:, rows][:, :, possible]
            counts = np.concatenate([part.counts for _, part in self._held_out])[rows]
            usable = [i for i, sets in enumerate(self.independent_) if set(sets) & set(names)]
            powers = np.zeros(len(self.independent_))
            log_prior = np.log(self.prior_[possible])
            learned = learn_likelihood_weights(
                torch.as_tensor(said[usable]),
                torch.as_tensor(log_prior),
                torch.as_tensor(codes),
                counts=torch.as_tensor(counts),
            )
            powers[usable] = learned.numpy().clip(max=self.largest_power)

            def log_loss(trial: np.ndarray) -> float:
                table = log_softmax(log_prior + np.tensordot(trial, said, 1), axis=1)
                return -float(counts @ table[np.arange(len(table)), codes])

            for place in usable:  # learned powers are above zero, whatever they are worth
                without = np.where(np.arange(len(powers)) == place, 0.0, powers)
                if log_loss(without) <= log_loss(powers):
                    powers = without
            self._powers[names] = powers
        return self._powers[names]
