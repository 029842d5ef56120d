"""Graphs with hidden common causes as other packages take them, each cause a node of its own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING

from mmgraph.graph.errors import needs
from mmgraph.graph.variable import unused_name

if TYPE_CHECKING:
    from pgmpy.base import DAG

Edges = Iterable[tuple[str, str]]


def hidden_causes(
    nodes: Iterable[str], bidirected: Edges, name: str = "U_{}_{}", mark: str = "_"
) -> dict[str, tuple[str, str]]:
    """Return names that no node has for the hidden cause of each pair; a taken one gets marks."""
    causes: dict[str, tuple[str, str]] = {}
    taken = set(nodes)
    for a, b in bidirected:
        cause = unused_name(name.format(a, b), taken, mark)
        causes[cause] = (a, b)
        taken.add(cause)
    return causes


def to_gml(nodes: Sequence[str], directed: Edges, bidirected: Edges) -> str:
    """Return a causal graph in GML on one line, which DoWhy's ``CausalModel(graph=…)`` takes.

    DoWhy holds nodes that are no columns of its data to be unobserved, as the hidden causes are.
    """
    causes = hidden_causes(nodes, bidirected)
    place = {n: i for i, n in enumerate((*nodes, *causes))}
    edges = [*directed, *((u, n) for u, pair in causes.items() for n in pair)]
    lines = [f'node [ id {i} label "{escape(n)}" ]' for n, i in place.items()]
    lines += [f"edge [ source {place[a]} target {place[b]} ]" for a, b in edges]
    return f"graph [ directed 1 {' '.join(lines)} ]"


def to_pgmpy_dag(
    nodes: Sequence[str], directed: Edges, bidirected: Edges, modalities: Mapping[str, str]
) -> DAG:
    """Return a causal graph as ``DAG`` of pgmpy, hidden causes among its ``latents``.

    Raises
    ------
    MissingExtraError
        If pgmpy is not installed.
    """
    with needs("interop", "pgmpy", "handing a causal graph to pgmpy"):
        from pgmpy.base import DAG
    causes = hidden_causes(nodes, bidirected)
    dag = DAG()
    for node in (*nodes, *causes):
        dag.add_node(node)
        if node in modalities:
            dag.nodes[node]["modality"] = modalities[node]
    dag.add_edges_from([*directed, *((u, n) for u, pair in causes.items() for n in pair)])
    dag.latents = set(causes)
    return dag
