"""TRW-S on tensors: nodes of one colour at once, on any device.

TRW-S holds for every order of the nodes (Kolmogorov 2006, section 4). With the nodes of each colour
in a row, all of a colour are visited together, and the bound stays monotone: on a checkerboard a
pass is two steps. The chains are then as short as there are colours, so that more passes are needed
than in scan order.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from mmgraph.graph.evidence import Evidence
from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.inference.assignment import Assignment, TracePoint
from mmgraph.inference.messages.bounded import BoundedStates
from mmgraph.inference.messages.options import TrwsOptions
from mmgraph.inference.messages.tensors.graph import TensorGraph
from mmgraph.inference.messages.tensors.messages import normalised, without
from mmgraph.inference.model_variables import named_variables
from mmgraph.inference.pairwise.feasible import check_rows
from mmgraph.inference.pairwise.labelling_energies import assignment_energies, with_feasible_rows

_PASSES_BETWEEN_LABELLINGS = 5
_STALLED = 1e-4
"""Further passes are in vain where one closes less than this part of the gap."""
_COPIES = 7
"""Tensors as large as all beliefs and messages that a pass takes (as measured)."""


class ColouredPasses:
    """The messages of all rows, one along each edge, and the passes from colour to colour.

    No edge joins two nodes of a colour.
    """

    def __init__(self, graph: TensorGraph, colours: Int64[Tensor, " nodes"]) -> None:
        self.graph, self.colours = graph, colours
        unary = graph.unary
        self.count = int(colours.max()) + 1
        self.messages = [
            unary.new_zeros(len(unary), len(g.first), unary.shape[-1]) for g in graph.groups
        ]
        # Of each group, whether the first end has the lower colour.
        self.first_is_lower = [colours[g.first] < colours[g.second] for g in graph.groups]
        lower, upper = torch.zeros(2, graph.nodes, device=unary.device).to(unary)
        for group in graph.groups:
            for end, other in ((group.first, group.second), (group.second, group.first)):
                is_lower = (colours[end] < colours[other]).to(unary)
                lower.index_add_(0, end, is_lower)
                upper.index_add_(0, end, 1 - is_lower)
        self.share = 1 / torch.maximum(lower, upper).clamp(min=1)

    def beliefs(self) -> Tensor:
        """Unary energies and, of each edge, the message at the end that it now points to."""
        total = self.graph.unary.clone()
        for i, group in enumerate(self.graph.groups):
            to_second = self._points_up[i] == self.first_is_lower[i]
            target = torch.where(to_second, group.second, group.first)
            total.index_add_(1, target, self.messages[i])
        return total

    def run_pass(self, upwards: bool) -> Float[Tensor, " batch"]:
        """Visit all colours in order (backwards unless ``upwards``); return the lower bound."""
        order = range(self.count) if upwards else range(self.count - 1, -1, -1)
        self._points_up = [torch.full_like(low, not upwards) for low in self.first_is_lower]
        bound = self.graph.unary.new_zeros(len(self.graph.unary), dtype=torch.float64)
        for colour in order:
            members = (self.colours == colour).nonzero().flatten()
            total = self.beliefs()
            low = total.amin(-1, keepdim=True)
            check_rows(torch.isinf(low[:, members]))
            bound = bound + low[:, members, 0].double().sum(1)
            scaled = (total - low.masked_fill(torch.isinf(low), 0.0)) * self.share[:, None]
            for i, to_second, edges in self.graph.edges_from(self.colours, colour, upwards):
                group = self.graph.groups[i]
                sender = (group.first if to_second else group.second)[edges]
                source = without(scaled[:, sender], self.messages[i][:, edges])
                sent = group.send(source, to_second, sums=False, chosen=edges)
                least = sent.amin(-1)
                check_rows(torch.isinf(least))
                bound = bound + least.double().sum(1)
                self.messages[i][:, edges] = normalised(sent)
                self._points_up[i][edges] = upwards
        return bound


class ColouredSearch:
    """The best labellings of all rows so far, and the bounds that the passes proved.

    The graph holds the evidence, too; the search began on the clock of ``time.perf_counter``.
    """

    def __init__(
        self, graph: TensorGraph, evidence: Evidence, tolerance: float, began: float
    ) -> None:
        self.graph, self.evidence = graph, evidence
        self.tolerance, self.began = tolerance, began
        self.passes = ColouredPasses(graph, graph.colours())
        self.states: dict[str, Tensor] = {}
        self.energy = torch.full((evidence.batch,), torch.inf, dtype=torch.float64)
        self.bound = -self.energy
        self.trace: list[TracePoint] = []
        self.iterations, self.converged = 0, False

    def run(self, iterations: int) -> None:
        """Pass messages to and fro until the gaps are closed or do not narrow any more.

        Raises ZeroProbabilityError if no labelling of a row has a finite energy.
        """
        constant = self.graph.constant.double().cpu()
        while self.iterations < iterations and not self.converged:
            self.passes.run_pass(True)
            fresh = self.passes.run_pass(False).cpu() + constant
            growth, self.bound = fresh - self.bound, torch.maximum(self.bound, fresh)
            self.iterations += 1
            if self.iterations % _PASSES_BETWEEN_LABELLINGS == 0 or self.iterations == iterations:
                self._label()
                gap = self.energy - self.bound
                closed = gap <= self.tolerance * self.energy.abs().clamp(min=1.0)
                self.converged = bool((closed | (growth <= _STALLED * gap)).all())
                point = (float(self.energy[0]), float(self.bound[0]))
                self.trace.append(TracePoint(time.perf_counter() - self.began, *point))

    def _label(self) -> None:
        """Read a labelling of every row off the messages, and keep it where it is the best."""
        labels = self.graph.labelling(self.passes.colours, self.passes.beliefs())
        states = self.graph.states_of(labels)
        energy = assignment_energies(self.graph.model, self.evidence, states)
        better = energy < self.energy
        self.energy = torch.where(better, energy, self.energy)
        for name, codes in states.items():
            rows = better.reshape(-1, *(1,) * (codes.ndim - 1))
            self.states[name] = torch.where(rows, codes, self.states.get(name, codes))

    def best(self) -> BoundedStates:
        """Return the best labellings; where hard zeros kept every pass from one, search for it."""
        model, evidence = self.graph.model, self.evidence
        states, energy = with_feasible_rows(model, evidence, self.states, self.energy)
        converged = torch.full((len(energy),), self.converged)
        return BoundedStates(states, energy, self.bound, converged, self.iterations, self.trace)


def trws_on_tensors(
    graph: FactorGraph,
    evidence: Evidence,
    variables: Sequence[str] | None,
    options: TrwsOptions,
) -> Assignment:
    """As :func:`~mmgraph.inference.messages.trws.trws`, all rows and nodes of a colour at once."""
    began = time.perf_counter()
    named_variables(graph, variables)
    with torch.no_grad():
        tensors = TensorGraph(graph, evidence, options, _COPIES)
        search = ColouredSearch(tensors, evidence, options.tolerance, began)
        search.run(options.iterations)
    return search.best().assignment("trws", graph, variables, options.tolerance, began)
