"""Weights of sensors and edges, chosen by how well labelled pixels that were held out are foretold.

A weight is a power on what a sensor says. Alone, sensors could be weighed by logistic regression
(:mod:`mmgraph.learning.likelihood_weights`). But neighbours repeat one another, so that the weights
of sensors and edges must be chosen together: among several powers and edge weights, and then by
coordinate search in steps of a factor.

What is minimised is the Brier score of the held-out pixels' marginals, which is at most two a
pixel, and not their log-loss: loopy propagation is too sure of itself where edges are strong, so
that a few pixels confidently wrong would rule the log-loss and buy weak edges at the cost of worse
labels. As few pixels are held out, weights must beat the plain ones (all one) by more than the
standard error of the difference. What the propagation is too sure of is mended when weights have
been chosen: by a temperature, see :mod:`mmgraph.spatial.temperature`.

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
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from mmgraph.graph.errors import MmgraphError
from mmgraph.spatial.held_out import (
    HeldOut,
    held_out_brier_scores,
    held_out_marginals,
    held_out_parts,
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

_PRIOR_SCALE = math.log(24.0)
"""Of the log-normal prior around plain weights; it matters where very few pixels are held out."""


@dataclass(frozen=True)
class Weights:
    """What was chosen.

    Attributes
    ----------
    sensors : dict of str to float
        The power on each sensor's likelihood.
    edge : float
        What the edges' weights are multiplied by.
    temperature : float
        What flattens the marginals under these weights.
    log_loss : float or None
        Nats a held-out pixel at that temperature; None where none was held out.
    notes : tuple of str
        What a reader of the labels should know.
    """

    sensors: dict[str, float]
    edge: float
    temperature: float = 1.0
    log_loss: float | None = None
    notes: tuple[str, ...] = ()


class _Comparison:
    """How much worse than plain weights others may be, in Brier scores of held-out pixels."""

    def __init__(
        self,
        parts: Sequence[HeldOut],
        plain: Mapping[str | None, float],
        progress: Progress | None,
    ) -> None:
        self.parts, self.plain, self.progress = parts, plain, progress
        self.known: dict[tuple[float, ...], float] = {}
        self.reference = self._scores(plain)
        self.known[self._key(plain)] = 0.0
        self._report()

    def __call__(self, at: Mapping[str | None, float]) -> float:
        """Return the mean difference, one standard error and the prior's share, added up."""
        key = self._key(at)
        if key not in self.known:
            difference = self._scores(at) - self.reference
            count = len(difference)
            error = float(difference.std(ddof=1)) if count > 1 else 1.0
            far = sum(  # zero, the end of what is sought, is as far as the smallest weight
                math.log(max(at[name], 1 / _LARGEST) / value) ** 2
                for name, value in self.plain.items()
                if at[name] != value and value
            )
            prior = far / (2 * _PRIOR_SCALE**2 * count)
            self.known[key] = float(difference.mean()) + error / math.sqrt(count) + prior
            self._report()
        return self.known[key]

    def _scores(self, at: Mapping[str | None, float]) -> Float[np.ndarray, " pixels"]:
        sensors = {name: value for name, value in at.items() if name is not None}
        return held_out_brier_scores(self.parts, sensors, at[None])

    def _report(self) -> None:
        if self.progress is not None:
            self.progress("choosing the weights", len(self.known), None)

    @staticmethod
    def _key(at: Mapping[str | None, float]) -> tuple[float, ...]:
        return tuple(round(value, 9) for value in at.values())


def search_weights(
    parts: Sequence[HeldOut],
    sensor_weights: Mapping[str, float],
    edge_weight: float,
    free: Sequence[str | None],
    progress: Progress | None = None,
) -> Weights:
    """Minimise the Brier score of held-out pixels over the weights that are free.

    Parameters
    ----------
    parts : sequence of HeldOut
        What is foretold.
    sensor_weights, edge_weight
        Those of free ones are where the search starts, beside plain weights of one.
    free : sequence of str or None
        The sensors whose weight is sought; None stands for the weight of the edges.
    progress : function, optional
        Told of every step.

    Returns
    -------
    Weights
        Multiples of the plain and the given powers are tried with several weights of the edges.
        From the best on, in each round one weight after the other is multiplied or divided by the
        step for as long as that helps; when none moves, the step becomes smaller. Plain weights
        stay unless others are better by more than the standard error of the difference. The
        temperature is fitted to the weights that were found.
    """
    given: dict[str | None, float] = dict(sensor_weights.items())
    given[None] = edge_weight
    plain = given | dict.fromkeys(free, 1.0)
    worse = _Comparison(parts, plain, progress)
    point, best = plain, 0.0
    for candidate in _first_candidates(plain, given, free):
        found = worse(candidate)
        if found < best - _WORTHWHILE:
            point, best = candidate, found
    for step in _STEPS:
        moved = True
        while moved:
            moved = False
            for name, factor in itertools.product(free, (step, 1 / step)):
                while point[name] * factor <= _LARGEST and point[name] * factor >= 1 / _LARGEST:
                    candidate = {**point, name: point[name] * factor}
                    found = worse(candidate)
                    if found > best - _WORTHWHILE:
                        break
                    point, best, moved = candidate, found, True
    if None in free and worse({**point, None: 0.0}) < best:
        point = {**point, None: 0.0}
    sensors = {name: value for name, value in point.items() if name is not None}
    marginals, codes = held_out_marginals(parts, sensors, point[None])
    temperature = fitted_temperature(marginals, codes)
    loss = log_loss(tempered(marginals, temperature), codes)
    return Weights(sensors, point[None], temperature, loss)


def _first_candidates(
    plain: Mapping[str | None, float],
    given: Mapping[str | None, float],
    free: Sequence[str | None],
) -> Iterator[dict[str | None, float]]:
    """Yield multiples of the plain and the given powers with several weights of the edges."""
    edges = _EDGES if None in free else (plain[None],)
    sensors = [name for name in free if name is not None]
    powers = itertools.product((plain, given), _SCALES) if sensors else [(plain, 1.0)]
    for (base, scale), edge in itertools.product(powers, edges):
        yield {**plain, **{name: scale * base[name] for name in sensors}, None: edge}


def chosen_weights(
    task: Task,
    model: PixelModel,
    sensor_weights: Mapping[str, float] | float | str,
    edge_weight: float | str,
) -> Weights:
    """Return the weights of :func:`~mmgraph.spatial.labelling.label_image`: given or searched.

    Raises
    ------
    MmgraphError
        If a weight is no finite number >= 0, or there is no sensor of its name.
    """
    names = list(task.sensors)
    fixed = _fixed_weights(names, sensor_weights)
    given = dict.fromkeys(names, 1.0) | fixed
    free: list[str | None] = [n for n in names if n not in fixed and task.sees(n).any()]
    edge = 1.0
    if isinstance(edge_weight, str):
        check_name("edge weight", edge_weight, (LEARN,))
        free.append(None)
    else:
        edge = _checked_weight("of the edges", edge_weight)
    if not free or len(task.classes) == 1:
        return Weights(given, edge)
    parts = held_out_parts(task, model)
    if not parts:
        note = "no class has two labelled pixels, one to hold out: weights are one where not given"
        return Weights(given, edge, notes=(note,))
    if free != [None]:
        given.update(start_weights(parts, [name for name in free if name is not None]))
    return search_weights(parts, given, edge, free, task.progress)


def _fixed_weights(
    names: Sequence[str], given: Mapping[str, float] | float | str
) -> dict[str, float]:
    """Return the weights of those sensors whose weight is not learned."""
    if isinstance(given, str):
        check_name("sensor weight", given, (LEARN,))
        return {}
    weights = given if isinstance(given, Mapping) else dict.fromkeys(names, given)
    for name in weights:
        check_name("sensor", name, names)
    return {n: _checked_weight(f"of sensor '{n}'", value) for n, value in weights.items()}


def _checked_weight(what: str, value: object) -> float:
    if not isinstance(value, int | float) or not 0 <= value < math.inf:
        raise MmgraphError(f"the weight {what} must be a finite number >= 0, not {value!r}")
    return float(value)
