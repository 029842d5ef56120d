"""Messages as tensors: all rows and all edges of a group at once, on any device, differentiable.

Edges come in groups that share an interaction. As in the compiled kernels all values are energies,
and ``inf`` is a hard zero, through which no gradient flows. Potts messages take a number of steps
linear in the number of states; others go through the table of the interaction, edges in portions
that bound the memory.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from mmgraph.inference.pairwise.graph import weighted_energies

NUMBERS_AT_ONCE = 1 << 24
"""Entries of the largest temporary tensor."""


@dataclass
class EdgeGroup:
    """Edges between ``first`` and ``second`` nodes that share an interaction.

    ``weights`` multiply the energies of ``table``, one for all edges or one for each, padded with
    zeros; None stands for Potts. Messages are padded to so many ``states``.
    """

    first: Int64[Tensor, " edges"]
    second: Int64[Tensor, " edges"]
    weights: Float[Tensor, " edges"]
    table: Float[Tensor, "tables states states"] | None
    states: int

    def reweighted(self, factor: Float[Tensor, " edges"]) -> EdgeGroup:
        """Return the same edges with the energy of each multiplied by a number."""
        return replace(self, weights=self.weights * factor)

    def send(
        self,
        source: Float[Tensor, "batch edges states"],
        towards_second: bool,
        sums: bool,
        chosen: Int64[Tensor, " chosen"] | None = None,
    ) -> Float[Tensor, "batch edges states"]:
        """Return the messages that ``source`` sends along all or some edges, unnormalised.

        Sum-product or min-sum.
        """
        weights = self.weights if chosen is None else self.weights[chosen]
        if self.table is None:
            return _potts_sum(source, weights) if sums else _potts_minimum(source, weights)
        table = self.table if len(self.table) == 1 or chosen is None else self.table[chosen]
        table = table if towards_second else table.mT
        batch, edges, states = source.shape
        step = max(1, NUMBERS_AT_ONCE // (batch * states * states))
        parts = []
        for start in range(0, edges, step):
            part = slice(start, start + step)
            tables = table if len(table) == 1 else table[part]
            parts.append(_by_table(source[:, part], weights[part], tables, sums))
        return torch.cat(parts, 1) if parts else source

    def pair_energies(
        self,
        x: Int64[Tensor, "batch chosen"],
        towards_second: bool,
        chosen: Int64[Tensor, " chosen"],
    ) -> Float[Tensor, "batch chosen states"]:
        """Return the energies of all states of one end given the states ``x`` of the other."""
        weights = self.weights[chosen][:, None]
        if self.table is None:
            states = torch.arange(self.states, device=x.device)
            return weights * (states != x[..., None]).to(weights)
        table = self.table if towards_second else self.table.mT
        rows = table[0][x] if len(table) == 1 else table[chosen, x]
        return weighted_energies(weights, rows)


def log_sum_exp(values: Tensor, axis: int) -> Tensor:
    """Sum in logarithms; where all is ``-inf`` so is the result, with gradient zero and not NaN."""
    top = values.detach().amax(axis, keepdim=True)
    top = top.masked_fill(torch.isinf(top), 0.0)
    return _log((values - top).exp().sum(axis)) + top.squeeze(axis)


def without(total: Tensor, message: Tensor) -> Tensor:
    """Take a message away; where it is infinite the total is, and stays so."""
    return total - message.masked_fill(torch.isinf(message), 0.0)


def normalised(message: Tensor) -> Tensor:
    """Subtract each message's smallest entry, if that is finite.

    No answer depends on what is subtracted, so that it may count as constant.
    """
    low = message.detach().amin(-1, keepdim=True)
    return message - low.masked_fill(torch.isinf(low), 0.0)


def _log(values: Tensor) -> Tensor:
    """Logarithms of non-negative numbers, with gradient zero at zero."""
    possible = values > 0
    return torch.where(possible, values, 1.0).log().masked_fill(~possible, -torch.inf)


def _by_table(source: Tensor, weights: Tensor, tables: Tensor, sums: bool) -> Tensor:
    """Messages through tables. For gradients only the arguments are kept, and all is done again.

    What lies between has an entry for each pair of states.
    """

    def send(source: Tensor, weights: Tensor, tables: Tensor) -> Tensor:
        joint = source[..., None] + weighted_energies(weights[:, None, None], tables)
        return -log_sum_exp(-joint, 2) if sums else joint.amin(2)

    if not torch.is_grad_enabled() or not any(t.requires_grad for t in (source, weights, tables)):
        return send(source, weights, tables)
    messages: Tensor = checkpoint(
        send, source, weights, tables, use_reentrant=False, preserve_rng_state=False
    )
    return messages


def _potts_minimum(source: Tensor, weights: Tensor) -> Tensor:
    """Min-sum. Attraction: the own state, or the best one and the weight.

    Repulsion: the own state and nothing, or the best other one and the (negative) weight.
    """
    if source.shape[-1] == 1:
        return source
    ranked = source.topk(2, -1, largest=False)
    best, runner_up = ranked.values[..., :1], ranked.values[..., 1:]
    is_best = torch.arange(source.shape[-1], device=source.device) == ranked.indices[..., :1]
    return torch.minimum(source, torch.where(is_best, runner_up, best) + weights[:, None])


def _potts_sum(source: Tensor, weights: Tensor) -> Tensor:
    """Sum-product: of the own state, and of all others at the cost of the weight.

    In logarithms to the end: ``exp(-weight)`` would be zero for a strong attraction.
    """
    low, best = source.detach().min(-1, keepdim=True)
    low = low.masked_fill(torch.isinf(low), 0.0)
    is_best = torch.arange(source.shape[-1], device=source.device) == best
    shares = torch.exp(low - source)
    # To any other state the best one leaves a share of one. Its own may be nearly all, and those of
    # the others lost beside it: they are added up apart.
    beside = torch.where(is_best, 1.0, shares.sum(-1, keepdim=True) - shares).log() - low
    beside_best = log_sum_exp(-source.masked_fill(is_best, torch.inf), -1).unsqueeze(-1)
    others = torch.where(is_best, beside_best, beside)
    return -torch.logaddexp(-source, others - weights[:, None])
