"""A plan bound to the numbers of one graph, ready to be run over rows of evidence."""

from __future__ import annotations

import math
import threading

import numpy as np
from jaxtyping import Float64, Int64

from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.graph.memory_budget import default_memory_budget
from mmgraph.graph.storage.cache import Recent
from mmgraph.inference.exact.join_tree import decoding_kernels, kernels, simd_rows
from mmgraph.inference.exact.join_tree.plan import Program, Request, RowEvidence
from mmgraph.inference.exact.join_tree.request import PLANS_KEPT, PlannedRequest, planned
from mmgraph.inference.exact.join_tree.table_view import TableView, table_view

_SPARE_NATS = 600.0
"""Doubles reach 667 nats below one before the kernels take a total for lost; what is lost is then
below 1e-29 of the sum."""

BLOCK_ENTRIES = 16_000
"""Above this a block of rows no longer fits the cache, and one row at a time is faster."""


class CompiledPlan:
    """A plan with its memory.

    Raises
    ------
    TreewidthError
        If the tables would not fit the budget; nothing has been allocated then.
    """

    def __init__(self, view: TableView, planned: PlannedRequest, memory_budget: int) -> None:
        planned.check_budget(memory_budget)
        self.planned, self.request, self.plan = planned, planned.request, planned.plan
        self.width = self.plan.output_entries
        self._lock = threading.Lock()
        self._blocks: simd_rows.Blocks | None = None
        plan = self.plan
        self._program = Program(
            plan.program,
            plan.offsets.copy(),
            np.ones(len(plan.offsets)),
            np.zeros(plan.entries),
            plan.counter.copy(),
        )
        self._bind(view)

    def _bind(self, view: TableView) -> None:
        """Copy the factors into the buffer and run what no evidence changes."""
        plan, program = self.plan, self._program
        program.buffer[0] = 1.0
        arrays, log_scale = view.arrays()
        for array, (start, axes) in zip(arrays, plan.layout, strict=False):
            program.buffer[start : start + array.size] = array.transpose(axes).ravel()
        begin, _, end = plan.sections
        static, failed = kernels.run_steps(program.steps, 0, begin, *program[1:])
        self._is_possible = failed < 0
        self._base_log = plan.base_log + log_scale + (static if self._is_possible else -math.inf)
        self._dynamic = np.array([begin if self._is_possible else end, end], np.int64)
        self._doubt_below = log_scale + self.planned.log_most - _SPARE_NATS
        self._for_all_rows = (
            *program,
            np.array([*self._dynamic, plan.soft_start, plan.output_start], np.int64),
            *(plan.slots, plan.strides, self.planned.observed_places, self.planned.distributions),
            *(self._base_log, self._doubt_below),
        )

    def run(
        self, codes: Int64[np.ndarray, "rows columns"], soft: Float64[np.ndarray, "rows entries"]
    ) -> tuple[Float64[np.ndarray, "rows outputs"], Float64[np.ndarray, " rows"], int]:
        """Return the outputs and log P(evidence) of every row, and how many have to be run again.

        Those are the rows that are impossible, or that doubles do not hold; their outputs are zero
        and their logarithms ``-inf``. The columns of ``codes`` are those of ``request.observed``;
        ``soft`` holds the row tables, as likelihoods, one after the other, axes as in
        :meth:`row_axes`.
        """
        small = self.plan.entries <= BLOCK_ENTRIES
        if len(codes) < simd_rows.ROWS or not small or not self._is_possible:
            return self._run_rows(codes, soft)
        output, log_evidence = self._run_blocks(codes, soft)
        doubtful = np.flatnonzero(~(log_evidence >= self._doubt_below))
        failed = 0
        if len(doubtful):
            again = self._run_rows(codes[doubtful], soft[doubtful])
            output[doubtful], log_evidence[doubtful], failed = again
        return output, log_evidence, failed

    def _run_rows(self, codes: np.ndarray, soft: np.ndarray) -> tuple[np.ndarray, np.ndarray, int]:
        """Run one row after the other."""
        output, log_evidence = np.empty((len(codes), self.width)), np.empty(len(codes))
        with self._lock:
            failed = kernels.run_rows(*self._for_all_rows, codes, soft, output, log_evidence)
        return output, log_evidence, failed

    def _run_blocks(self, codes: np.ndarray, soft: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Run many rows side by side."""
        plan, planned = self.plan, self.planned
        output, log_evidence = np.empty((len(codes), self.width)), np.empty(len(codes))
        places = planned.observed_places, plan.output_start, planned.distributions
        with self._lock:
            if self._blocks is None:
                tables = np.zeros(plan.entries * simd_rows.ROWS)
                self._blocks = simd_rows.Blocks(*planned.varying, tables)
            simd_rows.run_blocks(
                self._program,
                self._blocks,
                self._dynamic,
                RowEvidence(plan.slots, plan.strides, codes, plan.soft_start, soft),
                simd_rows.Outputs(*places, output),
                log_evidence,
                self._base_log,
            )
        return output, log_evidence

    def decode(
        self,
        codes: Int64[np.ndarray, "rows columns"],
        soft: Float64[np.ndarray, "rows entries"],
        uniforms: Float64[np.ndarray, "rows draws nodes"],
    ) -> tuple[Int64[np.ndarray, "rows draws variables"], Float64[np.ndarray, " rows"], int]:
        """Return full assignments: the best one of each row, or draws where uniforms are given.

        Beside them log P(evidence) or that of the best, and how many rows have to be run again, as
        in :meth:`run`.
        """
        plan = self.plan
        rows, draws = uniforms.shape[:2]
        assignment = np.full((rows, draws, len(plan.tree.cardinalities)), -1, np.int64)
        assignment[:, :, list(self.request.observed)] = codes[:, None, :]
        log_evidence = np.empty(rows)
        with self._lock:
            failed = decoding_kernels.decode_rows(
                self._program,
                np.array([self._dynamic[0], plan.sections[1]], np.int64),
                RowEvidence(plan.slots, plan.strides, codes, plan.soft_start, soft),
                self.planned.decoding,
                uniforms,
                assignment,
                log_evidence,
                self._base_log,
                self._doubt_below,
            )
        return assignment, log_evidence, failed

    def row_axes(self) -> list[tuple[int, ...]]:
        """Return how the axes of each row table must be permuted before it is flattened."""
        first = len(self.planned.structure.scopes)
        return [axes for _, axes in self.plan.layout[first:]]


def compiled_plan(graph: FactorGraph, request: Request, memory_budget: int | None) -> CompiledPlan:
    """Return the plan for a request, bound to the graph's numbers at its first use."""
    plans = graph.cached(bound_plans)
    plan = plans.get(request)
    if plan is None:
        budget = default_memory_budget() if memory_budget is None else memory_budget
        plan = plans[request] = CompiledPlan(table_view(graph), planned(graph, request), budget)
    return plan


def bound_plans(_: FactorGraph) -> Recent[Request, CompiledPlan]:
    """Return the plans of a graph, at first none: many patterns must not fill the memory."""
    return Recent(PLANS_KEPT)
