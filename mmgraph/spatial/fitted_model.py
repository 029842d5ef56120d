"""The Markov random field of a task: unaries fitted to all labelled pixels, and edges."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float

from mmgraph.graph.factors.grid import Offset, neighbourhood
from mmgraph.graph.interaction import Interaction, Potts
from mmgraph.spatial.annotations.annotations import UNLABELLED
from mmgraph.spatial.edges import contrast_weights, default_neighbours, plain_weights
from mmgraph.spatial.pixel_model import PixelModel
from mmgraph.spatial.task import Task, check_name
from mmgraph.spatial.weight_search import checked_weight


@dataclass(frozen=True, kw_only=True)
class FieldOptions:
    """The options of :func:`~mmgraph.spatial.labelling.label_image`, which says what they are."""

    sensor_weights: Mapping[str, float] | float | Literal["learn"] = "learn"
    edge_weight: float | Literal["learn"] = "learn"
    edge_sensors: Sequence[str] | Mapping[str, float] | None = None
    neighbours: int | None = None
    spacing: Sequence[float] | None = None
    interaction: Interaction | None = None
    prior: Literal["auto", "annotated", "even"] | Sequence[float] | Mapping[str, float] = "auto"
    method: str = "auto"
    marginal_method: str = "belief_propagation"
    clamp: bool = True
    learning: str = "cross_validation"


def fitted_model(task: Task, options: FieldOptions) -> PixelModel:
    """Fit the unaries to all labelled pixels, and look for edges."""
    dimensions = task.codes.ndim
    offsets = neighbourhood(dimensions, options.neighbours or default_neighbours(dimensions))
    labelled = task.codes != UNLABELLED
    opinions = {}
    for number, name in enumerate(task.sensors):
        task.report(f"learning from {name}", number, len(task.sensors))
        opinions[name] = task.opinion(name, task.fitted(name, labelled))
    return PixelModel(
        task.classes,
        task.log_prior(options.prior),
        opinions,
        _contrast(task, options.edge_sensors, offsets, options.spacing),
        offsets,
        options.interaction or Potts(),
    )


def _contrast(
    task: Task,
    edge_sensors: Sequence[str] | Mapping[str, float] | None,
    offsets: Sequence[Offset],
    spacing: Sequence[float] | None,
) -> Float[np.ndarray, "offsets *shape"]:
    """Mean of the sensors' contrasts; a sensor that is left out has no part in it."""
    names = list(task.sensors) if edge_sensors is None else edge_sensors
    shares = dict(names) if isinstance(names, Mapping) else dict.fromkeys(names, 1.0)
    for name, share in shares.items():
        check_name("sensor", name, list(task.sensors))
        shares[name] = checked_weight(f"of sensor '{name}' in the edges", share)
    shares = {n: share for n, share in shares.items() if share and not task.left_out(n)}
    if not shares:
        return plain_weights(task.codes.shape, offsets, spacing=spacing)
    parts = [
        share * contrast_weights(task.sensors[name], offsets, spacing=spacing)
        for name, share in shares.items()
    ]
    return np.asarray(sum(parts) / sum(shares.values()))
