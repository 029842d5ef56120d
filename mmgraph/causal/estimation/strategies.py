"""How an effect can be had from data: by which set, formula or instrument, as the graph allows."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from mmgraph.causal.adjustment.adjustment_sets import (
    is_adjustment_set,
    minimal_adjustment_set,
)
from mmgraph.causal.adjustment.front_door import front_door_set
from mmgraph.causal.adjustment.instruments import instruments
from mmgraph.causal.adjustment.optimal_set import optimal_adjustment_set
from mmgraph.causal.graph.causal_graph import CausalGraph
from mmgraph.causal.identification.answer import identify
from mmgraph.causal.identification.expression import Expression
from mmgraph.graph.errors import CausalError, check_choice

ADJUSTING = ("plug_in", "regression", "inverse_weighting", "doubly_robust")
METHODS = ("auto", *ADJUSTING, "front_door", "formula", "instrument")

_SAME_EFFECT = (
    "'{instrument}' acts on the outcome through '{treatment}' alone, and the effect is the same in "
    "all rows; where it is not, but the instrument moves nobody the other way, the number is the "
    "effect in those whom it moves"
)


@dataclass(frozen=True)
class Strategy:
    """A way to an effect, and the variables that it needs.

    Attributes
    ----------
    kind : str
        ``back_door``, ``front_door``, ``formula`` or ``instrument``.
    adjustment : tuple of str
        Confounders, or what an instrument is conditioned on.
    through : tuple of str
        The mediators of the front door, or the instrument.
    formula : Expression or None
        Of the ID algorithm.
    assumptions : tuple of str
        What it takes beyond the graph.
    """

    kind: str
    adjustment: tuple[str, ...] = ()
    through: tuple[str, ...] = ()
    formula: Expression | None = None
    assumptions: tuple[str, ...] = ()


def strategy(
    graph: CausalGraph,
    treatments: Sequence[str],
    outcome: str,
    given: Collection[str],
    method: str,
) -> Strategy | None:
    """Return the way to an effect that a method asks for, or the best; None if there is none.

    In this order: the adjustment set of least variance, the front door, the formula of the
    (complete) ID algorithm, and an instrument, which assumes more than the graph.

    Raises
    ------
    CausalError
        If the method is unknown, or the graph has no such way although it has others.
    """
    check_choice("method", method, METHODS, CausalError)
    ways = {
        "back_door": _back_door,
        "front_door": _front_door,
        "formula": _formula,
        "instrument": _instrument,
    }
    if method != "auto":
        kind = "back_door" if method in ADJUSTING else method
        found = ways[kind](graph, treatments, outcome, given)
        if found is None and (other := strategy(graph, treatments, outcome, given, "auto")):
            allowed = ADJUSTING if other.kind == "back_door" else (other.kind,)
            raise CausalError(
                f"the graph allows no {method} for the effect of {', '.join(treatments)} on "
                f"{outcome}; it does allow {' or '.join(allowed)}"
            )
        return found
    for way in ways.values():
        if (found := way(graph, treatments, outcome, given)) is not None:
            return found
    return None


def _in_order(graph: CausalGraph, names: Collection[str]) -> tuple[str, ...]:
    return tuple(n for n in graph.nodes if n in names)


def _back_door(
    graph: CausalGraph, treatments: Sequence[str], outcome: str, given: Collection[str]
) -> Strategy | None:
    if not given:
        best = optimal_adjustment_set(graph, treatments, outcome)
        if best is None:
            best = minimal_adjustment_set(graph, treatments, outcome)
        return None if best is None else Strategy("back_door", _in_order(graph, best))
    moved = _moved(graph, treatments, outcome)
    if moved.intersection(given):
        return None
    best = minimal_adjustment_set(graph, treatments, outcome, tuple(moved), tuple(given))
    return None if best is None else Strategy("back_door", _in_order(graph, best - set(given)))


def _moved(graph: CausalGraph, treatments: Sequence[str], outcome: str) -> set[str]:
    """What has another distribution once the treatments are set, without the outcome."""
    return graph.descendants(treatments) - {outcome, *treatments}


def _front_door(
    graph: CausalGraph, treatments: Sequence[str], outcome: str, given: Collection[str]
) -> Strategy | None:
    mediators = None if given else front_door_set(graph, treatments, outcome)
    return Strategy("front_door", through=_in_order(graph, mediators)) if mediators else None


def _formula(
    graph: CausalGraph, treatments: Sequence[str], outcome: str, given: Collection[str]
) -> Strategy | None:
    answer = identify(graph, [outcome], list(treatments), list(given))
    return Strategy("formula", formula=answer.estimand) if answer.identifiable else None


def _instrument(
    graph: CausalGraph, treatments: Sequence[str], outcome: str, given: Collection[str]
) -> Strategy | None:
    if given or len(treatments) != 1:
        return None
    for name, conditions in instruments(graph, treatments[0], outcome):
        said = _SAME_EFFECT.format(instrument=name, treatment=treatments[0])
        return Strategy("instrument", _in_order(graph, conditions), (name,), assumptions=(said,))
    return None


def mediation_set(
    graph: CausalGraph,
    treatments: Sequence[str],
    mediators: Sequence[str],
    outcome: str,
    given: Collection[str] = (),
) -> tuple[str, ...] | None:
    """Return what makes natural effects computable by adjustment; None where nothing does.

    A set of variables that the treatments do not move, which together with those given closes all
    back doors from treatments to mediators and outcome, and with the treatments those from
    mediators to outcome (Pearl 2001; Imai, Keele and Tingley 2010).
    """
    moved = graph.descendants([*treatments, outcome])

    def holds(names: Collection[str]) -> bool:
        names = {*names, *given}
        ends = [*mediators, outcome]
        return graph.without_edges(out_of=treatments).separated(
            treatments, ends, names
        ) and graph.without_edges(out_of=mediators).separated(
            mediators, [outcome], {*names, *treatments}
        )

    parents = {p for n in (*treatments, *mediators, outcome) for p in graph.parents(n)}
    ancestors = graph.ancestors([*treatments, *mediators, outcome, *given])
    for candidates in (parents - moved, ancestors - moved, set(graph.nodes) - moved):
        candidates -= set(given)
        if not holds(candidates):
            continue
        chosen = set(candidates)
        for name in _in_order(graph, candidates):
            if holds(chosen - {name}):
                chosen.remove(name)
        return _in_order(graph, chosen)
    return None


def checked_adjustment(
    graph: CausalGraph,
    treatments: Sequence[str],
    outcome: str,
    names: Collection[str],
    given: Collection[str] = (),
) -> Strategy:
    """Return the strategy of an adjustment set that a user chose, beside what is given.

    Raises
    ------
    CausalError
        If the set is not valid.
    """
    moved = _moved(graph, treatments, outcome) if given else set()
    if bad := moved.intersection((*names, *given)):
        raise CausalError(
            f"the treatment moves {', '.join(_in_order(graph, bad))}: where something is given, no "
            "adjustment gives the effect in rows that are chosen or weighted by it"
        )
    if not is_adjustment_set(graph, treatments, outcome, {*names, *given}):
        where = f" where {', '.join(given)} is given" if given else ""
        raise CausalError(
            f"adjusting for {', '.join(names) or 'nothing'} does not give the effect of "
            f"{', '.join(treatments)} on {outcome} in this graph{where}"
        )
    return Strategy("back_door", _in_order(graph, set(names).difference(given)))
