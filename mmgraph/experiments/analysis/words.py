"""A paragraph about an analysis, put together from its numbers."""

from __future__ import annotations

from collections.abc import Mapping

from mmgraph.causal.modalities.analysis import ModalityAnalysis
from mmgraph.causal.modalities.estimate import Estimate
from mmgraph.plots.pages.wording import counted, listed

_NEGLIGIBLE = 0.005
"""Bits that are not worth a sentence."""


_FEW = 6
"""So many are listed; of more the first ones."""


def unit(analysis: ModalityAnalysis) -> str:
    """Return what is looked at: ``modality``, or ``variable`` where each stands for itself."""
    edges = list(analysis.graph.edges(data=True))
    single = all(edge["arcs"] == [(a, b)] for a, b, edge in edges)
    return "variable" if edges and single else "modality"


def units(analysis: ModalityAnalysis) -> str:
    """Return the plural of :func:`unit`."""
    return {"modality": "modalities", "variable": "variables"}[unit(analysis)]


def in_words(analysis: ModalityAnalysis) -> str:
    """Return what an analysis found, in a paragraph."""
    order = sorted(analysis.names, key=lambda name: -analysis.information[name].value)
    whole, several = analysis.whole, len(order) > 1
    share = whole.information.value / analysis.entropy if analysis.entropy > 0 else 0.0
    parts = [
        f"There are {analysis.entropy:.2f} bits to tell about {analysis.target}, "
        f"{_basis(analysis)}. {'Together ' if several else ''}{listed(order)} "
        f"tell{'' if several else 's'} {_with_interval(whole.information)} bits, "
        f"{max(share, 0):.0%} of that, and name{'' if several else 's'} the right state in "
        f"{whole.accuracy.value:.1%} of cases."
    ]
    if several:
        alone = [f"{name} {_with_interval(analysis.information[name])}" for name in order[:_FEW]]
        more = "" if len(order) <= _FEW else f", and {counted(len(order) - _FEW, 'other')} less"
        parts.append(f"Alone, in bits: {', '.join(alone)}{more}.")
        parts += _additions(analysis, order)
    for (a, b), atoms in list(analysis.pairs.items())[:3]:
        parts.append(
            f"Of what {a} and {b} tell, {_bits(atoms.redundant)} bits are in both, "
            f"{_bits(atoms.unique[0])} only in {a}, {_bits(atoms.unique[1])} only in {b}, and "
            f"{_bits(atoms.synergy)} only in the two together."
        )
    if any(_has_interval(e) for e in (whole.information, *analysis.information.values())):
        parts.append("In parentheses are 95% intervals.")
    if analysis.method == "data":
        parts.append(
            "These are what the model's answers to the rows tell, in expectation lower bounds of "
            f"what the {units(analysis)} hold."
        )
        told = [whole.information, *analysis.information.values(), *analysis.given_others.values()]
        if any(e.value < -_NEGLIGIBLE for e in told):
            parts.append(
                "Below zero the model, with this to look at, foretells the rows worse than "
                "without: it is surer than they allow."
            )
    return " ".join(parts)


def compared(analyses: Mapping[str, ModalityAnalysis]) -> str:
    """Return how analyses of the same rows in several splits differ; empty where there is one."""
    if len(analyses) < 2:
        return ""
    (first, before), *others = analyses.items()
    parts = []
    for title, after in others:
        changes = [
            f"{name} {before.information[name].value:z.2f} → {after.information[name].value:z.2f}"
            for name in before.names[:_FEW]
        ]
        if len(before.names) > _FEW:
            changes.append(f"and {counted(len(before.names) - _FEW, 'other')}")
        told = [_bits(one.whole.information.value) for one in (before, after)]
        parts.append(
            f"With {title} instead of {first}, what all {units(after)} tell goes from {told[0]} "
            f"to {told[1]} bits (alone: {', '.join(changes)}), and accuracy from "
            f"{before.whole.accuracy.value:.1%} to {after.whole.accuracy.value:.1%}."
        )
        worse = [n for n in after.names if after.information[n].value < -_NEGLIGIBLE]
        if worse:
            parts.append(
                f"Alone, {listed(worse)} there tell{'s' if len(worse) == 1 else ''} less than "
                "nothing: the model is surer than new rows allow."
            )
    return " ".join(parts)


def _additions(analysis: ModalityAnalysis, order: list[str]) -> list[str]:
    """What is added to what tells most, and what is lost without each."""
    parts, given = [], analysis.given_others
    if len(order) == 2:
        best, other = order
        parts.append(
            f"Once {best} is known, {other} adds {_with_interval(given[other])} bits; once "
            f"{other} is known, {best} adds {_with_interval(given[best])}."
        )
    needless = [n for n in order if abs(given[n].value) < _NEGLIGIBLE]
    if needless:
        parts.append(f"Next to nothing is added to the others by {listed(needless)}.")
    dearest = max(order, key=lambda name: given[name].value)
    if given[dearest].value < _NEGLIGIBLE:
        return [
            *parts,
            f"No single {unit(analysis)} is missed: without any one, the others tell as much.",
        ]
    loss = analysis.missing[dearest].accuracy.value
    falls = f", and accuracy falls by {100 * loss:.1f} points" if loss >= 0.0005 else ""
    parts.append(
        f"The {unit(analysis)} that is missed most is {dearest}: without it "
        f"{_bits(given[dearest].value)} bits are lost{falls}."
    )
    return parts


def _basis(analysis: ModalityAnalysis) -> str:
    if analysis.method == "exact":
        return "by the model's joint distribution"
    if analysis.method == "samples":
        return f"by {counted(analysis.rows or 0, 'draw')} from the model"
    groups = "" if analysis.groups is None else f" in {counted(analysis.groups, 'group')}"
    return f"in {counted(analysis.rows or 0, 'row')}{groups}"


def _bits(value: float) -> str:
    return f"{value:z.2f}"


def _has_interval(estimate: Estimate) -> bool:
    """Whether there is an interval that is more than the number itself, as it is written."""
    low, high = estimate.low, estimate.high
    return None not in (low, high) and len({_bits(e) for e in (estimate.value, low, high)}) > 1  # type: ignore[arg-type]


def _with_interval(estimate: Estimate) -> str:
    if not _has_interval(estimate):
        return _bits(estimate.value)
    return f"{_bits(estimate.value)} ({estimate.low:z.2f} to {estimate.high:z.2f})"
