"""What models foretell of labelled pixels that they have not seen."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from jaxtyping import Float, Int64
from scipy import special

from mmgraph.data.splits import grouped_folds
from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.graph.soft_evidence import soft
from mmgraph.inference.query import query
from mmgraph.learning.likelihood_weights import learn_likelihood_weights
from mmgraph.spatial.annotations.annotations import UNLABELLED
from mmgraph.spatial.annotations.strokes import pieces
from mmgraph.spatial.pixel_model import LABEL, PixelModel, Window
from mmgraph.spatial.task import Task

FOLDS = 3
_WINDOW = 32
_BUDGET = 1 << 17
"""The most pixels times classes that the search looks at."""

_GRAPHS = 4
"""How many weights of the edges are tried with several powers, one after the other."""

_NEVER = -30.0
"""The log-likelihood of the other classes where a label is kept."""


@dataclass(frozen=True, eq=False)
class HeldOut:
    """A part of the image as models see it that have not seen some labels, fold by fold.

    Models differ in their log-likelihoods alone, by unaries that were fitted without the fold's
    labels. Of the pixels that a fold holds out there are flat indices, classes, and the stroke or
    patch that each belongs to (by default each pixel is one by itself); ``observed`` are flat
    indices and classes of the other labelled pixels, which keep their labels.
    """

    models: list[PixelModel] = field(default_factory=list)
    places: list[Int64[np.ndarray, " pixels"]] = field(default_factory=list)
    codes: list[Int64[np.ndarray, " pixels"]] = field(default_factory=list)
    pieces: list[Int64[np.ndarray, " pixels"]] = field(default_factory=list)
    observed: list[tuple[np.ndarray, np.ndarray]] = field(default_factory=list)
    _graphs: dict[float, FactorGraph] = field(default_factory=dict)

    def neighbours_alone(self, edge_weight: float) -> FactorGraph:
        """Return the field without the sensors, which is kept for some weights of the edges."""
        if edge_weight not in self._graphs:
            if len(self._graphs) == _GRAPHS:
                del self._graphs[next(iter(self._graphs))]
            self._graphs[edge_weight] = self.models[0].neighbours_alone(edge_weight)
        return self._graphs[edge_weight]

    def tables(
        self, sensor_weights: Mapping[str, float]
    ) -> list[Float[np.ndarray, "*shape classes"]]:
        """Return what the sensors and the labels that are observed say, fold by fold."""
        tables = [model.log_values(sensor_weights) for model in self.models]
        for table, (places, codes) in zip(tables, self.observed, strict=False):
            flat = table.reshape(-1, table.shape[-1])
            flat[places] = _NEVER
            flat[places, codes] = 0.0
        return tables

    def at_places(self, tables: Sequence[np.ndarray]) -> Float[np.ndarray, "pixels classes"]:
        """Return the rows of the held-out pixels from a table over the image for each fold."""
        folds = zip(tables, self.places, strict=True)
        return np.concatenate([t.reshape(-1, t.shape[-1])[places] for t, places in folds])


def spatial_folds(
    codes: Int64[np.ndarray, " pixels"],
    piece: Int64[np.ndarray, " pixels"],
    folds: int = FOLDS,
) -> Int64[np.ndarray, " pixels"]:
    """Return the fold of each labelled pixel; -1 for the only piece of its class.

    Neighbours look alike, so that a pixel next to a held-out one would give it away. Labelled
    pixels of a class that hang together, such as a stroke, are therefore held out together.
    Scattered pixels are pieces of one pixel each. A class that is drawn in one piece keeps it.
    """
    fold = np.full(len(codes), -1)
    for code in np.unique(codes):
        members = codes == code
        if len(np.unique(piece[members])) > 1:
            fold[members] = grouped_folds(piece[members], folds)
    return fold


def search_windows(
    labelled: Int64[np.ndarray, "pixels axes"], shape: tuple[int, ...], classes: int
) -> list[Window]:
    """Return the parts of an image that the search looks at: all of a small one.

    Of a large image those squares are taken that hold most labelled pixels, until the budget is
    spent.
    """
    if math.prod(shape) * classes <= _BUDGET:
        return [tuple(slice(0, length) for length in shape)]
    side = _WINDOW if len(shape) == 2 else _WINDOW // 3
    tiles, counts = np.unique(labelled // side, axis=0, return_counts=True)
    most = max(1, _BUDGET // (side ** len(shape) * classes))
    chosen = tiles[np.argsort(-counts, kind="stable")[:most]]
    return [tuple(slice(i * side, (i + 1) * side) for i in tile) for tile in chosen.tolist()]


def held_out_parts(task: Task, model: PixelModel) -> list[HeldOut]:
    """Return, for each fold and window, what unaries say that have not seen the fold's labels.

    Where a sensor has no pixel left of some class, it speaks of the others only. No label is held
    out, and the list is empty, where no class has two pieces.
    """
    labelled = task.codes != UNLABELLED
    places, codes = np.argwhere(labelled), task.codes[labelled]
    piece = pieces(places, codes)
    fold = spatial_folds(codes, piece)
    windows = search_windows(places, task.codes.shape, len(task.classes))
    parts = [HeldOut() for _ in windows]
    for k in range(FOLDS):
        if not (fold == k).any():
            continue
        task.report("learning without some pixels", k, FOLDS)
        observed = labelled.copy()
        observed[tuple(places[fold == k].T)] = False
        unaries = {name: task.fitted(name, observed) for name in task.sensors}
        for part, window in zip(parts, windows, strict=True):
            corner = [side.start for side in window]
            here = ((places >= corner) & (places < [side.stop for side in window])).all(1)
            inside, others = here & (fold == k), here & (fold != k)
            if not inside.any():
                continue
            cropped = model.cropped(window)
            opinions = {
                # A unary that does not learn may look at the whole image, an array is of all of it.
                name: cropped.log_likelihoods[name]
                if unary is task.unaries[name]
                else task.opinion(name, unary, window)
                for name, unary in unaries.items()
            }
            flat = np.zeros(len(places), np.int64)
            flat[here] = np.ravel_multi_index(tuple((places[here] - corner).T), cropped.shape)
            part.models.append(replace(cropped, log_likelihoods=opinions))
            part.places.append(flat[inside])
            part.codes.append(codes[inside])
            part.pieces.append(piece[inside])
            part.observed.append((flat[others], codes[others]))
    return [part for part in parts if part.models]


def start_weights(parts: Sequence[HeldOut], sensors: Sequence[str]) -> dict[str, float]:
    """Return the powers that fit the held-out labels best without any neighbours.

    Sensors that are not asked for do not take part. A sensor that sees none of the held-out pixels
    keeps the weight one.
    """
    speaking: list[str] = []
    stacked: list[Float[np.ndarray, "pixels classes"]] = []
    for name in sensors:
        rows = [p.at_places([m.log_likelihoods[name] for m in p.models]) for p in parts]
        values = np.concatenate(rows)
        if np.ptp(values) > 0 and np.isfinite(values).all():
            speaking.append(name)
            stacked.append(values)
    weights = dict.fromkeys(sensors, 1.0)
    if speaking:
        learned = learn_likelihood_weights(
            torch.from_numpy(np.stack(stacked)),
            torch.from_numpy(parts[0].models[0].log_prior),
            torch.from_numpy(np.concatenate([codes for p in parts for codes in p.codes])),
        )
        weights.update(zip(speaking, learned.tolist(), strict=True))
    return weights


def held_out_marginals(
    parts: Sequence[HeldOut],
    sensor_weights: Mapping[str, float],
    edge_weight: float,
    iterations: int = 15,
    tolerance: float = 1e-2,
) -> tuple[Float[np.ndarray, "pixels classes"], Int64[np.ndarray, " pixels"]]:
    """Return the marginals of the held-out pixels, and their classes.

    Belief propagation may end early where only weights are compared.
    """
    marginals, codes = [], []
    for part in parts:
        tables = part.tables(sensor_weights)
        if edge_weight:
            graph = part.neighbours_alone(edge_weight)
            evidence = {LABEL: soft(np.stack(tables))}
            posterior = query(
                graph,
                evidence,
                LABEL,
                method="belief_propagation",
                iterations=iterations,
                tolerance=tolerance,
            )
            rows = part.at_places(list(posterior.marginal(LABEL).numpy()))
        else:
            rows = special.softmax(part.at_places(tables), 1)
        marginals.append(rows)
        codes.extend(part.codes)
    return np.concatenate(marginals), np.concatenate(codes)


def held_out_pieces(parts: Sequence[HeldOut]) -> Int64[np.ndarray, " pixels"]:
    """Return the piece of each held-out pixel, in the order of :func:`held_out_marginals`."""
    numbers = [piece for part in parts for piece in part.pieces]
    count = sum(len(codes) for part in parts for codes in part.codes)
    return np.concatenate(numbers) if numbers else np.arange(count)
