"""The figures of a comparison, from what each model says of the tested rows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from scipy.special import stdtrit

from mmgraph.comparison.report.differences import ROPE, Difference, PairedRows
from mmgraph.comparison.results import About, Answers, Condition, Failure, Tested
from mmgraph.data.recordings.windows import pooled_windows
from mmgraph.graph.errors import MmgraphError, check_choice, suggestion
from mmgraph.learning.prediction.prediction_figures import prediction_figures

PLAIN = Condition()
PRIOR = "prior"
"""The model that knows the shares of the classes alone."""
DISTURBED = (
    *("accuracy", "balanced_accuracy", "macro_f1", "log_loss", "brier_score"),
    "debiased_calibration_error",
)
"""The figures of conditions other than the plain one."""
_COSTS = ("train_seconds", "rows_per_second", "peak_bytes", "parameters")

Given = tuple[str, ...]


@dataclass(frozen=True, eq=False, repr=False)
class ComparedFigures:
    """What models have said of held-out rows, with all figures of it.

    Parameters
    ----------
    about : About
        What was compared, and how.
    tested : tuple of Tested
        The tested rows of each split.
    answers : tuple of Answers
        By model, split, modalities and condition, each once.
    failures : tuple of Failure
        What could not be fitted or asked.

    Raises
    ------
    MmgraphError
        If there are no answers, one is there twice, or one is not of the tested rows and classes.
    """

    about: About
    tested: tuple[Tested, ...]
    answers: tuple[Answers, ...]
    failures: tuple[Failure, ...] = ()

    def __post_init__(self) -> None:
        if not self.answers:
            raise MmgraphError(f"no model has answered: {self._failed()}")
        if len(self._by_key) < len(self.answers):
            raise MmgraphError("a model answers twice in the same condition")
        classes = len(self.about.classes)
        for one in self.answers:
            shape = (len(self.of_split(one.split).rows), classes)
            if one.probabilities.shape != shape:
                raise MmgraphError(
                    f"'{one.model}' answers an array of shape {one.probabilities.shape} in the "
                    f"split '{one.split}'; {shape} was expected"
                )

    def _failed(self) -> str:
        return "; ".join(f"{f.model}: {f.message}" for f in self.failures) or "none was asked"

    @property
    def models(self) -> tuple[str, ...]:
        """The models that answer, in the order in which they were asked for."""
        return tuple(dict.fromkeys(one.model for one in self.answers))

    @property
    def families(self) -> dict[str, str]:
        """The family of each model."""
        return {one.model: one.family for one in self.answers}

    @property
    def splits(self) -> tuple[str, ...]:
        """The splits, in the order in which they were made."""
        return tuple(one.split for one in self.tested)

    @property
    def all_modalities(self) -> Given:
        """What is given where nothing is left out."""
        return self.about.modalities

    def of_split(self, split: str) -> Tested:
        """Return the tested rows of a split."""
        check_choice("split", split, self.splits, MmgraphError)
        return next(one for one in self.tested if one.split == split)

    def find(
        self, model: str, split: str, given: Given | None = None, condition: Condition = PLAIN
    ) -> Answers | None:
        """Return what a model says given some modalities, by default all; None if it was not asked.

        The order of modalities does not matter.
        """
        modalities = self.all_modalities if given is None else given
        return self._by_key.get((model, split, frozenset(modalities), condition))

    @cached_property
    def _by_key(self) -> dict[tuple[str, str, frozenset[str], Condition], Answers]:
        return {(a.model, a.split, frozenset(a.given), a.condition): a for a in self.answers}

    def conditions(self, kind: str) -> Iterator[Answers]:
        """Return the answers in conditions of a kind."""
        return (one for one in self.answers if one.condition.kind == kind)

    def sets(self, split: str) -> tuple[Given, ...]:
        """The sets of modalities that models were asked of rows as they are, the largest first."""
        asked = dict.fromkeys(
            tuple(m for m in self.all_modalities if m in one.given)
            for one in self.conditions("none")
            if one.split == split
        )
        return tuple(sorted(asked, key=lambda given: -len(given)))

    def rows(self) -> list[dict[str, Any]]:
        """Return the figures of each model, split, set of modalities and condition.

        Returns
        -------
        list of dict
            ``unit``: ``"rows"`` or, where rows are windows, after these ``"recordings"``, of the
            geometric means of their windows' probabilities; ``model``, ``family``, ``split``,
            ``given`` (a list), ``condition``, ``modality`` and
            ``level`` (see :class:`~mmgraph.comparison.results.Condition`); the figures with their
            standard errors, of rows that belong together over groups; the costs ``train_seconds``
            of CPU time, ``rows_per_second``, ``peak_bytes``, ``parameters``; and ``failed_folds``,
            in which the answers are the shares of the classes. What was not computed or measured
            is None.
        """
        rows = [*self._rows.values(), *self._recordings.values()]
        keys = dict.fromkeys(key for row in rows for key in row)
        return [{key: row.get(key) for key in keys} for row in rows]

    @cached_property
    def _rows(self) -> dict[int, dict[str, Any]]:
        return {id(one): self._row(one) for one in self.answers}

    @cached_property
    def _recordings(self) -> dict[int, dict[str, Any]]:
        return {id(a): self._row(a, True) for a in self.answers if self.has_recordings(a.split)}

    def has_recordings(self, split: str) -> bool:
        """Return whether the rows of a split are windows of recordings."""
        return self.of_split(split).recordings is not None

    def row_of_recordings(self, answers: Answers) -> dict[str, Any]:
        """Return :meth:`row` of recordings, what is said of whose windows is pooled."""
        return self._recordings[id(answers)]

    def row(self, answers: Answers) -> dict[str, Any]:
        """Return the row of :meth:`rows` of one of the answers."""
        return self._rows[id(answers)]

    def _row(self, one: Answers, pooled: bool = False) -> dict[str, Any]:
        tested = self.of_split(one.split)
        table, codes, groups = one.probabilities, tested.codes, tested.groups
        if pooled and tested.recordings is not None:
            table = pooled_windows(table, tested.recordings)
            firsts = np.unique(tested.recordings, return_index=True)[1]
            codes, groups = codes[firsts], None if groups is None else groups[firsts]
        plain = one.condition == PLAIN
        metrics = None if plain else DISTURBED
        return {
            "unit": "recordings" if pooled else "rows",
            "model": one.model,
            "family": one.family,
            "split": one.split,
            "given": list(one.given),
            "condition": one.condition.kind,
            "modality": one.condition.modality or None,
            "level": one.condition.level,
            **prediction_figures(table, codes, groups, metrics),
            **{key: one.costs.get(key) for key in _COSTS},
            "failed_folds": one.failed_folds,
        }

    def difference(
        self, a: Answers, b: Answers, metric: str = "log_loss", rope: float = ROPE
    ) -> Difference:
        """Return how answers ``a`` differ from ``b`` in the same split, kept once computed."""
        key = (id(a), id(b), metric, rope)
        if key not in self._differences:
            self._differences[key] = self._paired[a.split].difference(a, b, metric, rope)
        return self._differences[key]

    def interval(self, answers: Answers, metric: str) -> tuple[float, float] | None:
        """Return the 95% interval of log-loss or accuracy; None where a single group was tested."""
        paired = self._paired[answers.split]
        return paired.interval(answers, metric) if paired.units > 1 else None

    def shown_miscalibrated(self, answers: Answers) -> bool:
        """Return whether the calibration error is larger than chance makes it.

        It is larger than in 95 of 100 draws of labels of independent rows. Where rows have groups,
        whose rows may err together, the debiased error must be above zero, too, by Student's t of
        its standard error over groups (one-sided, 5%): of groups that are independent.
        """
        row, groups = self.row(answers), self.of_split(answers.split).groups
        error = row["expected_calibration_error"]
        if error <= row["expected_calibration_error_by_chance_95"] or groups is None:
            return bool(error > row["expected_calibration_error_by_chance_95"])
        spread = row["debiased_calibration_error_standard_error"]
        if spread is None:  # of a single group
            return False
        quantile = float(stdtrit(len(np.unique(groups)) - 1, 0.95))
        return bool(row["debiased_calibration_error"] > quantile * spread)

    @cached_property
    def _differences(self) -> dict[tuple[int, int, str, float], Difference]:
        return {}

    @cached_property
    def _paired(self) -> dict[str, PairedRows]:
        return {one.split: PairedRows(one) for one in self.tested}

    def checked_model(self, model: str) -> str:
        """Return the name of a model that answers, or refuse it."""
        if model not in self.models:
            hint = suggestion(model, self.models) or f" (known: {', '.join(self.models)})"
            raise MmgraphError(f"no model is called '{model}'{hint}")
        return model

    def answers_given_all(self, split: str, families: tuple[str, ...] = ()) -> list[Answers]:
        """Return what models of some families, by default all, say given everything, best first.

        Best is by log-loss.
        """
        asked = [self.find(model, split) for model in self.models]
        chosen = [one for one in asked if one and (not families or one.family in families)]
        return sorted(chosen, key=lambda one: float(self.row(one)["log_loss"]))

    def ranked(self, split: str, families: tuple[str, ...] = ()) -> list[Answers]:
        """Return :meth:`answers_given_all` of the models that failed in no fold."""
        return [one for one in self.answers_given_all(split, families) if not one.failed_folds]

    def pareto_front(self, split: str) -> list[str]:
        """Return the models than which none is both quicker to fit and shown to be better.

        Better is by log-loss, where the difference has a verdict. Of those that have answered in
        all folds and whose seconds were measured, but for the prior; the quickest first.
        """
        timed = [
            one for one in self.ranked(split) if "train_seconds" in one.costs and one.model != PRIOR
        ]
        front = [
            one
            for one in timed
            if not any(
                other.costs["train_seconds"] <= one.costs["train_seconds"]
                and self.difference(other, one).verdict > 0
                for other in timed
            )
        ]
        return [one.model for one in sorted(front, key=lambda one: one.costs["train_seconds"])]
