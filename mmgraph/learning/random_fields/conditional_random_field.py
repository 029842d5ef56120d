"""Parameters of a conditional random field from fields of which some elements are labelled.

What is learned is a vector of parameters; how a graph is made of them is the caller's affair, and
only has to be differentiable.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from mmgraph.graph.errors import LearningError, check_choice
from mmgraph.graph.evidence import MISSING, Evidence
from mmgraph.graph.factor import EdgeTerms
from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.graph.state_labels import index
from mmgraph.inference.field.view import FieldView
from mmgraph.inference.mean_field.mean_field import mean_field_marginals
from mmgraph.inference.model_variables import default_precision, tables_device
from mmgraph.learning.random_fields.labelled_field import (
    LabelledField,
    Parameters,
    check_folds,
    held_out_folds,
)
from mmgraph.learning.random_fields.log_partition import (
    bethe_log_partition,
    mean_field_log_partition,
)
from mmgraph.learning.random_fields.pseudo_likelihood import (
    labelled_statistics,
    log_pseudo_likelihood,
    maximised,
)

Method = Literal["piecewise", "pseudo_likelihood", "maximum_likelihood", "marginal_likelihood"]
METHODS: tuple[Method, ...] = get_args(Method)
INFERENCES = ("mean_field", "belief_propagation")


@dataclass(frozen=True)
class Fit:
    """What was learned, and how it went.

    Attributes
    ----------
    parameters : Tensor
    method : str
    losses : list of float
        The loss at every evaluation: minus the mean of the objective over the labelled elements,
        plus the prior.
    """

    parameters: Parameters
    method: str
    losses: list[float]


@dataclass(frozen=True)
class Options:
    """How to learn.

    Attributes
    ----------
    strength : float, default 1e-4
        Of the Gaussian prior: ``strength / 2`` times the sum of the squared parameters.
    iterations : int, default 60
        Of L-BFGS, in each round.
    rounds : int, default 3
        How often pseudo-likelihood finds the marginals of unlabelled neighbours anew.
    updates : int, default 15
        The mean-field updates that the marginal likelihood differentiates through.
    clamp : bool, default True
        Whether the labels of the other folds are given when a fold is predicted.
    inference : {"mean_field", "belief_propagation"}
        What approximates the partition functions of maximum likelihood.
    progress : callable, optional
        Called with the number of evaluations and the loss.
    device : torch.device or str, optional
        Where objectives are computed; graphs are built where the caller builds them, and
        parameters stay there.
    """

    strength: float = 1e-4
    iterations: int = 60
    rounds: int = 3
    updates: int = 15
    clamp: bool = True
    inference: str = "mean_field"
    progress: Callable[[int, float], None] | None = None
    device: torch.device | str | None = None


def fit_parameters(
    fields: Sequence[LabelledField],
    start: Parameters,
    positive: Bool[Tensor, " parameters"],
    method: Method = "pseudo_likelihood",
    options: Options | None = None,
) -> Fit:
    """Learn the parameters that make the labels most probable, by L-BFGS from a start.

    Parameters
    ----------
    positive : Tensor of bool
        Which parameters are kept positive, as softplus of a free one.
    method : str
        ``piecewise``: unary potentials and edges each normalised by themselves (Sutton and
        McCallum 2005); only edges between two labelled elements count. ``pseudo_likelihood``: each
        labelled element given all others; unlabelled neighbours by their mean-field marginals.
        ``maximum_likelihood``: the labels' likelihood, both partition functions approximated by
        mean field or belief propagation; unlabelled elements are summed out.
        ``marginal_likelihood``: the mean-field marginals of one fold of the labels after another,
        given the others, differentiated through the updates (Domke 2013); right where labels are
        few and scattered.

    References
    ----------
    Sutton and McCallum (2005), "Piecewise training for undirected models"; Besag (1975); Domke
    (2013), "Learning graphical model parameters with approximate marginal inference".
    """
    options = Options() if options is None else options
    _check(fields, start, positive, method, options)
    count = sum(int((f.labels != MISSING).sum()) for f in fields)
    fields = [field.on(options.device) for field in fields]

    def objective(current: Parameters) -> _Objective:
        term = _OBJECTIVES[method](fields, current, options)
        return lambda parameters: term(parameters) / count

    rounds = options.rounds if method == "pseudo_likelihood" else 1
    parameters, losses = maximised(
        objective, start, positive, options.strength, options.iterations, rounds, options.progress
    )
    return Fit(parameters, method, losses)


_Objective = Callable[[Parameters], Tensor]


def _piecewise(fields: Sequence[LabelledField], start: Parameters, options: Options) -> _Objective:
    def objective(parameters: Parameters) -> Tensor:
        return sum_of(piecewise_log_likelihood(f.build(parameters, None), *f[1:3]) for f in fields)

    return objective


def piecewise_log_likelihood(
    graph: FactorGraph, name: str, labels: Int64[Tensor, "*shape"]
) -> Float[Tensor, ""]:
    """Return the log-likelihood of labels with every unary factor and edge normalised by itself."""
    nothing = Evidence.of(None, graph.variables)
    view = FieldView(graph, nothing, tables_device(graph), default_precision(graph))
    codes = labels.reshape(-1).to(view.device)
    known = codes != MISSING
    logs = view.unary[name][0].reshape(len(codes), -1)[known].log_softmax(-1)
    total = logs.gather(-1, codes[known].unsqueeze(-1)).sum()
    variable = graph.variables[name]
    for factor in graph.factors:
        if (edges := factor.edge_terms) is not None and edges.ends == (variable, variable):
            total = total + _edges_alone(edges, codes)
    return total


def _edges_alone(factor: EdgeTerms, codes: Int64[Tensor, " elements"]) -> Float[Tensor, ""]:
    first, second, weights = factor.edges()
    labelled = (codes[first] != MISSING) & (codes[second] != MISSING) & (weights.detach() != 0)
    x, y, weights = codes[first[labelled]], codes[second[labelled]], weights[labelled]
    states = factor.ends[0].cardinality
    interaction = factor.interaction
    if interaction.table is not None and interaction.table.ndim == 3:
        tables = interaction.table[labelled].to(weights)
        energy = tables[torch.arange(len(x)), x, y]
        values, counts = tables.flatten(1), torch.ones(1)
    else:
        energy = interaction.pair_energy(x, y, states).to(weights)
        # Equal energies are summed once: a Potts table of any size has two.
        table = interaction.energies(states, states)
        values, counts = torch.unique(table[torch.isfinite(table)], return_counts=True)
    values, counts = values.to(weights), counts.to(weights)
    allowed = torch.isfinite(values)
    logs = counts.log() - weights.unsqueeze(-1) * values.masked_fill(~allowed, 0.0)
    return -(weights * energy).sum() - logs.masked_fill(~allowed, -torch.inf).logsumexp(-1).sum()


def _pseudo(fields: Sequence[LabelledField], start: Parameters, options: Options) -> _Objective:
    prepared = []
    for f in fields:
        with torch.no_grad():
            graph = f.build(start, None)
        labels = Evidence.of({f.name: index(f.labels)}, graph.variables)
        prepared.append((f, labels, labelled_statistics(graph, labels)))

    def objective(parameters: Parameters) -> Tensor:
        return sum_of(
            log_pseudo_likelihood(f.build(parameters, None), labels, statistics).sum()
            for f, labels, statistics in prepared
        )

    return objective


def _maximum(fields: Sequence[LabelledField], start: Parameters, options: Options) -> _Objective:
    log_likelihood = (
        _log_likelihoods_by_bounds(fields)
        if options.inference == "mean_field"
        else _bethe_log_likelihood
    )

    def objective(parameters: Parameters) -> Tensor:
        terms = []
        for i, f in enumerate(fields):
            graph = f.build(parameters, None)
            labels = Evidence.of({f.name: index(f.labels)}, graph.variables)
            terms.append(log_likelihood(i, graph, labels))
        return sum_of(terms)

    return objective


def _bethe_log_likelihood(field: int, graph: FactorGraph, labels: Evidence) -> Tensor:
    nothing = Evidence.of(None, graph.variables)
    return bethe_log_partition(graph, labels) - bethe_log_partition(graph, nothing)


def _log_likelihoods_by_bounds(
    fields: Sequence[LabelledField],
) -> Callable[[int, FactorGraph, Evidence], Tensor]:
    """Each evaluation goes on from the marginals of the one before."""
    starts: list[tuple[dict[str, Tensor] | None, dict[str, Tensor] | None]] = [
        (None, None) for _ in fields
    ]

    def log_likelihood(field: int, graph: FactorGraph, labels: Evidence) -> Tensor:
        nothing = Evidence.of(None, graph.variables)
        clamped, with_labels = mean_field_log_partition(graph, labels, starts[field][0])
        # Both starts, so that the free bound is never below the clamped one, as log Z never is.
        initials = (starts[field][1], with_labels)
        tries = [mean_field_log_partition(graph, nothing, initial) for initial in initials]
        free, alone = max(tries, key=lambda bound: float(bound[0].detach()))
        starts[field] = (with_labels, alone)
        return clamped - free

    return log_likelihood


def _marginal(fields: Sequence[LabelledField], start: Parameters, options: Options) -> _Objective:
    def objective(parameters: Parameters) -> Tensor:
        terms = []
        for f in fields:
            for fold, held_out in held_out_folds(f):
                graph = f.build(parameters, fold)
                others = {f.name: torch.where(held_out, MISSING, f.labels)}
                evidence = Evidence.of(others if options.clamp else None, graph.variables)
                logs = mean_field_marginals(graph, evidence, options.updates)[f.name][0]
                picked = logs.gather(-1, f.labels.clamp(min=0).unsqueeze(-1).to(logs.device))
                terms.append(picked.squeeze(-1)[held_out].sum())
        return sum_of(terms)

    return objective


_OBJECTIVES: Mapping[str, Callable[[Sequence[LabelledField], Parameters, Options], _Objective]] = {
    "piecewise": _piecewise,
    "pseudo_likelihood": _pseudo,
    "maximum_likelihood": _maximum,
    "marginal_likelihood": _marginal,
}


def sum_of(terms: Iterator[Tensor] | Sequence[Tensor]) -> Tensor:
    """Add tensors up."""
    return torch.stack(list(terms)).sum()


def _check(
    fields: Sequence[LabelledField],
    start: Parameters,
    positive: Bool[Tensor, " parameters"],
    method: str,
    options: Options,
) -> None:
    check_choice("method", method, METHODS, LearningError)
    check_choice("inference", options.inference, INFERENCES, LearningError)
    if options.iterations < 1 or options.rounds < 1 or options.updates < 1:
        raise LearningError("iterations, rounds and updates must be at least 1")
    if not options.strength >= 0:
        raise LearningError(f"the prior's strength must not be negative: {options.strength}")
    if not any(bool((f.labels != MISSING).any()) for f in fields):
        raise LearningError("no element is labelled, so that there is nothing to learn from")
    if not bool(torch.isfinite(start).all()) or bool((start[positive] <= 0).any()):
        raise LearningError(f"the start {start.tolist()} is not finite, or not positive")
    if method == "marginal_likelihood" and any(f.folds is None for f in fields):
        raise LearningError("the marginal likelihood needs folds of the labelled elements")
    for example in fields:
        check_folds(example)
