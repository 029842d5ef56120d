"""Effects from rows of data, by what the graph allows and the columns are."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from mmgraph.causal.estimation import wording
from mmgraph.causal.estimation.effect import Effect
from mmgraph.causal.estimation.estimators import formulas, tables
from mmgraph.causal.estimation.estimators.contrast import words
from mmgraph.causal.estimation.estimators.instruments import WEAK, InstrumentRegression
from mmgraph.causal.estimation.estimators.intervals import Estimates, Functional
from mmgraph.causal.estimation.estimators.learners import LEAST_PROBABILITY, cross_fitted
from mmgraph.causal.estimation.estimators.regressions import adjusted, design, linear_effects
from mmgraph.causal.estimation.estimators.violations import (
    Violation,
    check_positivity,
    violations,
)
from mmgraph.causal.estimation.mediated import mediated_effect
from mmgraph.causal.estimation.question import MEDIATED, EffectQuestion, check_strata
from mmgraph.causal.estimation.strategies import (
    ADJUSTING,
    Strategy,
    checked_adjustment,
    mediation_set,
    strategy,
)
from mmgraph.causal.estimation.task import (
    STRAIGHT,
    EstimationOptions,
    EstimationTask,
    refuse_empty,
)
from mmgraph.causal.graph.causal_graph import as_names
from mmgraph.causal.identification.answer import identify
from mmgraph.causal.identification.expression import variables_of
from mmgraph.graph.errors import CausalError, LearningError
from mmgraph.graph.variable import Variable

_NAMES = {
    "plug_in": "standardisation",
    "inverse_weighting": "inverse probability weighting",
    "doubly_robust": "augmented inverse probability weighting",
    "regression": "regression",
}
_SHAPES = {
    "regression": "the regressions of the outcome in each arm have the right form",
    "inverse_weighting": "the logistic regression of the treatment has the right form",
    "doubly_robust": "the regressions of the outcome or that of the treatment have the right form",
}
_LEARNED = "learners come near the truth: their errors multiplied vanish faster than 1/√rows"


def estimated_effect(
    asked: EffectQuestion, known: Mapping[str, Variable], data: object, options: EstimationOptions
) -> Effect:
    """Return an effect from rows; ``known`` are the variables of a network, by name.

    Raises
    ------
    CausalError, LearningError, UnknownVariableError, UnknownStateError
        If question, columns and options do not fit together.
    """
    start = time.perf_counter()
    if asked.kind in MEDIATED:
        if asked.by:
            raise CausalError("mediated effects by stratum: ask for each with given={…}")
        closed = mediation_set(
            asked.graph, asked.treatments, asked.through, asked.outcome_name, asked.given
        )
        task = EstimationTask.read(asked, known, data, options, closed or ())
        effect = mediated_effect(task, closed)
    else:
        way = _way(asked, options)
        more: list[str] = []
        if way is not None:
            formula = () if way.formula is None else variables_of(way.formula)
            more = [*way.adjustment, *way.through, *formula]
        task = EstimationTask.read(asked, known, data, options, more)
        effect = _by_strata(task, way) if asked.by else _effect(task, way)
    return replace(effect, seconds=time.perf_counter() - start)


def _way(asked: EffectQuestion, options: EstimationOptions) -> Strategy | None:
    treatments = (*asked.treatments, *asked.controls)
    given = (*asked.given, *asked.by)
    if options.adjustment is None:
        return strategy(asked.graph, treatments, asked.outcome_name, given, options.method)
    if options.method not in ("auto", *ADJUSTING):
        raise CausalError(f"the method '{options.method}' adjusts for nothing")
    names = as_names(options.adjustment)
    asked.graph.check_nodes(names, "adjustment")
    return checked_adjustment(asked.graph, treatments, asked.outcome_name, names, given)


def _by_strata(task: EstimationTask, way: Strategy | None) -> Effect:
    """The effect in each stratum of some variables that the rows have."""
    asked = task.asked
    kind = "conditional" if asked.kind == "average" else asked.kind
    parts = {}
    check_strata(task.sample.variables, asked.by)
    rows = task.where_given().sample if asked.given else task.sample
    for states in rows.where(rows.weights > 0).strata(asked.by)[1]:
        question = replace(asked, by=(), given={**asked.given, **states}, kind=kind)
        stratum = replace(task, asked=question)
        try:
            parts[words(states)] = _effect(stratum, way)
        except LearningError as error:
            parts[words(states)] = stratum.where_given().unanswered(str(error))
    whole = replace(task, asked=replace(asked, kind=kind))
    return replace(whole.unanswered(f"strata of {', '.join(asked.by)}"), parts=parts)


def _effect(task: EstimationTask, way: Strategy | None) -> Effect:
    """The effect by the way that the graph allows; an answer without a number if by none."""
    if way is None or way.formula is None:
        task = task.where_given()
    if way is None:
        return _not_identifiable(task)
    ways = {
        "back_door": _by_back_door,
        "front_door": _by_front_door,
        "formula": _by_formula,
        "instrument": _by_instrument,
    }
    return ways[way.kind](task, way)


def _answer(task: EstimationTask, found: Estimates, method: str, latex: str, **more: Any) -> Effect:
    """An answer whose first quantity is the effect; both means are the next."""
    means = {}
    if len(found.values) == 3:
        states = (task.contrast.active, task.contrast.baseline)
        means = {words(s): float(v) for s, v in zip(states, found.values[1:], strict=True)}
    numbers = task.contrast.values(task.sample)[task.sample.weights > 0]
    if bool((numbers == numbers[0]).all()):
        method += f"; {task.contrast.measure} is the same in every row used"
    made = task.answer(found, method)
    return replace(made, latex=f"{made.latex} = {latex}", means=means, **more)


def _by_back_door(task: EstimationTask, way: Strategy) -> Effect:
    sample, contrast, options = task.sample, task.contrast, task.options
    latex = wording.standardised(contrast, way.adjustment, task.asked.given)
    if not sample.is_discrete(contrast.treatments):
        return _by_line(task, way, latex)
    if options.learner is None and sample.is_discrete(way.adjustment):
        return _over_strata(task, way, latex)
    return _by_regression(task, way, latex)


def _over_strata(task: EstimationTask, way: Strategy, latex: str) -> Effect:
    sample, contrast, adjustment = task.sample, task.contrast, way.adjustment
    broken = violations(sample, contrast, adjustment)
    check_positivity(broken, task.options.empty)
    if broken and task.options.empty == "bounds":
        functional = tables.back_door_bounds(sample, contrast, adjustment)
        return _bounded(task, functional, latex, broken, adjustment)
    method = "standardisation" if task.options.method == "auto" else _NAMES[task.options.method]
    functional, shares = tables.back_door(sample, contrast, adjustment)
    if not bool(shares(sample.weights[None]).isfinite().all()):
        raise LearningError(f"no stratum of {', '.join(adjustment)} has both treatments")
    made = _answer(
        task,
        task.infer(functional),
        f"{method} over strata" if adjustment else "difference of means",
        latex,
        adjustment=adjustment,
        violations=broken,
        effective_sample_size=tables.effective_sample_size(sample, contrast, adjustment),
    )
    if not broken:
        return made
    lost = sum({tuple(v.stratum.items()): v.share for v in broken}.values())
    overlap = f"{made.estimand}, in the overlap of the treatments ({1 - lost:.3g} of the rows)"
    return replace(made, estimand=overlap)


def _by_regression(task: EstimationTask, way: Strategy, latex: str) -> Effect:
    options, sample, contrast = task.options, task.sample, task.contrast
    method = {"auto": "doubly_robust", "plug_in": "regression"}.get(options.method, options.method)
    if options.learner in (None, "linear"):
        functional, smallest, size = adjusted(sample, contrast, way.adjustment, method)
        name, said = f"{_NAMES[method]}, by linear and logistic regressions", _SHAPES[method]
    elif method != "doubly_robust":
        raise CausalError(
            f"with a learner the method is 'doubly_robust', not '{method}': the errors of "
            "others are unknown"
        )
    else:
        functional, smallest, size = cross_fitted(
            sample, contrast, way.adjustment, options.learner, options.settings.generator
        )
        name, said = f"{_NAMES[method]}, cross-fitted by learners", _LEARNED
    assumptions = [said]
    if smallest < LEAST_PROBABILITY:
        taken = "" if options.learner in (None, "linear") else f" (taken for {LEAST_PROBABILITY})"
        assumptions.append(
            f"the few rows of a treatment whose probability falls to {smallest:.2g}{taken} tell "
            "how others like them would fare"
        )
    return _answer(
        task,
        task.infer(functional, 2 * design(sample, way.adjustment).shape[1]),
        name,
        latex,
        adjustment=way.adjustment,
        assumptions=tuple(assumptions),
        effective_sample_size=size,
        diagnostics={"smallest_probability": smallest},
    )


def _by_line(task: EstimationTask, way: Strategy, latex: str) -> Effect:
    if task.options.method not in ("auto", "regression") or task.options.learner not in (
        None,
        "linear",
    ):
        raise CausalError(
            "a continuous treatment is regressed on in a line (method='regression'); other "
            "methods compare states: put it into bins"
        )
    functional = linear_effects(task.sample, task.contrast, (), way.adjustment)
    terms = len(task.contrast.treatments) + design(task.sample, way.adjustment).shape[1]
    total = task.infer(lambda weights: functional(weights)[:, :1], terms)
    return _answer(
        task, total, "linear regression", latex, adjustment=way.adjustment, assumptions=(STRAIGHT,)
    )


def _by_front_door(task: EstimationTask, way: Strategy) -> Effect:
    sample, contrast = task.sample, task.contrast
    latex = wording.front_door(contrast, way.through)
    if not sample.is_discrete((*contrast.treatments, *way.through)):
        functional = linear_effects(sample, contrast, way.through, ())
        terms = len(contrast.treatments) + design(sample, way.through).shape[1]
        found = task.infer(lambda weights: functional(weights)[:, 2:], terms)
        name = f"linear regressions at the front door {', '.join(way.through)}"
        return _answer(task, found, name, latex, assumptions=(STRAIGHT,))
    functional, lacking = tables.front_door(sample, contrast, way.through)
    refuse_empty(lacking)
    name = f"the front-door formula through {', '.join(way.through)}"
    return _answer(task, task.infer(functional), name, latex)


def _by_formula(task: EstimationTask, way: Strategy) -> Effect:
    assert way.formula is not None
    asked = task.asked
    moved = asked.graph.descendants(task.contrast.treatments)
    if task.contrast.scores is None and moved.isdisjoint((asked.outcome_name, *asked.given)):
        none = task.unanswered("the graph: no causal path leads to the outcome")
        return replace(none, estimate=0.0, latex=f"{none.latex} = 0")
    if task.contrast.scores is None:
        raise CausalError(
            f"the effect is given by a formula over states, and '{asked.outcome_name}' is "
            "continuous: put it into bins"
        )
    functional = formulas.by_formula(task.sample, task.contrast, way.formula, asked.given)
    if not bool(functional(task.sample.weights[None]).isfinite().all()):
        formulas.refuse_empty_stratum(task.sample, way.formula)
    name = "the formula of the ID algorithm"
    return _answer(task, task.infer(functional), name, way.formula.latex())


def _by_instrument(task: EstimationTask, way: Strategy) -> Effect:
    settings = task.options.settings
    stage = InstrumentRegression(task.sample, task.contrast, way.through, way.adjustment)
    found = task.infer(stage.functional())
    strength = stage.first_stage_f()
    made = _answer(
        task,
        found,
        f"two-stage least squares by the instrument {way.through[0]}",
        wording.instrument(task.contrast, way.through[0], way.adjustment),
        adjustment=way.adjustment,
        assumptions=way.assumptions,
        diagnostics={"first_stage_f": strength},
    )
    if settings.kind != "analytical":
        return made
    accepted = stage.anderson_rubin(settings.level)
    assumptions = list(way.assumptions)
    if strength < WEAK:
        assumptions.append(
            f"the instrument is weak (F = {strength:.3g}); the interval is right all the same, "
            "the estimate is biased towards the confounded one"
        )
    if not accepted:
        assumptions.append("the instruments agree, which a test rejects; the interval ignores it")
        return replace(made, assumptions=tuple(assumptions))
    ends = (accepted[0][0], accepted[-1][1])
    return replace(
        made,
        interval=ends,
        interval_method="Anderson-Rubin",
        assumptions=tuple(assumptions),
    )


def _bounded(
    task: EstimationTask,
    functional: Functional,
    latex: str,
    broken: tuple[Violation, ...],
    adjustment: tuple[str, ...],
) -> Effect:
    found = task.infer(functional)
    made = _answer(task, found, "bounds", latex, violations=broken, adjustment=adjustment)
    return replace(
        made,
        estimate=None,
        standard_error=None,
        bounds=(float(found.values[0]), float(found.values[1])),
        interval=(float(found.low[0]), float(found.high[1])),
    )


def _not_identifiable(task: EstimationTask) -> Effect:
    """The answer where the graph allows no number: why, and bounds if there are states."""
    asked = task.asked
    names = (*asked.treatments, *asked.controls)
    given = (*asked.given, *asked.by)
    hedge = identify(asked.graph, [asked.outcome_name], names, given).hedge
    why = "" if hedge is None else f": {hedge.words()}"
    discrete = task.sample.is_discrete((asked.outcome_name, *task.contrast.treatments))
    moved = asked.graph.descendants(asked.treatments)
    if not discrete or moved.intersection(asked.given):
        return task.unanswered(f"not identifiable{why}")
    made = _bounded(task, tables.natural_bounds(task.sample, task.contrast), "?", (), ())
    query = wording.query(task.contrast, asked.given, (), asked.kind)
    return replace(made, method=f"not identifiable{why}", latex=query)
