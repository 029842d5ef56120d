"""Label every pixel of what several sensors see, from the labels of a few."""

from __future__ import annotations

import inspect
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int64

from mmgraph.graph.errors import warn_caller
from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.graph.state_labels import index
from mmgraph.inference.assignment import TracePoint
from mmgraph.inference.methods import check_method, is_seeded, methods_for
from mmgraph.inference.query import map_query, query
from mmgraph.spatial.annotations.annotations import UNLABELLED, Annotations, Classes, Unlabelled
from mmgraph.spatial.fitted_model import FieldOptions, fitted_model
from mmgraph.spatial.images.raster import size_text
from mmgraph.spatial.pixel_model import LABEL, Progress
from mmgraph.spatial.task import Task, check_name, read_task
from mmgraph.spatial.temperature import tempered
from mmgraph.spatial.weight_search import chosen_weights

_QUICK = 1 << 26
"""The bytes that exact inference may take under ``method="auto"``; beyond, it takes too long."""

_MARGINALS = tuple(m for m in methods_for("query") if m.name not in ("nuts", "svi"))

MARGINAL_METHODS = tuple(method.name for method in _MARGINALS)
"""What finds the marginals; not Pyro's methods for real variables, since sensors are observed."""

BY_MARGINALS = tuple(method.name for method in _MARGINALS if not method.exact)
"""What finds labels by approximate marginals."""

LABEL_METHODS = (
    "junction_tree",
    "enumeration",
    *(method.name for method in methods_for("map_query") if not method.exact),
    *BY_MARGINALS,
)
"""What finds the labels: what maximises, and what gives marginals approximately."""


class LabellingWarning(UserWarning):
    """What a reader of the labels should know, such as that a sensor does not see all pixels."""


class FullyLabelledWarning(LabellingWarning):
    """Nothing is left to label; the number of unlabelled pixels may be taken for a class."""


@dataclass(frozen=True, eq=False)
class Labelling:
    """The labels of an image or a volume, and how sure they are.

    Attributes
    ----------
    labels : ndarray of int64, shape (*shape,)
        Class indices: the most probable labelling as a whole.
    marginals : ndarray, shape (*shape, classes)
        The probability of each class in each pixel, at the temperature below.
    uncertainty : ndarray, shape (*shape,)
        The entropy of the marginals in nats.
    classes : tuple of str
        The names of the classes.
    values : tuple of int
        The number that stands for each class in files: that of the annotations.
    colours : tuple of str or None
        ``#RRGGBB`` for each class, where the annotations were drawn in colours.
    energy : float
        Of the labelling.
    lower_bound, gap : float or None
        No labelling has a lower energy than the bound; how far the energy is above it.
    method, marginal_method : str
        What found the labels, and what the marginals.
    exact, converged : bool
        Whether no better labelling exists; whether both methods converged.
    sensor_weights : dict of str to float
        The power on what each sensor says.
    edge_weight : float
        The common factor of the edges' weights.
    edge_weights : ndarray, shape (offsets, *shape)
        Of every edge, the common factor included.
    temperature : float
        What flattens the marginals, see :mod:`mmgraph.spatial.temperature`: at least one, and one
        where no weights were learned. Those of ``graph`` are to be raised to one over it.
    log_loss : float or None
        Nats a held-out labelled pixel, at that temperature, where weights were learned.
    prior : dict of str to float
        The probability of each class before any sensor speaks.
    missing : dict of str to int
        Pixels that each sensor says nothing of: those that it does not see, and those that its
        array of opinions leaves out.
    warnings : tuple of str
        What a reader of the labels should know.
    trace : tuple of TracePoint
        Energy and bound against time.
    graph : FactorGraph
        The Markov random field; its variable is called ``"label"``.
    seconds : float
        Wall-clock time.
    """

    labels: Int64[np.ndarray, "*shape"]
    marginals: Float[np.ndarray, "*shape classes"]
    uncertainty: Float[np.ndarray, "*shape"]
    classes: tuple[str, ...]
    values: tuple[int, ...]
    colours: tuple[str, ...] | None
    energy: float
    lower_bound: float | None
    gap: float | None
    method: str
    marginal_method: str
    exact: bool
    converged: bool
    sensor_weights: dict[str, float]
    edge_weight: float
    edge_weights: Float[np.ndarray, "offsets *shape"]
    temperature: float
    log_loss: float | None
    prior: dict[str, float]
    missing: dict[str, int]
    warnings: tuple[str, ...]
    trace: tuple[TracePoint, ...]
    graph: FactorGraph
    seconds: float

    @property
    def numbered(self) -> Int64[np.ndarray, "*shape"]:
        """The labels as the numbers that the annotations use, which is what files should hold.

        :func:`read_annotations` reads them back as the same classes;
        where 0 is one of them, with ``unlabelled=-1``.
        """
        return np.array(self.values, np.int64)[self.labels]

    @property
    def relative_uncertainty(self) -> Float[np.ndarray, "*shape"]:
        """The entropy as a share of its largest value, that of the even distribution."""
        return self.uncertainty / max(math.log(len(self.classes)), 1e-12)

    def __repr__(self) -> str:
        gap = "" if self.gap is None else f", gap {self.gap:.3g}"
        return (
            f"Labelling({size_text(self.labels.shape)} pixels, {len(self.classes)} classes, "
            f"{self.method}, energy {self.energy:.6g}{gap}, {self.seconds:.3g} s)"
        )


def label_image(
    sensors: Mapping[str, object] | object,
    annotations: Annotations | object | None = None,
    *,
    classes: Classes | None = None,
    unlabelled: Unlabelled = None,
    unaries: object = "gaussian_mixture",
    missing: Mapping[str, object] | None = None,
    generator: torch.Generator | None = None,
    progress: Progress | None = None,
    **options: Any,
) -> Labelling:
    """Label every pixel of an image or a volume that one or several sensors see.

    The labels form a Markov random field: each sensor says what it makes of each pixel, and
    neighbours tend to agree, less so across edges that the sensors see. A pixel that a sensor does
    not see hears the other sensors and its neighbours.

    Parameters
    ----------
    sensors : mapping of str to array-like
        By sensor: shape ``(height, width)`` or ``(height, width, bands)`` for images, ``(depth,
        height, width, bands)`` for volumes; all of one size. NaN, and what a mask hides, is
        missing. One array alone is the sensor ``"image"``. Where ``annotations`` are a volume,
        arrays of three axes are volumes of one band.
    annotations : Annotations or array-like of int, optional
        Shape ``(height, width)`` or ``(depth, height, width)``: class indices, unlabelled where
        they are -1, NaN or hidden by a mask; or strokes in colours, ``(height, width, 3 or 4)``,
        see :meth:`~mmgraph.spatial.annotations.annotations.Annotations.of`. May be left out where
        no unary learns.
    classes : sequence or mapping, optional
        Names of the classes in the order of their indices, or by colour; by default the numbers or
        colours that occur.
    unlabelled : int or colour, optional
        The number or the colour of pixels without a label, where annotations are an array.
    unaries : str, Unary, classifier, module, array, or mapping of str to those
        What each sensor makes of a pixel, see :func:`~mmgraph.spatial.classifiers.as_unary`:
        ``"gaussian_mixture"``, ``"svm"``, ``"extra_trees"``, ``"logistic"``, any scikit-learn
        classifier or torch module, or an array of probabilities or log-likelihoods.
    missing : mapping of str to array-like of bool, optional
        By sensor: further pixels that it does not see (a cloud, a dead stripe), True for all of
        them; where the mask is itself masked, neither.
    generator : torch.Generator, optional
        Seeds classifiers, folds and methods that sample; the same seed gives the same labels.
    progress : function, optional
        Called with what is being done, the steps done and their number (None if unknown).
    **options
        How labels and sensors hang together, and how the field is answered, as follows.
    sensor_weights : float, mapping of str to float, or "learn"
        The power on each sensor's likelihood: one number for all; or by sensor, and those that are
        not named are learned.
    edge_weight : float or "learn"
        The energy of two neighbours that look alike and differ in label.
    edge_sensors : sequence of str or mapping of str to float, optional
        The sensors (and their shares) whose contrast weakens edges; by default all alike, and
        none where it is empty.
    neighbours : {4, 8} or {6, 26}, optional
        By default 8 in an image, 6 in a volume.
    spacing : sequence of float, optional
        The distance of neighbours along each axis, such as ``(5, 1, 1)`` for slices five times as
        thick as pixels are wide: the farther neighbours lie apart, the less they hold together, see
        :func:`~mmgraph.spatial.edges.contrast_weights`. By default the same along all axes; of a
        file :func:`~mmgraph.spatial.images.reading.read_georeference` tells it.
    interaction : Interaction, default Potts
        The energy of a pair of classes.
    method : str, default "auto"
        Of :func:`~mmgraph.inference.query.map_query`; or one that gives marginals, and then each
        pixel gets its most probable class.
    marginal_method : str, default "belief_propagation"
        Of :func:`~mmgraph.inference.query.query`.
    clamp : bool, default True
        Whether labelled pixels keep their labels.
    prior : {"auto", "annotated", "even"}, sequence of float or mapping of str to float
        Of the classes: as among the labelled pixels, which suits labels of places taken at random;
        even, where labels were sought class by class; or these probabilities, in the order of the
        classes or by their names. By default even where the labels were drawn as strokes or
        patches, whose size says nothing of the classes, and as annotated where they are scattered.
    learning : {"cross_validation"}
        How weights are learned, see :mod:`mmgraph.spatial.weight_search`.

    Raises
    ------
    LearningError
        If sizes differ, there is one class only, a class has no labelled pixel, or a unary cannot
        learn.
    FormatError
        If the annotations are not what they should be.
    MmgraphError
        If a name, a method or an option is unknown; with the nearest one.

    Warns
    -----
    LabellingWarning
        Of pixels and classes that a sensor says nothing of, of classes that no unlabelled pixel
        gets, and of methods that have not converged, by how much.
    FullyLabelledWarning
        If every pixel is labelled.

    References
    ----------
    Boykov and Jolly (ICCV 2001); Kolmogorov (2006) for the bound of TRW-S; Moser, Serpico and
    Benediktsson, "Land-cover mapping by Markov modeling of spatial-contextual information" (2013).
    """
    began = time.perf_counter()
    for name in options:
        check_name("option of label_image", name, tuple(_SIGNATURE.parameters))
    chosen = FieldOptions(**options)
    check_name("way to learn weights", chosen.learning, ("cross_validation",))
    check_method("label_image", chosen.method, LABEL_METHODS)
    check_method("label_image(marginal_method=…)", chosen.marginal_method, MARGINAL_METHODS)
    task = read_task(
        sensors, annotations, classes, unlabelled, unaries, missing, generator, progress
    )
    model = fitted_model(task, chosen)
    weights = chosen_weights(task, model, chosen.sensor_weights, chosen.edge_weight)
    graph = model.graph(weights.sensors, weights.edge)
    answer, missed = _answer(graph, task, chosen, weights.temperature)
    notes = (*task.sensor_notes(), *weights.notes, *task.lost_notes(answer["labels"]))
    if not answer["converged"]:
        notes += (f"not converged: {'; '.join(dict.fromkeys(missed))}",)
    for note in notes:
        warn_caller(note, LabellingWarning)
    if (task.codes != UNLABELLED).all():
        notes += (task.fully_labelled_note(),)
        warn_caller(notes[-1], FullyLabelledWarning)
    return Labelling(
        **answer,
        classes=task.classes,
        values=task.values,
        colours=task.colours,
        sensor_weights=weights.sensors,
        edge_weight=weights.edge,
        edge_weights=weights.edge * model.contrast,
        temperature=weights.temperature,
        log_loss=weights.log_loss,
        prior=dict(zip(task.classes, np.exp(model.log_prior).tolist(), strict=True)),
        missing={name: int(task.says_nothing(name).sum()) for name in task.sensors},
        warnings=notes,
        graph=graph,
        seconds=time.perf_counter() - began,
    )


# What help shows lists the options.
_SIGNATURE = inspect.signature(label_image)
_SIGNATURE = _SIGNATURE.replace(
    parameters=[
        *list(_SIGNATURE.parameters.values())[:-1],
        *inspect.signature(FieldOptions).parameters.values(),
    ]
)
label_image.__signature__ = _SIGNATURE  # type: ignore[attr-defined]


def _answer(
    graph: FactorGraph, task: Task, options: FieldOptions, temperature: float
) -> tuple[dict[str, Any], list[str]]:
    """Ask for labels and marginals: the fields of the record that they fill, and what is missed."""
    task.report("marginals", 0, None)
    labelled = task.codes != UNLABELLED
    clamped = labelled if options.clamp else np.zeros_like(labelled)
    evidence = {LABEL: index(task.codes)} if clamped.any() else None
    by_marginals = options.method in BY_MARGINALS
    asked = options.method if by_marginals else options.marginal_method
    seeded: dict[str, Any] = {}
    if is_seeded(asked):
        seeded["generator"] = torch.Generator().manual_seed(task.seed)
    posterior = query(graph, evidence, LABEL, method=asked, **seeded)
    beliefs = posterior.marginal(LABEL)[0].double().numpy()
    marginals = np.where(clamped[..., None], beliefs, tempered(beliefs, temperature))
    answer: dict[str, Any] = {
        "marginals": marginals,
        "uncertainty": -(marginals * np.log(np.where(marginals > 0, marginals, 1.0))).sum(-1),
        "marginal_method": posterior.method,
    }
    if by_marginals:
        labels, exact, bound = beliefs.argmax(-1), False, -math.inf
        energy = float(graph.energy({LABEL: labels})[0])
        runs: list[Any] = [posterior]
    else:
        task.report("most probable labels", 0, None)
        budget: dict[str, Any] = {"exact_budget": _QUICK} if options.method == "auto" else {}
        best = map_query(graph, evidence, method=options.method, **budget)
        labels, exact = best[LABEL][0].numpy().astype(np.int64), best.exact
        energy = float(best.energy[0])
        bound = -math.inf if best.lower_bound is None else float(best.lower_bound[0])
        bound = energy if exact else bound
        runs = [best, posterior]
    answer |= {
        "labels": labels,
        "energy": energy,
        "lower_bound": bound if math.isfinite(bound) else None,
        "gap": max(energy - bound, 0.0) if math.isfinite(bound) else None,
        "method": runs[0].method,
        "exact": exact,
        "converged": all(run.converged for run in runs),
        "trace": () if by_marginals else best.trace,
    }
    return answer, [run.shortfall for run in runs if not run.converged]
