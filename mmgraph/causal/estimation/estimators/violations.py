"""Positivity: strata in which one of the compared treatments does not occur."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mmgraph.causal.estimation.estimators.contrast import Contrast, words
from mmgraph.causal.estimation.estimators.sample import Sample
from mmgraph.causal.estimation.estimators.tables import arm_weights
from mmgraph.graph.errors import LearningError, check_choice

EMPTY = ("raise", "drop", "bounds")


@dataclass(frozen=True)
class Violation:
    """A stratum in which a treatment does not occur, so that data says nothing of its effect there.

    Attributes
    ----------
    stratum : dict of str to label
        The states of the variables adjusted for; empty where nothing is.
    treatment : dict of str to label
        What no row of the stratum has.
    share : float
        The part of all rows, by weight, that lies in the stratum.
    """

    stratum: dict[str, Any]
    treatment: dict[str, Any]
    share: float

    def __str__(self) -> str:
        text = f"{words(self.treatment)} does not occur"
        if self.stratum:
            text += f" where {words(self.stratum)} ({self.share:.3g} of the rows)"
        return text


def violations(
    sample: Sample, contrast: Contrast, adjustment: Sequence[str]
) -> tuple[Violation, ...]:
    """Return the strata in which one of the compared settings does not occur."""
    _, labels = sample.strata(adjustment)
    mass, total = arm_weights(sample, contrast, adjustment)
    shares = (total / total.sum()).tolist()
    settings = (contrast.baseline, contrast.active)
    return tuple(
        Violation(labels[stratum], settings[arm], shares[stratum])
        for stratum, arm in ((mass == 0) & (total > 0)[:, None]).nonzero().tolist()
    )


def check_positivity(broken: Sequence[Violation], empty: str) -> None:
    """Raise LearningError for strata without a treatment, unless ``empty`` says what to do."""
    check_choice("choice of empty", empty, EMPTY, LearningError)
    if broken and empty == "raise":
        shown = "; ".join(str(violation) for violation in broken[:3])
        more = f"; and {len(broken) - 3} more" if len(broken) > 3 else ""
        raise LearningError(
            f"{shown}{more}: take the overlap (empty='drop'), bounds (empty='bounds'), fewer "
            "states, or a regression (learner='linear')"
        )
