"""Instruments for a confounded effect, and what they are conditioned on."""

from __future__ import annotations

from collections.abc import Iterator

from mmgraph.causal.adjustment.back_door import Effect
from mmgraph.causal.graph.causal_graph import CausalGraph, Names
from mmgraph.causal.graph.separation import bits
from mmgraph.causal.graph.separators import Separation


def instruments(
    graph: CausalGraph,
    treatment: str,
    outcome: str,
    latent: Names = (),
    ancestral: bool = True,
) -> list[tuple[str, frozenset[str]]]:
    """Return the conditional instruments for the total effect of a treatment on an outcome.

    A node z is one, given a set W, if W m-separates it from the outcome once the edges on which
    causal paths leave the treatment are taken away, does not separate it from the treatment, and
    neither z nor W holds what these paths lead to (van der Zander, Textor and Liśkiewicz 2015,
    where the edge from treatment to outcome is the only causal path; Henckel, Buttenschoen and
    Maathuis 2024). In a linear model the effect is then cov(z, y | W) / cov(z, x | W).

    Parameters
    ----------
    graph : CausalGraph
    treatment, outcome : str
    latent : str or collection of str, optional
        Nodes that are not measured.
    ancestral : bool, optional
        Look for sets of ancestors of instrument and outcome alone, in polynomial time: if there is
        any instrument, there is one with such a set. False: where a node has none of them, all
        others are tried, whose number may be exponential in that of the nodes.

    Returns
    -------
    list of (str, frozenset of str)
        Each instrument in the order of the nodes, with a minimal set to condition on, if it has an
        ancestral one (the nearest to the outcome); empty if there is none.

    Raises
    ------
    UnknownVariableError, CausalError
        As :func:`~mmgraph.causal.adjustment.adjustment_sets.adjustment_sets`.
    """
    effect = Effect.of(graph, treatment, outcome, latent)
    edges = graph.adjacency
    listed = []
    for i in bits(effect.allowed):
        task = Separation(
            graph=edges.without_edges(effect.treatments, effect.causal),
            first=1 << i,
            second=effect.outcomes,
            allowed=effect.allowed & ~(1 << i),
        )
        for conditions in _conditions(task, ancestral):
            if edges.connected(1 << i, conditions) & effect.treatments:
                listed.append((graph.nodes[i], graph.named(conditions)))
                break
    return listed


def _conditions(task: Separation, ancestral: bool) -> Iterator[int]:
    nearest = task.minimal()
    if nearest is not None:
        yield nearest
        if not ancestral:
            yield from task.all()
