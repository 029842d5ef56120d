"""Tree-reweighted messages on tensors: on any device, with gradients and a bound.

As :mod:`mmgraph.inference.messages.tree_reweighted`, in the parallel schedule.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from mmgraph.graph.evidence import Evidence
from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.inference.messages.spanning_trees import edge_appearance, forest_depths, forests_over
from mmgraph.inference.messages.tensors.belief_propagation import (
    BELIEF_COPIES,
    DAMPING,
    TorchMessages,
    check_passes,
)
from mmgraph.inference.messages.tensors.graph import TorchGraph
from mmgraph.inference.messages.tensors.messages import log_sum_exp, without
from mmgraph.inference.model_variables import named_variables
from mmgraph.inference.moments import Moments
from mmgraph.inference.numerics.shortfall import shortfall
from mmgraph.inference.posterior import Posterior

_METHOD = "tree_reweighted"


class ForestBound:
    """The spanning forests of a graph, and the bound on log Z that messages prove over them.

    Parameters
    ----------
    torch_graph : TorchGraph
        The graph.
    """

    def __init__(self, torch_graph: TorchGraph) -> None:
        self.torch_graph = torch_graph
        self._first, self._second = torch_graph.ends().T.astype(np.int32)
        order = torch_graph.in_order()  # the same forests as on the CPU
        found = forests_over(self._first[order], self._second[order], torch_graph.nodes)
        self.forests = np.empty_like(found)
        self.forests[:, order] = found
        self._starts = np.cumsum([0, *(len(g.first) for g in torch_graph.groups)])

    def appearance(self) -> list[Float[Tensor, " edges"]]:
        """Return the share of the forests that hold each edge, group by group."""
        shares = torch.from_numpy(edge_appearance(self.forests)).to(self.torch_graph.unary)
        return list(shares.split(np.diff(self._starts).tolist()))

    def bound(self, messages: TorchMessages) -> Float[Tensor, " batch"]:
        """Return an upper bound on log Z, which messages of any quality prove.

        The mean of the forests' own values under the reparametrisation of the messages (Wainwright
        et al. 2005, "A new class of upper bounds on the log partition function", section III).
        """
        believed = messages.beliefs()
        total = believed.new_zeros(len(believed))
        for member in self.forests:
            total = total + self._log_partition(member, believed, messages)
        return total / len(self.forests) - self.torch_graph.constant

    def _log_partition(
        self, member: Bool[np.ndarray, " edges"], believed: Tensor, messages: TorchMessages
    ) -> Tensor:
        """Collect one forest from the leaves to the roots, all edges of a depth at once."""
        ends = (self._first, self._second)
        depth = forest_depths(member, *ends, self.torch_graph.nodes)
        first_is_lower = depth[self._first] > depth[self._second]
        level = np.where(member, np.maximum(depth[self._first], depth[self._second]), 0)
        collected = believed
        for now in range(int(level.max(initial=0)), 0, -1):
            for i in range(len(messages.groups)):
                part = slice(self._starts[i], self._starts[i + 1])
                here = level[part] == now
                for upwards in (True, False):
                    edges = np.flatnonzero(here & (first_is_lower[part] == upwards))
                    if len(edges):
                        collected = _collect(messages, i, edges, upwards, collected)
        roots = torch.from_numpy(np.flatnonzero(depth == 0)).to(believed.device)
        return log_sum_exp(-collected[:, roots], -1).sum(1)


def _collect(
    messages: TorchMessages,
    i: int,
    edges: Int64[np.ndarray, " chosen"],
    from_first: bool,
    collected: Float[Tensor, "batch nodes states"],
) -> Float[Tensor, "batch nodes states"]:
    """Add what the lower ends of some edges of a group send to their upper ends."""
    group = messages.groups[i]
    chosen = torch.from_numpy(edges).to(collected.device)
    lower, upper = (group.first, group.second) if from_first else (group.second, group.first)
    back, ahead = messages.towards_first[i], messages.towards_second[i]
    if not from_first:
        back, ahead = ahead, back
    source = without(collected[:, lower[chosen]], back[:, chosen])
    sent = group.send(source, from_first, sums=True, chosen=chosen)
    return collected.index_add(1, upper[chosen], without(sent, ahead[:, chosen]))


def tree_reweighted_torch(
    graph: FactorGraph,
    evidence: Evidence,
    variables: Sequence[str] | None = None,
    *,
    device: torch.device | str | None = None,
    dtype: torch.dtype | None = None,
    iterations: int = 500,
    tolerance: float = 1e-6,
    damping: float = DAMPING,
    memory_budget: int | None = None,
) -> Posterior:
    """Return marginals from tree-reweighted messages, with an upper bound on log Z.

    Marginals and the bound are differentiable, as those of
    :func:`belief_propagation_torch`, whose options and
    errors these are.
    """
    began = time.perf_counter()
    check_passes(iterations, damping)
    names = named_variables(graph, variables)
    torch_graph = TorchGraph(graph, evidence, device, dtype, BELIEF_COPIES, memory_budget)
    forests = ForestBound(torch_graph)
    messages = TorchMessages(torch_graph, appearance=forests.appearance())
    done, residual = messages.run(iterations, tolerance, damping)
    marginals, bound = messages.marginals(), forests.bound(messages)
    return Posterior(
        graph.variables,
        Moments({n: marginals[n] for n in names}),
        bound,
        method=_METHOD,
        is_normalised=graph.is_normalised,
        approximation="upper bound",
        converged=residual <= tolerance,
        shortfall=shortfall(_METHOD, "residual", residual, tolerance, done),
        iterations=done,
        residual=residual,
        bound=bound,
        seconds=time.perf_counter() - began,
    )
