"""What a predictor says of rows that it has not learned from, with every set of modalities."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float64

from mmgraph.comparison.cross_validation import CrossValidation, cross_validations
from mmgraph.data.multimodal_data import MultimodalData
from mmgraph.graph.errors import needs
from mmgraph.learning.prediction.noise import figures_with_noise
from mmgraph.networks.boltzmann.answers import PriorWarning
from mmgraph.predictors.predictor import Predictor
from mmgraph.predictors.row_predictor import warn_of_prior

Situation = tuple[str, ...]
"""The modalities that are there."""


def situations(modalities: Situation) -> tuple[Situation, ...]:
    """Return the situations that are reported by default: all modalities, and each alone."""
    return (modalities, *((m,) for m in modalities if len(modalities) > 1))


@dataclass(frozen=True, eq=False)
class HeldOut:
    """The answers of one split to rows that were held out.

    Attributes
    ----------
    split : CrossValidation
        How rows were split: ``split.split`` is ``random`` or ``grouped``.
    predicted : dict of tuple of str to ndarray
        The probabilities of the states of ``split.data.target``, ``(rows, states)``, by the
        modalities that were there; rows as in the data.
    """

    split: CrossValidation
    predicted: dict[Situation, Float64[np.ndarray, "rows states"]]

    def figures(self) -> list[dict[str, Any]]:
        """Return the figures of each set of modalities, log-loss first, each with its noise.

        As :func:`~mmgraph.learning.prediction.noise.figures_with_noise`. Of a grouped split
        standard errors are over groups.
        """
        tested = self.split.tested
        data = self.split.data.rows(tested)
        groups = None if data.groups is None else data.groups.codes
        lines = []
        for given, table in self.predicted.items():
            figures = figures_with_noise(table[tested], data.codes, groups)
            first = {name: figures[name] for name in ("log_loss", "log_loss_standard_error")}
            where = {"split": self.split.split, "groups": self.split.groups, "given": list(given)}
            lines.append(where | first | figures)
        return lines


@dataclass(frozen=True, eq=False)
class CrossValidated:
    """The answers of all splits, the random one first.

    Attributes
    ----------
    splits : tuple of HeldOut
    """

    splits: tuple[HeldOut, ...]

    def figures(self) -> list[dict[str, Any]]:
        """Return the figures of each split and set of modalities, as :meth:`HeldOut.figures`."""
        return [line for held_out in self.splits for line in held_out.figures()]

    def to_frame(self) -> Any:
        """Return a data frame with a line for each split and set of modalities.

        Raises
        ------
        MissingExtraError
            If pandas is not installed.
        """
        with needs("data", "pandas", "a data frame"):
            import pandas
        lines = [line | {"given": ", ".join(line["given"])} for line in self.figures()]
        return pandas.DataFrame(lines).set_index(["split", "given"]).drop(columns="groups")


def cross_validate(
    predictor: Predictor,
    data: MultimodalData,
    given: Iterable[Iterable[str] | str] | None = None,
    *,
    folds: int = 5,
    seed: int = 0,
) -> CrossValidated:
    """Return what a predictor says of each row after learning from the rows of other folds.

    Rows are split at random and, where they have groups, by whole groups too; where they have none
    and the random split leaks, by blocks of consecutive rows.

    Parameters
    ----------
    predictor : Predictor
        A classifier, such as :class:`~mmgraph.MultimodalClassifier`. Copies of it are fitted, and
        it stays as it is.
    data : MultimodalData
        Rows with a target that has states.
    given : iterable of iterable of str, optional
        The sets of modalities that are there, each asked for; by default all together, and each
        alone.
    folds : int
        How many; of groups no more than there are groups.
    seed : int
        By which rows, and groups, are dealt into folds.

    Raises
    ------
    MmgraphError
        If there are fewer than two folds, or a state (which) has fewer rows than folds.
    UnknownVariableError
        If there is no such modality.
    LearningError
        If there is no target with states, or a row lacks it (which).

    Warns
    -----
    LeakWarning
        If the random split leaks, with what was seen.
    SplitWarning, CopiesWarning
        If groups keep nothing apart.
    PriorWarning
        If a row (which) has none of the modalities of a set: its answer is the prior.

    Examples
    --------
    >>> tested = mm.cross_validate(mm.MultimodalClassifier(), data)  # doctest: +SKIP
    >>> tested.to_frame()                                            # doctest: +SKIP
    """
    sets = (
        situations(data.modalities)
        if given is None
        else tuple((m,) if isinstance(m, str) else tuple(m) for m in given)
    )
    for modalities in sets:
        for modality in modalities:
            data.block(modality)
        if modalities:
            warn_of_prior(data, modalities)
    return CrossValidated(
        tuple(
            HeldOut(split, _predicted(predictor, split, sets))
            for split in cross_validations(data, folds, seed)
        )
    )


def _predicted(
    predictor: Predictor, split: CrossValidation, sets: tuple[Situation, ...]
) -> dict[Situation, Float64[np.ndarray, "rows states"]]:
    data = split.data
    tables = {given: np.zeros((len(data), data.target.cardinality)) for given in sets}
    for training, test in split.folds:
        fitted = copy.deepcopy(predictor).fit(data.rows(training))
        held = data.rows(test)
        for given, table in tables.items():
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", PriorWarning)  # it counts the rows of a fold
                table[test] = fitted.predict_proba(held, given=given)
    return tables
