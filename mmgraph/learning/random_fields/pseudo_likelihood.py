"""Pseudo-likelihood: every labelled element predicted from its neighbours.

Besag (1975, "Statistical analysis of non-lattice data") replaces the likelihood by the product of
the conditionals of each element given all others, which need no partition function. Where a
neighbour is unlabelled, its mean-field marginal stands in for its state, found anew in each round
from the parameters of the one before.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from mmgraph.graph.errors import LearningError
from mmgraph.graph.evidence import MISSING, Evidence
from mmgraph.graph.factor import Factor
from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.inference.field.view import FieldView, Statistics
from mmgraph.inference.mean_field.mean_field import mean_field
from mmgraph.inference.model_variables import default_precision, tables_device
from mmgraph.inference.options import check_device


def log_pseudo_likelihood(
    graph: FactorGraph, labels: Evidence, statistics: Statistics
) -> Float[Tensor, " batch"]:
    """Return the sum of log P(label | statistics of all others) over the labelled elements.

    Statistics are distributions ``(batch, *shape, states)``, one-hot where labelled; the potentials
    and weights of the graph may ask for gradients.
    """
    rest = labels.without(*(n for n in labels.observed() if labels.hard(n) is not None))
    view = FieldView(graph, rest, tables_device(graph), default_precision(graph))
    total = torch.zeros(labels.batch, device=view.device, dtype=view.dtype)
    for name in view.variables:
        codes = labels.hard(name)
        if codes is None:
            continue
        logs = view.log_conditional(name, statistics)
        known = (codes != MISSING).to(logs.device)
        picked = logs.gather(-1, codes.clamp(min=0).to(logs.device).unsqueeze(-1)).squeeze(-1)
        total = total + torch.where(known, picked, 0.0).reshape(labels.batch, -1).sum(1)
    return total


def labelled_statistics(graph: FactorGraph, labels: Evidence) -> dict[str, Tensor]:
    """Return one-hot rows for labelled elements, and mean-field marginals for the others.

    The marginals are those without any label: given the labels they would hand each label on to
    the neighbours, and by them back to the very element that is to be predicted.
    """
    statistics: dict[str, Tensor] = {}
    if not _is_complete(graph, labels):
        without = labels.without(*(n for n in graph.variables if labels.hard(n) is not None))
        statistics.update(mean_field(graph, without, tolerance=1e-4, iterations=50).marginals)
    for name, variable in graph.variables.items():
        codes = labels.hard(name)
        if codes is None:
            continue
        one_hot = torch.nn.functional.one_hot(codes.clamp(min=0), variable.cardinality).double()
        marginal = statistics.get(name, one_hot)
        known = (codes != MISSING).unsqueeze(-1).to(marginal.device)
        statistics[name] = torch.where(known, one_hot.to(marginal), marginal)
    return statistics


def fit_scales(
    graph: FactorGraph,
    data: Mapping[str, Any],
    strength: float = 1e-3,
    iterations: int = 50,
    rounds: int = 3,
    device: torch.device | str | None = None,
) -> tuple[Factor, ...]:
    """Return the factors with the weights of each edge factor scaled to fit labelled fields.

    Parameters
    ----------
    data : mapping of str to array
        See :meth:`Evidence.of`; -1 where unlabelled.
    strength : float, default 1e-3
        Of the Gaussian prior on the scales: ``strength / 2`` times their sum of squares, as
        against the mean over the labelled elements.
    iterations : int, default 50
        Of L-BFGS, in each round.
    rounds : int, default 3
        How often the marginals of unlabelled elements are found anew; one is enough where all are
        labelled.
    device : torch.device or str, optional
        Where to compute; factors are returned where they were given.
    """
    whole = graph
    if device is not None and check_device(device) != "auto":
        graph = graph.to(device)
    labels = Evidence.of(data, graph.variables)
    count = sum(
        int((codes != MISSING).sum())
        for name in graph.variables
        if (codes := labels.hard(name)) is not None
    )
    if not count:
        raise LearningError("no element is labelled, so that there is nothing to learn from")
    groups = [f for f in graph.factors if f.edge_terms is not None]
    if not groups:
        raise LearningError(
            "the graph has no grid or pairwise factor whose weights could be fitted"
        )

    def objective(current: Tensor) -> Callable[[Tensor], Tensor]:
        statistics = labelled_statistics(rescaled(graph, current), labels)
        return lambda scales: (
            log_pseudo_likelihood(rescaled(graph, scales), labels, statistics).sum() / count
        )

    start = torch.ones(len(groups), dtype=torch.float64)
    rounds = 1 if _is_complete(graph, labels) else rounds
    scales, _ = maximised(objective, start, start > 0, strength, iterations, rounds)
    with torch.no_grad():
        return rescaled(whole, scales).factors


def rescaled(graph: FactorGraph, scales: Float[Tensor, " groups"]) -> FactorGraph:
    """Return the graph with the weights of its edge factors multiplied, one scale for each."""
    left = iter(scales)
    return graph.with_factors(
        _scaled(f, next(left)) if f.edge_terms is not None else f for f in graph.factors
    )


def _scaled(factor: Factor, scale: Float[Tensor, ""]) -> Factor:
    weights, *table = factor.tensors()
    return factor.with_tensors(weights * scale.to(weights), *table)


def maximised(
    objective: Callable[[Tensor], Callable[[Tensor], Tensor]],
    start: Float[Tensor, " parameters"],
    positive: Bool[Tensor, " parameters"],
    strength: float,
    iterations: int,
    rounds: int,
    progress: Callable[[int, float], None] | None = None,
) -> tuple[Float[Tensor, " parameters"], list[float]]:
    """Return the parameters that maximise an objective with a Gaussian prior, and all losses.

    Positive ones are kept so, as softplus of free ones. The objective is a function of parameters
    that is made anew in each round, from those of the round before.
    """

    def constrained(free: Tensor) -> Tensor:
        return torch.where(positive, torch.nn.functional.softplus(free), free)

    free = torch.where(positive, inverse_softplus(start.double()), start.double())
    losses: list[float] = []
    for _ in range(rounds):
        term = objective(constrained(free))

        def loss(free: Tensor, term: Callable[[Tensor], Tensor] = term) -> Tensor:
            parameters = constrained(free)
            return strength / 2 * (parameters**2).sum() - term(parameters)

        free, evaluated = minimised(loss, free, iterations, progress)
        losses += evaluated
    return constrained(free), losses


def minimised(
    loss: Callable[[Tensor], Tensor],
    start: Float[Tensor, " parameters"],
    iterations: int,
    progress: Callable[[int, float], None] | None = None,
) -> tuple[Float[Tensor, " parameters"], list[float]]:
    """Return the optimum by L-BFGS with a strong Wolfe line search, and all losses."""
    parameters = start.detach().clone().requires_grad_()
    optimiser = torch.optim.LBFGS(
        [parameters], max_iter=iterations, line_search_fn="strong_wolfe", tolerance_change=1e-10
    )
    losses: list[float] = []

    def closure() -> Tensor:
        optimiser.zero_grad()
        value = loss(parameters)
        if not bool(torch.isfinite(value)):
            raise LearningError(f"the loss became {float(value)} at {parameters.tolist()}")
        value.backward()
        losses.append(float(value.detach()))
        if progress is not None:
            progress(len(losses), losses[-1])
        return value

    optimiser.step(closure)
    return parameters.detach(), losses


def inverse_softplus(values: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """Return what softplus maps to these positive values; as of 1e-6 where they are smaller."""
    return values + torch.log(-torch.expm1(-values.clamp(min=1e-6)))


def _is_complete(graph: FactorGraph, labels: Evidence) -> bool:
    columns = (labels.hard(name) for name, v in graph.variables.items() if v.is_discrete)
    return all(codes is not None and bool((codes != MISSING).all()) for codes in columns)
