"""The label field of land cover: the pooled classifiers, and how strongly neighbours agree."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Float64, Int64

from mmgraph.experiments.land_cover.declaration import FieldDeclaration
from mmgraph.graph.factors.grid import neighbourhood
from mmgraph.graph.interaction import Potts
from mmgraph.spatial.annotations.annotations import UNLABELLED
from mmgraph.spatial.edges import contrast_weights, plain_weights
from mmgraph.spatial.held_out import HeldOut, held_out_marginals
from mmgraph.spatial.labelling import LabellingWarning, label_image
from mmgraph.spatial.pixel_model import PixelModel
from mmgraph.spatial.temperature import log_loss
from mmgraph.spatial.unaries import ArrayUnary, SilentUnary

_THREADS = 2
_POOLED = "pooled"

LogTable = Float64[np.ndarray, "pixels classes"]
Pixels = Int64[np.ndarray, " pixels"]


@dataclass(frozen=True)
class FieldSettings:
    """What is chosen for a field, and its log-loss on held-out training pixels.

    The unary log-probabilities are multiplied by the power: neighbours' windows overlap and say
    much the same, and below 1 the field does not count it over and over. The weight is that of the
    Potts energy in even places, and the contrast the share of it that strong edges take away.
    """

    power: float
    weight: float
    contrast: float
    log_loss: float = np.inf


class LandCoverField:
    """A label field of sensors that speak through one table of pooled log-probabilities.

    Edges are looked for in the sensors, which are NaN where they do not see.
    """

    def __init__(
        self,
        sensors: Mapping[str, Float[np.ndarray, "height width bands"]],
        classes: tuple[str, ...],
        declaration: FieldDeclaration,
    ) -> None:
        self.sensors, self.classes, self.declaration = sensors, classes, declaration
        self.shape = next(iter(sensors.values())).shape[:2]

    def marginals(
        self, unary: LogTable, pixels: Pixels, codes: Pixels, settings: FieldSettings
    ) -> LogTable:
        """Return each pixel's distribution by :func:`~mmgraph.spatial.labelling.label_image`."""
        known = np.full(self.shape, UNLABELLED)
        known.reshape(-1)[pixels] = codes
        table = ArrayUnary(log_likelihoods=unary.reshape(*self.shape, -1))
        share = settings.contrast / len(self.sensors)
        with warnings.catch_warnings(action="ignore", category=LabellingWarning):  # of the cloud
            labelling = label_image(
                # The table's own image is even, and so keeps what edges leave of the weight.
                {_POOLED: np.zeros(self.shape), **self.sensors},
                known,
                classes=self.classes,
                unaries={_POOLED: table, **dict.fromkeys(self.sensors, SilentUnary())},
                sensor_weights=settings.power,
                edge_weight=settings.weight,
                edge_sensors={_POOLED: 1 - settings.contrast, **dict.fromkeys(self.sensors, share)},
                neighbours=self.declaration.neighbours,
                method="belief_propagation",
                prior="even",
            )
        return labelling.marginals.reshape(unary.shape)

    def choose(
        self, unaries: Sequence[LogTable], train: Pixels, codes: Pixels, folds: Sequence[Pixels]
    ) -> FieldSettings:
        """Return the settings under which held-out training pixels have the least log-loss.

        Powers and weights are tried together at the first contrast, then the other contrasts with
        the best of them.
        """
        declared = self.declaration
        offsets = neighbourhood(2, declared.neighbours)
        plain = plain_weights(self.shape, offsets)
        parts = [contrast_weights(image, offsets) for image in self.sensors.values()]
        edges = np.asarray(sum(parts) / len(parts))

        def with_loss(settings: FieldSettings) -> FieldSettings:
            contrast = (1 - settings.contrast) * plain + settings.contrast * edges
            models = [
                PixelModel(
                    self.classes,
                    np.zeros(len(self.classes)),
                    {_POOLED: unary.reshape(*self.shape, -1)},
                    contrast,
                    offsets,
                    Potts(),
                )
                for unary in unaries
            ]
            part = HeldOut(
                models,
                [train[rows] for rows in folds],
                [codes[rows] for rows in folds],
                observed=[(np.delete(train, rows), np.delete(codes, rows)) for rows in folds],
            )
            marginals, truth = held_out_marginals(
                [part],
                {_POOLED: settings.power},
                settings.weight,
                iterations=declared.iterations,
                tolerance=declared.tolerance,
            )
            return replace(settings, log_loss=log_loss(marginals, truth))

        pairs = itertools.product(declared.powers, declared.weights)
        first = [FieldSettings(power, weight, declared.contrasts[0]) for power, weight in pairs]
        # Message passing runs outside Python's lock, so that threads share the work.
        with ThreadPoolExecutor(_THREADS) as pool:
            best = min(pool.map(with_loss, first), key=lambda settings: settings.log_loss)
            others = [replace(best, contrast=contrast) for contrast in declared.contrasts[1:]]
            return min([best, *pool.map(with_loss, others)], key=lambda settings: settings.log_loss)
