"""Which method answers a question: the one that is named, or the one that suits the graph."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from mmgraph.graph.errors import (
    MmgraphError,
    NotConjugateError,
    TreewidthError,
    UnderflowError,
)
from mmgraph.graph.evidence import Evidence
from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.graph.memory_budget import default_memory_budget
from mmgraph.graph.variable import Variable
from mmgraph.inference.exact import exact
from mmgraph.inference.exact.layer_summation import AUTO_TERMS, check_few_terms, has_few_terms
from mmgraph.inference.exact.tabulation import tabulated
from mmgraph.inference.exact.unrolling import MOST_ELEMENTS
from mmgraph.inference.field.centring import Centred
from mmgraph.inference.field.discrete_part import (
    check_joint_beliefs,
    discrete_part,
    with_real_variables,
)
from mmgraph.inference.gaussian.model import linear_factors, row_factors
from mmgraph.inference.methods import METHODS, Method, check_method, checked_device
from mmgraph.inference.model_variables import (
    has_compact_factors,
    needs_unrolling,
    normal_variables,
    tables_device,
)
from mmgraph.inference.options import check_known, check_type, check_types, is_elsewhere
from mmgraph.inference.posterior import Posterior

_APPROXIMATE = {
    "query": ("belief_propagation", "tree_reweighted"),
    "map_query": ("graph_cut", "trws_and_moves"),
    "sample": ("gibbs",),
}
"""What ``auto`` resorts to where exact tables do not fit; other questions have no such methods."""

_APPROXIMATE_ON_LAYERS = {"query": "mean_field", "sample": "gibbs", "map_query": "icm"}
"""The same on layers of units."""


class Question(NamedTuple):
    """A question asked of a graph.

    Attributes
    ----------
    name : str
        One of ``QUESTIONS``.
    subject : tuple
        What is asked for: the variables; of samples their number and a generator; of the
        log-partition function nothing.
    options : mapping
        Of the method; of ``auto`` those of all methods behind it.
    """

    name: str
    graph: FactorGraph
    evidence: Evidence
    subject: tuple[Any, ...]
    device: object
    options: Mapping[str, Any]


def answer(question: Question, method: str) -> Any:
    """Return what a method answers, or under ``auto`` that which suits best.

    Returns
    -------
    Posterior, Assignment, Tensor or dict of str to Tensor
        A posterior also where an approximate method is asked for the log-partition function.
    """
    check_method(question.name, method)
    device = checked_device(question.name, method, question.device, question.options)
    question = question._replace(device=device)
    if question.name != "joint" and _has_layers(question.graph, method):
        if (centred := Centred.of(question.graph, question.evidence)) is not None:
            near = question._replace(
                graph=centred.graph,
                evidence=centred.evidence,
                options=centred.options(question.options),
            )
            return centred.moved_back(answer(near, method))
        method, question = _for_layers(question, method)
    return _suitable_answer(question) if method == "auto" else _call(METHODS[method], question)


def _call(method: Method, question: Question) -> Any:
    """Ask a method, one that knows no continuous parents about what is left without them."""
    if method.exact or not row_factors(question.graph):
        return _called(method, question)
    if method.name != "gibbs":
        return _called(method, question) if method.takes_real else _without_real(method, question)
    if linear_factors(question.graph) and not is_elsewhere(question.device):
        with contextlib.suppress(TreewidthError):  # it also draws discrete variables one by one
            return _called(method, question)
    return _without_real(method, question)


def _without_real(method: Method, question: Question) -> Any:
    """Ask a method about the discrete part of a mixed graph."""
    graph, evidence = question.graph, question.evidence
    asked = question.subject[0] if question.name in ("query", "map_query") else None
    if question.name == "map_query" and asked is None:
        exact.check_observed(graph, evidence)
    device = tables_device(graph) if exact.wants_torch(graph, evidence) else None
    near = question._replace(**discrete_part(graph, evidence, device)._asdict())
    real = [n for n in asked or () if n in normal_variables(graph)]
    if real:
        check_joint_beliefs(graph, evidence, real, method.name)
        near = near._replace(subject=(None,))
    result = _called(method, near)
    if isinstance(result, Posterior):
        return with_real_variables(result, graph, evidence, asked)
    return result


def _called(method: Method, question: Question) -> Any:
    """Ask a method: on a device, if it can say where."""
    name, graph, evidence, subject, device, options = question
    if "device" in method.parameters(name):
        options = {**options, "device": device}
    if method.exact:
        return method(name, graph, evidence, *subject, **options)
    if name == "log_partition":
        subject = ((),)  # a posterior of no variables
    elif name == "map_query":
        _check_all(graph, subject[0], method.name)
        subject = ()
    result = method(name, graph, evidence, *subject, **options)
    if name == "sample" and evidence.batch == 1:
        return {variable: drawn.unsqueeze(0) for variable, drawn in result.items()}
    return result


def _call_with_known(method: Method, question: Question) -> Any:
    """Ask a method with those of the options that it has."""
    names = method.parameters(question.name)
    options = {name: value for name, value in question.options.items() if name in names}
    return _call(method, question._replace(options=options))


def _check_all(graph: FactorGraph, names: Iterable[str] | None, method: str) -> None:
    """Refuse to call the maximum over all variables that over some of them."""
    if names is not None and set(names) != {n for n, v in graph.variables.items() if v.is_discrete}:
        raise MmgraphError(
            f"the method '{method}' maximises over all variables; to maximise over some and sum "
            "the others out use method='junction_tree'"
        )


def _has_layers(graph: FactorGraph, method: str) -> bool:
    """Whether a graph has layers of units."""
    if has_compact_factors(graph):
        return True
    if method != "auto" and METHODS[method].view == "layers":
        raise MmgraphError(
            f"'{method}' is for layers of units, joined by bilinear factors; this graph has "
            "none, and junction_tree or enumeration are exact on it"
        )
    return False


def _for_layers(question: Question, method: str) -> tuple[str, Question]:
    """The method that answers for layers of units, and the question of the graph that it takes."""
    if method != "auto":
        if METHODS[method].view == "tables":
            question = question._replace(graph=tabulated(question.graph))
        return method, question
    terms = int(question.options.get("most_terms", AUTO_TERMS))
    if question.name == "log_partition":
        check_few_terms(question.graph, question.evidence, terms)
    elif not has_few_terms(question.graph, question.evidence, terms):
        return _APPROXIMATE_ON_LAYERS[question.name], question
    options = {n: o for n, o in question.options.items() if n != "dtype"}  # sums are in double
    return "layer_summation", question._replace(options=options)


def _suitable_answer(question: Question) -> Any:
    """The exact answer where it fits the memory, else an approximate one if there is any."""
    name, graph, evidence, subject, device, options = question
    if name in ("map_query", "sample"):  # which have no gradients
        tree = METHODS["torch" if is_elsewhere(device) else "junction_tree"]
    else:
        tree = METHODS[exact.method_on(graph, evidence, str(device))]
    if name not in _APPROXIMATE:
        return _call(tree, question)
    _check_auto_options(question)
    if name == "query" and _asks_for_draws(graph, subject[0]):
        return _call_with_known(METHODS["nuts"], question)
    budget = _exact_budget(graph, options.get("exact_budget"), options.get("memory_budget"))
    if _exact_may_fit(graph, budget):
        exactly = question._replace(options={**options, "memory_budget": budget})
        try:
            return _call_with_known(tree, exactly)
        except (TreewidthError, UnderflowError) as error:
            if name == "map_query" and subject[0] is not None:
                raise  # a marginal MAP has no approximate method
            if row_factors(graph):
                try:
                    return _approximate_answer(question)
                except MmgraphError:  # what does not fit is what others take, too
                    raise error from None
        except NotConjugateError:
            if name != "query":
                raise
            return _call_with_known(METHODS["nuts"], question)
    return _approximate_answer(question)


def _approximate_answer(question: Question) -> Any:
    """The answer of the approximate method that suits the question."""
    graph = question.graph
    if question.name == "query" and not linear_factors(graph):
        return _best_marginals(question)
    if question.name != "map_query":
        return _call_with_known(METHODS["gibbs"], question)
    near = discrete_part(graph, question.evidence).graph if row_factors(graph) else graph
    return _call_with_known(METHODS[_best_assignment_method(near, question.device)], question)


def _asks_for_draws(graph: FactorGraph, names: Iterable[str] | None) -> bool:
    """Whether a real variable is named of which exact methods know no density."""
    drawn = graph.cached_structure(_drawn_variables)
    return bool(drawn) and any(name in drawn for name in names or ())


def _drawn_variables(graph: FactorGraph) -> set[str]:
    children = [f.child for f in graph.factors if f.needs_values and f.child is not None]
    return {v.name for v in children if not v.is_discrete}


def _exact_may_fit(graph: FactorGraph, budget: int) -> bool:
    """Whether exact inference on arrays is worth preparing: a quick look at their sizes.

    A grid's treewidth is its shorter side (in a volume, about the product of the two shorter
    ones), so that its largest table has at least that power of the number of states.
    """
    if not needs_unrolling(graph):
        return True
    if sum(v.size for v in graph.variables.values() if v.is_discrete) > MOST_ELEMENTS:
        return False
    return all(
        _least_log2_bytes(edges.ends[0]) <= math.log2(budget)
        for factor in graph.factors
        if (edges := factor.edge_terms) is not None and edges.offsets is not None
    )


def _least_log2_bytes(variable: Variable) -> float:
    width = math.prod(sorted(variable.shape)[:-1]) + 1
    return 3 + width * math.log2(variable.cardinality)


def _exact_budget(graph: FactorGraph, exact_budget: int | None, memory_budget: int | None) -> int:
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


def _check_auto_options(question: Question) -> None:
    """Refuse options that no method behind ``auto`` has; each takes those that it knows.

    The methods are imported only where there are options to check.
    """
    names = {"exact_budget", "memory_budget"}
    if question.options:
        methods = _APPROXIMATE[question.name]
        real = any(not v.is_discrete for v in question.graph.variables.values())
        if question.name == "query" and real:
            methods = (*methods, "nuts", "gibbs")
        for method in methods:
            check_types(METHODS[method].function(question.name), question.options)
            names |= set(METHODS[method].parameters(question.name))
    check_known(question.options, sorted(names), "what stands behind 'auto'")


def _best_marginals(question: Question) -> Posterior:
    """Approximate marginals: belief propagation, and its convex form where that does not settle.

    The convex form gets as many iterations as belief propagation had. Where neither settles, belief
    propagation answers. The time of both counts.
    """
    loopy: Posterior = _call_with_known(METHODS["belief_propagation"], question)
    if loopy.converged:
        return loopy
    options = {"iterations": loopy.iterations, **question.options}
    convex: Posterior = _call_with_known(
        METHODS["tree_reweighted"], question._replace(options=options)
    )
    seconds = loopy.seconds + convex.seconds
    return replace(convex if convex.converged else loopy, seconds=seconds)


def _best_assignment_method(graph: FactorGraph, device: object) -> str:
    """Return the method for the best assignment where a junction tree does not fit."""
    if is_elsewhere(device):
        return "trws"
    from mmgraph.inference.minimisation.graph_cut import is_binary_submodular
    from mmgraph.inference.pairwise.build import pairwise_graph

    return "graph_cut" if is_binary_submodular(pairwise_graph(graph)) else "trws_and_moves"
