"""Where the training of a machine is, kept in a directory so that it can go on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.graph.factors.layers import layer_factors
from mmgraph.learning.kept_state import KeptState


@dataclass
class TrainingState:
    """Where training is, but for tensors.

    Attributes
    ----------
    epoch, batch : int
        How many epochs are done, and how many batches of the next.
    history : list of dict of str to float
        The monitors of each epoch.
    best, best_epoch : float or None, int
        The best value of the watched monitor, and its epoch, counted from 1; 0 before.
    sums : dict of str to float
        The totals of the objective's monitors over the batches done of this epoch.
    began : float or None
        The log-likelihood at most of a row before the first step; None where other things than the
        likelihood are maximised.
    """

    epoch: int = 0
    batch: int = 0
    history: list[dict[str, float]] = field(default_factory=list)
    best: float | None = None
    best_epoch: int = 0
    sums: dict[str, float] = field(default_factory=dict)
    finished: bool = False
    began: float | None = None


def kept_training(
    directory: Path | str,
    graph: FactorGraph,
    settings: Mapping[str, Any],
    checksums: Mapping[str, int],
) -> KeptState:
    """Return what keeps the state of one training of a machine, on rows of these checksums."""
    belongs_to = {
        "layer or connection": structure_of(graph),
        "option": settings,
        "training rows of": checksums,
    }
    return KeptState(directory, "training of a machine", belongs_to)


def structure_of(graph: FactorGraph) -> dict[str, Any]:
    """Return the layers and connections of a machine, as JSON has them."""
    structure: dict[str, Any] = {}
    for name, variable in graph.variables.items():
        structure[name] = [variable.family, variable.cardinality, list(variable.shape)]
    for factor in layer_factors(graph.factors):
        key = f"{type(factor).__name__} of {' and '.join(v.name for v in factor.scope)}"
        structure[key] = [[str(t.dtype).removeprefix("torch."), *t.shape] for t in factor.tensors()]
    return structure
