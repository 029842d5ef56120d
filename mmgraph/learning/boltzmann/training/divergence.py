"""Whether training has run away: how likely a machine finds rows, and how likely biases alone do.

A machine whose parameters are finite may still have diverged: its distribution then lies on a few
states that no row resembles. Units that are independent, with the frequencies of the data, are a
machine without weights; one that has learned anything finds the rows likelier than they do.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

from mmgraph.graph.errors import UnlikelyRowsWarning, warn_caller
from mmgraph.graph.exponential_family import log_orders
from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.graph.variable import Variable
from mmgraph.inference.field.clamping import Clamped
from mmgraph.inference.field.coordinate_ascent import ascend, inferred, log_weights
from mmgraph.inference.field.view import FieldView
from mmgraph.inference.pairwise.colouring import colour_masks
from mmgraph.learning.boltzmann.training_rows import TrainingRows

_MOST_ROWS = 100
_SWEEPS = 20
_SHARE, _NATS = 1.0, 10.0
"""A machine has run away if its likelihood lacks as much again as biases give, and ten nats."""
_LOW_SHARE, _LOW_NATS = 0.1, 1.0
"""A warning says so where it lacks a tenth of that, and a nat."""


@torch.no_grad()
def divergence(
    graph: FactorGraph,
    rows: TrainingRows,
    began: float,
    seed: int = 0,
    warns: bool = True,
) -> str:
    """Return what to say of a machine that has run away, and nothing of one that has not.

    ``began`` is the log-likelihood at most of a row when training began: what has not got worse has
    not run away, however far it still has to go. A machine that finds the rows a little less likely
    than biases alone do is warned of, if ``warns``.
    """
    some = rows.some(slice(0, _MOST_ROWS))
    alone = independent_log_likelihood(graph, some)
    most = log_likelihood_ceiling(graph, some, seed)
    least = min(alone, began)
    comparison = (
        f"the log-likelihood of a row is at most {most:,.6g}, and {alone:,.6g} by biases alone, "
        "without any hidden unit"
    )
    if least - most > max(_NATS, _SHARE * abs(least)):
        return comparison
    if warns and least - most > max(_LOW_NATS, _LOW_SHARE * abs(least)):
        warn_caller(
            f"{comparison}; a lower learning_rate, or more gibbs_steps, may help",
            UnlikelyRowsWarning,
        )
    return ""


def independent_log_likelihood(graph: FactorGraph, rows: TrainingRows) -> float:
    """Return the mean log-likelihood of rows under independent units fitted to them.

    Rectified units are half-normal: of a bias of zero.
    """
    total = 0.0
    for name, clamped in rows.clamped.items():
        total += float(_units_alone(graph.variables[name], clamped).sum()) / rows.count
    return total


def _units_alone(variable: Variable, clamped: Clamped) -> Float[Tensor, "..."]:
    """The log-likelihood of one variable by independent units, in parts that sum to it."""
    values = clamped.values.double()
    if variable.family == "replicated_softmax":
        counts = values if clamped.known is None else values[clamped.known]
        chances = counts.sum(0) / counts.sum()
        return log_orders(counts) + torch.xlogy(counts, chances).sum(-1)
    units = values.shape[: 1 + len(variable.shape)]
    here = values.new_ones(units) if clamped.known is None else clamped.known.to(values)
    count = here.sum(0).clamp_min(1.0)
    if variable.family == "categorical":
        sums = values.sum(0)
        return torch.xlogy(sums, sums / count.unsqueeze(-1))
    sums = (values * here).sum(0)
    if variable.family == "bernoulli":
        return torch.xlogy(sums, sums / count) + torch.xlogy(count - sums, 1 - sums / count)
    squares = (values.square() * here).sum(0) / count
    if variable.family == "gaussian":
        squares = squares - (sums / count).square()
    doubled = math.log(2.0) if variable.family == "rectified_gaussian" else 0.0
    width = (2 * math.pi * math.e * squares.clamp_min(1e-12)).log() / 2
    return here.sum(0) * (doubled - width)


@torch.no_grad()
def log_likelihood_ceiling(graph: FactorGraph, rows: TrainingRows, seed: int = 0) -> float:
    """Return a value that the mean log-likelihood of rows does not exceed.

    The log-partition function is bounded from below by mean field, from what the hidden units make
    of the rows and from random states. Of deep machines the rows' weights are bounded from below,
    too, so that the value is a little low.
    """
    first = next(iter(rows.clamped.values())).values
    place, dtype = first.device, first.dtype
    rows = rows.some(slice(0, _MOST_ROWS))
    view, means = inferred(graph, rows.clamped, _SWEEPS)
    weights, colours = log_weights(view, means), colour_masks(graph)
    documents = [n for n, family in view.families.items() if family.lengths is not None]
    free = FieldView.given(graph, {}, rows.count, place, dtype)
    for name in documents:
        free.families[name] = view.families[name]
    bounds = []
    drawn = free.start(draw=True, generator=torch.Generator(place).manual_seed(seed))
    for start in (means, drawn):
        free_means = {n: t.expand(rows.count, *t.shape[1:]).clone() for n, t in start.items()}
        ascend(free, colours, free_means, _SWEEPS)
        bounds.append(free.expected_log_weight(free_means) + free.entropy(free_means))
    best = torch.stack(bounds).double().amax(0)  # the documents of each row have its own length
    return float((weights.double() - (best if documents else best.max())).mean())
