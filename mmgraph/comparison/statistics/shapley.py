"""What each modality adds to a metric: its Shapley value over all sets of them, exactly."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import combinations
from math import comb

import numpy as np
import torch
from jaxtyping import Float, Int

from mmgraph.causal.estimation.estimators.intervals import IntervalSettings
from mmgraph.causal.modalities.information.by_modality import MOST_SOURCES, shapley_weights
from mmgraph.comparison.statistics.paired_bootstrap import combined_intervals
from mmgraph.graph.errors import MmgraphError
from mmgraph.learning.prediction.interval import Interval

Given = Iterable[str]
"""The modalities that are there."""


def shapley_values(values: Mapping[tuple[str, ...], float]) -> dict[str, float]:
    """Return what each modality adds to a value, on average over the orders in which they come.

    Together they add up to the value of all less that of none.

    Parameters
    ----------
    values : mapping of tuple of str to float
        A metric of every set of modalities, also of none: ``()``.

    Raises
    ------
    MmgraphError
        If a set is missing (which), there are no modalities or more than 12, or a value is not
        finite.

    References
    ----------
    Shapley (1953), "A value for n-person games".
    """
    sets = _complete(values)
    for given, value in values.items():
        if not np.isfinite(value):
            raise MmgraphError(f"the value of {_named(given)} is not finite")
    return {
        str(modality): float(sum(w * values[sets[s]] for s, w in weights.items()))
        for modality, weights in shapley_weights(_modalities(sets)).items()
    }


def shapley_interactions(
    values: Mapping[tuple[str, ...], float],
) -> dict[tuple[str, str], float]:
    """Return by how much more each pair of modalities adds together than each does alone.

    Above zero they complement one another, below they repeat one another. Parameters and errors
    are those of :func:`shapley_values`.

    References
    ----------
    Grabisch and Roubens (1999), "An axiomatic approach to the concept of interaction among players
    in cooperative games".
    """
    sets = _complete(values)
    modalities = _modalities(sets)
    count = len(modalities)
    found = {}
    for pair in combinations(modalities, 2):
        rest = [m for m in modalities if m not in pair]
        found[pair] = float(
            sum(
                _joint_gain(values, sets, frozenset(others), pair)
                / ((count - 1) * comb(count - 2, size))
                for size in range(count - 1)
                for others in combinations(rest, size)
            )
        )
    return found


def shapley_intervals(
    tables: Mapping[tuple[str, ...], Float[np.ndarray, "rows classes"]],
    codes: Int[np.ndarray, " rows"],
    groups: Int[np.ndarray, " rows"] | None = None,
    *,
    metric: str = "accuracy",
    kind: str = "percentile",
    level: float = 0.95,
    draws: int = 1000,
    seed: int = 0,
) -> dict[str, Interval]:
    """Return Shapley values of modalities with intervals by resampling rows or groups.

    Parameters
    ----------
    tables : mapping of tuple of str to ndarray, shape (rows, classes)
        The probabilities of the same rows given every set of modalities, also none.
    codes, groups, metric, kind, level, draws, seed
        As of :func:`~mmgraph.comparison.statistics.paired_bootstrap.paired_bootstrap`; of a metric
        of which less is better, what helps adds less than zero.

    Raises
    ------
    MmgraphError
        As :func:`shapley_values` and ``paired_bootstrap``.
    """
    sets = _complete(tables)
    modalities = _modalities(sets)
    weights = shapley_weights(modalities)
    combined = np.array([[weights[m][members] for m in modalities] for members in sets])
    settings = IntervalSettings(kind, level, draws, torch.Generator().manual_seed(seed))
    ordered = [tables[given] for given in sets.values()]
    intervals = combined_intervals(ordered, codes, groups, combined, metric, settings)
    return dict(zip(modalities, intervals, strict=True))


def _complete(
    sets: Iterable[tuple[str, ...]],
) -> dict[frozenset[str], tuple[str, ...]]:
    """Sets by their members, refused unless every set of the modalities is there."""
    by_members = {frozenset(given): given for given in sets}
    modalities = _modalities(by_members)
    if not 1 <= len(modalities) <= MOST_SOURCES:
        raise MmgraphError(
            f"{len(modalities)} modalities: Shapley values are summed over every set of 1 to "
            f"{MOST_SOURCES} of them"
        )
    for size in range(len(modalities) + 1):
        for members in combinations(modalities, size):
            if frozenset(members) not in by_members:
                raise MmgraphError(f"Shapley values need every set, and {_named(members)} lacks")
    return by_members


def _modalities(sets: Iterable[frozenset[str]]) -> tuple[str, ...]:
    return tuple(sorted(frozenset().union(*sets)))


def _named(given: Iterable[str]) -> str:
    return " + ".join(given) or "no modality"


def _joint_gain(
    values: Mapping[tuple[str, ...], float],
    sets: Mapping[frozenset[str], tuple[str, ...]],
    others: frozenset[str],
    pair: tuple[str, str],
) -> float:
    """What both of a pair add to others, less what each adds to them alone."""
    alone = sum(values[sets[others | {one}]] for one in pair)
    return values[sets[others | {*pair}]] - alone + values[sets[others]]
