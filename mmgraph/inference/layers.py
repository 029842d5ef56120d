"""Which method answers for layers of units: exact where that fits, else by the field view."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from mmgraph.graph.errors import MmgraphError, TreewidthError
from mmgraph.graph.evidence import Evidence
from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.inference.exact.layer_summation import log_terms
from mmgraph.inference.exact.tabulation import tabulated
from mmgraph.inference.model_variables import has_compact_factors

SUMMATION = "layer_summation"
BY_FIELD = ("mean_field", "gibbs", "parallel_tempering", "annealed_importance_sampling", "icm")
"""Methods that take layers as they are."""

_OTHERWISE = {"query": "mean_field", "sample": "gibbs", "map_query": "icm"}
_AUTO_TERMS = 2**18
"""The terms, of all rows together, that summation may take when nobody asked for it by name."""


def answer(graph: FactorGraph, method: str) -> bool:
    """Whether a graph has layers of units, so that what is said here holds for it.

    Raises
    ------
    MmgraphError
        If a method for such layers is asked for on another graph.
    """
    if has_compact_factors(graph):
        return True
    if method == SUMMATION:
        raise MmgraphError(
            f"'{SUMMATION}' is for layers of units, joined by bilinear factors; this graph has "
            "none, and junction_tree or enumeration are exact on it"
        )
    return False


def method_for(
    method: str,
    graph: FactorGraph,
    evidence: Evidence,
    question: str,
    options: Mapping[str, Any],
) -> tuple[str, FactorGraph]:
    """Return the method that answers, and the graph in the form that it takes.

    Raises
    ------
    NotTabularError
        If the method needs tables, and layers have none or too many.
    TreewidthError
        If the log-partition function is asked for without a method, and no exact one fits.
    """
    if method in BY_FIELD or method == SUMMATION:
        return method, graph
    if method != "auto":
        return method, tabulated(graph)
    if _few_terms(graph, evidence, int(options.get("most_terms", _AUTO_TERMS))):
        return SUMMATION, graph
    if question == "log_partition":
        raise TreewidthError(
            "the exact log-partition function of these layers is a sum of too many terms; "
            "method='annealed_importance_sampling' estimates it with an error, "
            "method='mean_field' bounds it from below",
            0,
            0,
            (),
        )
    return _OTHERWISE[question], graph


def _few_terms(graph: FactorGraph, evidence: Evidence, most: int) -> bool:
    """Whether the sums over listed layers, of all rows together, are at most so many."""
    if evidence.batch > most:
        return False
    return log_terms(graph, evidence) + math.log(evidence.batch) <= math.log(most)
