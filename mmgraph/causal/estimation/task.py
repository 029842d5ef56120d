"""What every estimate starts from: the rows that a question needs, and how intervals are made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from mmgraph.causal.estimation import wording
from mmgraph.causal.estimation.effect import Effect
from mmgraph.causal.estimation.estimators.contrast import Contrast, contrast, words
from mmgraph.causal.estimation.estimators.intervals import (
    Estimates,
    Functional,
    IntervalSettings,
    estimates,
)
from mmgraph.causal.estimation.estimators.sample import Sample, read_sample
from mmgraph.causal.estimation.question import EffectQuestion
from mmgraph.graph.errors import LearningError
from mmgraph.graph.variable import Variable

STRAIGHT = (
    "means change along straight lines, without interactions; where they do not, the number is "
    "that of the best line"
)


@dataclass(frozen=True)
class EstimationOptions:
    """How an effect is estimated; parameters are those of ``CausalModel.effect``."""

    method: str = "auto"
    learner: Any = None
    empty: str = "raise"
    adjustment: Sequence[str] | None = None
    weights: object = None
    groups: object = None
    interventions: str | None = None
    settings: IntervalSettings = field(default_factory=IntervalSettings)


@dataclass(frozen=True, eq=False)
class EstimationTask:
    """A question, its rows, and how it is estimated; ``sample`` has the states that are given."""

    asked: EffectQuestion
    sample: Sample
    options: EstimationOptions

    @classmethod
    def read(
        cls,
        asked: EffectQuestion,
        known: Mapping[str, Variable],
        data: object,
        options: EstimationOptions,
        more: Sequence[str],
    ) -> EstimationTask:
        """Read the columns that a question names, and some more."""
        names = tuple(dict.fromkeys((*asked.names, *asked.through, *more)))
        # Learners are fitted on rows, some of which are left out.
        distinct = options.learner in (None, "linear")
        sample = read_sample(
            data, names, known, options.weights, options.groups, distinct, options.interventions
        )
        for name in asked.treatments:
            sample.check_varies(name)
        return cls(asked, sample, options)

    def where_given(self) -> EstimationTask:
        """Return the task of those rows that have the states given."""
        agrees = self.sample.agrees(self.asked.given)
        if not bool((self.sample.weights[agrees] > 0).any()):
            raise LearningError(f"no row has {words(self.asked.given)}")
        return replace(self, sample=self.sample.where(agrees))

    @cached_property
    def contrast(self) -> Contrast:
        """What is compared."""
        asked = self.asked
        return contrast(
            self.sample.variables,
            asked.outcome,
            asked.do,
            asked.baseline,
            asked.scores,
            asked.controls,
        )

    def infer(self, functional: Functional, terms: int = 0) -> Estimates:
        """Return quantities with their intervals, after a regression of so many terms."""
        return estimates(functional, self.sample, self.options.settings, terms)

    def unanswered(self, why: str) -> Effect:
        """Return an answer without a number."""
        asked = self.asked
        return Effect(
            kind=asked.kind,
            estimate=None,
            method=why,
            estimand=wording.in_words(asked.kind, self.contrast, asked.through, asked.given),
            latex=wording.query(self.contrast, asked.given, asked.through, asked.kind),
            rows=self.sample.rows,
            set_rows=self.sample.set_rows,
            level=self.options.settings.level,
        )

    def answer(self, found: Estimates, method: str, place: int = 0) -> Effect:
        """Return the answer that one of some quantities is, its formula that of the question."""
        return replace(
            self.unanswered(method),
            estimate=float(found.values[place]),
            standard_error=float(found.errors[place]),
            interval=(float(found.low[place]), float(found.high[place])),
            interval_method=self.options.settings.kind,
        )


def refuse_empty(lacking: Sequence[Mapping[str, Any]]) -> None:
    """Raise LearningError if there are strata that a formula needs and no row has."""
    if lacking:
        more = f", and {len(lacking) - 3} more strata" if len(lacking) > 3 else ""
        shown = "; ".join(words(states) for states in lacking[:3])
        raise LearningError(f"the formula needs rows with {shown}{more}, and there are none")
