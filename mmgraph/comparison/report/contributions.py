"""What each modality adds to a model, over all orders in which modalities could come."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from mmgraph.causal.modalities.information.by_modality import shapley_weights
from mmgraph.comparison.report.compared_figures import PRIOR, ComparedFigures
from mmgraph.comparison.report.differences import METRICS, row_values
from mmgraph.comparison.results import Answers
from mmgraph.learning.prediction.noise import standard_error


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

    Given nothing a model's answer is its own or, where it was not asked, the prior's.
    """
    found = []
    weights = shapley_weights(figures.all_modalities)
    for split in figures.splits:
        tested = figures.of_split(split)
        for model in figures.models:
            by_set = _by_set(figures, model, split, list(next(iter(weights.values()))))
            if model == PRIOR or by_set is None:
                continue
            for metric, sign in METRICS.items():
                told = {s: sign * row_values(a, tested, metric) for s, a in by_set.items()}
                for modality, by_members in weights.items():
                    parts = np.sum([w * told[s] for s, w in by_members.items()], axis=0)
                    error = standard_error(parts, tested.groups)
                    value = float(parts.mean())
                    found.append(Contribution(model, split, str(modality), metric, value, error))
    return found


def _by_set(
    figures: ComparedFigures, model: str, split: str, sets: list[frozenset[str]]
) -> dict[frozenset[str], Answers] | None:
    """The answers given each set of modalities; None where one is lacking."""
    answers = {
        members: figures.find(model, split, tuple(members))
        or (None if members else figures.find(PRIOR, split))
        for members in sets
    }
    complete = {s: one for s, one in answers.items() if one is not None}
    return complete if len(complete) == len(sets) else None
