"""How well a model stands noise, over the whole curve: relative and effective robustness."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from mmgraph.comparison.results import Answers, Tested
from mmgraph.comparison.statistics.robustness import effective_robustness, relative_robustness
from mmgraph.graph.errors import MmgraphError


class Robustness(NamedTuple):
    """A curve of accuracy over levels of a disturbance, and what sums it up.

    Liang et al. (2021), "MultiBench: Multiscale benchmarks for multimodal representation learning",
    who take the sum over levels in equal steps, where here the levels have their own distances.

    Attributes
    ----------
    levels, accuracies : tuple of float
        From no disturbance on.
    relative : float
        The mean of the curve over the levels (the area under it, by trapezoids, divided by the
        span): how good a model is under disturbance.
    effective : float or None
        The same area above the curve of a baseline that has been moved to begin at the same
        accuracy: how slowly a model loses, whatever it has to lose. None of no baseline.
    """

    levels: tuple[float, ...]
    accuracies: tuple[float, ...]
    relative: float
    effective: float | None


def robustness(
    answers: Sequence[Answers],
    tested: Tested,
    model: str,
    kind: str,
    modality: str,
    baseline: str | None = "late_fusion",
) -> Robustness:
    """Return the robustness of a model on one split against a disturbance of one modality.

    Parameters
    ----------
    answers : sequence of Answers
        Those of a comparison.
    tested : Tested
        The rows of the split.
    model : str
    kind : str
        ``"noise"``, ``"cells"`` or ``"rows"``.
    modality : str
        The one that is disturbed.
    baseline : str, optional
        The model of which effective robustness is relative; MultiBench takes late fusion.

    Raises
    ------
    MmgraphError
        If the model was not asked so.
    """
    levels, curve = _curve(answers, tested, model, kind, modality)
    if len(levels) < 2:
        raise MmgraphError(
            f"'{model}' has no answers under '{kind}' of '{modality}': compare with "
            'conditions=("noise",)'
        )
    relative = relative_robustness(levels, curve)
    effective = None
    if baseline is not None:
        others, other = _curve(answers, tested, baseline, kind, modality)
        if others == levels:
            effective = effective_robustness(levels, curve, other)
    return Robustness(levels, curve, relative, effective)


def _curve(
    answers: Sequence[Answers], tested: Tested, model: str, kind: str, modality: str
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Levels and accuracies of a model, from those of all modalities as they are."""
    mine = [a for a in answers if (a.model, a.split) == (model, tested.split)]
    most = max((len(a.given) for a in mine), default=0)
    points = {
        a.condition.level if a.condition.kind == kind else 0.0: a.probabilities
        for a in mine
        if (a.condition.kind == "none" and len(a.given) == most)
        or a.condition[:2] == (kind, modality)
    }
    levels = sorted(points)
    return tuple(levels), tuple(
        float((points[level].argmax(1) == tested.codes).mean()) for level in levels
    )
