"""Messages on tensors in the parallel schedule: on any device, with gradients."""

from __future__ import annotations

import torch
from jaxtyping import Float, Float64, Int64
from torch import Tensor

from mmgraph.graph.errors import MmgraphError
from mmgraph.graph.evidence import Evidence
from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.inference.messages.options import MessageOptions
from mmgraph.inference.messages.tensors.graph import TensorGraph
from mmgraph.inference.messages.tensors.messages import log_sum_exp, normalised, without
from mmgraph.inference.messages.tensors.spanning_forests import SpanningForests
from mmgraph.inference.pairwise.feasible import check_rows
from mmgraph.inference.pairwise.labelling_energies import assignment_energies, with_feasible_rows

_DAMPING = 0.3
"""By default, so much of its old value a message keeps: sent all at once, messages oscillate."""
BELIEF_COPIES = 12
"""Tensors as large as all beliefs and messages that an iteration takes (as measured)."""


class TensorMessages:
    """The messages of all rows of evidence, passed until none changes by more than the tolerance.

    Parameters are as for :class:`~mmgraph.inference.messages.row_messages.CompiledMessages`.

    Raises
    ------
    MemoryBudgetError, MmgraphError
        If the messages, with those kept for gradients, would not fit; of another schedule than
        ``"parallel"``.
    """

    def __init__(
        self,
        graph: FactorGraph,
        evidence: Evidence,
        options: MessageOptions,
        sums: bool = True,
        reweighted: bool = False,
    ) -> None:
        if options.schedule not in (None, "parallel"):
            raise MmgraphError(
                f"the schedule {options.schedule!r} runs on the CPU, and without gradients: "
                "elsewhere messages are passed in the 'parallel' schedule, which need not be named"
            )
        damping = _DAMPING if options.damping is None else options.damping
        self.evidence, self.sums = evidence, sums
        self.graph = TensorGraph(graph, evidence, options, BELIEF_COPIES)
        self.groups = list(self.graph.groups)
        self.appearance: list[Tensor | None] = [None] * len(self.groups)
        if reweighted:
            self._forests = SpanningForests(self.graph)
            self.appearance = [*self._forests.appearance()]
            pairs = zip(self.groups, self._forests.appearance(), strict=True)
            self.groups = [group.reweighted(1 / share) for group, share in pairs]
        batch, _, states = self.graph.unary.shape
        self.towards_second = [
            self.graph.unary.new_zeros(batch, len(g.first), states) for g in self.groups
        ]
        self.towards_first = [m.clone() for m in self.towards_second]
        self.residual, self.iterations = torch.inf, 0
        while self.iterations < options.iterations and self.residual > options.tolerance:
            earlier = self.iterations if self.graph.differentiable else 0
            self.graph.check_memory(1 + earlier)
            self.residual = self.step(damping)
            self.iterations += 1

    def beliefs(self) -> Float[Tensor, "batch nodes states"]:
        """Return the energies of all states, messages included."""
        total = self.graph.unary
        for i, group in enumerate(self.groups):
            total = total.index_add(1, group.second, self._shared(i, self.towards_second[i]))
            total = total.index_add(1, group.first, self._shared(i, self.towards_first[i]))
        return total

    def _shared(self, i: int, messages: Tensor) -> Tensor:
        """Messages times the appearance of their edges."""
        share = self.appearance[i]
        return messages if share is None else messages * share[:, None]

    def step(self, damping: float) -> float:
        """Compute all messages from the last ones; return the largest change, in nats."""
        total = self.beliefs()
        residual = 0.0
        for i, group in enumerate(self.groups):
            up, down = self.towards_second[i], self.towards_first[i]
            sent = (
                group.send(without(total[:, group.first], down), True, self.sums),
                group.send(without(total[:, group.second], up), False, self.sums),
            )
            fresh = [
                torch.where(torch.isinf(new) | torch.isinf(old), new, torch.lerp(new, old, damping))
                for new, old in zip(map(normalised, sent), (up, down), strict=True)
            ]
            for new, old in zip(fresh, (up, down), strict=True):
                change = (new - old).detach().abs()
                finite = change.nan_to_num(nan=0.0, posinf=1.0)
                residual = max(residual, float(finite.max()) if finite.numel() else 0.0)
            self.towards_second[i], self.towards_first[i] = fresh
        return residual

    def marginals(self) -> dict[str, Float[Tensor, "batch *shape states"]]:
        """Return the normalised beliefs of each variable.

        Raises ZeroProbabilityError if an element of a row has no possible state.
        """
        total = self.beliefs()
        check_rows(torch.isinf(total.detach().amin(-1)))
        return self.graph.by_variable(torch.softmax(-total, -1))

    def log_partition(self) -> Float[Tensor, " batch"]:
        """Return the Bethe approximation of log Z."""
        total = self.beliefs()
        node = log_sum_exp(-total, -1)
        value = node.sum(1) - self.graph.constant
        for i, group in enumerate(self.groups):
            source = without(total[:, group.first], self.towards_first[i])
            target = without(total[:, group.second], self.towards_second[i])
            pair = log_sum_exp(-target - group.send(source, True, sums=True), -1)
            value = value + (pair - node[:, group.first] - node[:, group.second]).sum(1)
        return value

    def upper_bound(self) -> Float[Tensor, " batch"]:
        """Return an upper bound on log Z, which tree-reweighted messages of any quality prove."""
        directed = (self.towards_second, self.towards_first)
        return self._forests.upper_bound(self.beliefs(), self.groups, directed)

    def assignment(
        self,
    ) -> tuple[dict[str, Int64[Tensor, "batch *shape"]], Float64[Tensor, " batch"]]:
        """Return the states that the messages point to, on the CPU, and their energies.

        Elements are decided colour by colour, each given those before it, so that neighbours break
        ties alike. Raises ZeroProbabilityError if an element of a row has no possible state.
        """
        beliefs = self.beliefs().clone()
        check_rows(torch.isinf(beliefs.amin(-1)))
        directed = (self.towards_second, self.towards_first)
        labels = self.graph.labelling(self.graph.colours(), beliefs, directed)
        states = self.graph.states_of(labels)
        energies = assignment_energies(self.graph.model, self.evidence, states)
        return with_feasible_rows(self.graph.model, self.evidence, states, energies)
