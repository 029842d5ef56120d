"""Effects in words and formulas."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mmgraph.causal.estimation.estimators.contrast import Contrast, words
from mmgraph.causal.identification.expression import latex_name


def in_words(
    kind: str, contrast: Contrast, mediators: Sequence[str], given: Mapping[str, Any]
) -> str:
    """Return what an effect is: ``the average effect of x=1 against x=0 on the mean of y``."""
    fixed = {n: s for n, s in contrast.active.items() if contrast.baseline[n] == s}
    active = words({n: s for n, s in contrast.active.items() if n not in fixed})
    baseline = words({n: s for n, s in contrast.baseline.items() if n not in fixed})
    name = "effect" if kind == "through" else f"{kind} effect"
    text = f"the {name} of {active} against {baseline} on {contrast.measure}"
    if fixed:
        text += f" with {words(fixed)}"
    if mediators:
        text += f" {'past' if kind == 'natural direct' else 'through'} {', '.join(mediators)}"
    return text + (f" where {words(given)}" if given else "")


def query(contrast: Contrast, given: Mapping[str, Any], mediators: Sequence[str], kind: str) -> str:
    """Return an effect as a formula of interventions, in LaTeX for math mode."""
    where = f", {_states(given)}" if given else ""
    if mediators:
        active, baseline = _states(contrast.active), _states(contrast.baseline)
        outer = active if kind == "natural direct" else baseline
        inner = baseline if kind == "natural direct" else active
        middle = ", ".join(f"{latex_name(name)}({inner})" for name in mediators)
        crossed = f"{_outcome(contrast)}({outer}, {middle})"
        condition = rf" \mid {where[2:]}" if where else ""
        return (
            rf"\mathrm{{E}}[{crossed}{condition}] - "
            rf"\mathrm{{E}}[{_outcome(contrast)}({baseline}){condition}]"
        )
    return " - ".join(
        rf"\mathrm{{E}}[{_outcome(contrast)} \mid \mathrm{{do}}({_states(states)}){where}]"
        for states in (contrast.active, contrast.baseline)
    )


def standardised(contrast: Contrast, adjustment: Sequence[str], given: Mapping[str, Any]) -> str:
    """Return the formula of an effect by adjustment."""
    strata = ", ".join(map(latex_name, adjustment))
    where = f", {_states(given)}" if given else ""
    inner = " - ".join(
        rf"\mathrm{{E}}[{_outcome(contrast)} \mid {_states(states)}"
        f"{', ' + strata if strata else ''}{where}]"
        for states in (contrast.active, contrast.baseline)
    )
    condition = rf" \mid {where[2:]}" if where else ""
    return rf"\sum_{{{strata}}} P({strata}{condition}) \left( {inner} \right)" if strata else inner


def front_door(contrast: Contrast, mediators: Sequence[str]) -> str:
    """Return the formula of an effect by the front door."""
    middle = ", ".join(map(latex_name, mediators))
    treatments = ", ".join(f"{latex_name(n)}'" for n in contrast.treatments)
    moved = " - ".join(
        rf"P({middle} \mid {_states(states)})" for states in (contrast.active, contrast.baseline)
    )
    return (
        rf"\sum_{{{middle}}} \left( {moved} \right) "
        rf"\sum_{{{treatments}}} P({treatments}) "
        rf"\mathrm{{E}}[{_outcome(contrast)} \mid {treatments}, {middle}]"
    )


def instrument(contrast: Contrast, name: str, given: Sequence[str]) -> str:
    """Return the formula of an effect by an instrument."""
    condition = rf" \mid {', '.join(map(latex_name, given))}" if given else ""
    moved, treatment = latex_name(name), latex_name(contrast.treatments[0])
    return (
        rf"\frac{{\mathrm{{cov}}({moved}, {_outcome(contrast)}{condition})}}"
        rf"{{\mathrm{{cov}}({moved}, {treatment}{condition})}}"
    )


def _outcome(contrast: Contrast) -> str:
    if not contrast.measure.startswith("P("):
        return latex_name(contrast.outcome.name)
    _, _, state = contrast.measure[2:-1].partition("=")
    return rf"\mathbf{{1}}[{_states({contrast.outcome.name: state})}]"


def _states(states: Mapping[str, Any]) -> str:
    return ", ".join(
        f"{latex_name(name)} = {state if isinstance(state, int | float) else latex_name(state)}"
        for name, state in ((name, _plain(state)) for name, state in states.items())
    )


def _plain(state: Any) -> str | int | float:
    return state if isinstance(state, int | float) else str(state)
