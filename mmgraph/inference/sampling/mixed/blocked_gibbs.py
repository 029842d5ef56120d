"""Blocked Gibbs sampling of mixed networks whose strong tree does not fit."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Float64, Shaped
from torch import Tensor

from mmgraph.graph.evidence import Evidence
from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.inference.gaussian.draws import by_variable
from mmgraph.inference.gaussian.model import GaussianModel
from mmgraph.inference.model_variables import named_variables, normal_variables
from mmgraph.inference.numerics.diagnostics import (
    LEAST_DRAWS,
    state_diagnostics,
    value_diagnostics,
)
from mmgraph.inference.posterior import Moments, Posterior
from mmgraph.inference.sampling.chain_answer import ChainAnswer, chain_posterior
from mmgraph.inference.sampling.mixed.chains import MixedChains, MixedRecord
from mmgraph.inference.sampling.mixed.drawn_mixtures import DrawnMixtures
from mmgraph.inference.sampling.schedule import ChainOptions, Schedule


def blocked_gibbs(
    graph: FactorGraph,
    model: GaussianModel,
    evidence: Evidence,
    variables: Sequence[str] | str | None,
    options: ChainOptions,
    schedule: Schedule,
) -> Posterior:
    """Return marginals of a mixed network, see :func:`mmgraph.inference.sampling.gibbs.gibbs`.

    Raises
    ------
    TreewidthError
        If the join tree of the discrete variables alone does not fit the memory budget.
    GraphError
        If a variable without noise would have to be drawn.
    ZeroProbabilityError
        If a row of evidence is impossible.
    """
    began = time.perf_counter()
    normal = normal_variables(graph)
    asked = [variables] if isinstance(variables, str) else variables
    real = [] if asked is None else [n for n in asked if n in normal]
    names = named_variables(graph, asked and [n for n in asked if n not in normal])
    size = sum(v.size for v in graph.variables.values() if v.is_discrete) + 4 * len(model.forms)
    limited = schedule.within(options.trace_budget, 2 * evidence.batch * size)
    chains = MixedChains(graph, model, evidence, options.chains, options.generator)
    record = chains.run(limited, names)
    marginals = DrawnMixtures(
        graph, model, evidence, normal if asked is None else dict.fromkeys(real), record
    )
    mixing = {n: _of_states(graph, record, n) for n in names}
    mixing |= {n: _of_values(marginals, record, n) for n in real}
    answer = ChainAnswer(Moments(record.marginals), mixing, None)
    made = chain_posterior("gibbs", graph, answer, schedule, options.r_hat_limit, began)
    return replace(made, real=marginals if marginals.names else None)


def blocked_samples(
    graph: FactorGraph,
    model: GaussianModel,
    evidence: Evidence,
    draws: int,
    generator: torch.Generator | None,
    schedule: Schedule,
) -> dict[str, Shaped[Tensor, "batch draws *shape"]]:
    """Return draws of discrete and linear Gaussian variables, those of the chains in turn."""
    chains = MixedChains(graph, model, evidence, schedule.chains, generator)
    record = chains.run(schedule, ())
    made = {
        n: torch.from_numpy(t.swapaxes(0, 1).astype(np.int64)).flatten(1, 2)[:, :draws]
        for n, t in record.trace.items()
    }
    values = DrawnMixtures(graph, model, evidence, {}, record).draws(draws, generator)
    return made | by_variable(model, values, evidence.batch)


def _of_states(
    graph: FactorGraph, record: MixedRecord, name: str
) -> Float64[Tensor, "2 batch *shape"]:
    """R-hat and sample size of a discrete variable.

    One that no chain ever saw in another state has mixed if chains came there from different ones.
    """
    trace = record.trace[name]
    draws, batch, chains, *shape = trace.shape
    mixed = np.array([1.0, draws * chains])
    if draws < LEAST_DRAWS:
        return torch.from_numpy(mixed).reshape(2, *(1,) * (1 + len(shape))).expand(2, batch, *shape)
    elements = np.ascontiguousarray(trace.swapaxes(1, 2).reshape(draws, chains, -1))
    states = np.full(elements.shape[2], graph.variables[name].cardinality)
    both = np.stack(state_diagnostics(elements, states))
    still = (elements == elements[:1, :1]).all((0, 1))
    settled = still & record.settled[name].reshape(-1)
    both[:, settled] = mixed[:, None]
    return torch.from_numpy(both).reshape(2, batch, *shape)


def _of_values(
    marginals: DrawnMixtures, record: MixedRecord, name: str
) -> Float64[Tensor, "2 batch *shape"]:
    """R-hat and sample size of the expected value given each draw; what never changes has mixed."""
    shape = marginals.graph.variables[name].shape
    draws, batch, chains = record.components.shape[:3]
    total = float(draws * chains)
    mixed = torch.tensor([1.0, total], dtype=torch.float64).reshape(2, *(1,) * (1 + len(shape)))
    if draws < LEAST_DRAWS:
        return mixed.expand(2, batch, *shape)
    if name not in marginals.model.place:  # a leaf, which is what its parents make of it
        return _of_leaf(marginals.graph, record, name, mixed.expand(2, batch, *shape))
    (mixture,) = marginals.mixture(name)
    trace = mixture.means.reshape(batch, draws, chains, -1).permute(1, 2, 0, 3)
    trace = trace.reshape(draws, chains, -1)
    width = trace.amax((0, 1)) - trace.amin((0, 1))
    still = width <= 1e-9 * trace[0, 0].abs()
    r_hat, size = value_diagnostics((trace / torch.where(still, 1.0, width)).numpy())
    both = torch.from_numpy(np.stack([r_hat, size]))
    both[:, still] = mixed.reshape(2, 1)
    return both.reshape(2, batch, *shape)


def _of_leaf(
    graph: FactorGraph, record: MixedRecord, name: str, mixed: Float64[Tensor, "2 batch *shape"]
) -> Float64[Tensor, "2 batch *shape"]:
    """The worst of the parents' R-hats and sample sizes."""
    r_hat, size = mixed
    (factor,) = (f for f in graph.factors if f.child is not None and f.child.name == name)
    for parent in factor.parents:
        worst = _of_states(graph, record, parent.name).reshape(2, -1, *(1,) * (r_hat.ndim - 1))
        r_hat, size = torch.maximum(r_hat, worst[0]), torch.minimum(size, worst[1])
    return torch.stack([r_hat, size])
