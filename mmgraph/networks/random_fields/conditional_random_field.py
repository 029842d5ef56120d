"""Conditional random fields: what several sensors say of an image, and how neighbours agree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from mmgraph.graph.errors import GraphError, LearningError, suggestion
from mmgraph.graph.factors.grid import Offset
from mmgraph.graph.interaction import Interaction, as_interaction
from mmgraph.graph.state_labels import index
from mmgraph.graph.variable import Variable
from mmgraph.learning.random_fields import conditional_random_field as learning
from mmgraph.learning.random_fields.labelled_field import LabelledField, random_folds
from mmgraph.networks.random_fields.markov_random_field import MarkovRandomField
from mmgraph.networks.random_fields.sensor_terms import SensorTerms, label_indices, sensor_terms

Arrays = Mapping[str, Any]


@dataclass(frozen=True)
class LabelledImage:
    """An image to learn from.

    Attributes
    ----------
    scores, features, edges, missing
        See :meth:`ConditionalRandomField.graph`.
    labels : array-like, shape (*shape,)
        State indices, -1 where unlabelled.
    folds : array-like, shape (*shape,), optional
        The fold of each labelled element, for the marginal likelihood; by default random ones.
    fold_scores : sequence of mapping, optional
        The scores for each fold, from models that have not seen its labels. By default ``scores``
        serve for all, which then must not come from models that were fitted to these labels.
    """

    scores: Arrays
    labels: Any
    features: Arrays | None = None
    edges: Any = None
    missing: Sequence[str] | Arrays = ()
    folds: Any = None
    fold_scores: Sequence[Arrays] | None = None


class ConditionalRandomField:
    """Labels of a grid, or of any graph, given the scores and features of several sensors.

    The energy of a labelling is ``- sum_s a_s score_s(x_i)`` over the elements and
    ``(b_0 + sum_s b_s exp(-|f_s,i - f_s,j|^2 / (2 sigma_s^2))) interaction(x_i, x_j)`` over the
    neighbours: a border costs less where a sensor sees a contrast. A sensor that is missing, as a
    whole or at some elements, takes its terms with it.

    Parameters
    ----------
    states : int or sequence of labels
    sensors : sequence of str
        Their names.
    interaction : Interaction or array-like, default Potts()
        The energy of two neighbours, or a table of energies.
    neighbours : int or sequence of offsets, optional
        On grids; see :class:`GridFactor`.
    name : str, default "label"
        Of the labelled variable.
    score_weights : mapping of str to float, optional
        ``a_s``; by default one.
    edge_weight : float, default 0.5
        ``b_0``, not negative.
    contrast_weights : mapping of str to float, optional
        ``b_s``, not negative; by default 0.5.
    contrast_scales : mapping of str to float, optional
        ``sigma_s``; by default the root mean square of the neighbours' differences, in the training
        images once fitted, before that in each image.

    Raises
    ------
    GraphError
        If there is no sensor, a name is used twice or unknown, or a weight is negative or not
        finite.

    References
    ----------
    Boykov and Jolly (2001), "Interactive graph cuts", section 2.5 (the contrast term); Shotton et
    al. (2009), "TextonBoost for image understanding", section 4.4.
    """

    def __init__(
        self,
        states: int | Sequence[str | int | bool | float],
        sensors: Sequence[str],
        interaction: Interaction | object | None = None,
        neighbours: int | Sequence[Offset] | None = None,
        name: str = "label",
        score_weights: Mapping[str, float] | None = None,
        edge_weight: float = 0.5,
        contrast_weights: Mapping[str, float] | None = None,
        contrast_scales: Mapping[str, float] | None = None,
    ) -> None:
        self.states = states if isinstance(states, int) else tuple(states)
        self.sensors = (sensors,) if isinstance(sensors, str) else tuple(sensors)
        if not self.sensors or len(set(self.sensors)) != len(self.sensors):
            raise GraphError(f"sensors {self.sensors}: at least one is needed, and none twice")
        self.interaction = as_interaction(interaction)
        self.neighbours = neighbours
        self.name = name
        Variable(name, self.states)  # raises where there is something wrong
        self.score_weights = self._weights("score weight", score_weights, 1.0, -np.inf)
        self.contrast_weights = self._weights("contrast weight", contrast_weights, 0.5, 0.0)
        self.edge_weight = float(edge_weight)
        if not 0 <= self.edge_weight < np.inf:
            raise GraphError(f"the edge weight {edge_weight} is negative or not finite")
        self.contrast_scales = self._checked("contrast scale", contrast_scales or {}, 0.0)
        self.fit_report: learning.Fit | None = None

    def _weights(
        self, what: str, weights: Mapping[str, float] | None, default: float, least: float
    ) -> dict[str, float]:
        return {**dict.fromkeys(self.sensors, default), **self._checked(what, weights or {}, least)}

    def _checked(self, what: str, numbers: Mapping[str, float], least: float) -> dict[str, float]:
        for sensor, value in numbers.items():
            self._check_sensor(sensor)
            if not least <= float(value) < np.inf:
                raise GraphError(f"the {what} of '{sensor}' is {value}")
        return {sensor: float(value) for sensor, value in numbers.items()}

    def _check_sensor(self, sensor: str) -> None:
        if sensor not in self.sensors:
            hint = suggestion(sensor, self.sensors)
            raise GraphError(f"there is no sensor {sensor!r}{hint}")

    @property
    def parameters(self) -> Float[Tensor, " parameters"]:
        """``a_s`` for each sensor, ``b_0``, and ``b_s`` for each sensor."""
        scores = [self.score_weights[s] for s in self.sensors]
        contrasts = [self.contrast_weights[s] for s in self.sensors]
        return torch.tensor([*scores, self.edge_weight, *contrasts], dtype=torch.float64)

    def graph(
        self,
        scores: Arrays,
        features: Arrays | None = None,
        *,
        edges: object = None,
        missing: Sequence[str] | Arrays = (),
    ) -> MarkovRandomField:
        """Build the Markov random field of one image.

        Parameters
        ----------
        scores : mapping of str to array-like, shape (*shape, states)
            What each sensor says of every element, mostly log-probabilities. A sensor left out is
            missing; an element with a NaN is missing there.
        features : mapping of str to array-like, shape (*shape, channels) or (*shape,), optional
            What each sensor sees, for the contrast between neighbours; NaN as above.
        edges : array-like of int, shape (edges, 2), optional
            The neighbours, where the elements are no grid but a list.
        missing : sequence of str, or mapping of str to array-like of bool, shape (*shape,)
            Sensors to leave out, or where to leave them out (true where missing).

        Raises
        ------
        GraphError
            If no sensor has scores, a sensor is unknown, or shapes do not fit.
        """
        image = LabelledImage(scores, None, features, edges, missing)
        return self._field(self._terms(image), self.parameters)

    def predict(
        self,
        scores: Arrays,
        features: Arrays | None = None,
        *,
        labels: object = None,
        **options: Any,
    ) -> np.ndarray:
        """Return the labels of the most probable labelling, ``(*shape,)``.

        Parameters
        ----------
        scores, features
            See :meth:`graph`.
        labels : array-like, shape (*shape,), optional
            State indices that are known; -1 elsewhere.
        **options
            ``edges`` and ``missing`` of :meth:`graph`, and options of :func:`mmgraph.map_query`.
        """
        field, evidence = self._asked(scores, features, labels, options)
        return field.predict(evidence, **options)

    def predict_proba(
        self,
        scores: Arrays,
        features: Arrays | None = None,
        *,
        labels: object = None,
        **options: Any,
    ) -> Float[np.ndarray, "*shape states"]:
        """Return the marginals of every element; as :meth:`predict`, options of ``query``."""
        field, evidence = self._asked(scores, features, labels, options)
        return field.predict_proba(evidence, **options)

    def _asked(
        self, scores: Arrays, features: Arrays | None, labels: object, options: dict[str, Any]
    ) -> tuple[MarkovRandomField, dict[str, object] | None]:
        """The field of an image and its known labels; options that build it are taken out."""
        building = {name: options.pop(name) for name in ("edges", "missing") if name in options}
        field = self.graph(scores, features, **building)
        if labels is None:
            return field, None
        return field, {self.name: index(label_indices(labels, "the labels"))}

    def fit(
        self,
        images: LabelledImage | Sequence[LabelledImage],
        method: learning.Method = "pseudo_likelihood",
        inference: str = "mean_field",
        *,
        folds: int = 5,
        generator: torch.Generator | None = None,
        **options: Any,
    ) -> Self:
        """Learn all weights in place from images of which some elements are labelled.

        The costlier methods start from what ``piecewise`` and then ``pseudo_likelihood`` find.

        Parameters
        ----------
        images : LabelledImage or sequence of LabelledImage
        method : str
            ``piecewise``, ``pseudo_likelihood``, ``maximum_likelihood`` or
            ``marginal_likelihood``: see :func:`fit_parameters`. Where few elements are labelled,
            far from each other, choose the last.
        inference, **options
            See :class:`Options
            <mmgraph.learning.random_fields.conditional_random_field.Options>`: ``strength``,
            ``iterations``, ``rounds``, ``updates``, ``clamp``, ``progress``, ``device``.
        folds : int, default 5
            How many for the marginal likelihood, of images that do not give theirs.
        generator : torch.Generator, optional
            Draws those folds.

        Raises
        ------
        LearningError
            If nothing is labelled, a label is no state, or the loss is not finite.
        GraphError
            As :meth:`graph`.
        """
        images = [images] if isinstance(images, LabelledImage) else list(images)
        settings = learning.Options(inference=inference, **options)
        scales = {**self._training_scales(images), **self.contrast_scales}
        fields = [self._labelled(image, scales, method, folds, generator) for image in images]
        count = len(self.sensors)
        positive = torch.arange(2 * count + 1) >= count
        parameters = self.parameters
        # What costs more starts where what costs less has ended.
        steps = dict.fromkeys(("piecewise", "pseudo_likelihood", method))
        for step in (method,) if method == "piecewise" else steps:
            start = torch.where(positive, parameters.clamp(min=1e-3), parameters)
            report = learning.fit_parameters(fields, start, positive, step, settings)
            parameters = report.parameters
        values = parameters.tolist()
        self.score_weights = dict(zip(self.sensors, values[:count], strict=True))
        self.edge_weight = values[count]
        self.contrast_weights = dict(zip(self.sensors, values[count + 1 :], strict=True))
        self.contrast_scales, self.fit_report = scales, report
        return self

    def _training_scales(self, images: Sequence[LabelledImage]) -> dict[str, float]:
        """Root mean squares of the neighbours' differences in all images together."""
        sums = dict.fromkeys(self.sensors, (0.0, 0))
        for image in images:
            for sensor, (mean, count) in self._terms(image).contrasts.items():
                total, edges = sums[sensor]
                sums[sensor] = (total + mean * count, edges + count)
        return {s: float(np.sqrt(t / n)) for s, (t, n) in sums.items() if n and t > 0}

    def _labelled(
        self,
        image: LabelledImage,
        scales: Mapping[str, float],
        method: str,
        folds: int,
        generator: torch.Generator | None,
    ) -> LabelledField:
        terms = self._terms(image, scales)
        labels = label_indices(image.labels, "the labels")
        if tuple(labels.shape) != terms.variable.shape:
            raise LearningError(
                f"labels of shape {tuple(labels.shape)} for an image of {terms.variable.shape}"
            )
        if bool(((labels < -1) | (labels >= terms.variable.cardinality)).any()):
            raise LearningError(
                f"a label is outside -1 … {terms.variable.cardinality - 1}: {int(labels.max())}"
            )
        by_fold = [
            self._terms(replace(image, scores=scores), scales) for scores in image.fold_scores or ()
        ]
        numbers = None
        if method == "marginal_likelihood":
            if image.folds is None and by_fold:
                raise LearningError("scores for each fold need the folds themselves")
            if image.folds is None:
                numbers = random_folds(labels, folds, generator)
            else:
                numbers = label_indices(image.folds, "the folds")
            if by_fold and int(numbers.max()) >= len(by_fold):
                raise LearningError(f"fold {int(numbers.max())} has no scores")

        def build(parameters: Tensor, fold: int | None) -> MarkovRandomField:
            chosen = by_fold[fold] if by_fold and fold is not None else terms
            return self._field(chosen, parameters)

        return LabelledField(build, self.name, labels, numbers)

    def _terms(
        self, image: LabelledImage, scales: Mapping[str, float] | None = None
    ) -> SensorTerms:
        scores, features, missing = image.scores, image.features or {}, image.missing
        missing = (missing,) if isinstance(missing, str) else missing
        for sensor in (*scores, *features, *missing):
            self._check_sensor(sensor)
        return sensor_terms(
            Variable(self.name, self.states),
            {s: scores[s] for s in self.sensors if scores.get(s) is not None},
            {s: features[s] for s in self.sensors if features.get(s) is not None},
            image.edges,
            missing,
            self.contrast_scales if scales is None else scales,
            self.neighbours,
            self.interaction,
        )

    def _field(self, terms: SensorTerms, parameters: Tensor) -> MarkovRandomField:
        count = len(self.sensors)
        score_weights = dict(zip(self.sensors, parameters[:count], strict=True))
        contrast_weights = dict(zip(self.sensors, parameters[count + 1 :], strict=True))
        return terms.field(score_weights, parameters[count], contrast_weights)

    def __repr__(self) -> str:
        return (
            f"ConditionalRandomField({self.states}, sensors {', '.join(self.sensors)}, "
            f"{self.interaction!r})"
        )
