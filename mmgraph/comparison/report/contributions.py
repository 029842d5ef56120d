"""What each modality adds to a model, over all orders in which modalities could come."""

from __future__ import annotations

import warnings
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64

from mmgraph.causal.estimation.estimators.intervals import FewGroupsWarning
from mmgraph.causal.modalities.information.by_modality import MOST_SOURCES
from mmgraph.comparison.report.compared_figures import PRIOR, ComparedFigures, Given
from mmgraph.comparison.report.differences import METRICS
from mmgraph.comparison.statistics.shapley import shapley_intervals


class Contribution(NamedTuple):
    """The Shapley value of a modality: the part of what all bring that is its own.

    Attributes
    ----------
    model, split, modality, metric : str
        Of log-loss it is how far that falls, in nats; of accuracy, how far that rises.
    value : float
    standard_error : float or None
        Over rows, or groups.
    """

    model: str
    split: str
    modality: str
    metric: str
    value: float
    standard_error: float | None


def contributions(figures: ComparedFigures) -> list[Contribution]:
    """Return the Shapley values of all models that were asked of every set of modalities.

    Given nothing a model's answer is its own or, where it was not asked, the shares of the classes
    among the training rows of each fold. Of more than 12 modalities there are none, since they have
    too many sets.
    """
    if len(figures.all_modalities) > MOST_SOURCES:
        return []
    found = []
    for split in figures.splits:
        tested = figures.of_split(split)
        for model in figures.models:
            tables = _tables(figures, model, split)
            if model == PRIOR or tables is None:
                continue
            for metric, sign in METRICS.items():
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore", FewGroupsWarning)  # the page warns of them
                    values = shapley_intervals(
                        tables, tested.codes, tested.groups, metric=metric, kind="analytical"
                    )
                found += [
                    Contribution(model, split, m, metric, sign * one.value, one.standard_error)
                    for m, one in values.items()
                ]
    return found


def about_none(figures: ComparedFigures) -> str:
    """Return why there are no Shapley values, in a sentence."""
    count = len(figures.all_modalities)
    what = f"Shapley values need answers given all {2**count:,} sets of {count} modalities"
    if count > MOST_SOURCES:
        return f"{what}: of more than {MOST_SOURCES} modalities they are not computed."
    return f"{what}; no model was asked for every one."


def _tables(
    figures: ComparedFigures, model: str, split: str
) -> dict[Given, Float64[np.ndarray, "rows classes"]] | None:
    """Probabilities given each set of modalities; None where one is lacking."""
    asked = {given: figures.find(model, split, given) for given in (*figures.sets(split), ())}
    tables = {given: one.probabilities for given, one in asked.items() if one is not None}
    tested, prior = figures.of_split(split), figures.find(PRIOR, split)
    if tested.shares is not None:
        tables.setdefault((), tested.shares[tested.folds])
    elif prior is not None:
        tables.setdefault((), prior.probabilities)
    return tables if len(tables) == 2 ** len(figures.all_modalities) else None
