"""TRW-S on tensors: nodes of one colour at once, on any device.

TRW-S holds for every order of the nodes (Kolmogorov 2006, section 4). With the nodes of each colour
in a row, all of a colour are visited together, and the bound stays monotone: on a checkerboard a
pass is two steps. The chains are then as short as there are colours, so that more passes are needed
than in scan order.
"""

# mypy: disable-error-code="call-arg"

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from mmgraph.graph.errors import MmgraphError
from mmgraph.graph.evidence import Evidence
from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.inference.assignment import Assignment, TracePoint
from mmgraph.inference.colouring import colour_nodes
from mmgraph.inference.feasible import infeasible
from mmgraph.inference.min_sum_kernels import labelling_energy
from mmgraph.inference.pairwise_graph import pairwise_graph
from mmgraph.inference.torch_messages import EdgeGroup, TorchGraph, normalised, without


class ColouredPasses:
    """The messages of all rows, one along each edge, and the passes from colour to colour.

    Parameters
    ----------
    torch_graph : TorchGraph
        The graph.
    colours : Tensor of int64, shape (nodes,)
        No edge joins two nodes of a colour.
    """

    def __init__(self, torch_graph: TorchGraph, colours: Int64[Tensor, " nodes"]) -> None:
        self.torch_graph, self.colours = torch_graph, colours
        unary = torch_graph.unary
        self.count = int(colours.max()) + 1
        self.messages = [
            unary.new_zeros(len(unary), len(g.first), unary.shape[-1]) for g in torch_graph.groups
        ]
        # Of each group, whether the first end has the lower colour; and each colour's edges.
        self.first_is_lower = [colours[g.first] < colours[g.second] for g in torch_graph.groups]
        lower, upper = colours.new_zeros(torch_graph.nodes), colours.new_zeros(torch_graph.nodes)
        for group, is_lower in zip(torch_graph.groups, self.first_is_lower, strict=True):
            ones = torch.ones_like(group.first)
            lower.index_add_(0, torch.where(is_lower, group.first, group.second), ones)
            upper.index_add_(0, torch.where(is_lower, group.second, group.first), ones)
        self.share = 1 / torch.maximum(lower, upper).clamp(min=1).to(unary)

    def _ends(self, i: int, group: EdgeGroup) -> tuple[Tensor, Tensor]:
        """The lower-coloured and the higher-coloured end of each edge of a group."""
        is_lower = self.first_is_lower[i]
        lower = torch.where(is_lower, group.first, group.second)
        return lower, torch.where(is_lower, group.second, group.first)

    def _directed(self, i: int, colour: int, upwards: bool) -> list[tuple[Tensor, bool]]:
        """Edges of a group whose sender has a colour, by whether the sender is the first end."""
        group = self.torch_graph.groups[i]
        lower, upper = self._ends(i, group)
        sender = lower if upwards else upper
        here = self.colours[sender] == colour
        is_first = self.first_is_lower[i] == upwards
        return [
            ((here & (is_first == first)).nonzero().flatten(), first) for first in (True, False)
        ]

    def _beliefs(self) -> Tensor:
        """Unary energies and, of each edge, the message at the end that it now points to."""
        total = self.torch_graph.unary.clone()
        for i, group in enumerate(self.torch_graph.groups):
            lower, upper = self._ends(i, group)
            target = torch.where(self._points_up[i], upper, lower)
            total.index_add_(1, target, self.messages[i])
        return total

    def run_pass(self, upwards: bool) -> Float[Tensor, " batch"]:
        """Visit all colours in order (backwards unless ``upwards``); return the lower bound."""
        order = range(self.count) if upwards else range(self.count - 1, -1, -1)
        groups = self.torch_graph.groups
        self._points_up = [torch.full_like(low, not upwards) for low in self.first_is_lower]
        bound = self.torch_graph.unary.new_zeros(len(self.torch_graph.unary), dtype=torch.float64)
        for colour in order:
            members = (self.colours == colour).nonzero().flatten()
            total = self._beliefs()
            low = total.amin(-1, keepdim=True)
            if bool(torch.isinf(low[:, members]).any()):
                raise infeasible()
            bound = bound + low[:, members, 0].double().sum(1)
            scaled = (total - low.masked_fill(torch.isinf(low), 0.0)) * self.share[:, None]
            for i, group in enumerate(groups):
                for edges, is_first in self._directed(i, colour, upwards):
                    sender = (group.first if is_first else group.second)[edges]
                    source = without(scaled[:, sender], self.messages[i][:, edges])
                    sent = group.send(source, is_first, sums=False, chosen=edges)
                    least = sent.amin(-1)
                    if bool(torch.isinf(least).any()):
                        raise infeasible()
                    bound = bound + least.double().sum(1)
                    self.messages[i][:, edges] = normalised(sent)
                    self._points_up[i][edges] = upwards
        return bound

    def labelling(self) -> Int64[Tensor, "batch nodes"]:
        """Label the colours in order after a backward pass, each given those before it."""
        unary = self.torch_graph.unary
        labels = torch.zeros(unary.shape[:2], dtype=torch.int64, device=unary.device)
        ahead = self._beliefs()
        for colour in range(self.count):
            members = (self.colours == colour).nonzero().flatten()
            labels[:, members] = ahead[:, members].argmin(-1)
            for i, group in enumerate(self.torch_graph.groups):
                for edges, is_first in self._directed(i, colour, True):
                    sender = (group.first if is_first else group.second)[edges]
                    target = (group.second if is_first else group.first)[edges]
                    energies = group.pair_energies(labels[:, sender], is_first, edges)
                    ahead.index_add_(1, target, energies.expand(len(ahead), -1, -1))
        return labels


def trws_torch(
    graph: FactorGraph,
    evidence: Evidence,
    variables: Sequence[str] | None = None,
    *,
    device: torch.device | str | None = None,
    dtype: torch.dtype | None = None,
    iterations: int = 200,
    tolerance: float = 1e-7,
) -> Assignment:
    """Return an assignment of low energy and a bound, all rows and all nodes of a colour at once.

    Parameters
    ----------
    device : torch.device or str, optional
        By default where the factors' tensors are.
    dtype, iterations, tolerance
        As for :func:`mmgraph.inference.trws.trws`.

    Returns
    -------
    Assignment
        On the CPU. In single precision the bound is rounded, and may be above the optimum by as
        much.

    Raises
    ------
    ZeroProbabilityError
        If a row of evidence leaves no assignment of positive probability.
    MmgraphError
        If hard zeros kept every pass from an assignment of positive probability.
    """
    began = time.perf_counter()
    with torch.no_grad():
        torch_graph = TorchGraph(graph, evidence, device, dtype)
        colouring = colour_nodes(pairwise_graph(graph, torch.float64))
        colours = torch.as_tensor(colouring.colours, dtype=torch.int64, device=torch_graph.device)
        passes = ColouredPasses(torch_graph, colours)
        best_energy = torch.full((evidence.batch,), torch.inf, dtype=torch.float64)
        bound = torch.full((evidence.batch,), -torch.inf, dtype=torch.float64)
        best: dict[str, Tensor] = {}
        trace = []
        done, converged = 0, False
        while done < iterations and not converged:
            passes.run_pass(True)
            fresh = passes.run_pass(False).cpu()
            growth, bound = fresh - bound, torch.maximum(bound, fresh)
            done += 1
            if done % 5 and done < iterations:
                continue
            states = _by_variable(torch_graph, passes.labelling())
            energy = _energy(graph, evidence, states)
            better = energy < best_energy
            best_energy = torch.where(better, energy, best_energy)
            for name, codes in states.items():
                where = better.reshape(-1, *(1,) * (codes.ndim - 1))
                best[name] = torch.where(where, codes, best.get(name, codes))
            gap = best_energy - bound - torch_graph.constant.cpu()
            closed = gap <= tolerance * best_energy.abs().clamp(min=1.0)
            converged = bool((closed | (growth <= 1e-4 * gap)).all())
            lower = float(bound[0] + torch_graph.constant[0])
            trace.append(TracePoint(time.perf_counter() - began, float(best_energy[0]), lower))
    if bool(torch.isinf(best_energy).any()):
        raise MmgraphError(
            "hard zeros kept TRW-S on tensors from an assignment of positive probability; on the "
            "CPU method='trws' searches for one"
        )
    bound = bound + torch_graph.constant.cpu()
    gap = (best_energy - bound).clamp(min=0.0)
    names = [n for n in best if variables is None or n in variables]
    return Assignment(
        {n: best[n] for n in names},
        {n: graph.variables[n] for n in names},
        -best_energy,
        method="trws",
        exact=bool((gap <= tolerance * best_energy.abs().clamp(min=1.0)).all()),
        bound=-bound,
        gap=gap,
        converged=converged,
        iterations=done,
        trace=tuple(trace),
        seconds=time.perf_counter() - began,
    )


def _by_variable(torch_graph: TorchGraph, labels: Tensor) -> dict[str, Tensor]:
    one_state = torch_graph.by_variable(labels.unsqueeze(-1).expand(-1, -1, torch_graph.states))
    return {name: block[..., 0].cpu() for name, block in one_state.items()}


def _energy(graph: FactorGraph, evidence: Evidence, states: dict[str, Tensor]) -> Tensor:
    """The energies of the rows' labellings with their soft and continuous evidence, in double."""
    p = pairwise_graph(graph, torch.float64)
    energies = []
    for row in range(evidence.batch):
        labelling = np.zeros(p.nodes, np.int32)
        for name, node in p.first_node.items():
            flat = states[name][row].reshape(-1).numpy()
            labelling[node : node + len(flat)] = flat
        unary = p.unary(evidence, row)
        energies.append(labelling_energy(labelling, unary, p.offsets, *p.edge_arrays))
    constants = [p.constant_given(evidence, row) for row in range(evidence.batch)]
    return torch.tensor(energies, dtype=torch.float64) + torch.tensor(constants)
