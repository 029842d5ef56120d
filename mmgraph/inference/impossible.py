"""Say why evidence is impossible: which rows, and which variables clash first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NoReturn

import numpy as np

from mmgraph.graph.errors import ZeroProbabilityError
from mmgraph.graph.evidence import MISSING, Evidence
from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.inference.logarithms import log_evidence_in_logarithms

_ROWS_SHOWN = 8


def raise_impossible(
    graph: FactorGraph, evidence: Evidence, rows: np.ndarray, memory_budget: int | None
) -> NoReturn:
    """Raise ZeroProbabilityError for rows of evidence that have probability zero."""
    first = evidence.rows(slice(int(rows[0]), int(rows[0]) + 1))
    names = _clash(graph, first, memory_budget)
    if not names:
        raise ZeroProbabilityError(
            "the model gives every state probability zero, whatever the evidence",
            tuple(rows.tolist()),
            (),
        )
    raise ZeroProbabilityError(
        f"the evidence has probability zero in {named_rows(rows)}; in row {rows[0]} these clash "
        f"first: {', '.join(_described(first, name) for name in names)}",
        tuple(int(r) for r in rows),
        names,
    )


def named_rows(rows: Sequence[int] | np.ndarray) -> str:
    """Return the first few of some rows as people read them: ``"rows 1, 4"``."""
    shown = ", ".join(str(r) for r in rows[:_ROWS_SHOWN])
    more = f" and {len(rows) - _ROWS_SHOWN} more" if len(rows) > _ROWS_SHOWN else ""
    return f"row {shown}" if len(rows) == 1 else f"rows {shown}{more}"


def _clash(graph: FactorGraph, row: Evidence, memory_budget: int | None) -> tuple[str, ...]:
    """A smallest set of observations that is impossible, from the shortest impossible prefix."""
    names = list(row.observed())
    if not _is_possible(graph, row, [], memory_budget):
        return ()
    low, high = 0, len(names)  # the first ``low`` are possible, the first ``high`` are not
    while high - low > 1:
        middle = (low + high) // 2
        if _is_possible(graph, row, names[:middle], memory_budget):
            low = middle
        else:
            high = middle
    clash = names[:high]
    for name in list(clash[:-1]):
        without = [n for n in clash if n != name]
        if not _is_possible(graph, row, without, memory_budget):
            clash = without
    return tuple(clash)


def _is_possible(
    graph: FactorGraph, row: Evidence, names: list[str], memory_budget: int | None
) -> bool:
    kept = row.without(*(n for n in row.observed() if n not in names))
    return not bool(np.isneginf(log_evidence_in_logarithms(graph, kept, memory_budget)).any())


def _described(row: Evidence, name: str) -> str:
    if name in row.columns:
        code = int(row.codes[0, row.columns.index(name)])
        return f"{name}={row.variables[name].labels[code]}" if code != MISSING else name
    return name
