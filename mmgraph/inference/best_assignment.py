"""The most probable assignment by the method that suits the graph."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mmgraph.graph.errors import MmgraphError, TreewidthError, UnderflowError
from mmgraph.graph.evidence import Evidence
from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.inference import methods
from mmgraph.inference.assignment import Assignment
from mmgraph.inference.devices import is_elsewhere
from mmgraph.inference.exact import exact


def best_assignment(
    model: FactorGraph,
    evidence: Evidence,
    names: Sequence[str] | None,
    device: str,
    exact_budget: int | None = None,
    memory_budget: int | None = None,
    **options: Any,
) -> Assignment:
    """Return the exact answer if it fits, else a minimum cut, else TRW-S, on the CPU with moves."""
    methods.check_auto_options(options, methods.AUTO_ASSIGNMENTS, methods.ASSIGNMENTS)
    budget = methods.auto_budget(model, exact_budget, memory_budget)
    if methods.exact_may_fit(model, budget):
        chosen = "torch" if is_elsewhere(device) else "junction_tree"
        try:
            return exact.best_assignment(
                model,
                evidence,
                names,
                chosen,
                memory_budget=budget,
                **exact.place_option(chosen, device),
            )
        except (TreewidthError, UnderflowError):
            if names is not None:  # a marginal MAP has no approximate method
                raise
    chosen = "trws" if is_elsewhere(device) else methods.best_assignment_method(model)
    function = methods.function_of(chosen, methods.ASSIGNMENTS)
    options |= {"memory_budget": memory_budget, "device": device}
    options = methods.understood(function, options)
    return approximate_assignment(model, evidence, names, chosen, **options)


def approximate_assignment(
    model: FactorGraph,
    evidence: Evidence,
    names: Sequence[str] | None,
    method: str,
    **options: Any,
) -> Assignment:
    """Maximise over all variables; refuse to call that the maximum of some of them."""
    whole = [n for n, v in model.variables.items() if v.is_discrete]
    if names is not None and set(names) != set(whole):
        raise MmgraphError(
            f"the method '{method}' maximises over all variables; to maximise over some and sum "
            "the others out use method='junction_tree'"
        )
    found: Assignment = methods.call(method, methods.ASSIGNMENTS, model, evidence, **options)
    return found
