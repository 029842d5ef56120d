"""Where expectation maximisation starts: tables without an opinion, latent variables with one."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float64

from mmgraph.graph.errors import LearningError
from mmgraph.graph.evidence import MISSING, Evidence
from mmgraph.graph.factor import Factor
from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.graph.factors.table import TableFactor
from mmgraph.graph.leaves.continuous import continuous_leaves
from mmgraph.graph.leaves.gaussian_mixture import draw_index
from mmgraph.graph.variable import Variable
from mmgraph.learning.conditionals.expectation import (
    Expectation,
    RowGroup,
    Rows,
    expectation,
    weighted_beliefs,
)
from mmgraph.learning.conditionals.priors import LeafOptions
from mmgraph.learning.conditionals.regressions import initial_regression, regressions

_LEAST_LOG_LIKELIHOOD = -30.0
"""No state of a latent variable is ruled out at the start."""


def initial_factors(
    graph: FactorGraph,
    rows: Rows,
    options: LeafOptions,
    generator: torch.Generator,
    random_tables: bool,
    memory_budget: int | None,
    device: str | None = None,
    latent: Collection[str] = (),
) -> tuple[list[Factor], Expectation]:
    """Return the graph's factors before the first M-step, and the statistics for it.

    Missing cells are filled in by uniform tables (by ones drawn from Dirichlet(1, …, 1) where
    ``random_tables``). If the states of a latent variable, which the first chunk never observes,
    were alike they would stay alike for ever. So each gets a prototype, a random row, and each row
    leans to the prototypes that it resembles in the variables next to the latent one: k-means++
    seeding (Arthur & Vassilvitskii 2007) of a random posterior. Continuous leaves are started
    (``initialised``) from the first chunk, in which each must have a value, and so are linear
    Gaussian distributions (those of ``latent`` parents at random, ``initial_regression``);
    parametric tables start as they are.
    """
    initial = {
        id(f): _table(f, generator if random_tables else None)
        for f in graph.factors
        if f.is_tabular
    }
    discrete = [v for v in graph.variables.values() if v.is_discrete]
    plain = FactorGraph(discrete, initial.values())
    _check_something_observed(rows.first().evidence)
    with_posteriors = _LatentPosteriors(graph, rows.first(), generator)
    statistics = expectation(plain, map(with_posteriors, rows), memory_budget, device)
    first = with_posteriors(rows.first())
    leaves = continuous_leaves(graph.factors)
    for leaf in leaves:
        values = first.evidence.values.get(leaf.child.name)
        if values is None or bool(values.isnan().all()):
            raise LearningError(
                f"'{leaf.child.name}' has no observed value in the first chunk of rows: there is "
                "nothing to start from (start='current' goes on from the model's parameters)"
            )
        share = weighted_beliefs(
            plain, first, [v.name for v in leaf.parents], memory_budget, device
        )
        initial[id(leaf)] = leaf.restarted(
            values, share, generator, options.shrinkage, options.floor
        )
    linear = regressions(graph.factors)
    for factor in linear:
        names = [v.name for v in factor.discrete_parents]
        share = weighted_beliefs(plain, first, names, memory_budget, device)
        initial[id(factor)] = initial_regression(
            factor, first.evidence.values, share, options, latent, generator
        )
    unmoved = replace(
        statistics, moments=[None for _ in leaves], regressions=[None for _ in linear]
    )
    return [initial.get(id(f), f) for f in graph.factors], unmoved


def _table(factor: Factor, generator: torch.Generator | None) -> Factor:
    if type(factor) is not TableFactor:
        return factor
    axis = next(i for i, v in enumerate(factor.scope) if v is factor.child)
    table = torch.ones([v.cardinality for v in factor.scope], dtype=torch.float64)
    if generator is not None:
        table.exponential_(generator=generator)
    return TableFactor(factor.scope, table / table.sum(axis, keepdim=True), child=factor.child)


class _LatentPosteriors:
    """Adds a random posterior of every latent variable to rows, as soft evidence."""

    def __init__(self, graph: FactorGraph, first: RowGroup, generator: torch.Generator) -> None:
        observed = set(first.evidence.observed())
        latent = [v for n, v in graph.variables.items() if v.is_discrete and n not in observed]
        self._prototypes = {}
        for variable in latent:
            beside = {v.name: None for f in graph.factors if variable in f.scope for v in f.scope}
            names = [n for n in beside if n in observed] or sorted(observed)
            self._prototypes[variable.name] = _prototypes(variable, names, first, generator)

    def __call__(self, group: RowGroup) -> RowGroup:
        soft = dict(group.evidence.soft)
        observed = set(group.evidence.observed())
        for name, prototypes in self._prototypes.items():
            if name not in observed:
                distances = np.stack([p.distances(group.evidence) for p in prototypes], axis=1)
                nearest = distances.min(1, keepdims=True)
                log_likelihood = np.maximum(nearest - distances, _LEAST_LOG_LIKELIHOOD)
                soft[name] = torch.from_numpy(log_likelihood)
        return group._replace(evidence=replace(group.evidence, soft=soft))


@dataclass(frozen=True)
class _Prototype:
    """A row that stands for a state of a latent variable; a missing cell resembles every other.

    Features have the scale of their standard deviations over many rows.
    """

    codes: dict[str, int]
    values: dict[str, np.ndarray]
    scales: dict[str, np.ndarray]

    def distances(self, evidence: Evidence) -> Float64[np.ndarray, " batch"]:
        """States that differ, plus half the squared distance in standard deviations."""
        total = np.zeros(evidence.batch)
        for name, code in self.codes.items():
            if name in evidence.columns and code != MISSING:
                codes = evidence.codes[:, evidence.columns.index(name)]
                total += (codes != code) & (codes != MISSING)
        for name, values in self.values.items():
            if name in evidence.values:
                apart = (_flat(evidence, name) - values) / self.scales[name]
                total += 0.5 * np.square(np.nan_to_num(apart)).sum(1)
        return total


def _flat(evidence: Evidence, name: str) -> Float64[np.ndarray, "batch features"]:
    values = evidence.values[name].detach().cpu().double()
    return np.asarray(values.reshape(evidence.batch, -1).numpy())


def _prototypes(
    variable: Variable, names: Sequence[str], rows: RowGroup, generator: torch.Generator
) -> list[_Prototype]:
    """Choose a row for each state, far from those chosen before."""
    evidence = rows.evidence
    discrete = [n for n in names if n in evidence.columns]
    continuous = [n for n in names if n in evidence.values]
    scales = {n: _scale(_flat(evidence, n)) for n in continuous}
    chosen: list[_Prototype] = []
    nearest = np.full(evidence.batch, np.inf)
    for state in range(variable.cardinality):
        mass = rows.weights * nearest if state else rows.weights
        if not mass.sum() > 0:  # all rows are alike, or weightless
            mass = np.ones(evidence.batch)
        row = draw_index(torch.from_numpy(mass), generator)
        codes = {n: int(evidence.codes[row, evidence.columns.index(n)]) for n in discrete}
        values = {n: _flat(evidence, n)[row] for n in continuous}
        chosen.append(_Prototype(codes, values, scales))
        nearest = np.minimum(nearest, chosen[-1].distances(evidence))
    return chosen


def _scale(values: Float64[np.ndarray, "rows features"]) -> Float64[np.ndarray, " features"]:
    """Standard deviations of what is observed; one where nothing varies."""
    observed = ~np.isnan(values)
    count = np.maximum(observed.sum(0), 1)
    mean = np.where(observed, values, 0.0).sum(0) / count
    variance = np.where(observed, np.square(values - mean), 0.0).sum(0) / count
    return np.sqrt(np.where(variance > 0, variance, 1.0))


def _check_something_observed(evidence: Evidence) -> None:
    """Raise LearningError where every cell is missing: any parameters would fit such rows."""
    values = any(not bool(t.isnan().all()) for t in evidence.values.values())
    if not values and not evidence.soft and not bool((evidence.codes != MISSING).any()):
        raise LearningError("no cell of the first chunk of rows is observed: nothing to learn from")
