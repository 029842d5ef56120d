"""Which of three ways of computing suits a graph: kernels, layers of units, or tensors."""

from __future__ import annotations

from typing import NamedTuple

import torch

from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.inference.model_variables import has_compact_factors, tables_device


class Backend(NamedTuple):
    """Where a graph is computed, and by what; approximate methods choose it once a call."""

    place: torch.device
    # Whether the graph has layers of units, whose fields are products of matrices: the field view
    # answers for them on any device.
    layers: bool

    @property
    def kernels(self) -> bool:
        """Whether compiled kernels run over the graph's elements; else torch does."""
        return not self.layers and self.place.type == "cpu"


def backend_of(graph: FactorGraph, device: torch.device | str = "auto") -> Backend:
    """Return the backend for a graph; ``"auto"`` is wherever its tables are."""
    place = tables_device(graph) if str(device) == "auto" else torch.device(device)
    return Backend(place, has_compact_factors(graph))
