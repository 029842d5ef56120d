"""What the factors of a graph become: nodes, edges, and nodes that stand for tables.

One reading of the factors serves the pairwise graph in arrays and its twin on tensors.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from torch import Tensor

from mmgraph.graph.errors import NotTabularError
from mmgraph.graph.evidence import Evidence
from mmgraph.graph.factor import Factor, LogTable


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


def energy_terms(
    factor: Factor, tables: Iterable[LogTable]
) -> Iterator[tuple[list[str], Tensor, bool]]:
    """Yield what a factor without edges adds to the energy.

    Each part is a list of variables, energies with an axis for each of them (behind those of the
    elements of an array, or of rows), and whether they become a node of their own. ``tables`` are
    those of :func:`log_tables`.
    """
    if (values := factor.unary_values) is not None:
        yield [factor.scope[0].name], -values, False
    for table in tables:
        yield [v.name for v in table.scope], -table.values, becomes_node(table)
