"""The costs of segments by name: running sums of rows, and what a change is expected to gain."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float64

from mmgraph.graph.errors import EvidenceError, LearningError, check_choice, suggestion
from mmgraph.graph.memory_budget import check_required, default_memory_budget
from mmgraph.graph.state_labels import is_missing
from mmgraph.sequences.changepoints.cost_kernels import (
    ABSOLUTE,
    COUNTS,
    FULL_GAUSSIAN,
    GAUSSIAN,
    RADIAL,
    REGRESSION,
    SQUARES,
    Statistics,
)

KINDS = {
    "l2": SQUARES,
    "l1": ABSOLUTE,
    "gaussian": GAUSSIAN,
    "full_gaussian": FULL_GAUSSIAN,
    "poisson": COUNTS,
    "categorical": COUNTS,
    "trend": REGRESSION,
    "autoregressive": REGRESSION,
    "rbf": RADIAL,
    "cosine": SQUARES,
}
SCALES = ("none", "noise", "deviation")
_FLOOR = 1e-6
"""The least variance of a segment, in variances of the whole sequence."""
_MOST_PAIRED = 1000
"""So many rows, evenly spaced, tell the median distance of a kernel."""
_NORMAL_MEDIAN = 0.6745
_ROUNDING = 1e-9


class PreparedCost(NamedTuple):
    """What a cost needs of a sequence, and how long its segments are at least by default."""

    statistics: Statistics
    least_length: int
    values: Float64[np.ndarray, "length features"]
    cost: str
    parameters: float

    @property
    def penalty(self) -> float:
        """The penalty of Schwarz's criterion (BIC) for the parameters of a segment and its place.

        Costs that are no likelihoods are taken in units of the noise about a level.
        """
        logarithm = np.log(max(len(self.values), 2))
        if KINDS[self.cost] in (GAUSSIAN, FULL_GAUSSIAN, COUNTS):
            return float((self.parameters + 1) * logarithm)
        if self.cost == "rbf":
            steps = (np.diff(self.values, axis=0) ** 2).sum(1)
            steps = steps[~np.isnan(steps)]
            unit = 2 * float((1 - np.exp(-steps)).mean()) if len(steps) else 0.0
        else:
            noise = _noise(self.values)
            each = noise / np.sqrt(2 * np.pi) if self.cost == "l1" else noise**2
            unit = float(each.mean() * self.parameters + each.max())
        return max(unit * logarithm, _ROUNDING)


def prepared_cost(
    rows: Any, cost: str, weights: Mapping[str, float] | None, scale: str | None
) -> PreparedCost:
    """Return what a cost needs of rows, as :func:`changepoints` takes them."""
    check_choice("cost", cost, tuple(KINDS), LearningError)
    values, feature_weights = _joined(rows, cost, weights)
    scale = scale or ("noise" if isinstance(rows, Mapping) and cost != "poisson" else "none")
    check_choice("scale", scale, SCALES, LearningError)
    if cost == "categorical":
        values, feature_weights, parameters = _indicators(values, feature_weights)
    elif scale != "none" and cost != "poisson":
        values = values / (_noise(values) if scale == "noise" else _deviation(values))
    if cost == "poisson" and (values < 0).any():
        row, column = np.argwhere(values < 0)[0]
        raise EvidenceError(f"row {row}, column {column}: {values[row, column]:g} is no count")
    if cost == "cosine":
        values = values / np.maximum(np.sqrt((values**2).sum(1, keepdims=True)), 1e-300)
    if KINDS[cost] == FULL_GAUSSIAN and (feature_weights != 1).any():
        raise LearningError("features of cost 'full_gaussian' have no weights; 'gaussian' has them")
    if KINDS[cost] in (SQUARES, REGRESSION, RADIAL):
        values = values * np.sqrt(feature_weights)
    elif cost == "l1":
        values = values * feature_weights
    if KINDS[cost] == RADIAL:
        values = values / np.sqrt(_median_distance(values))
    features = values.shape[1]
    if cost != "categorical":
        own = {GAUSSIAN: 2.0, FULL_GAUSSIAN: 1 + (features + 1) / 2, REGRESSION: 2.0}
        parameters = features * own.get(KINDS[cost], 1.0)
    least = {GAUSSIAN: 2, FULL_GAUSSIAN: features + 1, REGRESSION: 3}.get(KINDS[cost], 1)
    data = _statistics(values, cost, feature_weights)
    return PreparedCost(data, least, values, cost, parameters)


def _joined(
    rows: Any, cost: str, weights: Mapping[str, float] | None
) -> tuple[Float64[np.ndarray, "length features"], Float64[np.ndarray, " features"]]:
    """Lay modalities side by side, with the weight of each feature; labels become numbers."""
    parts = rows if isinstance(rows, Mapping) else {"": rows}
    weights = {} if weights is None else weights
    for name, weight in weights.items():
        if name not in parts or not isinstance(rows, Mapping):
            raise LearningError(f"there is no modality '{name}' to weigh{suggestion(name, parts)}")
        if not 0 < weight < np.inf:
            raise LearningError(f"the weight of '{name}' must be above 0 and finite, not {weight}")
    blocks = {
        name: _block(part, f"'{name}' " if name else "", cost) for name, part in parts.items()
    }
    lengths = {name: len(block) for name, block in blocks.items()}
    if len(set(lengths.values())) > 1:
        raise EvidenceError(f"modalities differ in length: {lengths}")
    if not blocks or not next(iter(lengths.values())):
        raise EvidenceError("a sequence of length zero has no changes to look for")
    each = [np.full(block.shape[1], weights.get(name, 1.0)) for name, block in blocks.items()]
    return np.concatenate(list(blocks.values()), axis=1), np.concatenate(each)


def _block(part: Any, name: str, cost: str) -> Float64[np.ndarray, "length features"]:
    try:
        array = np.asarray(part)
    except ValueError:
        raise EvidenceError(
            "rows are one sequence, (length,) or (length, features); parts of other lengths are "
            "sequences of their own"
        ) from None
    array = array[:, None] if array.ndim == 1 else array
    if array.ndim != 2 or not array.shape[1]:
        raise EvidenceError(f"rows {name}have shape {array.shape}; (length, features) was expected")
    if cost == "categorical" and array.dtype.kind in "USO":
        gone = np.array([is_missing(c) or c == "" for c in array.ravel().tolist()])
        columns = [np.unique(column.astype(str), return_inverse=True)[1] for column in array.T]
        codes = np.stack(columns, axis=1).astype(np.float64)
        return np.where(gone.reshape(codes.shape), np.nan, codes)
    try:
        values = array.astype(np.float64)
    except (TypeError, ValueError):
        raise EvidenceError(f"rows {name}are {array.dtype}, and no numbers") from None
    if np.isinf(values).any():
        row, column = np.argwhere(np.isinf(values))[0]
        raise EvidenceError(f"row {row}, column {column} {name}is infinite; missing is NaN")
    return values


def _indicators(values: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """Turn labels into a column for each label; count the probabilities that are free."""
    columns, repeated, parameters = [], [], 0.0
    for column, weight in zip(values.T, weights, strict=True):
        labels = np.unique(column[~np.isnan(column)])
        present = np.where(np.isnan(column), np.nan, 0.0)[:, None]
        columns.append((column[:, None] == labels) + present)
        repeated += [weight] * len(labels)
        parameters += max(len(labels) - 1, 0)
    return np.concatenate(columns, axis=1), np.array(repeated), parameters


def _deviation(values: np.ndarray) -> Float64[np.ndarray, " features"]:
    """The standard deviation of each feature, 1 of one that is constant or missing throughout."""
    present = ~np.isnan(values)
    count = np.maximum(present.sum(0), 1)
    filled = np.where(present, values, 0.0)
    mean = filled.sum(0) / count
    deviation = np.sqrt((np.where(present, values - mean, 0.0) ** 2).sum(0) / count)
    return np.where(deviation > 1e-14 * np.abs(mean), deviation, 1.0)


def _noise(values: np.ndarray) -> Float64[np.ndarray, " features"]:
    """The standard deviation of each feature about its level, from differences of neighbours.

    The median, which few changes do not move; the root mean square where most are zero.
    """
    noise = np.zeros(values.shape[1])
    for j, column in enumerate(np.diff(values, axis=0).T):
        steps = np.abs(column[~np.isnan(column)])
        if len(steps):
            median = np.median(steps) / _NORMAL_MEDIAN
            noise[j] = (median or np.sqrt((steps**2).mean())) / np.sqrt(2)
    return np.where(noise > 0, noise, _deviation(values))


def _median_distance(values: np.ndarray) -> float:
    """The median squared distance of pairs of whole rows, 1 where all are alike."""
    whole = values[~np.isnan(values).any(1)]
    some = whole[np.linspace(0, len(whole) - 1, min(len(whole), _MOST_PAIRED)).astype(int)]
    first, second = np.triu_indices(len(some), 1)
    squared = np.maximum((some**2).sum(1)[:, None] + (some**2).sum(1) - 2 * some @ some.T, 0.0)
    distances = squared[first, second]
    return float(np.median(distances) if len(distances) else 0.0) or 1.0


def _statistics(values: np.ndarray, cost: str, weights: np.ndarray) -> Statistics:
    kind = KINDS[cost]
    present = ~np.isnan(values)
    if kind in (FULL_GAUSSIAN, RADIAL) or cost == "cosine":  # a row is there or not
        present[:] = present.all(1, keepdims=True)
        values = np.where(present, values, np.nan)
    covariate = np.arange(len(values), dtype=np.float64)[:, None] + np.zeros(values.shape[1])
    filled = np.where(present, values, 0.0)
    scale = np.ones(values.shape[1])
    if kind != COUNTS:  # sums of centred numbers have fewer digits to lose
        count = np.maximum(present.sum(0), 1)
        filled = np.where(present, filled - filled.sum(0) / count, 0.0)
    if kind in (GAUSSIAN, FULL_GAUSSIAN):
        scale = _deviation(values)
        filled /= scale
    if cost == "autoregressive":
        covariate = np.concatenate([np.zeros_like(filled[:1]), filled[:-1]])
        present[1:] &= present[:-1].copy()
        present[0] = False
        filled, covariate = filled * present, covariate * present
    if kind == REGRESSION:
        covariate = covariate * present
        covariates = np.concatenate([covariate, covariate**2, covariate * filled], axis=1)
    else:
        covariates = np.empty((0, 0))
    squares = filled**2
    if kind == FULL_GAUSSIAN:
        required = 3 * filled.size * filled.shape[1] * 8  # products, their running sums, a copy
        what = f"products of {filled.shape[1]} features in {len(filled)} rows"
        check_required(what, required, default_memory_budget(), "The cost 'gaussian' needs none.")
        squares = (filled[:, :, None] * filled[:, None, :]).reshape(len(filled), -1)
    same = (present == present[:, :1]).all()
    if kind == SQUARES and same:
        squares = squares.sum(1, keepdims=True)
    needs_rows = kind in (ABSOLUTE, RADIAL)
    return Statistics(
        kind,
        _FLOOR,
        weights.astype(np.float64),
        _running((present[:, :1] if same else present).astype(np.float64)),
        _running(filled),
        _running(squares),
        _running(covariates) if kind == REGRESSION else covariates,
        filled if needs_rows else np.empty((0, 0)),
        present.astype(np.float64) if needs_rows else np.empty((0, 0)),
    )


def _running(values: np.ndarray) -> Float64[np.ndarray, "steps columns"]:
    return np.concatenate([np.zeros((1, values.shape[1])), values.cumsum(0)])
