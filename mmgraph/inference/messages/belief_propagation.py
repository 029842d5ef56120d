"""Loopy belief propagation: approximate marginals, and the assignment that max-product points to.

Pearl (1988); on factor graphs Kschischang, Frey and Loeliger (2001), "Factor graphs and the
sum-product algorithm". Exact on trees. With loops a fixed point is a stationary point of the Bethe
free energy (Yedidia, Freeman and Weiss 2005, "Constructing free-energy approximations and
generalized belief propagation algorithms").
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from mmgraph.graph.evidence import Evidence
from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.inference.assignment import Assignment
from mmgraph.inference.exact.exact import wants_torch
from mmgraph.inference.messages.options import MessageOptions
from mmgraph.inference.messages.row_messages import CompiledMessages
from mmgraph.inference.messages.tensors.belief_propagation import TensorMessages
from mmgraph.inference.model_variables import named_variables
from mmgraph.inference.numerics.shortfall import shortfall
from mmgraph.inference.options import is_elsewhere, keyword_options
from mmgraph.inference.posterior import Moments, Posterior


@keyword_options(MessageOptions)
def belief_propagation(
    graph: FactorGraph,
    evidence: Evidence,
    variables: Sequence[str] | None = None,
    *,
    options: MessageOptions,
) -> Posterior:
    """Return marginals from sum-product messages, exact on trees.

    Parameters
    ----------
    graph : FactorGraph
        Any graph of discrete variables, with continuous leaves.
    evidence : Evidence
        Hard, soft or missing, for each row.
    variables : sequence of str, optional
        The marginals wanted; by default all.
    schedule : {"sequential", "parallel", "residual"}, optional
        Nodes in scan order forwards and backwards; all messages at once; or always the node whose
        incoming messages changed most (Elidan, McGraw and Koller 2006, "Residual belief
        propagation"; residuals accumulate at the receiver, as in Sutton and McCallum 2007).
        ``sequential`` by default; messages on tensors know ``parallel`` alone.
    iterations : int, default 200
        At most so many; one sends every message about once (twice in the sequential schedule).
    tolerance : float, default 1e-6
        The largest change of a message, in nats, that counts as none.
    damping : float, optional
        How much of its old value a message keeps, below 1. Helps where messages oscillate. By
        default 0, and 0.3 for messages on tensors.
    device : str
        Away from the CPU, and where a factor or soft evidence asks for gradients, messages are
        tensors. Marginals and ``log_partition`` are then differentiable with respect to unary
        factors, weights, tables and soft evidence, through all iterations made. A hard zero is a
        constant: no gradient reaches it, and none is NaN for its sake.
    dtype : torch.dtype, optional
        In which messages are kept; see :func:`pairwise_graph`.
    memory_budget : int, optional
        In bytes; by default half of the machine's memory, or what a GPU has free. Gradients keep
        the tensors of every iteration.

    Returns
    -------
    Posterior
        ``log_partition`` is the Bethe approximation (no bound); ``converged`` and ``residual`` say
        whether the messages came to rest.

    Raises
    ------
    ZeroProbabilityError, MemoryBudgetError, MmgraphError
        If a row is impossible, messages would not fit, an option is out of range, or messages on
        tensors are asked for in another schedule.
    UnknownVariableError
        If the graph has no states for one of ``variables``.
    NotTabularError
        If a factor has neither edges nor tables nor a likelihood.
    """
    return marginals_by_messages("belief_propagation", graph, evidence, variables, options)


@keyword_options(MessageOptions)
def max_product(
    graph: FactorGraph,
    evidence: Evidence,
    variables: Sequence[str] | None = None,
    *,
    options: MessageOptions,
) -> Assignment:
    """Return the assignment that max-product messages point to, optimal on trees.

    Parameters and errors are as for :func:`belief_propagation`; the assignment has no bound. On
    another device messages are tensors.
    """
    began = time.perf_counter()
    names = named_variables(graph, variables)
    kind = TensorMessages if is_elsewhere(options.device) else CompiledMessages
    with torch.no_grad():
        messages = kind(graph, evidence, options, sums=False)
        states, energies = messages.assignment()
    return Assignment(
        {n: states[n] for n in names},
        {n: graph.variables[n] for n in names},
        -energies,
        method="max_product",
        exact=False,
        seconds=time.perf_counter() - began,
        **_account("max_product", messages, options.tolerance),
    )


def marginals_by_messages(
    method: str,
    graph: FactorGraph,
    evidence: Evidence,
    variables: Sequence[str] | None,
    options: MessageOptions,
    on_tensors: bool | None = None,
) -> Posterior:
    """Return marginals by belief propagation or its tree-reweighted form, named by ``method``."""
    began = time.perf_counter()
    names = named_variables(graph, variables)
    if on_tensors is None:
        on_tensors = is_elsewhere(options.device) or wants_torch(graph, evidence)
    kind = TensorMessages if on_tensors else CompiledMessages
    reweighted = method == "tree_reweighted"
    messages = kind(graph, evidence, options, sums=True, reweighted=reweighted)
    marginals = messages.marginals()
    bound = messages.upper_bound() if reweighted else None
    if bound is not None:
        log_partition: Tensor | Callable[[], Tensor] = bound
    elif on_tensors:  # with gradients, which would be lost later
        log_partition = messages.log_partition()
    else:
        log_partition = messages.log_partition
    return Posterior(
        graph.variables,
        Moments({n: marginals[n] for n in names}),
        log_partition,
        method=method,
        is_normalised=graph.is_normalised,
        approximation="Bethe approximation" if bound is None else "upper bound",
        residual=messages.residual,
        bound=bound,
        seconds=time.perf_counter() - began,
        **_account(method, messages, options.tolerance),
    )


def _account(
    method: str, messages: TensorMessages | CompiledMessages, tolerance: float
) -> dict[str, Any]:
    """Whether the messages came to rest, and after how many iterations."""
    residual, iterations = messages.residual, messages.iterations
    return {
        "converged": residual <= tolerance,
        "shortfall": shortfall(method, "residual", residual, tolerance, iterations),
        "iterations": iterations,
    }
