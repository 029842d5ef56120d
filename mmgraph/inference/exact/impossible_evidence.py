"""Say why evidence is impossible: which rows, which variables clash first, which element."""

from __future__ import annotations

import functools
from typing import NoReturn

import numpy as np
import torch
from jaxtyping import Float, Float64, Int64
from torch import Tensor

from mmgraph.graph.errors import ZeroProbabilityError
from mmgraph.graph.evidence import MISSING, Evidence
from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.graph.value_evidence import place_of
from mmgraph.graph.variable import Variable
from mmgraph.inference.exact.join_tree.logarithms import log_evidence_in_logarithms
from mmgraph.inference.possible_rows import named_rows


def with_barred_element(
    error: ZeroProbabilityError, graph: FactorGraph, evidence: Evidence
) -> ZeroProbabilityError:
    """Return the error of a method, with the element that is left without a state, if one is.

    Hard zeros of unary factors may bar every state of one pixel among millions; methods notice at
    different places, and not all of them where it was.
    """
    barred = _barred_element(graph, evidence)
    if barred is None:
        return error
    message = f"{error} ({barred} is left without a state)"
    return ZeroProbabilityError(message, error.rows, error.variables)


def _barred_element(graph: FactorGraph, evidence: Evidence) -> str | None:
    """The first element whose unary factors and evidence bar every state, as people read it."""
    for name, variable in graph.variables.items():
        tables = [
            values.detach().unsqueeze(0)
            for factor in graph.factors
            if (values := factor.unary_values) is not None and factor.scope[0] is variable
        ]
        tables += [evidence.soft[name].detach()] if name in evidence.soft else []
        if not tables:
            continue
        left = _left(variable, [table > -torch.inf for table in tables], evidence.hard(name))
        if not bool(left.all()):
            place = [int(i) for i in (~left).nonzero()[0]]
            return f"'{name}', {place_of(variable, place)},"
    return None


def _left(variable: Variable, possible: list[Tensor], codes: Tensor | None) -> Tensor:
    """Whether a state is left to each element ``(rows, *shape)``."""
    states = functools.reduce(torch.logical_and, possible)
    if codes is None:
        return states.any(-1)
    codes = codes.to(states.device)
    states = states.expand(len(codes), *states.shape[1:])
    observed = states.gather(-1, codes.clamp(min=0).unsqueeze(-1)).squeeze(-1)
    return torch.where(codes == MISSING, states.any(-1), observed)


def check_possible(
    graph: FactorGraph,
    evidence: Evidence,
    logs: Float64[np.ndarray, " rows"] | Float[Tensor, " rows"],
    memory_budget: int | None,
    rows: Int64[np.ndarray, " rows"] | None = None,
) -> None:
    """Raise ZeroProbabilityError where the logarithm of a weight is minus infinity.

    Parameters
    ----------
    rows : ndarray, optional
        Whose weights they are, if not those of all rows of the evidence.
    """
    if isinstance(logs, Tensor):
        logs = logs.detach().cpu().numpy()
    impossible = np.flatnonzero(np.isneginf(logs))
    if len(impossible):
        impossible = impossible if rows is None else rows[impossible]
        raise_impossible(graph, evidence, impossible, memory_budget)


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
    some = row.without(*(n for n in row.observed() if n not in names))
    return not bool(np.isneginf(log_evidence_in_logarithms(graph, some, memory_budget)).any())


def _described(row: Evidence, name: str) -> str:
    if name in row.columns:
        code = int(row.codes[0, row.columns.index(name)])
        return f"{name}={row.variables[name].labels[code]}" if code != MISSING else name
    return name
