"""What the factors of a graph become: nodes, edges, and nodes that stand for tables.

One reading of the factors serves the pairwise graph in arrays and its twin on tensors.
"""

from __future__ import annotations

import abc
from collections.abc import Iterable

from torch import Tensor

from mmgraph.graph.errors import NotTabularError
from mmgraph.graph.evidence import Evidence
from mmgraph.graph.factor import EdgeTerms, Factor, LogTable


def log_tables(factor: Factor, evidence: Evidence | None = None) -> list[LogTable]:
    """Return the tables of a factor, none of one over arrays.

    Given evidence, the table of a continuous leaf is what it says of its parents in each row.

    Raises
    ------
    NotTabularError
        If the factor has neither edges nor tables nor a likelihood.
    """
    if factor.edge_terms is not None or factor.unary_values is not None:
        return []
    if factor.is_tabular:
        return list(factor.tables())
    if factor.child is None or factor.child.is_discrete:
        raise NotTabularError(f"{factor!r} has neither edges nor tables")
    likelihood = None if evidence is None else factor.likelihood(evidence)
    return [] if likelihood is None else [likelihood]


def becomes_node(table: LogTable) -> bool:
    """Whether a table is over more than a pair of variables, or over pairs that differ by row."""
    axes = len(table.scope)
    return axes > 2 or (axes == 2 and table.values.ndim > 2)


class Assembly(abc.ABC):
    """Sorts what factors say into energies of nodes, edges, and nodes of tables."""

    def add(self, factor: Factor, tables: Iterable[LogTable]) -> None:
        """Add a factor with its :func:`log_tables`."""
        if (edges := factor.edge_terms) is not None:
            self.add_edges(edges)
        elif (values := factor.unary_values) is not None:
            self.add_unary(factor.scope[0].name, -values)
        for table in tables:
            names, energies = [v.name for v in table.scope], -table.values
            if not names:
                self.add_constant(energies)
            elif len(names) == 1:
                self.add_unary(names[0], energies)
            elif becomes_node(table):
                self.add_cells(names, energies)
            else:
                self.add_pair(names, energies)

    @abc.abstractmethod
    def add_constant(self, energy: Tensor) -> None:
        """Add an energy without variables, one or one for each row."""

    @abc.abstractmethod
    def add_unary(self, name: str, energies: Tensor) -> None:
        """Add energies to the elements of a variable."""

    @abc.abstractmethod
    def add_edges(self, edges: EdgeTerms) -> None:
        """Add the edges of a factor."""

    @abc.abstractmethod
    def add_pair(self, names: list[str], energies: Tensor) -> None:
        """Add an edge with a table between two variables that are no arrays."""

    @abc.abstractmethod
    def add_cells(self, names: list[str], energies: Tensor) -> None:
        """Add a node for a table over several variables, and an edge to each of them."""
