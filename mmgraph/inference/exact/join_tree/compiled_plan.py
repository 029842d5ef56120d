"""A plan bound to the numbers of one graph, ready to be run over rows of evidence."""

from __future__ import annotations

import math
import threading
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64

from mmgraph.graph.errors import TreewidthError
from mmgraph.inference.exact.join_tree import decoding_kernels, kernels
from mmgraph.inference.exact.join_tree import simd_rows as lanes
from mmgraph.inference.exact.join_tree.contraction import ContractionTree, contraction_tree
from mmgraph.inference.exact.join_tree.elimination import best_elimination_order
from mmgraph.inference.exact.join_tree.plan import Leaf, axis_ranks, decoding_steps
from mmgraph.inference.exact.join_tree.plan_builder import compile_plan
from mmgraph.inference.exact.join_tree.table_view import TableView
from mmgraph.inference.numerics.memory import format_bytes

_SPARE_NATS = 600.0
"""Doubles reach 667 nats below one before the kernels take a total for lost; what is lost is then
below 1e-29 of the sum."""

_LANE_ENTRIES = 16_000
"""Above this a block of rows no longer fits the cache, and one row at a time is faster."""


@dataclass(frozen=True)
class Request:
    """What a plan is compiled for; plans are kept under it.

    Attributes
    ----------
    observed : tuple of int
        The variables that every row fixes, in the order of the columns of the codes.
    row_scopes : tuple of tuple of int
        The scopes of the tables that come with every row: soft evidence, observed continuous
        leaves, variables that only some rows observe.
    variables : tuple of int
        The variables whose marginals are wanted.
    families : bool
        Whether the joint belief of every factor, and of every row table, is wanted.
    keep : tuple of int
        The variables whose joint distribution is wanted instead.
    maximised : tuple of int
        The variables to maximise, the others being summed out first.
    """

    observed: tuple[int, ...] = ()
    row_scopes: tuple[tuple[int, ...], ...] = ()
    variables: tuple[int, ...] = ()
    families: bool = False
    keep: tuple[int, ...] = ()
    maximised: tuple[int, ...] = ()


class CompiledPlan:
    """A plan with its memory.

    Parameters
    ----------
    view : TableView
        The graph's tables.
    request : Request
        What to compile for.
    memory_budget : int
        In bytes.

    Raises
    ------
    TreewidthError
        If the tables would not fit; nothing has been allocated then.
    """

    def __init__(self, view: TableView, request: Request, memory_budget: int) -> None:
        self.view, self.request = view, request
        self.leaves = request_leaves(view, request)
        tree, order = join_tree(view, self.leaves, request)
        check_budget(view, tree, memory_budget)
        self.plan = compile_plan(
            tree,
            self.leaves,
            axis_ranks(order),
            variables=request.variables,
            factors=range(len(self.leaves)) if request.families else (),
            keep=request.keep,
            maximised=frozenset(request.maximised),
        )
        self._lock = threading.Lock()
        self._lanes: tuple[np.ndarray, np.ndarray, np.ndarray] | None = None
        self._decoding: np.ndarray | None = None
        self._bind()
        self._describe_outputs()

    def _bind(self) -> None:
        """Copy the factors into the buffer and run what no evidence changes."""
        plan = self.plan
        self.buffer = np.zeros(plan.entries)
        self.buffer[0] = 1.0
        arrays, log_scale = self.view.arrays()
        for node, array in enumerate(arrays):
            start, axes = plan.layout[node]
            if array is None:  # a variable that no factor mentions
                self.buffer[start : start + self.view.cardinalities[self.view.scopes[node][0]]] = (
                    1.0
                )
            else:
                self.buffer[start : start + array.size] = array.transpose(axes).ravel()
        static, failed = kernels.run_steps(
            plan.program, 0, plan.sections[0], plan.offsets, plan.scales, self.buffer, plan.counter
        )
        self.base_log = plan.base_log + log_scale + (static if failed < 0 else -math.inf)
        self.dynamic = np.array(
            [plan.sections[0] if failed < 0 else plan.sections[2], plan.sections[2]], np.int64
        )
        self.possible = failed < 0
        most = log_most(self.view, plan.tree, self.request.observed)
        self.doubt_below = log_scale + most - _SPARE_NATS

    def _describe_outputs(self) -> None:
        """Find where each marginal stands in an output row, and which ones evidence decides."""
        outputs = self.plan.outputs
        place = {axes[0]: start for start, _, axes in outputs[: len(self.request.variables)]}
        fixed = set(self.request.observed)
        self.observed_places = np.array([place.get(v, -1) for v in self.request.observed], np.int64)
        self.blocks = np.array(
            [
                (start, start + entries)
                for start, entries, axes in outputs
                if not (len(axes) == 1 and axes[0] in fixed)
            ],
            np.int64,
        ).reshape(-1, 2)
        self.width = self.plan.output_entries

    def run(
        self, codes: Int64[np.ndarray, "rows columns"], soft: Float64[np.ndarray, "rows entries"]
    ) -> tuple[Float64[np.ndarray, "rows outputs"], Float64[np.ndarray, " rows"], int]:
        """Return the outputs and log P(evidence) of every row, and how many have to be run again.

        Those are the rows that are impossible, or that doubles do not hold; their outputs are zero
        and their logarithms ``-inf``.

        Parameters
        ----------
        codes : int64 array
            The observed states, columns as in ``request.observed``.
        soft : float64 array
            The row tables one after the other, axes as in :meth:`row_axes`; likelihoods, not
            logarithms.
        """
        rows = len(codes)
        if rows < lanes.LANES or self.plan.entries > _LANE_ENTRIES or not self.possible:
            return self._run_rows(codes, soft)
        output = np.empty((rows, self.width))
        log_evidence = np.empty(rows)
        self._run_lanes(codes, soft, output, log_evidence)
        doubtful = np.flatnonzero(~(log_evidence >= self.doubt_below))
        if not len(doubtful):
            return output, log_evidence, 0
        output[doubtful], log_evidence[doubtful], failed = self._run_rows(
            codes[doubtful], soft[doubtful]
        )
        return output, log_evidence, failed

    def _run_rows(self, codes: np.ndarray, soft: np.ndarray) -> tuple[np.ndarray, np.ndarray, int]:
        """Run one row after the other."""
        plan = self.plan
        rows = len(codes)
        output = np.empty((rows, self.width))
        log_evidence = np.empty(rows)
        with self._lock:
            failed = kernels.run_rows(
                plan.program,
                self.dynamic,
                plan.offsets,
                plan.scales,
                self.buffer,
                plan.counter,
                plan.slots,
                plan.strides,
                codes,
                plan.soft_start,
                soft,
                self.observed_places,
                plan.output_start,
                output,
                self.blocks,
                log_evidence,
                self.base_log,
                self.doubt_below,
            )
        return output, log_evidence, failed

    def _run_lanes(
        self, codes: np.ndarray, soft: np.ndarray, output: np.ndarray, log_evidence: np.ndarray
    ) -> None:
        """Run many rows side by side."""
        plan = self.plan
        with self._lock:
            if self._lanes is None:
                self._lanes = self._make_lanes()
            wide, sizes, memory = self._lanes
            lanes.run_rows_in_lanes(
                plan.program,
                self.dynamic,
                plan.offsets,
                plan.scales,
                wide,
                self.buffer,
                memory,
                plan.counter,
                plan.slots,
                sizes,
                plan.strides,
                codes,
                plan.soft_start,
                soft,
                self.observed_places,
                plan.output_start,
                output,
                self.blocks,
                log_evidence,
                self.base_log,
            )

    def _make_lanes(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Which slots differ from row to row, the sizes of the sliced ones, and their memory."""
        plan = self.plan
        wide = np.zeros(len(plan.offsets), np.bool_)
        wide[plan.slots[:, 0]] = True
        wide[[i for i, leaf in enumerate(self.leaves) if leaf.row_table]] = True
        at = int(plan.sections[0])
        while at < plan.sections[2]:
            wide[plan.program[at + kernels.RESULT]] = True
            at += int(plan.program[at + kernels.LENGTH])
        sizes = [
            math.prod(plan.tree.cardinalities[v] for v in plan.tree.scopes[slot])
            for slot in plan.slots[:, 0]
        ]
        return wide, np.array(sizes, np.int64), np.zeros(plan.entries * lanes.LANES)

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
        assignment = np.full((rows, draws, len(self.view.variables)), -1, np.int64)
        assignment[:, :, list(self.request.observed)] = codes[:, None, :]
        log_evidence = np.empty(rows)
        forward = np.array([self.dynamic[0], plan.sections[1]], np.int64)
        with self._lock:
            failed = decoding_kernels.decode_rows(
                plan.program,
                forward,
                plan.offsets,
                plan.scales,
                self.buffer,
                plan.counter,
                plan.slots,
                plan.strides,
                codes,
                plan.soft_start,
                soft,
                self.decoding,
                uniforms,
                assignment,
                log_evidence,
                self.base_log,
                self.doubt_below,
            )
        return assignment, log_evidence, failed

    @property
    def decoding(self) -> np.ndarray:
        """The program that decides the eliminated variables from the roots down."""
        if self._decoding is None:
            only = frozenset(self.request.maximised)
            self._decoding = decoding_steps(self.plan, only or None)
        return self._decoding

    @property
    def decoding_nodes(self) -> int:
        """How many random numbers one draw takes."""
        at, count = 0, 0
        while at < len(self.decoding):
            at += int(self.decoding[at])
            count += 1
        return count

    def row_axes(self) -> list[tuple[int, ...]]:
        """How the axes of each row table must be permuted before it is flattened."""
        first = len(self.view.scopes)
        return [axes for _, axes in self.plan.layout[first:]]


def request_leaves(view: TableView, request: Request) -> list[Leaf]:
    """Return the leaves of a request: the model's factors, then the row tables."""
    column = {v: i for i, v in enumerate(request.observed)}
    leaves = [
        Leaf(scope, tuple((v, column[v]) for v in scope if v in column)) for scope in view.scopes
    ]
    return leaves + [Leaf(scope, row_table=True) for scope in request.row_scopes]


def join_tree(
    view: TableView, leaves: Sequence[Leaf], request: Request
) -> tuple[ContractionTree, list[int]]:
    """Return the join tree of a request, and the elimination order behind it."""
    fixed = set(request.observed)
    scopes = [[v for v in leaf.scope if v not in fixed] for leaf in leaves]
    cards = view.cardinalities
    if request.keep:
        # The kept variables end in one table, so they are joined from the start.
        keep = frozenset(request.keep)
        order = best_elimination_order([*scopes, request.keep], cards, last=keep).order
        tree = contraction_tree(scopes, cards, order, _children(view, leaves), keep=keep)
        return tree, order
    maximised = frozenset(request.maximised) - fixed
    partial = len(maximised) < len(cards) - len(fixed)
    last = maximised if partial else frozenset()
    order = best_elimination_order(scopes, cards, last=last).order
    children = [-1 if c in maximised else c for c in _children(view, leaves)]
    tree = contraction_tree(scopes, cards, order, children, barriers=last)
    return tree, order


def _children(view: TableView, leaves: Sequence[Leaf]) -> list[int]:
    return view.children + [-1] * (len(leaves) - len(view.children))


def log_most(view: TableView, tree: ContractionTree, observed: Collection[int]) -> float:
    """Return a bound on the logarithm of any table's total in a pass, over all assignments.

    No potential is above one, and a conditional distribution sums to one over its child.
    """
    alone = set(range(len(view.variables))) - set(view.children) - set(observed)
    largest = max((tree.size(scope) for scope in tree.scopes), default=1)
    return math.log(largest) + sum(math.log(view.cardinalities[v]) for v in alone)


def check_budget(view: TableView, tree: ContractionTree, budget: int) -> None:
    """Refuse what would not fit, before any of it is allocated."""
    inner = range(tree.leaves, len(tree.scopes))
    factors = sum(math.prod(view.cardinalities[v] for v in scope) for scope in view.scopes)
    required = 8 * (factors + 2 * sum(tree.size(tree.scopes[n]) for n in inner))
    if required <= budget:
        return
    largest = sorted({tree.clique(n) for n in inner}, key=tree.size, reverse=True)[:3]
    cliques = tuple(
        (tuple(view.variables[v].name for v in sorted(c)), 8 * tree.size(c)) for c in largest
    )
    shown = "; ".join(
        f"{', '.join(names[:6])}{', …' if len(names) > 6 else ''} ({len(names)} variables, "
        f"{format_bytes(size)})"
        for names, size in cliques
    )
    raise TreewidthError(
        f"exact inference would need {format_bytes(required)}, the budget is "
        f"{format_bytes(budget)}; largest cliques: {shown}. Observe more variables, ask for fewer, "
        "or raise memory_budget",
        required,
        budget,
        cliques,
    )
