"""Weights of sensors and edges, chosen by how well labelled pixels that were held out are foretold.

A weight is a power on what a sensor says. Alone, sensors could be weighed by logistic regression
(:mod:`mmgraph.learning.likelihood_weights`). But neighbours repeat one another, so that the weights
of sensors and edges must be chosen together: among several powers and edge weights, and then by
coordinate search in steps of a factor.

What is minimised is the Brier score of the held-out pixels' marginals, which is at most two a
pixel, and not their log-loss: loopy propagation is too sure of itself where edges are strong, so
that a few pixels confidently wrong would rule the log-loss and buy weak edges at the cost of worse
labels. For the same reason the marginals are flattened first, by the temperature that suits them
best (:mod:`mmgraph.spatial.temperature`), as those of the answer will be. As few pixels are held
out, weights must beat the plain ones (all one) by more than the standard error of the difference;
pixels of one patch count as one there, since they are right or wrong together.

Where labels were drawn as strokes there are a dozen of them, and they lie where it was easy to
draw. A search among many weights then finds what suits these strokes: on photographs with strokes
drawn by chance its edge weights ranged from 0.35 to 16. There the sensors' powers come from
logistic regression alone, and of the edges few weights around one are compared.

References
----------
Gneiting and Raftery, "Strictly proper scoring rules, prediction, and estimation" (2007), section 4;
Hastie, Tibshirani and Friedman, "The Elements of Statistical Learning" (2009), section 7.10, for
the rule of one standard error.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Float, Int64
from scipy import special

from mmgraph.graph.errors import MmgraphError
from mmgraph.spatial.annotations.annotations import UNLABELLED
from mmgraph.spatial.annotations.strokes import are_strokes
from mmgraph.spatial.arrays import is_real
from mmgraph.spatial.held_out import (
    HeldOut,
    held_out_marginals,
    held_out_parts,
    held_out_pieces,
    start_weights,
)
from mmgraph.spatial.pixel_model import PixelModel, Progress
from mmgraph.spatial.task import Task, check_name
from mmgraph.spatial.temperature import fitted_temperature, log_loss, tempered

LEARN = "learn"

_STEPS = (2.0, math.sqrt(2.0))
_LARGEST = 64.0
_WORTHWHILE = 1e-3
"""Of the Brier score; a smaller gain is no reason to take a further step."""

_SCALES = (1.0, 2.0)
_EDGES = (0.5, 1.0, 2.0, 4.0)
"""What the search tries first: multiples of the powers, and weights of the edges."""

_NEARLY_CHANCE = 0.98
"""Held-out labels whose log-loss is more than this share of that by chance are hardly foretold."""

_ONE_SIGMA = float(special.ndtr(1.0))

_STROKE_BOUNDS = (0.25, 2.0)
"""Of the largest power that is learned from strokes, which are few and may mislead."""

_PRIOR_SCALE = math.log(24.0)
"""Of the log-normal prior around plain weights; it matters where very few pixels are held out."""


Point = Mapping[str | None, float]
"""Weights of the sensors, and under None that of the edges."""


@dataclass(frozen=True)
class Weights:
    """What was chosen: the power of each sensor, and what the edges' weights are multiplied by.

    With it come the temperature of the marginals under these weights, the log-loss of held-out
    pixels at that temperature, and notes that a reader of the labels should know.
    """

    sensors: dict[str, float]
    edge: float
    temperature: float = 1.0
    log_loss: float | None = None
    notes: tuple[str, ...] = ()


class _Comparison:
    """How much worse than plain weights others may be, in Brier scores of held-out pixels."""

    def __init__(self, parts: Sequence[HeldOut], plain: Point, progress: Progress | None) -> None:
        self.parts, self.plain, self.progress = parts, plain, progress
        self.piece = np.unique(held_out_pieces(parts), return_inverse=True)[1]
        self.reference = self._scores(plain)
        self.differences = {self._key(plain): 0.0}
        self._report()

    def __call__(self, at: Point) -> float:
        """Return the mean difference, its error and the prior's share, added up."""
        key = self._key(at)
        if key not in self.differences:
            mean, error = mean_and_error(self._scores(at) - self.reference, self.piece)
            far = sum(  # zero, the end of what is sought, is as far as the smallest weight
                math.log(max(at[name], 1 / _LARGEST) / value) ** 2
                for name, value in self.plain.items()
                if at[name] != value and value
            )
            prior = far / (2 * _PRIOR_SCALE**2 * (int(self.piece.max()) + 1))
            self.differences[key] = mean + error + prior
            self._report()
        return self.differences[key]

    def _scores(self, at: Point) -> Float[np.ndarray, " pixels"]:
        """Brier scores, of zero where a marginal is perfect to two where it is surely wrong."""
        marginals, codes = held_out_marginals(self.parts, _powers(at), at[None])
        marginals = tempered(marginals, fitted_temperature(marginals, codes))
        truth = np.eye(marginals.shape[1])[codes]
        return np.asarray(((marginals - truth) ** 2).sum(1))

    def _report(self) -> None:
        if self.progress is not None:
            self.progress("choosing the weights", len(self.differences), None)

    @staticmethod
    def _key(at: Point) -> tuple[float, ...]:
        return tuple(round(value, 9) for value in at.values())


def mean_and_error(
    values: Float[np.ndarray, " pixels"], piece: Int64[np.ndarray, " pixels"]
) -> tuple[float, float]:
    """Return the mean over pixels, and its standard error where pixels of a piece are alike.

    Pieces are what is independent. Where they are few, the error is multiplied by the quantile of
    Student's t that a normal deviate of one has, and without a second piece it is infinite (Liang
    and Zeger, "Longitudinal data analysis using generalized linear models", 1986).
    """
    mean = float(values.mean())
    sums = np.bincount(piece, values - mean)
    count = len(sums)
    if count < 2:
        return mean, math.inf
    error = math.sqrt(count / (count - 1) * float((sums**2).sum())) / len(values)
    return mean, error * float(special.stdtrit(count - 1, _ONE_SIGMA))


def search_weights(
    parts: Sequence[HeldOut],
    sensor_weights: Mapping[str, float],
    edge_weight: float,
    free: Sequence[str | None],
    progress: Progress | None = None,
) -> Weights:
    """Minimise the Brier score of held-out pixels over the weights that are free.

    In ``free`` None stands for the weight of the edges. The search starts at the weights that are
    given, beside plain ones: multiples of their powers are tried with several weights of the edges.
    From the best on, in each round one weight after the other is multiplied or divided by the step
    for as long as that helps; when none moves, the step becomes smaller. Plain weights stay unless
    others are better by more than the standard error of the difference.
    """
    start = _point(sensor_weights, edge_weight)
    plain = start | dict.fromkeys(free, 1.0)
    worse = _Comparison(parts, plain, progress)
    point, best = plain, 0.0
    for candidate in _first_candidates(plain, start, free):
        difference = worse(candidate)
        if difference < best - _WORTHWHILE:
            point, best = candidate, difference
    for step in _STEPS:
        moved = True
        while moved:
            moved = False
            for name, factor in itertools.product(free, (step, 1 / step)):
                while 1 / _LARGEST <= point[name] * factor <= _LARGEST:
                    candidate = {**point, name: point[name] * factor}
                    difference = worse(candidate)
                    if difference > best - _WORTHWHILE:
                        break
                    point, best, moved = candidate, difference, True
    if None in free and worse({**point, None: 0.0}) < best:
        point = {**point, None: 0.0}
    return _calibrated(parts, _powers(point), point[None])


def search_edge_weight(
    parts: Sequence[HeldOut],
    sensor_weights: Mapping[str, float],
    progress: Progress | None = None,
) -> Weights:
    """Choose the weight of the edges among 1/2, 1, 2 and 4, from strokes that are held out.

    Strokes are few, and lie where it was easy to draw them: they can tell little, and nothing about
    borders. One stays unless another is better by more than the standard error between strokes.
    """
    plain = _point(sensor_weights, 1.0)
    worse = _Comparison(parts, plain, progress)
    best = min(({**plain, None: edge} for edge in _EDGES), key=worse)
    chosen = best if worse(best) < -_WORTHWHILE else plain
    return _calibrated(parts, sensor_weights, chosen[None])


def _calibrated(
    parts: Sequence[HeldOut], sensor_weights: Mapping[str, float], edge_weight: float
) -> Weights:
    """Fit the temperature to weights that have been chosen."""
    marginals, codes = held_out_marginals(parts, sensor_weights, edge_weight)
    temperature = fitted_temperature(marginals, codes)
    loss = log_loss(tempered(marginals, temperature), codes)
    return Weights(dict(sensor_weights), edge_weight, temperature, loss)


def _point(sensor_weights: Mapping[str, float], edge_weight: float) -> dict[str | None, float]:
    return dict(sensor_weights.items()) | {None: edge_weight}


def _powers(point: Point) -> dict[str, float]:
    """Return the weights of the sensors alone."""
    return {name: value for name, value in point.items() if name is not None}


def _in_bounds(weights: Mapping[str, float]) -> dict[str, float]:
    """Return powers in the same proportions, the largest between the bounds."""
    largest = max(weights.values())
    low, high = _STROKE_BOUNDS
    return {name: w * min(max(largest, low), high) / largest for name, w in weights.items()}


def _first_candidates(
    plain: Point, start: Point, free: Sequence[str | None]
) -> Iterator[dict[str | None, float]]:
    """Yield multiples of the plain and the first powers with several weights of the edges."""
    edges = _EDGES if None in free else (plain[None],)
    sensors = [name for name in free if name is not None]
    powers = itertools.product((plain, start), _SCALES) if sensors else [(plain, 1.0)]
    for (base, scale), edge in itertools.product(powers, edges):
        yield {**plain, **{name: scale * base[name] for name in sensors}, None: edge}


def chosen_weights(
    task: Task,
    model: PixelModel,
    sensor_weights: Mapping[str, float] | float | str,
    edge_weight: float | str,
) -> Weights:
    """Return the weights of :func:`~mmgraph.spatial.labelling.label_image`: fixed or searched."""
    names = list(task.sensors)
    fixed = _fixed_weights(names, sensor_weights)
    sensors = [name for name in names if name not in fixed and not task.left_out(name)]
    edges_too, edge = isinstance(edge_weight, str), 1.0
    if edges_too:
        check_name("edge weight", edge_weight, (LEARN,))
    else:
        edge = checked_weight("of the edges", edge_weight)
    plain = Weights(dict.fromkeys(names, 1.0) | fixed, edge)
    if not (sensors or edges_too) or len(task.classes) == 1:
        return plain
    parts = held_out_parts(task, model)
    if not parts:
        note = (
            "no class has two separate strokes or pixels, one to hold out: weights are one where "
            "not given"
        )
        return replace(plain, notes=(note,))
    drawn = are_strokes(task.codes != UNLABELLED)
    powers = start_weights(parts, sensors)
    powers = plain.sensors | (_in_bounds(powers) if drawn and sensors else powers)
    if not drawn:
        free = [*sensors, None] if edges_too else sensors
        learned = search_weights(parts, powers, edge, free, task.progress)
    elif edges_too:
        learned = search_edge_weight(parts, powers, task.progress)
    else:
        learned = _calibrated(parts, powers, edge)
    return trusted_weights(learned, plain, parts, task.classes)


def trusted_weights(
    learned: Weights, plain: Weights, parts: Sequence[HeldOut], classes: Sequence[str]
) -> Weights:
    """Return the weights that were learned, or plain ones where what taught them tells nothing.

    Labels of a single class tell nothing: the sensors that favour it win. Nor do labels that are
    foretold no better than by chance, which the highest temperature and the weakest sensors suit
    best, and marginals then say nothing at all.
    """
    held_out = set(np.concatenate([codes for part in parts for codes in part.codes]).tolist())
    names = ", ".join(f"'{name}'" for code, name in enumerate(classes) if code in held_out)
    others = ", ".join(f"'{name}'" for code, name in enumerate(classes) if code not in held_out)
    fallback = (
        "weights are one where not given, and marginals are not flattened (temperature 1), so that "
        "they may be too sure; draw two or more separate strokes of every class"
    )
    if len(held_out) == 1:
        note = f"labels of {names} alone can be held out, which tells nothing of {others}"
        return replace(plain, notes=(f"{note}: {fallback}",))
    chance, notes = math.log(len(classes)), learned.notes
    if learned.log_loss is not None and learned.log_loss > _NEARLY_CHANCE * chance:
        how = "no" if learned.log_loss >= chance else "hardly"
        note = (
            f"held-out labels of {names} are foretold {how} better than by chance (log-loss "
            f"{learned.log_loss:.3f}, by chance {chance:.3f})"
        )
        if how == "no":
            return replace(plain, notes=(f"{note}: {fallback}",))
        flat = f"marginals are nearly even (temperature {learned.temperature:.3g})"
        notes += (f"{note}: {flat}",)
    if others:
        notes += (
            f"weights and temperature are learned from labels of {names} alone: there are no two "
            f"separate strokes or pixels of {others}, one to hold out",
        )
    return replace(learned, notes=notes)


def _fixed_weights(
    names: Sequence[str], weights: Mapping[str, float] | float | str
) -> dict[str, float]:
    """Return the weights of those sensors whose weight is not learned."""
    if isinstance(weights, str):
        check_name("sensor weight", weights, (LEARN,))
        return {}
    fixed = weights if isinstance(weights, Mapping) else dict.fromkeys(names, weights)
    for name in fixed:
        check_name("sensor", name, names)
    return {n: checked_weight(f"of sensor '{n}'", value) for n, value in fixed.items()}


def checked_weight(what: str, value: Any) -> float:
    """Return a weight as a float, or raise MmgraphError if it is no finite number >= 0."""
    if not is_real(value) or not 0 <= value < math.inf:
        raise MmgraphError(f"the weight {what} must be a finite number >= 0, not {value!r}")
    return float(value)
