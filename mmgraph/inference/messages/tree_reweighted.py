"""Tree-reweighted belief propagation: marginals, and an upper bound on log Z.

Wainwright, Jaakkola and Willsky (2005), "A new class of upper bounds on the log partition
function". The bound is computed from spanning forests under the messages' reparametrisation, so
that it holds for any messages, converged or not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mmgraph.graph.evidence import Evidence
from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.inference.messages.belief_propagation import marginals_by_messages
from mmgraph.inference.messages.options import MessageOptions
from mmgraph.inference.options import keyword_options
from mmgraph.inference.posterior import Posterior


@dataclass(frozen=True)
class TreeReweightedOptions(MessageOptions):
    """Options of :func:`tree_reweighted`."""

    iterations: int = 500


@keyword_options(TreeReweightedOptions)
def tree_reweighted(
    graph: FactorGraph,
    evidence: Evidence,
    variables: Sequence[str] | None = None,
    *,
    options: TreeReweightedOptions,
) -> Posterior:
    """Return marginals from tree-reweighted sum-product messages, with an upper bound on log Z.

    Parameters, gradients and errors are as for :func:`belief_propagation`; ``log_partition`` and
    ``bound`` of the posterior are the upper bound.
    """
    return marginals_by_messages("tree_reweighted", graph, evidence, variables, options)
