"""Belief propagation on tensors: the parallel schedule, on any device, with gradients."""

from __future__ import annotations

import time
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from mmgraph.graph.errors import MmgraphError
from mmgraph.graph.evidence import Evidence
from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.inference.messages.tensors.graph import TorchGraph
from mmgraph.inference.messages.tensors.messages import log_sum_exp, normalised, without
from mmgraph.inference.model_variables import named_variables
from mmgraph.inference.moments import Moments
from mmgraph.inference.numerics.shortfall import shortfall
from mmgraph.inference.pairwise.feasible import check_rows
from mmgraph.inference.posterior import Posterior

BELIEF_COPIES = 12
"""Tensors as large as all beliefs and messages that an iteration takes (as measured)."""

DAMPING = 0.3
"""How much of its old value a message keeps by default: sent all at once, messages oscillate."""


class TorchMessages:
    """The messages of all rows of evidence.

    Parameters
    ----------
    torch_graph : TorchGraph
        The graph.
    sums : bool
        Sum-product (marginals) rather than max-product (the best assignment).
    appearance : list of Tensor, optional
        Edge appearance probabilities of tree-reweighted propagation, one tensor of shape
        ``(edges,)`` a group; by default one.
    """

    def __init__(
        self,
        torch_graph: TorchGraph,
        sums: bool = True,
        appearance: Sequence[Float[Tensor, " edges"]] | None = None,
    ) -> None:
        self.torch_graph, self.sums = torch_graph, sums
        self.groups = list(torch_graph.groups)
        self.appearance: list[Tensor | None] = [None] * len(self.groups)
        if appearance is not None:
            pairs = zip(self.groups, appearance, strict=True)
            self.groups = [g.reweighted(1 / share) for g, share in pairs]
            self.appearance = list(appearance)
        batch, _, states = torch_graph.unary.shape
        self.towards_second = [
            torch_graph.unary.new_zeros(batch, len(g.first), states) for g in self.groups
        ]
        self.towards_first = [m.clone() for m in self.towards_second]

    def beliefs(self) -> Float[Tensor, "batch nodes states"]:
        """Return the energies of all states, messages included."""
        total = self.torch_graph.unary
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

    def run(self, iterations: int, tolerance: float, damping: float) -> tuple[int, float]:
        """Pass messages until none changes by more than the tolerance.

        Returns
        -------
        tuple of int and float
            How often they were passed, and the last change.

        Raises
        ------
        MemoryBudgetError
            If the messages kept for gradients would not fit.
        """
        residual, done = torch.inf, 0
        while done < iterations and residual > tolerance:
            self.torch_graph.check_memory(1 + done if self.torch_graph.differentiable else 1)
            residual = self.step(damping)
            done += 1
        return done, residual

    def marginals(self) -> dict[str, Float[Tensor, "batch *shape states"]]:
        """Return the normalised beliefs of each variable.

        Raises
        ------
        ZeroProbabilityError
            If an element of a row has no possible state.
        """
        total = self.beliefs()
        check_rows(torch.isinf(total.detach().amin(-1)))
        return self.torch_graph.by_variable(torch.softmax(-total, -1))

    def log_partition(self) -> Float[Tensor, " batch"]:
        """Return the Bethe approximation of log Z."""
        total = self.beliefs()
        node = log_sum_exp(-total, -1)
        value = node.sum(1) - self.torch_graph.constant
        for i, group in enumerate(self.groups):
            source = without(total[:, group.first], self.towards_first[i])
            target = without(total[:, group.second], self.towards_second[i])
            pair = log_sum_exp(-target - group.send(source, True, sums=True), -1)
            value = value + (pair - node[:, group.first] - node[:, group.second]).sum(1)
        return value


def check_passes(iterations: int, damping: float) -> None:
    """Raise MmgraphError if a number of message passing is out of range."""
    if not 0 <= damping < 1:
        raise MmgraphError(f"damping must lie in [0, 1), not {damping}")
    if iterations < 1:
        raise MmgraphError(f"iterations must be at least 1, not {iterations}")


def belief_propagation_torch(
    graph: FactorGraph,
    evidence: Evidence,
    variables: Sequence[str] | None = None,
    *,
    device: torch.device | str | None = None,
    dtype: torch.dtype | None = None,
    iterations: int = 200,
    tolerance: float = 1e-6,
    damping: float = DAMPING,
    memory_budget: int | None = None,
) -> Posterior:
    """Return marginals from sum-product messages in the parallel schedule.

    Marginals and ``log_partition`` are differentiable with respect to unary factors, weights,
    tables and soft evidence, through all iterations made. A hard zero is a constant: no gradient
    reaches it, and none is NaN for its sake.

    Parameters
    ----------
    device : torch.device or str, optional
        By default where the factors' tensors are.
    dtype, iterations, tolerance, damping
        As for :func:`mmgraph.inference.messages.belief_propagation.belief_propagation`.
    memory_budget : int, optional
        In bytes; by default half of the machine's memory, or what a GPU has free. Gradients keep
        the tensors of every iteration.

    Raises
    ------
    ZeroProbabilityError
        If a row of evidence is impossible.
    MemoryBudgetError
        If the messages would not fit.
    UnknownVariableError
        If the graph has no states for one of ``variables``.
    MmgraphError
        If ``damping`` or ``iterations`` is out of range.
    NotTabularError
        If a factor has neither edges nor tables nor a likelihood.
    """
    began = time.perf_counter()
    check_passes(iterations, damping)
    names = named_variables(graph, variables)
    torch_graph = TorchGraph(graph, evidence, device, dtype, BELIEF_COPIES, memory_budget)
    messages = TorchMessages(torch_graph)
    done, residual = messages.run(iterations, tolerance, damping)
    marginals = messages.marginals()
    return Posterior(
        graph.variables,
        Moments({n: marginals[n] for n in names}),
        messages.log_partition(),
        method="belief_propagation",
        is_normalised=graph.is_normalised,
        approximation="Bethe approximation",
        converged=residual <= tolerance,
        shortfall=shortfall("belief_propagation", "residual", residual, tolerance, done),
        iterations=done,
        residual=residual,
        seconds=time.perf_counter() - began,
    )
