"""Messages of the compiled kernels: those of one row of evidence, and those of all rows."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from jaxtyping import Float64, Int64
from torch import Tensor

from mmgraph.graph.evidence import Evidence
from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.inference.messages.belief_propagation_kernels import (
    DirectedMessages,
    Model,
    NodeQueue,
    beliefs,
    free_energy,
    parallel_pass,
    residual_pass,
    sequential_pass,
)
from mmgraph.inference.messages.options import MessageOptions
from mmgraph.inference.messages.scaled_messages import ScaledMessages
from mmgraph.inference.messages.spanning_trees import covering_forests, forest_log_partition
from mmgraph.inference.messages.trws_kernels import sequential_labelling
from mmgraph.inference.numerics.memory import check_memory
from mmgraph.inference.pairwise.build import pairwise_graph
from mmgraph.inference.pairwise.energy_kernels import labelling_energy
from mmgraph.inference.pairwise.feasible import feasible_labelling, infeasible, of_row
from mmgraph.inference.pairwise.graph import PairwiseGraph


class RowMessages:
    """The messages of one row of evidence, and the passes that improve them.

    Sum-product (marginals) or max-product (the best assignment); ``appearance`` holds the edge
    appearance probabilities of tree-reweighted propagation, one by default.
    """

    def __init__(
        self,
        pairwise: PairwiseGraph,
        evidence: Evidence,
        row: int,
        sums: bool = True,
        appearance: Float64[np.ndarray, " edges"] | None = None,
    ) -> None:
        self.pairwise = pairwise
        self.constant = pairwise.constant_given(evidence, row)
        self.model = Model(
            sums,
            pairwise.unary(evidence, row),
            pairwise.edge_arrays,
            pairwise.adjacency,
            np.exp(-pairwise.edge_arrays.tables.astype(np.float64)),
            np.ones(pairwise.edges) if appearance is None else appearance,
        )
        self.messages = self._empty()
        self.iterations = 0
        self.residual = np.inf

    def _empty(self) -> DirectedMessages:
        p = self.pairwise
        return DirectedMessages(p.slots, p.empty_messages(), p.empty_messages())

    def run(self, options: MessageOptions) -> None:
        """Pass messages until none changes by more than the tolerance.

        Raises ZeroProbabilityError if the messages leave a node without a possible state.
        """
        if not options.damping and self._run_scaled(options):
            return
        step = self._pass(options)
        while self.iterations < options.iterations and self.residual > options.tolerance:
            self.residual = step()
            self.iterations += 1
            if self.residual == np.inf:
                raise infeasible()

    def _run_scaled(self, options: MessageOptions) -> bool:
        """Pass messages without logarithms; return False where these are needed.

        They are for other messages than those of belief propagation, and for small numbers.
        """
        is_sequential = options.schedule in (None, "sequential")
        if not (is_sequential and self.model.sums) or bool((self.model.appearance != 1).any()):
            return False
        scaled = ScaledMessages(self.pairwise, self.model)
        done, residual = 0, np.inf
        while done < options.iterations and residual > options.tolerance:
            residual = scaled.iterate()
            if residual < 0:
                return False
            done += 1
        self.messages = DirectedMessages(self.pairwise.slots, *scaled.energies())
        self.iterations, self.residual = done, residual
        return True

    def _pass(self, options: MessageOptions) -> Callable[[], float]:
        """Return a function that passes messages once, and returns the largest change."""
        model, damping = self.model, options.damping or 0.0
        if options.schedule in (None, "sequential"):
            return lambda: float(
                max(sequential_pass(f, model, damping, self.messages) for f in (True, False))
            )
        if options.schedule == "parallel":
            other = self._empty()

            def exchange() -> float:
                nonlocal other
                change = float(parallel_pass(model, damping, self.messages, other))
                self.messages, other = other, self.messages
                return change

            return exchange
        nodes = np.arange(self.pairwise.nodes)
        # Every node speaks once before any speaks twice.
        queue = NodeQueue(np.full(len(nodes), np.finfo(np.float64).max), nodes, nodes.copy())
        return lambda: float(residual_pass(model, damping, options.tolerance, self.messages, queue))

    def beliefs(self) -> Float64[np.ndarray, " states"]:
        """Return the energies of all states, messages included."""
        energies: np.ndarray = beliefs(self.model, self.messages)
        return energies

    def marginals(self) -> dict[str, Float64[Tensor, "*shape states"]]:
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
        return float(free_energy(self.beliefs(), self.model, self.messages)) - self.constant

    def upper_bound(self) -> float:
        """Return the bound on log Z that messages of any quality prove."""
        believed, forests = self.beliefs(), covering_forests(self.pairwise)
        values = [forest_log_partition(f, believed, self.model, self.messages) for f in forests]
        return float(sum(values)) / len(forests) - self.constant

    def labelling(self) -> tuple[Int64[np.ndarray, " nodes"], float]:
        """Read a labelling off the messages, node by node; return it with its energy.

        Each node is labelled given the labels before it, so that ties are broken alike.
        """
        p, unary = self.pairwise, self.model.unary
        towards_first = self.messages.towards_first
        labelling = sequential_labelling(unary, p.edge_arrays, p.adjacency, p.slots, towards_first)
        energy = float(labelling_energy(labelling, unary, p.edge_arrays))
        if energy == np.inf:
            labelling = feasible_labelling(p, self.beliefs().astype(p.dtype))
            energy = float(labelling_energy(labelling, unary, p.edge_arrays))
        return labelling, energy + self.constant


class CompiledMessages:
    """The messages of all rows of evidence, passed side by side on the machine's cores.

    Sum-product (perhaps in its tree-reweighted form) or max-product.

    Raises
    ------
    MemoryBudgetError
        If the messages would not fit.
    ZeroProbabilityError
        If a row of evidence is impossible.
    """

    def __init__(
        self,
        graph: FactorGraph,
        evidence: Evidence,
        options: MessageOptions,
        sums: bool = True,
        reweighted: bool = False,
    ) -> None:
        each = 4 if options.schedule == "parallel" else 2
        check_memory(
            graph, options.dtype, options.memory_budget, messages_per_edge=each * evidence.batch
        )
        self.pairwise = pairwise_graph(graph, options.dtype)
        appearance = covering_forests(self.pairwise).mean(0) if reweighted else None

        def run(row: int) -> RowMessages:
            messages = RowMessages(self.pairwise, evidence, row, sums, appearance)
            with of_row(row):
                messages.run(options)
            return messages

        if evidence.batch == 1:
            self.rows = [run(0)]
        else:
            with ThreadPoolExecutor(min(evidence.batch, os.cpu_count() or 1)) as pool:
                self.rows = list(pool.map(run, range(evidence.batch)))
        self.residual = max(messages.residual for messages in self.rows)
        self.iterations = max(messages.iterations for messages in self.rows)

    def marginals(self) -> dict[str, Float64[Tensor, "batch *shape states"]]:
        """Return the normalised beliefs of each variable."""
        rows = [messages.marginals() for messages in self.rows]
        return {name: torch.stack([row[name] for row in rows]) for name in rows[0]}

    def log_partition(self) -> Float64[Tensor, " batch"]:
        """Return the Bethe approximation of log Z."""
        return torch.tensor([m.log_partition() for m in self.rows], dtype=torch.float64)

    def upper_bound(self) -> Float64[Tensor, " batch"]:
        """Return an upper bound on log Z."""
        return torch.tensor([m.upper_bound() for m in self.rows], dtype=torch.float64)

    def assignment(
        self,
    ) -> tuple[dict[str, Int64[Tensor, "batch *shape"]], Float64[Tensor, " batch"]]:
        """Return the states that the messages point to, and their energies."""
        labellings, energies = [], []
        for row, messages in enumerate(self.rows):
            with of_row(row):
                labelling, energy = messages.labelling()
            labellings.append(labelling)
            energies.append(energy)
        states = self.pairwise.states_of(np.stack(labellings))
        return states, torch.tensor(energies, dtype=torch.float64)
