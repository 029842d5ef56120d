"""Loopy belief propagation: approximate marginals, or an approximate best assignment.

Pearl (1988); on factor graphs Kschischang, Frey and Loeliger (2001), "Factor graphs and the
sum-product algorithm". Exact on trees. With loops a fixed point is a stationary point of the Bethe
free energy (Yedidia, Freeman and Weiss 2005, "Constructing free-energy approximations and
generalized belief propagation algorithms").
"""

# mypy: disable-error-code="call-arg"

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from jaxtyping import Float64

from mmgraph.graph.evidence import Evidence
from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.inference.devices import is_elsewhere
from mmgraph.inference.exact.exact import wants_torch
from mmgraph.inference.messages.belief_propagation_kernels import (
    beliefs,
    free_energy,
    parallel_pass,
    residual_pass,
    sequential_pass,
)
from mmgraph.inference.messages.scaled_messages import ScaledMessages
from mmgraph.inference.messages.schedules import Schedule, check_options, suited_options
from mmgraph.inference.messages.tensors.belief_propagation import belief_propagation_torch
from mmgraph.inference.messages.trws_kernels import sequential_labelling
from mmgraph.inference.model_variables import named_variables
from mmgraph.inference.moments import Deferred, Moments
from mmgraph.inference.numerics.memory import check_memory
from mmgraph.inference.numerics.shortfall import shortfall
from mmgraph.inference.pairwise.build import pairwise_graph
from mmgraph.inference.pairwise.energy_kernels import labelling_energy
from mmgraph.inference.pairwise.feasible import feasible_labelling, infeasible, of_row
from mmgraph.inference.pairwise.graph import PairwiseGraph
from mmgraph.inference.posterior import Posterior


class Messages:
    """The messages of one row of evidence, and the passes that improve them.

    Parameters
    ----------
    pairwise : PairwiseGraph
        The graph.
    evidence : Evidence
        Of which one row counts.
    row : int
        That row.
    sums : bool
        Sum-product (marginals) rather than max-product (the best assignment).
    appearance : ndarray, shape (edges,), optional
        Edge appearance probabilities of tree-reweighted propagation; one by default.
    """

    def __init__(
        self,
        pairwise: PairwiseGraph,
        evidence: Evidence,
        row: int,
        sums: bool = True,
        appearance: Float64[np.ndarray, " edges"] | None = None,
    ) -> None:
        self.pairwise, self.sums = pairwise, sums
        self.unary = pairwise.unary(evidence, row)
        self.constant = pairwise.constant_given(evidence, row)
        self.appearance = np.ones(pairwise.edges) if appearance is None else appearance
        self.potentials = np.exp(-pairwise.functions.tables.astype(np.float64))
        self.towards_second = pairwise.empty_messages()
        self.towards_first = pairwise.empty_messages()
        self.iterations = 0
        self.residual = np.inf

    def _arrays(self, *messages: np.ndarray) -> tuple[np.ndarray | int, ...]:
        p = self.pairwise
        shared = (self.potentials, self.appearance)
        return (p.offsets, *p.edge_arrays, *p.incidence_arrays, *shared, *messages, p.largest)

    def run(
        self, schedule: Schedule, iterations: int, tolerance: float, damping: float
    ) -> None:  # fmt: skip
        """Pass messages until none changes by more than the tolerance.

        Raises
        ------
        ZeroProbabilityError
            If the messages leave a node without a possible state.
        """
        plain = schedule == "sequential" and damping == 0 and bool((self.appearance == 1).all())
        if self.sums and plain and self._run_scaled(iterations, tolerance):
            return
        step = {
            "sequential": self._sequential,
            "parallel": self._parallel,
            "residual": self._residual,
        }[schedule](tolerance, damping)
        for _ in range(iterations):
            self.residual = step()
            self.iterations += 1
            if self.residual == np.inf:
                raise infeasible()
            if self.residual <= tolerance:
                break

    def _run_scaled(self, iterations: int, tolerance: float) -> bool:
        """Pass messages without logarithms; return False if numbers get too small for that."""
        scaled = ScaledMessages(self.pairwise, self.unary, self.potentials)
        done, residual = 0, np.inf
        while done < iterations and residual > tolerance:
            changes = (scaled.run_pass(True), scaled.run_pass(False))
            if min(changes) < 0:
                return False
            residual = max(changes)
            done += 1
        self.towards_second, self.towards_first = scaled.energies()
        self.iterations, self.residual = done, residual
        return True

    def _sequential(self, tolerance: float, damping: float) -> Callable[[], float]:
        arrays = self._arrays(self.towards_second, self.towards_first)

        def step() -> float:
            passes = (sequential_pass(self.sums, f, damping, self.unary, *arrays)
                      for f in (True, False))  # fmt: skip
            return float(max(passes))

        return step

    def _parallel(self, tolerance: float, damping: float) -> Callable[[], float]:
        fresh = (self.towards_second.copy(), self.towards_first.copy())

        def step() -> float:
            nonlocal fresh
            old = (self.towards_second, self.towards_first)
            arrays = self._arrays(*old, *fresh)
            change = float(parallel_pass(self.sums, damping, self.unary, *arrays))
            (self.towards_second, self.towards_first), fresh = fresh, old
            return change

        return step

    def _residual(self, tolerance: float, damping: float) -> Callable[[], float]:
        nodes = self.pairwise.nodes
        # Every node speaks once before any speaks twice.
        waiting = np.full(nodes, np.finfo(np.float64).max)
        heap, where = np.arange(nodes), np.arange(nodes)
        arrays = self._arrays(self.towards_second, self.towards_first)

        def step() -> float:
            queue = (waiting, heap, where)
            return float(
                residual_pass(self.sums, nodes, tolerance, damping, *queue, self.unary, *arrays)
            )

        return step

    def beliefs(self) -> Float64[np.ndarray, " states"]:
        """Return the energies of all states, messages included."""
        p = self.pairwise
        messages = (self.towards_second, self.towards_first)
        found: np.ndarray = beliefs(
            self.unary, p.offsets, self.appearance, *p.incidence_arrays, *messages
        )
        return found

    def marginals(self) -> dict[str, Float64[torch.Tensor, "*shape states"]]:
        """Return the normalised beliefs of each variable."""
        energies = self.beliefs()
        marginals = {}
        for name in self.pairwise.first_node:
            variable = self.pairwise.graph.variables[name]
            block = torch.from_numpy(self.pairwise.block(energies, name))
            shape = (*variable.shape, variable.cardinality)
            marginals[name] = torch.softmax(-block, -1).reshape(shape)
        return marginals

    def log_partition(self) -> float:
        """Return the approximation of log Z that the messages stand for."""
        p = self.pairwise
        arrays = (*p.edge_arrays, p.slots, self.potentials, self.appearance)
        messages = (self.towards_second, self.towards_first)
        value = free_energy(self.beliefs(), p.offsets, *arrays, *messages, p.largest)
        return float(value) - self.constant

    def labelling(self) -> tuple[np.ndarray, float]:
        """Read a labelling off the messages, node by node; return it with its energy.

        Each node is labelled given the labels before it, so that ties are broken alike.
        """
        p = self.pairwise
        labelling = np.zeros(p.nodes, np.int32)
        sequential_labelling(
            p.offsets, self.unary, *p.edge_arrays, *p.incidence_arrays, self.towards_first,
            p.largest, labelling,
        )  # fmt: skip
        energy = float(labelling_energy(labelling, self.unary, p.offsets, *p.edge_arrays))
        if energy == np.inf:
            labelling = feasible_labelling(p, self.beliefs().astype(p.dtype))
            energy = float(labelling_energy(labelling, self.unary, p.offsets, *p.edge_arrays))
        return labelling, energy + self.constant


def passed_messages(
    graph: FactorGraph,
    evidence: Evidence,
    *,
    sums: bool,
    schedule: Schedule,
    iterations: int,
    tolerance: float,
    damping: float,
    dtype: torch.dtype | None,
    memory_budget: int | None,
    appearance: Callable[[PairwiseGraph], Float64[np.ndarray, " edges"]] | None = None,
) -> list[Messages]:
    """Pass messages on every row of evidence, rows side by side on the machine's cores.

    Raises
    ------
    MmgraphError
        If an option is out of range.
    MemoryBudgetError
        If the messages would not fit.
    ZeroProbabilityError
        If a row of evidence is impossible.
    """
    check_options(schedule, iterations, damping)
    each = 4 if schedule == "parallel" else 2
    check_memory(graph, dtype, memory_budget, messages_per_edge=each * evidence.batch)
    pairwise = pairwise_graph(graph, dtype)
    shares = None if appearance is None else appearance(pairwise)

    def work(row: int) -> Messages:
        messages = Messages(pairwise, evidence, row, sums, shares)
        with of_row(row):
            messages.run(schedule, iterations, tolerance, damping)
        return messages

    if evidence.batch == 1:
        return [work(0)]
    with ThreadPoolExecutor(min(evidence.batch, os.cpu_count() or 1)) as pool:
        return list(pool.map(work, range(evidence.batch)))


def belief_propagation(
    graph: FactorGraph,
    evidence: Evidence,
    variables: Sequence[str] | None = None,
    *,
    schedule: Schedule | None = None,
    iterations: int = 200,
    tolerance: float = 1e-6,
    damping: float | None = None,
    device: str = "auto",
    dtype: torch.dtype | None = None,
    memory_budget: int | None = None,
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
        tensors (:func:`belief_propagation_torch`).
    dtype : torch.dtype, optional
        In which messages are kept; see :func:`pairwise_graph`.
    memory_budget : int, optional
        In bytes; by default half of the machine's memory.

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
    """
    began = time.perf_counter()
    on_tensors = is_elsewhere(device) or wants_torch(graph, evidence)
    schedule, damping = suited_options(schedule, iterations, damping, on_tensors)
    if on_tensors:
        return belief_propagation_torch(
            graph,
            evidence,
            variables,
            device=None if device == "auto" else device,
            dtype=dtype,
            iterations=iterations,
            tolerance=tolerance,
            damping=damping,
            memory_budget=memory_budget,
        )
    rows = passed_messages(
        graph, evidence, sums=True, schedule=schedule, iterations=iterations, tolerance=tolerance,
        damping=damping, dtype=dtype, memory_budget=memory_budget,
    )  # fmt: skip
    return posterior_of(rows, graph, variables, "belief_propagation", tolerance, began)


def posterior_of(
    rows: Sequence[Messages],
    graph: FactorGraph,
    variables: Sequence[str] | None,
    method: str,
    tolerance: float,
    began: float,
    bound: torch.Tensor | None = None,
) -> Posterior:
    """Return the beliefs of the messages of every row as a posterior.

    A bound stands for the log-partition function; else the messages' own approximation does.
    """
    names = named_variables(graph, variables)
    found = [messages.marginals() for messages in rows]
    residual, iterations = worst(rows)
    return Posterior(
        graph.variables,
        Moments({n: torch.stack([marginals[n] for marginals in found]) for n in names}),
        Deferred(_bethe_log_partition, rows) if bound is None else bound,
        method=method,
        is_normalised=graph.is_normalised,
        approximation="Bethe approximation" if bound is None else "upper bound",
        converged=residual <= tolerance,
        shortfall=shortfall(method, "residual", residual, tolerance, iterations),
        iterations=iterations,
        residual=residual,
        bound=bound,
        seconds=time.perf_counter() - began,
    )


def _bethe_log_partition(rows: Sequence[Messages]) -> torch.Tensor:
    return torch.tensor([m.log_partition() for m in rows], dtype=torch.float64)


def worst(rows: Sequence[Messages]) -> tuple[float, int]:
    """Return the largest residual of any row, and the most iterations."""
    return max(m.residual for m in rows), max(m.iterations for m in rows)
