"""Expectation maximisation of linear Gaussian systems over time.

Shumway and Stoffer (1982), "An approach to time series smoothing and forecasting using the EM
algorithm"; cells that are missing are expected given the state and the cells that are there.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64

from mmgraph.graph.errors import LearningError, check_choice
from mmgraph.inference.gaussian.state_space.parameters import SystemParameters
from mmgraph.inference.gaussian.state_space.passes import Pass, passes
from mmgraph.learning.dynamic.climbing import Ascent

Rows = Sequence[Float64[np.ndarray, "steps features"]]
_LEAST_WEIGHT = 1e-8


class Regression:
    """Sums of products of targets and regressors, from which coefficients and noise follow.

    The last regressor is the constant one.
    """

    def __init__(self, targets: int, regressors: int) -> None:
        self.count = 0.0
        self.regressors = np.zeros((regressors + 1, regressors + 1))
        self.cross = np.zeros((targets, regressors + 1))
        self.targets = np.zeros((targets, targets))

    def solved(
        self,
        coefficients: Float64[np.ndarray, "targets regressors"],
        offset: Float64[np.ndarray, " targets"],
        learned: tuple[bool, bool],
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return coefficients, the offset and the noise's covariance; what is not learned stays."""
        whole = np.column_stack([coefficients, offset])
        free = np.append(np.full(coefficients.shape[1], learned[0]), learned[1])
        if free.any():
            left = self.cross[:, free] - whole[:, ~free] @ self.regressors[np.ix_(~free, free)]
            square = self.regressors[np.ix_(free, free)]
            whole[:, free] = np.linalg.lstsq(square, left.T, rcond=None)[0].T
        fitted = whole @ self.cross.T
        noise = self.targets - fitted - fitted.T + whole @ self.regressors @ whole.T
        return whole[:, :-1], whole[:, -1], noise / self.count


@dataclass(frozen=True)
class SystemLearning:
    """What is learned of a system.

    Attributes
    ----------
    learn : collection of str
        The parameters to learn.
    diagonal : collection of str
        Covariances of which only the diagonal is learned.
    floor : float
        The least eigenvalue of a covariance that is learned; where it is less already, that.
    """

    learn: Collection[str]
    diagonal: Collection[str]
    floor: float

    @classmethod
    def checked(
        cls,
        learn: Collection[str] | str | None,
        diagonal: Collection[str] | str,
        floor: float,
        rows: Float64[np.ndarray, "steps features"],
    ) -> SystemLearning:
        """Return what users ask for: by default all but the offsets; the floor is a part of the
        rows' variance.

        Raises
        ------
        LearningError
            If there is no parameter of a name, or every cell is missing.
        """
        names = SystemParameters._fields
        diagonal = [diagonal] if isinstance(diagonal, str) else sorted(diagonal)
        if learn is None:
            learn = [n for n in names if not n.endswith("offset")]
        learn = [learn] if isinstance(learn, str) else list(learn)
        for name in learn:
            check_choice("parameter", name, names, LearningError)
        for name in diagonal:
            covariances = [n for n in names if n.endswith("covariance")]
            check_choice("covariance", name, covariances, LearningError)
        if np.isnan(rows).all():
            raise LearningError("there is nothing to learn from: every cell is missing")
        least = floor * (float(np.nanmean((rows - np.nanmean(rows)) ** 2)) or 1.0)
        return cls(learn, diagonal, least)

    def at_floor(self, parameters: SystemParameters) -> list[str]:
        """Return the covariances that keep to their floor."""
        found = []
        for name in self.learn:
            array = getattr(parameters, name)
            if name.endswith("covariance") and np.linalg.eigvalsh(array)[0] < 2 * self.floor:
                found.append(name)
        return found


class SystemSums:
    """Expected sums of products, from which all parameters of a system follow."""

    def __init__(self, states: int, features: int) -> None:
        self.motion = Regression(states, states)
        self.rows: dict[bytes, Regression] = defaultdict(lambda: Regression(features, states))
        self.starts: list[np.ndarray] = []
        self.weights: list[np.ndarray] = []
        self.spread = np.zeros((states, states))

    def add_starts(self, means: np.ndarray, covariances: np.ndarray, weights: np.ndarray) -> None:
        """Add the states of first steps."""
        self.starts.append(means)
        self.weights.append(weights)
        self.spread += np.einsum("b,bij->ij", weights, covariances)

    def updated(self, parameters: SystemParameters, what: SystemLearning) -> SystemParameters:
        """Return the parameters that maximise what is expected; those without weight stay."""
        features, states = parameters.observation.shape
        emission = Regression(features, states)
        for key, sums in self.rows.items():
            _add_expected(emission, sums, np.frombuffer(key, bool), parameters)
        changed = parameters._asdict()
        _relearn(changed, "transition", self.motion, what.learn)
        _relearn(changed, "observation", emission, what.learn)
        weights = np.concatenate(self.weights) if self.weights else np.zeros(0)
        if weights.sum() > _LEAST_WEIGHT:
            first, shares = np.concatenate(self.starts), weights / weights.sum()
            if "start_mean" in what.learn:
                changed["start_mean"] = shares @ first
            if "start_covariance" in what.learn:
                apart = first - changed["start_mean"]
                spread = self.spread / weights.sum()
                changed["start_covariance"] = spread + (apart.T * shares) @ apart
        for name in changed:
            if name.endswith("covariance") and name in what.learn:
                before = np.linalg.eigvalsh(getattr(parameters, name))[0]
                least = min(what.floor, max(before, 0))
                changed[name] = _floored(changed[name], name in what.diagonal, least)
        return SystemParameters(**changed)


def ascend(
    parameters: SystemParameters, parts: Rows, what: SystemLearning
) -> Ascent[SystemParameters]:
    """Return how likely sequences are, and parameters under which they are no less likely."""
    states = parameters.states
    sums, total = SystemSums(states, parameters.features), 0.0
    for group in passes(parameters, parts, smoothing=True):
        means, covariances = group.smoothed()
        means, covariances = means[:, :, :states], covariances[:, :states, :states]
        total += float(group.log_likelihoods.sum())
        first = np.broadcast_to(covariances[0], (len(means), states, states))
        sums.add_starts(means[:, 0], first, np.ones(len(means)))
        # Sums over the sequences of the products of a state and the constant one.
        with_one = np.concatenate([means, np.ones((*means.shape[:2], 1))], 2)
        products = np.einsum("sti,stj->tij", with_one, with_one)
        products[:, :states, :states] += len(means) * covariances
        _add_motion(sums.motion, means, covariances, group, products)
        _add_rows(sums.rows, np.stack([parts[i] for i in group.sequences]), with_one, products)
    return Ascent(total, total, sums.updated(parameters, what))


def _relearn(
    changed: dict[str, np.ndarray], name: str, sums: Regression, learn: Collection[str]
) -> None:
    """Replace coefficients, offset and noise of a regression by what sums say."""
    if sums.count <= _LEAST_WEIGHT:
        return
    parts = (name, f"{name}_offset", f"{name}_covariance")
    solved = sums.solved(
        changed[parts[0]], changed[parts[1]], (parts[0] in learn, parts[1] in learn)
    )
    for part, value in zip(parts, solved, strict=True):
        if part in learn:
            changed[part] = value


def _add_motion(
    motion: Regression,
    means: np.ndarray,
    covariances: np.ndarray,
    group: Pass,
    products: np.ndarray,
) -> None:
    """Add the products of states and those of the steps after them."""
    states = means.shape[2]
    later = len(means) * np.einsum(
        "tij,tkj->ik", covariances[1:], group.gains()[:-1, :states, :states]
    )
    motion.count += len(means) * (means.shape[1] - 1)
    motion.regressors += products[:-1].sum(0)
    motion.targets += products[1:, :states, :states].sum(0)
    motion.cross[:, :states] += later + np.einsum("sti,stj->ij", means[:, 1:], means[:, :-1])
    motion.cross[:, states] += means[:, 1:].sum((0, 1))


def _add_rows(
    patterns: dict[bytes, Regression], rows: np.ndarray, with_one: np.ndarray, products: np.ndarray
) -> None:
    """Add the products of states and cells that are there, by the pattern of these."""
    mask = ~np.isnan(rows[0])
    rows = np.where(mask, rows, 0.0)
    distinct, number = np.unique(mask, axis=0, return_inverse=True)
    order = np.argsort(number, kind="stable")
    first = np.searchsorted(number[order], np.arange(len(distinct)))
    sums = [
        np.add.reduceat(terms[order], first)
        for terms in (
            products,
            np.einsum("sti,stj->tij", rows, with_one),
            np.einsum("sti,stj->tij", rows, rows),
        )
    ]
    counts = np.bincount(number) * len(rows)
    for pattern, count, *terms in zip(distinct, counts, *sums, strict=True):
        into = patterns[pattern.tobytes()]
        into.count += count
        into.regressors += terms[0]
        into.cross += terms[1]
        into.targets += terms[2]


def _add_expected(
    emission: Regression,
    sums: Regression,
    there: Bool[np.ndarray, " features"],
    p: SystemParameters,
) -> None:
    """Add products of whole rows: ``T y + U [x, 1]`` is expected of a row given what is there."""
    features, states = p.observation.shape
    to_rows, to_states = np.diag(there.astype(float)), np.zeros((features, states + 1))
    rest = np.zeros((features, features))
    gone = ~there
    if gone.any():
        noise = p.observation_covariance
        known = noise[np.ix_(there, there)]
        slope = np.linalg.lstsq(known, noise[np.ix_(there, gone)], rcond=None)[0].T
        whole = np.column_stack([p.observation, p.observation_offset])
        to_rows[np.ix_(gone, there)] = slope
        to_states[gone] = whole[gone] - slope @ whole[there]
        rest[np.ix_(gone, gone)] = noise[np.ix_(gone, gone)] - slope @ noise[np.ix_(there, gone)]
    mixed = to_rows @ sums.cross @ to_states.T
    emission.count += sums.count
    emission.regressors += sums.regressors
    emission.cross += to_rows @ sums.cross + to_states @ sums.regressors
    emission.targets += to_rows @ sums.targets @ to_rows.T + mixed + mixed.T
    emission.targets += to_states @ sums.regressors @ to_states.T + sums.count * rest


def _floored(covariance: np.ndarray, diagonal: bool, floor: float) -> np.ndarray:
    """The likeliest covariance whose eigenvalues are at least the floor."""
    if diagonal:
        return np.diag(np.diag(covariance).clip(floor))
    values, vectors = np.linalg.eigh((covariance + covariance.T) / 2)
    raised = (vectors * values.clip(floor)) @ vectors.T
    return (raised + raised.T) / 2


def first_values(parts: Rows, states: int) -> SystemParameters:
    """Return values for learning to start from: states are principal components of short windows.

    What is missing is put at the mean of its feature; a window has as many rows as give it no fewer
    cells than there are states.

    Raises
    ------
    LearningError
        If a feature is never there, or there are fewer rows than states.
    """
    rows = np.concatenate(parts)
    there = ~np.isnan(rows)
    if not there.any(0).all():
        raise LearningError(f"feature {np.flatnonzero(~there.any(0))[0]} is missing in all rows")
    if not 0 < states < len(rows):
        raise LearningError(f"{len(rows)} rows say nothing of {states} states")
    mean = np.nanmean(rows, 0)
    length = -(-states // rows.shape[1])
    windows = []
    for part in parts:
        filled = np.where(np.isnan(part), 0.0, part - mean)
        ahead = np.minimum(np.arange(len(part))[:, None] + np.arange(length), len(part) - 1)
        windows.append(filled[ahead].reshape(len(part), -1))
    whole = np.concatenate(windows)
    _, values, axes = np.linalg.svd(whole, full_matrices=False)
    scale = np.sqrt(len(whole)) / np.maximum(values[:states], 1e-8 * max(values[0], 1e-300))
    paths = [window @ axes[:states].T * scale for window in windows]
    motion, emission = Regression(states, states), Regression(rows.shape[1], states)
    for sums, targets, given in (
        (motion, [p[1:] for p in paths], [p[:-1] for p in paths]),
        (emission, [np.where(np.isnan(p), mean, p) for p in parts], paths),
    ):
        y, x = np.concatenate(targets), np.concatenate(given)
        x = np.column_stack([x, np.ones(len(x))])
        sums.count, sums.regressors = max(len(x), 1), x.T @ x
        sums.cross, sums.targets = y.T @ x, y.T @ y
    transition, drift, noise = motion.solved(np.eye(states), np.zeros(states), (True, False))
    observation, level, error = emission.solved(
        np.zeros((rows.shape[1], states)), mean, (True, True)
    )
    return SystemParameters(
        transition,
        observation,
        _floored(noise, False, 1e-2),
        _floored(error, False, 1e-2 * (float(np.nanvar(rows, 0).mean()) or 1.0)),
        np.mean([p[0] for p in paths], 0),
        np.eye(states),
        drift,
        level,
    )
