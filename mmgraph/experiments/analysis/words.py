"""A paragraph about an analysis, put together from its numbers."""

from __future__ import annotations

from collections.abc import Mapping

from mmgraph.causal.modalities.analysis import ModalityAnalysis
from mmgraph.causal.modalities.estimate import Estimate

_NEGLIGIBLE = 0.005
"""Bits that are not worth a sentence."""


def in_words(analysis: ModalityAnalysis) -> str:
    """Return what an analysis found, in a paragraph."""
    order = sorted(analysis.names, key=lambda name: -analysis.information[name].value)
    whole, best = analysis.whole, order[0]
    share = whole.information.value / analysis.entropy if analysis.entropy > 0 else 0.0
    parts = [
        f"There are {analysis.entropy:.2f} bits to tell about {analysis.target}, "
        f"{_basis(analysis)}. Together {_listed(order)} tell "
        f"{_with_interval(whole.information)} bits, {max(share, 0):.0%} of that, and name the "
        f"right state in {whole.accuracy.value:.1%} of cases."
    ]
    alone = [f"{name} {_with_interval(analysis.information[name])}" for name in order]
    parts.append(f"Alone, in bits: {', '.join(alone)}.")
    if len(order) > 1:
        parts += _additions(analysis, order, best)
    for (a, b), atoms in list(analysis.pairs.items())[:3]:
        parts.append(
            f"Of what {a} and {b} tell, {atoms.redundant:.2f} bits are in both, "
            f"{atoms.unique[0]:.2f} in {a} alone, {atoms.unique[1]:.2f} in {b} alone, and "
            f"{atoms.synergy:.2f} only in the two together."
        )
    if analysis.method == "data":
        parts.append(
            "These are what the model's answers to the rows tell, in expectation lower bounds of "
            "what the modalities hold."
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
            f"{name} from {before.information[name].value:.2f} to "
            f"{after.information[name].value:.2f}"
            for name in before.names
        ]
        parts.append(
            f"With {title} instead of {first}, what all modalities tell falls from "
            f"{before.whole.information.value:.2f} to {after.whole.information.value:.2f} bits "
            f"({', '.join(changes)}), and accuracy from {before.whole.accuracy.value:.1%} to "
            f"{after.whole.accuracy.value:.1%}."
            if after.whole.information.value < before.whole.information.value
            else f"With {title} instead of {first}, all modalities tell "
            f"{after.whole.information.value:.2f} bits ({', '.join(changes)})."
        )
        worse = [n for n in after.names if after.information[n].value < -_NEGLIGIBLE]
        if worse:
            parts.append(
                f"Alone, {_listed(worse)} there tells less than nothing: the model is surer than "
                "new rows allow."
            )
    return " ".join(parts)


def _additions(analysis: ModalityAnalysis, order: list[str], best: str) -> list[str]:
    """What is added to the modality that tells most, and what is lost without each."""
    parts = []
    if len(order) == 2:
        parts.append(
            f"Once {best} is known, {order[1]} adds "
            f"{_with_interval(analysis.given_others[order[1]])} bits; once {order[1]} is known, "
            f"{best} adds {_with_interval(analysis.given_others[best])}."
        )
    needless = [n for n in order if abs(analysis.given_others[n].value) < _NEGLIGIBLE]
    if needless:
        parts.append(f"Next to nothing is added to the others by {_listed(needless)}.")
    dearest = max(order, key=lambda name: analysis.missing[name].accuracy.value)
    loss = analysis.missing[dearest].accuracy.value
    parts.append(
        f"The modality that is missed most is {dearest}: without it accuracy falls by "
        f"{100 * loss:.1f} points."
        if loss > 0
        else "No single modality is missed: without any one, accuracy does not fall."
    )
    return parts


def _basis(analysis: ModalityAnalysis) -> str:
    if analysis.method == "exact":
        return "by the model's joint distribution"
    if analysis.method == "samples":
        return f"by {analysis.rows:,} draws from the model"
    groups = "" if analysis.groups is None else f" in {analysis.groups} groups"
    return f"in {analysis.rows:,} rows{groups}"


def _with_interval(estimate: Estimate) -> str:
    if not estimate.standard_error or estimate.low is None or estimate.high is None:
        return f"{estimate.value:.2f}"
    return f"{estimate.value:.2f} ({estimate.low:.2f} to {estimate.high:.2f})"


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
