"""Approximations of log Z whose gradients reach the parameters behind unary factors and weights.

At a fixed point of mean field or of belief propagation the approximation does not change with the
distributions, only with the energies: its gradient is that of the mean log-weight, the moments that
maximum likelihood matches (Wainwright and Jordan 2008, section 3.6; for the Bethe form Yedidia,
Freeman and Weiss 2005, section VI).
"""

# The kernel of this file is compiled: its arguments are arrays, and carry no annotations.
# mypy: disallow_untyped_defs=False

from __future__ import annotations

import math

import numpy as np
import torch
from jaxtyping import Float, Float64
from torch import Tensor

from mmgraph.graph.errors import ConvergenceWarning, LearningError, warn_caller
from mmgraph.graph.evidence import Evidence
from mmgraph.graph.factor import EdgeTerms
from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.inference.field.view import FieldView
from mmgraph.inference.mean_field.mean_field import mean_field
from mmgraph.inference.messages.options import MessageOptions
from mmgraph.inference.messages.row_messages import CompiledMessages
from mmgraph.inference.model_variables import default_precision, tables_device
from mmgraph.inference.numerics.compiling import compiled
from mmgraph.inference.pairwise.energy_kernels import edge_at, edge_energy
from mmgraph.inference.pairwise.graph import TABLE, PairwiseGraph

Marginals = dict[str, Tensor]

_TOLERANCE = 1e-5
_ITERATIONS = 200


def mean_field_log_partition(
    graph: FactorGraph, evidence: Evidence, initial: Marginals | None = None
) -> tuple[Float[Tensor, ""], Marginals]:
    """Return the mean-field bound, summed over rows, and the marginals that attain it."""
    posterior = mean_field(graph, evidence, tolerance=1e-5, initial=initial)
    marginals = posterior.marginals
    view = FieldView(graph, evidence, tables_device(graph), default_precision(graph))
    mean = view.expected_log_weight(marginals).sum()
    return _with_value(mean, posterior.log_partition.sum()), marginals


def bethe_log_partition(graph: FactorGraph, evidence: Evidence) -> Float[Tensor, ""]:
    """Return the Bethe approximation by belief propagation, summed over rows.

    The gradient is right at a fixed point only; messages that did not converge are warned of.
    """
    view = FieldView(graph, evidence, tables_device(graph), default_precision(graph))
    if any(factor.edge_terms is None for factor in view.factors):
        raise LearningError(
            "belief propagation learns the weights of grid and pairwise factors only, and this "
            "graph joins variables by others; use inference='mean_field'"
        )
    options = MessageOptions(iterations=_ITERATIONS, tolerance=_TOLERANCE, dtype=torch.float64)
    rows = CompiledMessages(graph, evidence, options).rows
    if any(messages.residual > _TOLERANCE for messages in rows):
        residual = max(messages.residual for messages in rows)
        # With a rough residual in its text, so that it is not shown at each evaluation.
        warn_caller(
            f"belief_propagation did not converge (residual about {residual:.0e} after "
            f"{_ITERATIONS} iterations, not {_TOLERANCE:.0e}), so that the gradient of the Bethe "
            "approximation is not right; use inference='mean_field', or start from weaker edges",
            ConvergenceWarning,
        )
    means, value = [], 0.0
    for row, messages in enumerate(rows):
        value += messages.log_partition()
        for name, marginal in messages.marginals().items():
            unary = view.unary[name][row]
            probability = marginal.to(unary)
            means.append((probability * unary.masked_fill(probability == 0, 0.0)).sum())
        p = messages.pairwise
        energies = torch.from_numpy(
            mean_functions(messages.beliefs(), p.edge_arrays, messages.messages)
        )
        begin = 0
        for factor in graph.factors:
            if (group := factor.edge_terms) is not None:
                weights = group.edges().weights
                weights = weights[weights.detach() != 0]  # the pairwise view drops the others
                edges = slice(begin, begin + len(weights))
                part = (energies[edges] + _shifts(group, p, edges)).to(weights)
                means.append(-(weights * part).sum().to(view.dtype))
                begin += len(weights)
    mean = torch.stack(means).sum() + view.constant.sum()
    return _with_value(mean, torch.tensor(value, dtype=mean.dtype, device=mean.device))


def _shifts(factor: EdgeTerms, pairwise: PairwiseGraph, edges: slice) -> Float64[Tensor, "#edges"]:
    """Return what the pairwise view has taken off the energies of a factor's tables."""
    functions, states = pairwise.edge_arrays, [v.cardinality for v in factor.ends]
    interaction = factor.interaction
    if interaction.table is not None and interaction.table.ndim == 3:
        tables = interaction.table.detach()[factor.edges().weights.detach().cpu() != 0]
    else:
        tables = interaction.energies(*states).detach()[None]
    used, of_edge = np.unique(functions.function[edges], return_inverse=True)
    remaining = [
        _least(functions.tables[functions.place[f] : functions.place[f] + math.prod(states)])
        if functions.kind[f] == TABLE
        else 0.0
        for f in used.tolist()
    ]
    whole = np.array([_least(table) for table in tables.cpu().numpy()], np.float64)
    return torch.from_numpy(whole - np.array(remaining, np.float64)[of_edge])


def _least(energies: Float[np.ndarray, "..."]) -> float:
    """The smallest finite energy, zero where there is none."""
    finite = energies[np.isfinite(energies)]
    return float(finite.min()) if finite.size else 0.0


def _with_value(mean: Tensor, value: Tensor) -> Tensor:
    """The gradient of one, the value of the other."""
    return mean + (value - mean).detach()


@compiled
def mean_functions(believed, edges, messages):
    """The mean of each edge's function, before its weight, under the belief of its two ends."""
    offsets, first, second = edges.offsets, edges.first, edges.second
    slots, towards_second, towards_first = messages
    result = np.empty(len(first), np.float64)
    for e in range(len(first)):
        a, b, edge = first[e], second[e], edge_at(edges, e, 1.0)
        low, total, mean = np.inf, 0.0, 0.0
        for x in range(edge.rows):
            message = towards_first[slots[e] + x]
            source = believed[offsets[a] + x] - (message if message < np.inf else 0.0)
            for y in range(edge.columns):
                message = towards_second[slots[e] + y]
                other = believed[offsets[b] + y] - (message if message < np.inf else 0.0)
                value = edge_energy(edge, edges.tables, x, y)
                energy = source + other + edges.weight[e] * value
                if energy == np.inf:
                    continue
                if energy < low:  # keep the sums relative to the smallest energy so far
                    scale = np.exp(energy - low)
                    total, mean, low = total * scale, mean * scale, energy
                share = np.exp(low - energy)
                total += share
                mean += share * value
        result[e] = mean / total if total > 0 else 0.0
    return result
