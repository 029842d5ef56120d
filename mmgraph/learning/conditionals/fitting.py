"""Parameter learning by the method that suits the data, with the options of that method."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import torch

from mmgraph.data.encoding import CodedRows, coded_chunks
from mmgraph.data.table import CHUNK_ROWS
from mmgraph.graph.errors import (
    ConvergenceWarning,
    LearningError,
    suggestion,
    warn_caller,
)
from mmgraph.graph.factor import Factor
from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.inference.options import check_type, check_types, device_of_data
from mmgraph.learning.conditionals.em_records import EMOptions, EMReport
from mmgraph.learning.conditionals.expectation_maximization import expectation_maximization
from mmgraph.learning.conditionals.parameter_posterior import (
    ParameterPosterior,
    parameter_posterior,
)
from mmgraph.learning.conditionals.parameters import check_learnable, complete_statistics
from mmgraph.learning.conditionals.priors import LeafOptions, Prior
from mmgraph.learning.counts import IncompleteDataError

__all__ = ["METHODS", "ConvergenceWarning", "fitted"]


class LatentVariableWarning(UserWarning):
    """A variable of which the data says nothing, learned without having been asked to."""


class Fitted(NamedTuple):
    """Learned distributions, EM's report if it ran, and posteriors of parameters if asked for."""

    factors: list[Factor]
    report: EMReport | None
    posterior: ParameterPosterior | None = None


METHODS = ("auto", "maximum_likelihood", "bdeu", "dirichlet", "em")


def fitted(
    graph: FactorGraph,
    data: object,
    method: str = "auto",
    *,
    weights: object = None,
    chunk_rows: int = CHUNK_ROWS,
    device: torch.device | str | None = None,
    posterior: bool = False,
    **options: Any,
) -> Fitted:
    """Return distributions learned as ``BayesianNetwork.fit`` says, and EM's report if it ran."""
    check_type("chunk_rows", chunk_rows, "int")
    check_type("posterior", posterior, "bool")
    prior, leaf_options, search = _split_options(method, options)
    place = str(device_of_data(device))
    chunks = coded_chunks(data, graph.variables, chunk_rows, weights)
    if method == "em" and posterior:
        raise LearningError(
            "posterior=True is a closed form of complete rows, and none of EM: leave the method out"
        )
    if method != "em":
        try:
            return _fitted_to_complete(graph, chunks, prior, leaf_options, place, posterior)
        except IncompleteDataError as error:
            if posterior:
                raise LearningError(f"{error}; posterior=True needs complete rows") from None
            if method != "auto":
                raise
        _warn_of_latent(graph, chunks)
    learned, report = expectation_maximization(
        graph, chunks, prior=prior, options=leaf_options, device=place, **search
    )
    if not report.converged:
        before, last = report.objectives[-2:]
        change = abs(last - before) / max(1.0, abs(before))
        warn_caller(
            f"EM has not converged after {report.iterations} iterations: the last one changed the "
            f"objective by {change:.2g} of it; raise max_iterations, or the tolerance",
            ConvergenceWarning,
        )
    return Fitted(list(learned.factors), report)


def _fitted_to_complete(
    graph: FactorGraph,
    chunks: Iterable[CodedRows],
    prior: Prior,
    options: LeafOptions,
    device: str,
    posterior: bool,
) -> Fitted:
    """Distributions by one pass over complete rows, with what is believed of their parameters."""
    check_learnable(graph.factors, prior)
    statistics = complete_statistics(graph, chunks, options, device)
    factors = statistics.fitted(prior, options)
    belief = parameter_posterior(statistics, factors, prior, options) if posterior else None
    return Fitted(factors, None, belief)


def _warn_of_latent(graph: FactorGraph, chunks: Iterable[CodedRows]) -> None:
    """Warn of variables that no row observes: a column that is missing, or called otherwise?"""
    observed: set[str] = set()
    for chunk in chunks:
        evidence = chunk.evidence()
        observed |= {name for name in evidence.observed() if evidence.tells(name)}
    latent = [name for name in graph.variables if name not in observed]
    if latent:
        warn_caller(
            f"no row observes {', '.join(map(repr, latent[:5]))}: learned as a latent variable, by "
            "EM from random parameters (method='em' says that this is meant)",
            LatentVariableWarning,
        )


_PRIOR_OF = {
    "equivalent_sample_size": ("auto", "bdeu", "em"),
    "pseudo_counts": ("auto", "dirichlet", "em"),
}
"""The methods that take each parameter of a prior."""


def _split_options(
    method: str, options: Mapping[str, Any]
) -> tuple[Prior, LeafOptions, dict[str, Any]]:
    """Return the prior, the options of leaves and those of EM, all of them checked."""
    if method not in METHODS:
        raise LearningError(
            f"unknown method {method!r}{suggestion(method, METHODS)} (known: {', '.join(METHODS)})"
        )
    search = dict(options)
    prior = {n: search.pop(n) for n in _PRIOR_OF if n in search}
    prior = {n: value for n, value in prior.items() if value is not None}
    for name in prior:
        if method not in _PRIOR_OF[name]:
            raise LearningError(f"the method '{method}' takes no {name}")
    leaf: dict[str, Any] = {n: search.pop(n) for n in ("shrinkage", "floor") if n in search}
    if method == "maximum_likelihood":
        leaf.setdefault("shrinkage", 0.0)
    EMOptions.of(search, ("weights", "chunk_rows", "posterior", "shrinkage", "floor", *_PRIOR_OF))
    for name in search:
        if method not in ("auto", "em"):
            raise LearningError(f"the method '{method}' takes no option '{name}', EM does")
    check_types(Prior, prior)
    check_types(LeafOptions, leaf)
    if not isinstance(prior.get("pseudo_counts"), float | int | Mapping | None):
        raise LearningError(
            f"pseudo_counts are a number, or arrays by variable, not {prior['pseudo_counts']!r}"
        )
    defaults = {"bdeu": {"equivalent_sample_size": 10.0}, "dirichlet": {"pseudo_counts": 1.0}}
    return Prior(**{**defaults.get(method, {}), **prior}), LeafOptions(**leaf), search
