"""The edges of a learned structure: hidden causes of a PAG, and what may run either way."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from mmgraph.causal.graph.causal_graph import Edge
from mmgraph.graph.errors import CausalError, OpenDirectionWarning, warn_caller


def learned_edges(found: Any, orient: Collection[Edge] = ()) -> tuple[list[Edge], list[Edge]]:
    """Return the directed and bidirected edges of a structure.

    Parameters, errors and warnings are those of :meth:`mmgraph.CausalModel.from_structure`.
    """
    pag = getattr(found, "pag", None)
    if pag is None:
        return _oriented(found, orient), []
    if orient:
        raise CausalError("orient is for equivalent graphs: of a PAG, say all edges yourself")
    for edge in pag:
        if edge[1] not in ("->", "<-", "<->"):
            raise CausalError(f"the PAG leaves open what {' '.join(edge)} is: say it in edges")
    arrows = [(b, a) if mark == "<-" else (a, b) for a, mark, b in pag if mark != "<->"]
    return arrows, [(a, b) for a, mark, b in pag if mark == "<->"]


def _oriented(found: Any, orient: Collection[Edge]) -> list[Edge]:
    """The directed edges, those that may run either way as the user or the structure says."""
    _, undirected = getattr(found, "cpdag", None) or ((), ())
    either = set(map(frozenset, undirected))
    chosen = {frozenset((a, b)): (a, b) for a, b in orient}
    for pair, (a, b) in chosen.items():
        if pair not in either and (a, b) not in found.edges:
            raise CausalError(f"orient names {a} -> {b}, and no edge of the structure can run so")
    left = [f"{a} -> {b}" for a, b in found.edges if frozenset((a, b)) in either - chosen.keys()]
    if left:
        warn_caller(
            f"{', '.join(left)}: the data do not tell which way these edges run, and the model "
            "takes them as in the structure's graph; say it by orient=[(cause, effect), …], or "
            "orient=structure.edges to take them so",
            OpenDirectionWarning,
        )
    return [chosen.get(frozenset((a, b)), (a, b)) for a, b in found.edges]
