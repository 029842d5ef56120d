"""The spanning forests of a graph on tensors, and the bound on log Z that messages prove on them.

As :mod:`mmgraph.inference.messages.spanning_trees`, over the same forests.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from mmgraph.inference.messages.spanning_trees import forests_over, rooted_forest
from mmgraph.inference.messages.tensors.graph import TensorGraph
from mmgraph.inference.messages.tensors.messages import EdgeGroup, log_sum_exp, without
from mmgraph.inference.pairwise.graph import adjacent_edges

Directed = tuple[Sequence[Tensor], Sequence[Tensor]]
"""Messages towards second and towards first ends, group by group."""


class SpanningForests:
    """Spanning forests that together cover all edges of a graph."""

    def __init__(self, graph: TensorGraph) -> None:
        self.graph = graph
        self._first, self._second = graph.ends().T.astype(np.int32)
        self._adjacency = adjacent_edges(self._first, self._second, graph.nodes)
        order = graph.in_order()  # the same forests as on the CPU
        covering = forests_over(self._first[order], self._second[order], graph.nodes)
        self.forests = np.empty_like(covering)
        self.forests[:, order] = covering
        self._starts = np.cumsum([0, *(len(g.first) for g in graph.groups)])

    def appearance(self) -> list[Float[Tensor, " edges"]]:
        """Return the share of the forests that hold each edge, group by group."""
        shares = torch.from_numpy(self.forests.mean(0)).to(self.graph.unary)
        return list(shares.split(np.diff(self._starts).tolist()))

    def upper_bound(
        self,
        beliefs: Float[Tensor, "batch nodes states"],
        groups: Sequence[EdgeGroup],
        messages: Directed,
    ) -> Float[Tensor, " batch"]:
        """Return an upper bound on log Z, which messages of any quality prove.

        The mean of the forests' values under the reparametrisation of the messages (Wainwright
        et al. 2005, "A new class of upper bounds on the log partition function", section III).
        """
        total = beliefs.new_zeros(len(beliefs))
        for member in self.forests:
            total = total + self._log_partition(member, beliefs, groups, messages)
        return total / len(self.forests) - self.graph.constant

    def _log_partition(
        self,
        member: Bool[np.ndarray, " edges"],
        beliefs: Tensor,
        groups: Sequence[EdgeGroup],
        messages: Directed,
    ) -> Tensor:
        """Collect one forest from the leaves to the roots, all edges of a depth at once."""
        _, _, depth = rooted_forest(member, self._first, self._second, self._adjacency)
        from_first = depth[self._first] > depth[self._second]
        level = np.where(member, np.maximum(depth[self._first], depth[self._second]), 0)
        for now in range(int(level.max(initial=0)), 0, -1):
            for i, group in enumerate(groups):
                part = slice(self._starts[i], self._starts[i + 1])
                for upwards in (True, False):
                    chosen = np.flatnonzero((level[part] == now) & (from_first[part] == upwards))
                    if not len(chosen):
                        continue
                    edges = torch.from_numpy(chosen).to(beliefs.device)
                    lower, upper = group.first[edges], group.second[edges]
                    ahead, back = messages[0][i][:, edges], messages[1][i][:, edges]
                    if not upwards:
                        lower, upper, ahead, back = upper, lower, back, ahead
                    source = without(beliefs[:, lower], back)
                    sent = group.send(source, upwards, sums=True, chosen=edges)
                    beliefs = beliefs.index_add(1, upper, without(sent, ahead))
        roots = torch.from_numpy(np.flatnonzero(depth == 0)).to(beliefs.device)
        return log_sum_exp(-beliefs[:, roots], -1).sum(1)
