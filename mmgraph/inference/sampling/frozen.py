"""Which elements that never changed their state are known not to be stuck.

The R-hat of chains that all show one constant is undefined: they may be right, or none of them may
be able to leave. It can be told that they are right where evidence and hard zeros leave one state,
and where everything that the element depends on has moved without taking it along.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np
import torch
from jaxtyping import Bool, Shaped
from torch import Tensor

from mmgraph.graph.errors import ConvergenceWarning, warn_caller
from mmgraph.graph.evidence import Evidence
from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.inference.field.clamping import clamped
from mmgraph.inference.pairwise.feasible import consistent_states
from mmgraph.inference.sampling.gibbs_chains import ChainRecord
from mmgraph.inference.sampling.gibbs_program import ConditionedProgram

_ROOM = 1e-10
"""The mean probability of leaving a state below which a chain could not leave it."""

_SHOWN = 8


def settled_elements(
    conditioned: ConditionedProgram, record: ChainRecord
) -> Bool[np.ndarray, " free"]:
    """Return which of the free elements have never moved and are known not to be stuck.

    Everything that they depend on has moved, or is fixed by evidence or hard zeros; and where the
    model has hard zeros, the distributions that they were drawn from have left them a choice.
    """
    nodes, trace = record.nodes, record.trace
    constant = (trace == trace[:1, :1]).all((0, 1))
    if not constant.any():
        return constant
    pairwise, joined = conditioned.program.pairwise, conditioned.program.interactions
    first, count = pairwise.offsets[:-1], pairwise.nodes
    forced, choice = np.zeros(count, bool), np.ones(count, bool)
    if conditioned.has_hard_zeros:
        possible = consistent_states(pairwise, conditioned.unary)
        forced = np.add.reduceat(possible, first, dtype=np.int64) == 1
        choice = np.maximum.reduceat(record.probabilities, first) < 1 - _ROOM
    free, stuck = np.zeros(count, bool), np.zeros(count, bool)
    free[nodes] = True
    stuck[nodes[constant]] = True
    stuck &= ~forced
    # What each element depends on: by edges, and as members of its tables.
    others = np.concatenate([joined.neighbour, joined.member])
    starts = (joined.edge_start, joined.scope_start[joined.table_start])
    node = np.concatenate([np.repeat(np.arange(count), np.diff(start)) for start in starts])
    alone = np.bincount(node, free[others], count) == 0
    unstuck = np.bincount(node, stuck[others], count) == 0
    return np.asarray(constant & (forced | alone | (choice & unstuck))[nodes])


def settled_units(
    graph: FactorGraph,
    evidence: Evidence,
    trace: Mapping[str, Shaped[Tensor, "draws batch chains *shape"]],
) -> dict[str, Bool[Tensor, "batch *shape"]]:
    """Return which units have never moved and are known not to be stuck, by variable.

    Layers of units have no hard zeros. A unit is settled if evidence knows it, or if some unit of
    the layers that it depends on has moved.
    """
    still = {name: (draws == draws[:1, :, :1]).all(0).all(1) for name, draws in trace.items()}
    known = {}
    for name, constant in still.items():
        observed = clamped(evidence, graph.variables[name], torch.device("cpu"), torch.float64)
        known[name] = torch.zeros_like(constant)
        if observed is not None:
            mask = torch.tensor(True) if observed.known is None else observed.known
            known[name] |= mask.reshape(*mask.shape, *(1,) * (constant.ndim - mask.ndim))
    moving = {
        n: (~s).reshape(len(s), -1).any(1) | known[n].reshape(len(s), -1).all(1)
        for n, s in still.items()
    }
    settled = {}
    for name, constant in still.items():
        rows = torch.ones(len(constant), dtype=torch.bool)
        for other in _joined_to(graph, name) & still.keys():
            rows &= moving[other]
        settled[name] = constant & (known[name] | rows.reshape(-1, *(1,) * (constant.ndim - 1)))
    return settled


def _joined_to(graph: FactorGraph, name: str) -> set[str]:
    """The variables that elements of one variable depend on, perhaps itself among them."""
    joined: set[str] = set()
    for factor in graph.factors:
        names = {v.name for v in factor.scope}
        if name in names:
            within = factor.edge_terms is not None and len(names) == 1
            joined |= names if within else names - {name}
    return joined


def warn_of_frozen(names: Collection[str]) -> None:
    """Warn of variables whose chains hard zeros may have frozen, if there are any."""
    if not names:
        return
    shown = ", ".join(f"'{n}'" for n in list(names)[:_SHOWN])
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    warn_caller(
        f"gibbs: {shown}{more} never changed state within a chain; hard zeros of the model "
        "may have frozen the chains, so that the answer would be where they started and R-hat "
        "is undefined. method='parallel_tempering' crosses hard zeros; method='junction_tree' is "
        "exact where it fits the memory",
        ConvergenceWarning,
    )
