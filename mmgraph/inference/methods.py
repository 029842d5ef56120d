"""The methods by name: which there are, what each answers, and which one suits a graph."""

from __future__ import annotations

import importlib
import inspect
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch

from mmgraph.graph.errors import MmgraphError, suggestion
from mmgraph.graph.evidence import Evidence
from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.graph.factors.grid import GridFactor
from mmgraph.graph.variable import Variable
from mmgraph.inference.exact.unrolling import MOST_ELEMENTS, needs_unrolling
from mmgraph.inference.numerics.counted_random import placed_generator
from mmgraph.inference.numerics.memory import default_memory_budget
from mmgraph.inference.options import check_known, check_type, check_types

EXACT = ("junction_tree", "enumeration", "torch", "layer_summation")

_HERE = "mmgraph.inference"
MARGINALS = {
    "belief_propagation": f"{_HERE}.messages.belief_propagation",
    "tree_reweighted": f"{_HERE}.messages.tree_reweighted",
    "mean_field": f"{_HERE}.mean_field.mean_field",
    "gibbs": f"{_HERE}.sampling.gibbs",
    "parallel_tempering": f"{_HERE}.sampling.parallel_tempering",
    "annealed_importance_sampling": f"{_HERE}.sampling.annealing",
}
"""Approximate methods that give marginals, and the modules of the functions of that name."""

SAMPLERS = {
    "gibbs": f"{_HERE}.sampling.gibbs:gibbs_samples",
    "parallel_tempering": f"{_HERE}.sampling.parallel_tempering:tempered_samples",
}
"""Methods that draw states where exact samples do not fit, and their functions."""

SAMPLING = ("gibbs", "parallel_tempering", "annealed_importance_sampling")
"""Those of them that draw random numbers, and take a ``generator``."""

ASSIGNMENTS = {
    "max_product": f"{_HERE}.messages.max_product",
    "trws": f"{_HERE}.messages.trws",
    "trws_and_moves": f"{_HERE}.minimisation.trws_and_moves",
    "graph_cut": f"{_HERE}.minimisation.graph_cut",
    "alpha_expansion": f"{_HERE}.minimisation.move_making",
    "alpha_beta_swap": f"{_HERE}.minimisation.move_making",
    "icm": f"{_HERE}.minimisation.icm",
    "branch_and_bound": f"{_HERE}.minimisation.branch_and_bound",
}
"""Methods that give an assignment of all variables."""


QUESTIONS: dict[str, tuple[str, ...]] = {
    "query": (*EXACT, *MARGINALS),
    "joint": ("junction_tree", "torch"),
    "log_partition": (*EXACT, *(m for m in MARGINALS if m not in SAMPLERS)),
    "map_query": (*EXACT, *ASSIGNMENTS),
    "sample": ("junction_tree", "torch", "layer_summation", *SAMPLERS),
}
"""The methods of each question, beside ``auto``; :mod:`mmgraph.inference.devices` says where."""

AUTO_MARGINALS = ("belief_propagation", "tree_reweighted")
AUTO_ASSIGNMENTS = ("graph_cut", "trws_and_moves")
"""What ``auto`` resorts to where exact tables do not fit."""


def check(method: str, known: Sequence[str], question: str) -> None:
    """Raise MmgraphError if a question has no such method."""
    if isinstance(method, str) and (method in known or method == "auto"):
        return
    hint = suggestion(method, known)
    raise MmgraphError(f"{question} knows no method {method!r}{hint} (known: {', '.join(known)})")


def function_of(method: str, table: dict[str, str]) -> Callable[..., Any]:
    """Return a method's function; its module is imported at first use."""
    module, _colon, function = table[method].partition(":")
    found: Callable[..., Any] = getattr(importlib.import_module(module), function or method)
    return found


def call(method: str, table: dict[str, str], *arguments: Any, **options: Any) -> Any:
    """Call a method with options that it knows, of the types that it takes.

    It draws by a generator on the CPU, which one that is elsewhere seeds.
    """
    function = function_of(method, table)
    known = list(inspect.signature(function).parameters)[len(arguments) :]
    check_known(options, known, method)
    check_types(function, options)
    if "generator" in options:
        options["generator"] = placed_generator(options["generator"], "cpu")
    return function(*arguments, **options)


def given_options(
    method: str, table: dict[str, str], device: str, dtype: torch.dtype | None
) -> dict[str, Any]:
    """Return device and dtype as options of a method: those that it has, where asked for."""
    known = inspect.signature(function_of(method, table)).parameters
    options: dict[str, Any] = {} if dtype is None else {"dtype": dtype}
    return options | ({"device": device} if "device" in known else {})


def exact_may_fit(graph: FactorGraph, budget: int) -> bool:
    """Whether exact inference on arrays is worth preparing: a quick look at their sizes.

    A grid's treewidth is its shorter side (in a volume, about the product of the two shorter
    ones), so that its largest table has at least that power of the number of states.
    """
    if not needs_unrolling(graph):
        return True
    if sum(v.size for v in graph.variables.values() if v.is_discrete) > MOST_ELEMENTS:
        return False
    return all(
        _least_log2_bytes(factor.ends[0]) <= math.log2(budget)
        for factor in graph.factors
        if isinstance(factor, GridFactor)
    )


def _least_log2_bytes(variable: Variable) -> float:
    width = math.prod(sorted(variable.shape)[:-1]) + 1
    return 3 + width * math.log2(variable.cardinality)


def auto_budget(graph: FactorGraph, exact_budget: int | None, memory_budget: int | None) -> int:
    """Return what exact inference may take when nobody asked for it by name.

    On arrays a quarter of the usual: beyond, it would take minutes where the approximate methods
    take seconds.
    """
    check_type("exact_budget", exact_budget, "int | None")
    check_type("memory_budget", memory_budget, "int | None")
    whole = default_memory_budget() if memory_budget is None else memory_budget
    if exact_budget is not None:
        return min(exact_budget, whole)
    return whole // 4 if memory_budget is None and needs_unrolling(graph) else whole


def check_auto_options(
    options: Mapping[str, Any], behind: Iterable[str], table: dict[str, str]
) -> None:
    """Refuse options that no method behind ``auto`` has; each takes those that it knows.

    The methods are imported only where there are options to check.
    """
    known = {"exact_budget", "memory_budget"}
    if options:
        for method in behind:
            function = function_of(method, table)
            check_types(function, options)
            known |= set(list(inspect.signature(function).parameters)[3:])
    for name in options:
        if name not in known:
            hint = suggestion(name, known)
            raise MmgraphError(
                f"no method behind 'auto' has an option {name!r}{hint} "
                f"(they have: {', '.join(sorted(known))})"
            )


def understood(function: Callable[..., Any], options: Mapping[str, Any]) -> dict[str, Any]:
    """Return those of the options that a function knows."""
    known = inspect.signature(function).parameters
    return {name: value for name, value in options.items() if name in known}


def best_marginals(
    graph: FactorGraph,
    evidence: Evidence,
    variables: Sequence[str] | None,
    device: str | None,
    **options: Any,
) -> Any:
    """Approximate marginals: belief propagation, and its convex form where that does not settle.

    The convex form gets as many iterations as belief propagation had. Where neither settles, belief
    propagation answers. The time of both counts.
    """
    options["device"] = device or "auto"
    first = function_of("belief_propagation", MARGINALS)
    found = first(graph, evidence, variables, **options)
    if not found.converged:
        second = function_of("tree_reweighted", MARGINALS)
        limits = {"iterations": found.iterations} | understood(second, options)
        convex = second(graph, evidence, variables, **limits)
        seconds = found.seconds + convex.seconds
        found = convex if convex.converged else found
        found.seconds = seconds
    return found


def best_assignment_method(graph: FactorGraph) -> str:
    """Return the method for the best assignment where a junction tree does not fit."""
    from mmgraph.inference.minimisation.graph_cut import is_binary_submodular
    from mmgraph.inference.pairwise.build import pairwise_graph

    return "graph_cut" if is_binary_submodular(pairwise_graph(graph)) else "trws_and_moves"
