"""Requests for marginals, joints or assignments, planned for all graphs of one structure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property

import numpy as np

from mmgraph.graph.errors import TreewidthError
from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.graph.memory_budget import format_bytes
from mmgraph.graph.storage.cache import Recent
from mmgraph.inference.exact.join_tree import kernels
from mmgraph.inference.exact.join_tree.contraction import ContractionTree, contraction_tree
from mmgraph.inference.exact.join_tree.plan import Leaf, Plan, Request, decoding_steps
from mmgraph.inference.exact.join_tree.plan_builder import compile_plan
from mmgraph.inference.exact.join_tree.table_view import TableStructure, table_structure
from mmgraph.inference.numerics.elimination_order import best_elimination_order

PLANS_KEPT = 256
"""How many plans are remembered: of each graph those with its numbers, of each structure all."""


class PlannedRequest:
    """The join tree of a request, and what is compiled from it when it is first needed."""

    def __init__(self, structure: TableStructure, request: Request) -> None:
        self.structure, self.request = structure, request
        self.leaves = _leaves(structure, request)
        self.tree, self.order = _join_tree(structure, self.leaves, request)

    @cached_property
    def rank(self) -> list[int]:
        """The place of each variable in the one order that all tables' axes follow."""
        return np.argsort(self.order).tolist()

    @cached_property
    def plan(self) -> Plan:
        """The program, and where its tables lie."""
        return compile_plan(self.tree, self.leaves, self.rank, self.request)

    @cached_property
    def decoding(self) -> np.ndarray:
        """The program that decides the eliminated variables from the roots down."""
        return decoding_steps(self.plan, frozenset(self.request.maximised) or None)

    @cached_property
    def decoding_nodes(self) -> int:
        """How many random numbers one draw of all variables takes."""
        return sum(map(bool, self.tree.eliminated))

    @cached_property
    def observed_places(self) -> np.ndarray:
        """Where in a row of the output the marginal of each observed variable starts, or -1."""
        outputs = self.plan.outputs[: len(self.request.variables)]
        place = {axes[0]: start for start, _, axes in outputs}
        return np.array([place.get(v, -1) for v in self.request.observed], np.int64)

    @cached_property
    def distributions(self) -> np.ndarray:
        """The stretches of a row of the output that are divided by their sums, ``(n, 2)``."""
        fixed = set(self.request.observed)
        stretches = [
            (start, start + entries)
            for start, entries, axes in self.plan.outputs
            if not (len(axes) == 1 and axes[0] in fixed)
        ]
        return np.array(stretches, np.int64).reshape(-1, 2)

    @cached_property
    def varying(self) -> tuple[np.ndarray, np.ndarray]:
        """Which slots differ from row to row, and the sizes of those that evidence slices."""
        plan = self.plan
        differs = np.zeros(len(plan.offsets), np.bool_)
        differs[plan.slots[:, 0]] = True
        differs[[i for i, leaf in enumerate(self.leaves) if leaf.row_table]] = True
        at = int(plan.sections[0])
        while at < plan.sections[2]:
            differs[plan.program[at + kernels.RESULT]] = True
            at += int(plan.program[at + kernels.LENGTH])
        sizes = [self.tree.size(self.tree.scopes[slot]) for slot in plan.slots[:, 0]]
        return differs, np.array(sizes, np.int64)

    @cached_property
    def log_most(self) -> float:
        """A bound on the logarithm of any table's total in a pass, over all assignments.

        No potential is above one, and a conditional distribution sums to one over its child.
        """
        structure, tree = self.structure, self.tree
        alone = set(range(len(structure.variables))).difference(
            structure.children, self.request.observed
        )
        largest = max((tree.size(scope) for scope in tree.scopes), default=1)
        return math.log(largest) + sum(math.log(structure.cardinalities[v]) for v in alone)

    def check_budget(self, budget: int) -> None:
        """Raise TreewidthError, with the largest cliques, before what is too large is allocated."""
        structure, tree = self.structure, self.tree
        inner = range(tree.leaves, len(tree.scopes))
        factors = sum(
            math.prod(structure.cardinalities[v] for v in scope) for scope in structure.scopes
        )
        required = 8 * (factors + 2 * sum(tree.size(tree.scopes[n]) for n in inner))
        if required <= budget:
            return
        largest = sorted({tree.clique(n) for n in inner}, key=tree.size, reverse=True)[:3]
        cliques = tuple(
            (tuple(structure.variables[v].name for v in sorted(c)), 8 * tree.size(c))
            for c in largest
        )
        shown = "; ".join(
            f"{', '.join(names[:6])}{', …' if len(names) > 6 else ''} ({len(names)} variables, "
            f"{format_bytes(size)})"
            for names, size in cliques
        )
        raise TreewidthError(
            f"exact inference would need {format_bytes(required)}, the budget is "
            f"{format_bytes(budget)}; largest cliques: {shown}. Observe more variables, ask for "
            "fewer, or raise memory_budget",
            required,
            budget,
            cliques,
        )


def planned(graph: FactorGraph, request: Request) -> PlannedRequest:
    """Return the join tree and the plan of a request, one for all graphs of a structure."""
    plans = graph.cached_structure(_planned_requests)
    plan = plans.get(request)
    if plan is None:
        plan = plans[request] = PlannedRequest(table_structure(graph), request)
    return plan


def _planned_requests(_: FactorGraph) -> Recent[Request, PlannedRequest]:
    return Recent(PLANS_KEPT)


def _leaves(structure: TableStructure, request: Request) -> list[Leaf]:
    """Return the leaves of a request: the model's factors, then the row tables."""
    column = {v: i for i, v in enumerate(request.observed)}
    leaves = [
        Leaf(scope, tuple((v, column[v]) for v in scope if v in column))
        for scope in structure.scopes
    ]
    return leaves + [Leaf(scope, row_table=True) for scope in request.row_scopes]


def _join_tree(
    structure: TableStructure, leaves: Sequence[Leaf], request: Request
) -> tuple[ContractionTree, list[int]]:
    """Return the join tree of a request, and the elimination order behind it."""
    fixed = set(request.observed)
    scopes = [[v for v in leaf.scope if v not in fixed] for leaf in leaves]
    cards = structure.cardinalities
    if request.keep:
        # The kept variables end in one table, so they are joined from the start.
        keep = frozenset(request.keep)
        order = best_elimination_order([*scopes, request.keep], cards, last=keep).order
        tree = contraction_tree(scopes, cards, order, _children(structure, leaves), keep=keep)
        return tree, order
    maximised = frozenset(request.maximised) - fixed
    partial = len(maximised) < len(cards) - len(fixed)
    last = maximised if partial else frozenset()
    order = best_elimination_order(scopes, cards, last=last).order
    children = [-1 if c in maximised else c for c in _children(structure, leaves)]
    tree = contraction_tree(scopes, cards, order, children, barriers=last)
    return tree, order


def _children(structure: TableStructure, leaves: Sequence[Leaf]) -> list[int]:
    return structure.children + [-1] * (len(leaves) - len(structure.children))
