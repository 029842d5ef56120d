"""Exact answers on small machines: the values of some layers are listed, the others summed out.

Layers that no factor joins are independent units given the rest; real-valued ones are integrated.
So a machine of 784 visible and 20 hidden units has a million terms, not 2^804.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Float64, Int64
from torch import Tensor

from mmgraph.graph.errors import (
    MmgraphError,
    NotTabularError,
    TreewidthError,
    ZeroProbabilityError,
)
from mmgraph.graph.evidence import Evidence
from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.graph.variable import Variable
from mmgraph.inference.assignment import Assignment
from mmgraph.inference.field.moments import joined_moments, moments
from mmgraph.inference.field.summed_layers import SummedView, Weighed, layers_to_sum
from mmgraph.inference.field.view import FieldView
from mmgraph.inference.model_variables import named_variables, tables_device
from mmgraph.inference.normaliser import normaliser
from mmgraph.inference.numerics.counted_random import device_generator
from mmgraph.inference.posterior import Moments, Posterior

MOST_TERMS = 2**22
"""The joint values of the listed layers up to which this is worth its time."""

AUTO_TERMS = 2**18
"""The terms, of all rows together, that are summed when nobody asked for it by name."""

NUMBERS_AT_ONCE = 2**24
"""Statistics of one block of terms, to bound the memory."""


def layer_summation(
    graph: FactorGraph,
    evidence: Evidence,
    variables: Sequence[str] | str | None = None,
    most_terms: int = MOST_TERMS,
    device: str = "auto",
) -> Posterior:
    """Return exact marginals, means and log P(evidence).

    Parameters
    ----------
    most_terms : int
        The joint values of listed layers that may be summed over, for each row.

    Raises
    ------
    TreewidthError
        If there are more.
    NotTabularError
        If real-valued or counting layers are joined to each other, so that one of them would have
        to be listed.
    ZeroProbabilityError
        If a row of evidence is impossible.
    """
    began = time.perf_counter()
    rows = list(_rows(graph, evidence, most_terms, device))
    names = named_variables(graph, variables)
    return Posterior(
        graph.variables,
        joined_moments([row.moments(names) for row in rows]),
        torch.cat([row.log_total for row in rows]),
        method="layer_summation",
        exact=True,
        seconds=time.perf_counter() - began,
        is_normalised=graph.is_normalised,
        normaliser=normaliser(graph, evidence, _log_partition),
    )


def log_evidence(
    graph: FactorGraph, evidence: Evidence, most_terms: int = MOST_TERMS, device: str = "auto"
) -> Float64[Tensor, " batch"]:
    """Return the exact log P(evidence), of a graph without evidence its log-partition function."""
    return torch.cat([row.log_total for row in _rows(graph, evidence, most_terms, device)])


def _log_partition(graph: FactorGraph, evidence: Evidence) -> Float64[Tensor, " batch"]:
    """As :func:`log_evidence`, of few terms."""
    check_few_terms(graph, evidence)
    return log_evidence(graph, evidence)


def check_few_terms(graph: FactorGraph, evidence: Evidence, most: int = AUTO_TERMS) -> None:
    """Raise TreewidthError unless the log-partition function has few terms."""
    if not has_few_terms(graph, evidence, most):
        raise TreewidthError(
            "the exact log-partition function of these layers is a sum of too many terms; "
            "method='annealed_importance_sampling' estimates it with an error, "
            "method='mean_field' bounds it from below"
        )


def has_few_terms(graph: FactorGraph, evidence: Evidence, most: int = AUTO_TERMS) -> bool:
    """Whether the sums over listed layers, of all rows together, are at most so many."""
    if evidence.batch > most:
        return False
    return log_terms(graph, evidence) + math.log(evidence.batch) <= math.log(most)


def samples(
    graph: FactorGraph,
    evidence: Evidence,
    draws: int,
    generator: torch.Generator | None,
    most_terms: int = MOST_TERMS,
    device: str = "auto",
) -> dict[str, Tensor]:
    """Return independent, exact samples of all variables, ``(batch, draws, *shape)``."""
    drawn = [row.samples(draws, generator) for row in _rows(graph, evidence, most_terms, device)]
    return {name: torch.stack([row[name] for row in drawn]) for name in drawn[0]}


def best_assignment(
    graph: FactorGraph,
    evidence: Evidence,
    variables: Sequence[str] | None = None,
    most_terms: int = MOST_TERMS,
    device: str = "auto",
) -> Assignment:
    """Return the most probable values of all variables; of real ones those of highest density.

    Raises
    ------
    MmgraphError
        If only some variables are to be maximised.
    """
    began = time.perf_counter()
    if variables is not None and set(variables) != set(graph.variables):
        raise MmgraphError("'layer_summation' maximises over all variables, not over some of them")
    rows = [row.best() for row in _rows(graph, evidence, most_terms, device)]
    states = {n: torch.cat([values[n] for values, _ in rows]) for n in rows[0][0]}
    log_weight = torch.cat([weight for _, weight in rows])
    return Assignment(
        states,
        {n: graph.variables[n] for n in states},
        log_weight,
        method="layer_summation",
        bound=log_weight,
        gap=torch.zeros_like(log_weight),
        seconds=time.perf_counter() - began,
    )


class _Block(NamedTuple):
    """Some of the terms: their view, values of all layers, and weights."""

    first: int
    view: FieldView
    states: dict[str, Tensor]
    weighed: Weighed
    log_weights: Float64[Tensor, " terms"]

    def natural(self, name: str) -> Float64[Tensor, "terms ..."]:
        """Return the natural parameters of a summed layer."""
        return self.weighed.natural(name).expand(self.view.batch, *self.view.unary[name].shape[1:])


def _rows(graph: FactorGraph, evidence: Evidence, most_terms: int, device: str) -> Iterator[_Row]:
    """Yield the rows of evidence, each with the weights of its terms."""
    return (_Row(graph, evidence, row, most_terms, device) for row in range(evidence.batch))


class _Row:
    """One row of evidence."""

    def __init__(
        self, graph: FactorGraph, evidence: Evidence, row: int, most_terms: int, device: str
    ) -> None:
        self.graph = graph
        self.evidence = evidence.rows(slice(row, row + 1))
        self.device = tables_device(graph) if device == "auto" else torch.device(device)
        self.view = view = self._view(1)
        self.summed, self.listed, log_terms = _summed_and_listed(view)
        for name in self.listed:
            if not view.variables[name].is_discrete:
                raise NotTabularError(
                    f"'{name}' is {view.variables[name].family} and joined to another layer that "
                    "is not discrete either, so neither can be listed; use mean_field or gibbs"
                )
        if log_terms > math.log(most_terms) + 1e-9:
            raise TreewidthError(
                f"layers {', '.join(map(repr, self.listed))} have e^{log_terms:.0f} joint values, "
                f"more than the {most_terms:,} that may be summed over. Use mean_field, gibbs or "
                "annealed_importance_sampling"
            )
        self.terms = round(math.exp(log_terms))
        self.log_weights = torch.cat([block.log_weights for block in self._blocks()])
        self.log_total = self.log_weights.logsumexp(0, keepdim=True)
        self._number = row

    def _check_possible(self) -> None:
        if torch.isneginf(self.log_total).all():
            raise ZeroProbabilityError(
                f"row {self._number} of the evidence has probability zero",
                (self._number,),
                self.evidence.observed(),
            )

    def _view(self, batch: int) -> FieldView:
        repeated = self.evidence.rows(np.zeros(batch, np.int64))
        return FieldView(self.graph, repeated, self.device, torch.float64)

    def _blocks(self) -> Iterator[_Block]:
        """List the terms, so many at once as fit."""
        width = sum(v.size * max(v.cardinality, 1) for v in self.graph.variables.values())
        step = min(max(NUMBERS_AT_ONCE // width, 1), self.terms)
        view = self.view
        for first in range(0, self.terms, step):
            size = min(step, self.terms - first)
            if view.batch != size:
                view = self._view(size)
            yield self._block(view, torch.arange(first, first + size, device=self.device))

    def _block(self, view: FieldView, terms: Int64[Tensor, " terms"]) -> _Block:
        states = view.start()
        rest = terms
        for name in self.listed:
            unknown = _unknown(view, name)
            variable = view.variables[name]
            digits = []
            for _ in range(unknown.numel()):
                digits.append(rest % variable.cardinality)
                rest = rest // variable.cardinality
            if digits:
                states[name] = _with_values(view, name, unknown, torch.stack(digits, 1))
        weighed = SummedView(view, self.summed).weigh(states)
        return _Block(int(terms[0]), view, states, weighed, weighed.log_weight())

    def moments(self, names: Sequence[str]) -> Moments:
        """Marginals, means and variances of some variables, each with a batch of one."""
        self._check_possible()
        means: dict[str, Tensor] = {}
        squares: dict[str, Tensor] = {}
        for block in self._blocks():
            share = (block.log_weights - self.log_total).exp()
            for name in names:
                mean, square = self._expected(block, name)
                for sums, values in ((means, mean), (squares, square)):
                    if values is not None:
                        part = torch.tensordot(share, values.double(), 1).unsqueeze(0)
                        sums[name] = sums[name] + part if name in sums else part
        return moments(self.view, means, squares, names)

    def _expected(self, block: _Block, name: str) -> tuple[Tensor, Tensor | None]:
        """A variable's mean statistics and squares, given each term's values of the others."""
        view = block.view
        discrete = view.variables[name].is_discrete
        if name not in self.summed:
            values = block.states[name]
            return values, None if discrete else values.square()
        natural = block.natural(name)
        mean = view.clamp(name, view.families[name].mean(natural))
        return mean, None if discrete else view.second_moment_of(name, natural)

    def samples(self, draws: int, generator: torch.Generator | None) -> dict[str, Tensor]:
        """Draw terms by their weights, then the summed layers given them."""
        self._check_possible()
        drawing = device_generator(generator, self.device)
        cumulative = (self.log_weights - self.log_total).exp().cumsum(0)
        uniform = torch.rand(draws, generator=drawing, device=self.device, dtype=torch.float64)
        terms = torch.searchsorted(cumulative, uniform * cumulative[-1]).clamp_max(self.terms - 1)
        block = self._block(self._view(draws), terms)
        view = block.view
        for name in self.summed:
            sampled = view.families[name].sample(block.natural(name), drawing)
            block.states[name] = view.clamp(name, sampled)
        return {n: view.forms[n].values(s).cpu() for n, s in block.states.items()}

    def best(self) -> tuple[dict[str, Tensor], Float64[Tensor, " 1"]]:
        """The values of highest weight, each with a batch of one, and the log-weight."""
        self._check_possible()
        top: tuple[float, int] = (-math.inf, 0)
        for block in self._blocks():
            weights = self._with_modes(block)
            place = int(weights.argmax())
            top = max(top, (float(weights[place]), block.first + place))
        block = self._block(self.view, torch.tensor([top[1]], device=self.device))
        weight, forms = self._with_modes(block), self.view.forms
        return {n: forms[n].values(s).cpu() for n, s in block.states.items()}, weight.cpu()

    def _with_modes(self, block: _Block) -> Float[Tensor, " terms"]:
        """Put the summed layers in their modes; return the log-weights of all values together."""
        view = block.view
        for name in self.summed:
            mode = view.families[name].mode(block.natural(name))
            block.states[name] = view.clamp(name, mode)
        return view.expected_log_weight(block.states) + view.log_base(block.states)


def log_terms(graph: FactorGraph, evidence: Evidence) -> float:
    """Return the logarithm of the terms of the row that has most (or a bound on it).

    Infinite where no choice of layers can be listed.
    """
    view = FieldView.structure(graph, evidence, tables_device(graph), torch.float64)
    return _summed_and_listed(view)[2]


def _summed_and_listed(view: FieldView) -> tuple[list[str], list[str], float]:
    """The layers to sum out, those to list, and the logarithm of the terms of that list."""
    summed = layers_to_sum(view, lambda names: _log_terms(view, names))
    listed = [n for n in view.free if n not in summed]
    return summed, listed, _log_terms(view, listed)


def _log_terms(view: FieldView, names: Sequence[str]) -> float:
    """The logarithm of the joint values of layers; infinite if one of them cannot be listed."""
    total = 0.0
    for name in names:
        variable = view.variables[name]
        if not variable.is_discrete:
            return math.inf
        clamped = view.clamped.get(name)
        unknown = variable.size
        if clamped is not None and clamped.known is not None:
            unknown -= int(clamped.known.reshape(view.batch, -1).sum(1).min())
        total += unknown * math.log(variable.cardinality)
    return total


def _unknown(view: FieldView, name: str) -> Int64[Tensor, " unknown"]:
    """The places in a flattened array that are not observed, the same in all rows of the view."""
    variable: Variable = view.variables[name]
    clamped = view.clamped.get(name)
    if clamped is None or clamped.known is None:
        return torch.arange(variable.size, device=view.device)
    return (~clamped.known[0]).reshape(-1).nonzero().flatten()


def _with_values(
    view: FieldView, name: str, places: Int64[Tensor, " unknown"], codes: Int64[Tensor, "terms _"]
) -> Float[Tensor, "terms ..."]:
    """Statistics with the unknown elements in the states given."""
    form = view.forms[name]
    inner = form.shape[len(form.variable.shape) :]
    size = form.variable.size
    fresh = torch.zeros(view.batch, size, *inner, dtype=view.dtype, device=view.device)
    fresh[:, places] = form.statistics(codes, view.dtype)
    return view.clamp(name, fresh.reshape(view.batch, *form.shape))
