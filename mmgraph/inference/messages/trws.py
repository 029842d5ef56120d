"""Sequential tree-reweighted message passing: the most probable assignment, with a bound.

Kolmogorov (2006), "Convergent tree-reweighted message passing for energy minimization": nodes are
visited in order, forwards and backwards; each pass makes a lower bound on the energy of every
labelling no worse, and a labelling is read off the messages. On trees the bound is tight. Where it
is, the labelling is optimal; elsewhere the gap tells how far from optimal it can be.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int

from mmgraph.graph.evidence import Evidence
from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.inference.assignment import Assignment, TracePoint
from mmgraph.inference.messages.bounded import BoundedStates
from mmgraph.inference.messages.options import SearchOptions, TrwsOptions
from mmgraph.inference.messages.tensors.trws import trws_on_tensors
from mmgraph.inference.messages.trws_kernels import (
    backward_beliefs,
    proven_bound,
    sequential_labelling,
    trws_pass,
)
from mmgraph.inference.numerics.memory import check_memory
from mmgraph.inference.options import is_elsewhere, keyword_options
from mmgraph.inference.pairwise.build import pairwise_graph
from mmgraph.inference.pairwise.energy_kernels import labelling_energy
from mmgraph.inference.pairwise.feasible import feasible_labelling, infeasible, of_row
from mmgraph.inference.pairwise.graph import PairwiseGraph

_PASSES_BETWEEN_LABELLINGS = 4
_STALLED = 1e-3
"""Further passes are in vain where one closes less than this part of the gap."""


@dataclass
class Search:
    """The state of TRW-S on one row of evidence; it can go on from where it stopped.

    A message along each edge points towards its first node after any number of iterations;
    ``constant`` is the energy that no state changes. ``labelling`` is the best so far, with its
    energy and a lower bound on that of all. The search has converged where the gap is closed, or
    further iterations would not change it.
    """

    pairwise: PairwiseGraph
    unary: Float[np.ndarray, " states"]
    constant: float
    messages: Float[np.ndarray, " slots"]
    labelling: Int[np.ndarray, " nodes"]
    energy: float = np.inf
    bound: float = -np.inf
    iterations: int = 0
    converged: bool = False

    @classmethod
    def of_row(cls, pairwise: PairwiseGraph, evidence: Evidence, row: int) -> Search:
        """Return a search on a row of evidence that has not begun."""
        unary, constant = pairwise.unary(evidence, row), pairwise.constant_given(evidence, row)
        labelling = np.zeros(pairwise.nodes, np.int32)
        return cls(pairwise, unary, constant, pairwise.empty_messages(), labelling)

    def run(
        self,
        iterations: int,
        tolerance: float = 1e-7,
        deadline: float = np.inf,
        report: Callable[[Search], None] | None = None,
    ) -> None:
        """Iterate until the gap is closed, progress stalls, or the deadline passes.

        The deadline is on the clock of ``time.perf_counter``; ``report`` is called whenever a
        labelling has been read off. Raises ZeroProbabilityError if none has a finite energy.
        """
        for count in range(1, iterations + 1):
            bound = self._iterate()
            if bound == np.inf:
                raise infeasible()
            growth, self.bound = bound - self.bound, max(bound, self.bound)
            late = time.perf_counter() > deadline
            if count == 1 or count % _PASSES_BETWEEN_LABELLINGS == 0 or count == iterations or late:
                self._label()
                if report is not None:
                    report(self)
                gap = self.energy - self.bound
                closed = gap <= tolerance * max(1.0, abs(self.energy)) < np.inf
                stalled = count > 1 and growth <= _STALLED * min(gap, _STALLED * abs(bound))
                self.converged = closed or stalled
            if self.converged or late:
                break
        self.bound = self._exact_bound()

    @property
    def _arrays(self) -> tuple[Any, ...]:
        """What the kernels take: unary energies, edges, edges at nodes, and messages."""
        p = self.pairwise
        return self.unary, p.edge_arrays, p.adjacency, p.slots, self.messages

    def _iterate(self) -> float:
        """One pass forwards, one back; both keep the bound, the second one returns it."""
        self.iterations += 1
        if trws_pass(True, *self._arrays) == np.inf:
            return np.inf
        return float(trws_pass(False, *self._arrays))

    def _exact_bound(self) -> float:
        """The bound in double precision: single precision may round it above the optimum."""
        if self.pairwise.dtype == np.float64:
            return self.bound
        trws_pass(True, *self._arrays)
        return min(float(proven_bound(*self._arrays)), self.energy)

    def _label(self) -> None:
        labelling = sequential_labelling(*self._arrays)
        energy = self.energy_of(labelling)
        if energy < self.energy:
            self.energy, self.labelling = energy, labelling

    def energy_of(self, labelling: Int[np.ndarray, " nodes"]) -> float:
        """Return the energy of a labelling, in double precision, without the graph's constant."""
        return float(labelling_energy(labelling, self.unary, self.pairwise.edge_arrays))

    def settle(self) -> None:
        """Find any labelling of finite energy where no pass has led to one.

        Raises as :func:`feasible_labelling`.
        """
        if np.isfinite(self.energy):
            return
        self.labelling = feasible_labelling(self.pairwise, backward_beliefs(*self._arrays))
        self.energy = self.energy_of(self.labelling)


@keyword_options(TrwsOptions)
def trws(
    graph: FactorGraph,
    evidence: Evidence,
    variables: Sequence[str] | None = None,
    *,
    options: TrwsOptions,
) -> Assignment:
    """Return an assignment of low energy, and a bound on how much lower any other can be.

    Parameters
    ----------
    graph : FactorGraph
        Any graph of discrete variables; tables over several variables become nodes of their own.
    evidence : Evidence
        Each row is searched for itself.
    variables : sequence of str, optional
        The variables to report; all are maximised.
    iterations : int, default 100
        At most so many passes forwards and backwards.
    tolerance : float, default 1e-7
        The gap, relative to the energy, that counts as closed.
    time_limit : float, optional
        In seconds, for each row.
    device : str
        Away from the CPU all nodes of a colour are visited at once, without time limit and
        progress; in single precision the bound is rounded there.
    dtype : torch.dtype, optional
        The precision of the messages, see :func:`pairwise_graph`. The bound is exact in either.
    memory_budget : int, optional
        In bytes; by default half of the machine's memory.
    progress : function, optional
        Called with the iteration, the energy and the bound of the row at work.

    Raises
    ------
    ZeroProbabilityError
        If a row of evidence leaves no assignment of positive probability.
    MemoryBudgetError
        If the messages would not fit.
    """
    if is_elsewhere(options.device):
        return trws_on_tensors(graph, evidence, variables, options)
    return search_rows("trws", graph, evidence, variables, options)


def search_rows(
    method: str,
    graph: FactorGraph,
    evidence: Evidence,
    variables: Sequence[str] | None,
    options: SearchOptions,
    finish: Callable[[Search, float], bool] | None = None,
) -> Assignment:
    """Search every row of evidence; return the best labellings, with the trace of the first row.

    ``finish`` goes on from a search that has settled, until a deadline, and says whether it did
    anything; the search then keeps its messages twice.
    """
    began = time.perf_counter()
    copies = 1 if finish is None else 2
    check_memory(graph, options.dtype, options.memory_budget, messages_per_edge=copies)
    pairwise = pairwise_graph(graph, options.dtype)
    searches: list[Search] = []
    trace: list[TracePoint] = []

    def report(search: Search) -> None:
        energy, bound = search.energy + search.constant, search.bound + search.constant
        if not searches:
            trace.append(TracePoint(time.perf_counter() - began, energy, bound))
        if options.progress is not None:
            options.progress(search.iterations, energy, bound)

    for row in range(evidence.batch):
        limit = np.inf if options.time_limit is None else options.time_limit
        deadline = time.perf_counter() + limit
        search = Search.of_row(pairwise, evidence, row)
        with of_row(row):
            search.run(options.iterations, options.tolerance, deadline, report)
            search.settle()
        if finish is not None and finish(search, deadline):
            report(search)
        search.messages = search.messages[:0]  # of one row at a time is enough
        searches.append(search)
    energies = [(s.energy + s.constant, s.bound + s.constant) for s in searches]
    energy, lower = torch.tensor(energies, dtype=torch.float64).T
    states = pairwise.states_of(np.stack([s.labelling for s in searches]))
    converged = torch.tensor([s.converged for s in searches])
    done = max(s.iterations for s in searches)
    bounded = BoundedStates(states, energy, lower, converged, done, trace)
    return bounded.assignment(method, graph, variables, options.tolerance, began)
