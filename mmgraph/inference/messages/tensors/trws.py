"""TRW-S on tensors: nodes of one colour at once, on any device.

TRW-S holds for every order of the nodes (Kolmogorov 2006, section 4). With the nodes of each colour
in a row, all of a colour are visited together, and the bound stays monotone: on a checkerboard a
pass is two steps. The chains are then as short as there are colours, so that more passes are needed
than in scan order.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from mmgraph.graph.errors import MmgraphError
from mmgraph.graph.evidence import Evidence
from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.inference.assignment import Assignment, TracePoint
from mmgraph.inference.messages.tensors.graph import TorchGraph
from mmgraph.inference.messages.tensors.messages import EdgeGroup, normalised, without
from mmgraph.inference.model_variables import named_variables
from mmgraph.inference.numerics.shortfall import PRACTICAL_GAP, shortfall
from mmgraph.inference.pairwise.feasible import check_rows
from mmgraph.inference.pairwise.labelling_energies import assignment_energies, with_feasible_rows

_PASSES_BETWEEN_LABELLINGS = 5
_STALLED = 1e-4
"""Further passes are in vain where one closes less than this part of the gap."""
_COPIES = 7
"""Tensors as large as all beliefs and messages that a pass takes (as measured)."""


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
            check_rows(torch.isinf(low[:, members]))
            bound = bound + low[:, members, 0].double().sum(1)
            scaled = (total - low.masked_fill(torch.isinf(low), 0.0)) * self.share[:, None]
            for i, group in enumerate(groups):
                for edges, is_first in self._directed(i, colour, upwards):
                    sender = (group.first if is_first else group.second)[edges]
                    source = without(scaled[:, sender], self.messages[i][:, edges])
                    sent = group.send(source, is_first, sums=False, chosen=edges)
                    least = sent.amin(-1)
                    check_rows(torch.isinf(least))
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


@dataclass
class ColouredSearch:
    """The best labellings of all rows so far, and the bounds that the passes proved.

    Attributes
    ----------
    graph, evidence
        What to search.
    torch_graph, passes
        The same as tensors, and the messages.
    tolerance : float
        The gap, relative to the energy, that counts as closed.
    began : float
        When, on the clock of ``time.perf_counter``.
    states : dict of str to Tensor
        The best labelling of each row, on the CPU.
    energy, bound : Tensor of float64, shape (batch,)
        Its energy, and a lower bound on the energy of all.
    trace : list of TracePoint
        How the first row came there.
    """

    graph: FactorGraph
    evidence: Evidence
    torch_graph: TorchGraph
    passes: ColouredPasses
    tolerance: float
    began: float
    states: dict[str, Tensor] = field(default_factory=dict)
    energy: Float[Tensor, " batch"] = field(init=False)
    bound: Float[Tensor, " batch"] = field(init=False)
    trace: list[TracePoint] = field(default_factory=list)
    iterations: int = 0
    converged: bool = False

    def __post_init__(self) -> None:
        self.energy = torch.full((self.evidence.batch,), torch.inf, dtype=torch.float64)
        self.bound = -self.energy

    def run(self, iterations: int) -> None:
        """Pass messages to and fro until the gaps are closed or do not narrow any more.

        Raises
        ------
        ZeroProbabilityError
            If no labelling of a row has a finite energy.
        """
        constant = self.torch_graph.constant.double().cpu()
        while self.iterations < iterations and not self.converged:
            self.passes.run_pass(True)
            fresh = self.passes.run_pass(False).cpu() + constant
            growth, self.bound = fresh - self.bound, torch.maximum(self.bound, fresh)
            self.iterations += 1
            if self.iterations % _PASSES_BETWEEN_LABELLINGS == 0 or self.iterations == iterations:
                self._label()
                gap = self.energy - self.bound
                self.converged = bool((self.is_closed | (growth <= _STALLED * gap)).all())
                point = (float(self.energy[0]), float(self.bound[0]))
                self.trace.append(TracePoint(time.perf_counter() - self.began, *point))

    def _label(self) -> None:
        """Read a labelling of every row off the messages, and keep it where it is the best."""
        labels = self.passes.labelling().unsqueeze(-1)
        blocks = self.torch_graph.by_variable(labels.expand(-1, -1, self.torch_graph.states))
        states = {name: block[..., 0].cpu() for name, block in blocks.items()}
        energy = assignment_energies(self.graph, self.evidence, states)
        better = energy < self.energy
        self.energy = torch.where(better, energy, self.energy)
        for name, codes in states.items():
            rows = better.reshape(-1, *(1,) * (codes.ndim - 1))
            self.states[name] = torch.where(rows, codes, self.states.get(name, codes))

    @property
    def is_closed(self) -> Bool[Tensor, " batch"]:
        """Whether the gap of each row is."""
        return self.energy - self.bound <= self.tolerance * self.energy.abs().clamp(min=1.0)

    def assignment(self, names: Sequence[str]) -> Assignment:
        """Return the best labellings of some variables.

        Raises
        ------
        ZeroProbabilityError, MmgraphError
            If hard zeros kept every pass from a labelling of finite energy, and so a search.
        """
        self.states, self.energy = with_feasible_rows(
            self.graph, self.evidence, self.states, self.energy
        )
        relative = (self.energy - self.bound) / self.energy.abs().clamp(min=1.0)
        converged = self.converged or bool((relative <= PRACTICAL_GAP).all())
        measure, worst = "gap relative to the energy", float(relative.max())
        return Assignment(
            {n: self.states[n] for n in names},
            {n: self.graph.variables[n] for n in names},
            -self.energy,
            method="trws",
            exact=bool(self.is_closed.all()),
            bound=-self.bound,
            gap=(self.energy - self.bound).clamp(min=0.0),
            converged=converged,
            shortfall=""
            if converged
            else shortfall("trws", measure, worst, self.tolerance, self.iterations),
            iterations=self.iterations,
            trace=tuple(self.trace),
            seconds=time.perf_counter() - self.began,
        )


def trws_torch(
    graph: FactorGraph,
    evidence: Evidence,
    variables: Sequence[str] | None = None,
    *,
    device: torch.device | str | None = None,
    dtype: torch.dtype | None = None,
    iterations: int = 200,
    tolerance: float = 1e-7,
    memory_budget: int | None = None,
) -> Assignment:
    """Return an assignment of low energy and a bound, all rows and all nodes of a colour at once.

    Parameters
    ----------
    device : torch.device or str, optional
        By default where the factors' tensors are.
    dtype, iterations, tolerance
        As for :func:`mmgraph.inference.messages.trws.trws`.
    memory_budget : int, optional
        In bytes; by default half of the machine's memory, or what a GPU has free.

    Returns
    -------
    Assignment
        On the CPU. In single precision the bound is rounded, and may be above the optimum by as
        much.

    Raises
    ------
    ZeroProbabilityError
        If a row of evidence leaves no assignment of positive probability.
    MemoryBudgetError
        If the messages would not fit.
    UnknownVariableError
        If the graph has no states for one of ``variables``.
    MmgraphError
        If ``iterations`` is out of range, or hard zeros kept every pass from an assignment of
        positive probability.
    """
    began = time.perf_counter()
    if iterations < 1:
        raise MmgraphError(f"iterations must be at least 1, not {iterations}")
    names = named_variables(graph, variables)
    with torch.no_grad():
        torch_graph = TorchGraph(graph, evidence, device, dtype, _COPIES, memory_budget)
        colours = torch_graph.colours()
        passes = ColouredPasses(torch_graph, colours)
        search = ColouredSearch(graph, evidence, torch_graph, passes, tolerance, began)
        search.run(iterations)
    return search.assignment(names)
