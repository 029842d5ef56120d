"""The adjustment set that gives the most precise estimate of an effect."""

from __future__ import annotations

from itertools import islice

from mmgraph.causal.adjustment.back_door import Effect
from mmgraph.causal.graph.causal_graph import CausalGraph, Names
from mmgraph.causal.graph.separation import bits, reached, union

MOST_PATHS = 1_000
"""Collider paths that are looked at to decide optimality with hidden common causes."""


def optimal_adjustment_set(
    graph: CausalGraph, treatments: Names, outcomes: Names, latent: Names = ()
) -> frozenset[str] | None:
    """Return the valid adjustment set whose estimate has the least asymptotic variance.

    It is best in every linear model (Henckel, Perković and Maathuis 2022), and among
    non-parametric estimates in every model (Rotnitzky and Smucler 2020). Where there are hidden
    common causes, no set need be best in all models; whether one is, is decided for one treatment
    and one outcome (Runge 2021), and for more where no spouse of the causal paths stays out.

    Where treatments are no causes of the outcomes, it is the best set of nodes that the outcomes do
    not lead to.

    Parameters
    ----------
    graph : CausalGraph
    treatments, outcomes : str or collection of str
    latent : str or collection of str, optional
        Nodes that are not measured.

    Returns
    -------
    frozenset of str or None
        None if no set is valid or none is shown to be the best in all models:
        :func:`~mmgraph.causal.adjustment.adjustment_sets.minimal_adjustment_set` is then the best
        of the minimal ones.

    Raises
    ------
    UnknownVariableError, CausalError
        As :func:`~mmgraph.causal.adjustment.adjustment_sets.adjustment_sets`.
    """
    effect = Effect.of(graph, treatments, outcomes, latent)
    if effect.latent:
        graph = graph.projected_on(graph.named(graph.adjacency.every & ~effect.latent))
        effect = Effect.of(graph, treatments, outcomes)
    if effect.separation().largest() is None:
        return None
    best = _Precision(effect).optimum()
    return None if best is None else graph.named(best)


class _Precision:
    """What decides how precise an adjustment is (the names are those of Runge 2021)."""

    def __init__(self, effect: Effect) -> None:
        self.effect = effect
        self.edges = effect.graph.adjacency
        self.ends = effect.causal | effect.outcomes
        self.forbidden = self.edges.descendants(self.ends) | effect.treatments
        self.parents = union(self.edges.parents, self.ends) & ~self.forbidden
        self.ancestors = self._ancestors(0)

    def _ancestors(self, conditions: int) -> int:
        """Return what can be adjusted for of the ancestors of all that the question names."""
        x, y = self.effect.treatments, self.effect.outcomes
        return self.edges.ancestors(x | y | conditions) & ~self.forbidden

    def optimum(self) -> int | None:
        """Return the best valid set, None if it is not one in all models."""
        best, colliders = self.candidate(0)
        task = self.effect.separation()
        if best & ~self.effect.allowed or not task.holds(best):
            return None
        left_out = union(self.edges.spouses, self.ends | colliders)
        left_out &= ~(self.forbidden | best | self.ends | colliders)
        if not left_out and not best & ~self.parents:
            return best
        if len(list(islice(task.all(), 2))) == 1:
            return best
        several = (self.effect.treatments | self.effect.outcomes).bit_count() > 2
        if several and left_out:
            return None
        return best if self._none_helps(left_out, best) and self._all_block(best) else None

    def candidate(self, conditions: int) -> tuple[int, int]:
        """Return parents, valid colliders and their parents; and the colliders alone."""
        ancestors = self._ancestors(conditions)
        separating = self.parents | ancestors | conditions
        colliders, new = 0, self.ends
        while new:
            spouses = union(self.edges.spouses, new) & ~self.forbidden & ~colliders
            new = 0
            for i in bits(spouses):
                node = 1 << i
                blocked = self.edges.connected(self.effect.treatments, separating & ~node) & node
                if ancestors & node or not blocked:
                    new |= node
            colliders |= new
        best = self.parents | colliders | union(self.edges.parents, colliders) & ~self.forbidden
        return best | conditions, colliders

    def _none_helps(self, left_out: int, best: int) -> bool:
        """Return whether no collider path to a spouse left out can be opened by a valid set."""
        task, count = self.effect.separation(), 0
        useless: list[int] = []
        paths = [(1 << i, 1 << i) for i in bits(left_out)]
        while paths:
            node, path = paths.pop()
            count += 1
            if count > MOST_PATHS:
                return False
            if any(not u & ~path for u in useless):
                continue
            around = union(self.edges.spouses, node) & ~path
            if around & self.ends:
                if task.holds(self.candidate(path)[0]):
                    return False
                useless.append(path)
                continue
            paths += [(1 << i, path | 1 << i) for i in bits(around & best)]
        return True

    def _all_block(self, best: int) -> bool:
        """Return whether each node tied to the treatments has to block a path to the outcomes.

        Such a path leads from it over colliders that are adjusted for and ancestors.
        """
        for i in bits(best & ~self.parents):
            node = 1 << i
            if not self.edges.connected(self.effect.treatments, best & ~node) & node:
                continue
            inside = best & self.ancestors | node
            joined = reached(self.edges.spouses, node | self.edges.children[i] & inside, inside)
            around = union(self.edges.spouses, joined) | self.edges.children[i]
            if not around & self.ends:
                return False
        return True
