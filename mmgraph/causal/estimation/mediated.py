"""Effects through mediators and past them, from rows of data."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from mmgraph.causal.estimation import wording
from mmgraph.causal.estimation.effect import Effect
from mmgraph.causal.estimation.estimators import tables
from mmgraph.causal.estimation.estimators.contrast import Contrast
from mmgraph.causal.estimation.estimators.regressions import design, linear_effects
from mmgraph.causal.estimation.question import EffectQuestion
from mmgraph.causal.estimation.task import STRAIGHT, EstimationTask, refuse_empty
from mmgraph.graph.errors import CausalError

_CROSS_WORLD = "mediators and outcome vary independently across worlds, given what is adjusted for"


def mediated_effect(task: EstimationTask, adjustment: tuple[str, ...] | None) -> Effect:
    """Return a natural effect, with the other one and the total as its parts.

    ``adjustment`` is what :func:`~mmgraph.causal.estimation.strategies.mediation_set` returns.
    """
    asked = task.asked
    if not asked.through:
        return no_mediated_effect(asked, task.contrast)
    if asked.graph.descendants(asked.treatments).intersection(asked.given):
        raise CausalError(f"what is given, {', '.join(asked.given)}, is moved by the treatment")
    if adjustment is None:
        return task.unanswered(
            "not identifiable: no observed variables close the back doors of treatment, "
            "mediators and outcome, or the treatment moves what confounds mediators and outcome"
        )
    task = task.where_given()
    sample, contrast = task.sample, task.contrast
    said: tuple[str, ...] = (_CROSS_WORLD,)
    method = "the mediation formula"
    broken: list[dict[str, Any]] = []
    terms = 0
    if sample.is_discrete((*contrast.treatments, *asked.through, *adjustment)):
        functional, broken, inside = tables.mediated(sample, contrast, asked.through, adjustment)
        if task.options.empty != "drop" or not bool(inside.any()):
            refuse_empty(broken)
    else:
        functional = linear_effects(sample, contrast, asked.through, adjustment)
        said, method = (_CROSS_WORLD, STRAIGHT), "linear regressions"
        terms = len(contrast.treatments) + design(sample, (*asked.through, *adjustment)).shape[1]
    found = task.infer(functional, terms)
    parts = {}
    for place, name in enumerate(("total", "natural direct", "natural indirect")):
        mediators = () if name == "total" else asked.through
        kind = "average" if name == "total" else name
        parts[name] = replace(
            task.answer(found, method, place),
            kind=kind,
            estimand=wording.in_words(kind, contrast, mediators, asked.given),
            latex=wording.query(contrast, asked.given, mediators, kind),
            adjustment=adjustment,
        )
    return with_parts(asked, contrast, parts, said, len(broken))


def with_parts(
    asked: EffectQuestion,
    contrast: Contrast,
    parts: dict[str, Effect],
    assumptions: tuple[str, ...] = (),
    left_out: int = 0,
) -> Effect:
    """Return the part that was asked for, with all of them."""
    wanted = parts["natural indirect" if asked.kind == "through" else asked.kind]
    estimand = wording.in_words(asked.kind, contrast, asked.through, asked.given)
    if left_out:
        estimand += f", without {left_out} strata of {', '.join(wanted.adjustment)}"
    return replace(wanted, kind=asked.kind, parts=parts, estimand=estimand, assumptions=assumptions)


def no_mediated_effect(asked: EffectQuestion, contrast: Contrast) -> Effect:
    """Return the effect through variables that no causal path meets: exactly none."""
    if asked.kind == "natural direct":
        raise CausalError(
            "no causal path meets the mediators: the direct effect is the average one"
        )
    return Effect(
        kind=asked.kind,
        estimate=0.0,
        method="the graph: no causal path meets the mediators",
        estimand=wording.in_words(asked.kind, contrast, (), asked.given),
        latex="0",
    )
