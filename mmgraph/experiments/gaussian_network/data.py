"""Measurements under experiments: logarithms by column, the experiment, the published graph."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import networkx
import numpy as np
from jaxtyping import Float64, Int64

from mmgraph.data.blocks.columns import Columns
from mmgraph.data.groups import Groups
from mmgraph.data.multimodal_data import MultimodalData
from mmgraph.data.reading import Outcome
from mmgraph.experiments.gaussian_network.declaration import GaussianNetworkDeclaration
from mmgraph.graph.errors import DatasetError, suggestion
from mmgraph.graph.variable import Variable

MEASURED = "measured"
EXPERIMENT = "experiment"
Edge = tuple[str, str]
Values = Float64[np.ndarray, "rows columns"]
Codes = Int64[np.ndarray, " rows"]


@dataclass(frozen=True)
class Measurements:
    """Logarithms of measurements, and the experiment of each row as their target and group.

    ``edges`` are those of the published graph, without a cycle.
    """

    data: MultimodalData
    edges: tuple[Edge, ...]

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the measurements."""
        block = self.data.blocks[MEASURED]
        assert isinstance(block, Columns)
        return block.names


def values_of(data: MultimodalData) -> Values:
    """Return the logarithms of rows."""
    return data.blocks[MEASURED].numbers()


def load_measurements(declaration: GaussianNetworkDeclaration) -> Measurements:
    """Load the data set that a declaration names.

    Raises
    ------
    DatasetError
        If it is no table of positive measurements with experiments and a graph, a column or an edge
        that is declared is not there, a number lies outside the declared range, or the graph has a
        cycle (which).
    """
    from mmgraph import datasets

    loaded: Any = datasets.load(declaration.dataset)
    parts = ("frame", "experiment", "experiments", "consensus_edges")
    if not all(hasattr(loaded, part) for part in parts):
        raise DatasetError(f"'{declaration.dataset}' is no table of measurements under experiments")
    return measurements(
        {str(name): loaded.frame[name].to_numpy(np.float64) for name in loaded.frame},
        loaded.experiment,
        loaded.experiments,
        loaded.consensus_edges,
        declaration,
    )


def measurements(
    table: Mapping[str, Float64[np.ndarray, " rows"]],
    experiment: Codes,
    experiments: Sequence[str],
    edges: Iterable[Edge],
    declaration: GaussianNetworkDeclaration,
) -> Measurements:
    """Return measurements as a declaration wants them; errors as :func:`load_measurements`."""
    where = f"'{declaration.dataset}'"
    for candidate in declaration.affected:
        for name in candidate.columns:
            if name not in table:
                raise DatasetError(f"{where} has no column '{name}'{suggestion(name, table)}")
    low, high = declaration.discretised.range
    for name, column in table.items():
        outside = ~((column >= low) & (column < high))
        if outside.any():
            row = int(outside.argmax())
            raise DatasetError(
                f"row {row} of {where}: '{name}' is {column[row]:g}, outside the declared range "
                f"[{low:g}, {high:g})"
            )
    codes = np.asarray(experiment, np.int64)
    values = np.log(np.column_stack(list(table.values())))
    data = MultimodalData(
        {MEASURED: Columns.of_numbers(MEASURED, values, tuple(table))},
        Outcome(Variable(EXPERIMENT, tuple(experiments)), codes),
        Groups(EXPERIMENT, codes),
        origin=where,
    )
    return Measurements(data, _without_cycle(tuple(edges), declaration))


def _without_cycle(
    edges: tuple[Edge, ...], declaration: GaussianNetworkDeclaration
) -> tuple[Edge, ...]:
    """The edges of the graph, those turned that a declaration says."""
    turned = set(declaration.turned)
    if missing := turned - set(edges):
        names = " -> ".join(sorted(missing)[0])
        raise DatasetError(f"the graph of '{declaration.dataset}' has no edge {names}")
    directed = tuple((b, a) if (a, b) in turned else (a, b) for a, b in edges)
    graph = networkx.DiGraph(directed)
    if not networkx.is_directed_acyclic_graph(graph):
        cycle = [a for a, _ in networkx.find_cycle(graph)]
        around = " -> ".join([*cycle, cycle[0]])
        raise DatasetError(
            f"the graph of '{declaration.dataset}' has the cycle {around}: "
            "name an edge of it in [network] 'turned'"
        )
    return directed
