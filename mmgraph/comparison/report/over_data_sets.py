"""Models compared over several data sets, by ranks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from mmgraph.comparison.report.compared_figures import PRIOR, ComparedFigures
from mmgraph.comparison.report.differences import METRICS, ROPE
from mmgraph.comparison.statistics.data_sets import (
    Chances,
    RankTest,
    bayesian_signed_rank,
    friedman_nemenyi,
    friedman_wilcoxon_holm,
)
from mmgraph.graph.errors import MmgraphError, check_choice
from mmgraph.plots.pages.wording import listed


@dataclass(frozen=True)
class OverDataSets:
    """How models do over data sets that all of them were compared on.

    Attributes
    ----------
    metric : str
    scores : mapping of str to tuple of float
        Of each model, in the order of ``data_sets``; more is better.
    data_sets : tuple of str
        With the split: that by groups, where there is one.
    nemenyi, holm : RankTest
        After Friedman's test: Nemenyi's, and Wilcoxon's after Holm.
    beside_best : mapping of str to Chances
        How probable it is that the model of the best mean rank is better than each other, the same
        in practice, or worse, in another data set (Bayesian signed ranks).
    """

    metric: str
    scores: Mapping[str, tuple[float, ...]]
    data_sets: tuple[str, ...]
    nemenyi: RankTest
    holm: RankTest
    beside_best: Mapping[str, Chances]

    @property
    def best(self) -> str:
        """The model of the best mean rank."""
        return self.nemenyi.models[int(self.nemenyi.mean_ranks.argmin())]

    @property
    def mean_ranks(self) -> dict[str, float]:
        """The mean rank of each model; 1 is the best."""
        return dict(zip(self.nemenyi.models, self.nemenyi.mean_ranks.tolist(), strict=True))

    def to_dict(self) -> dict[str, Any]:
        """Return all numbers as JSON can hold them."""
        return {
            "metric": self.metric,
            "data_sets": list(self.data_sets),
            "scores": {model: list(scores) for model, scores in self.scores.items()},
            "mean_ranks": dict(
                zip(self.nemenyi.models, self.nemenyi.mean_ranks.tolist(), strict=True)
            ),
            "friedman": {"statistic": self.nemenyi.statistic, "p_value": self.nemenyi.p_value},
            "critical_difference": self.nemenyi.critical_difference,
            "nemenyi": self.nemenyi.pairs.tolist(),
            "wilcoxon_holm": self.holm.pairs.tolist(),
            "beside_best": {model: one._asdict() for model, one in self.beside_best.items()},
        }

    def words(self) -> str:
        """Return what the ranks say, in sentences."""
        ranks = self.mean_ranks
        place = self.nemenyi.models.index(self.best)
        apart = [
            model
            for model, p in zip(self.nemenyi.models, self.nemenyi.pairs[place], strict=True)
            if p < 0.05 and model != self.best
        ]
        others = [model for model in ranks if model != self.best and model not in apart]
        order = [f"{model} {ranks[model]:.2f}" for model in sorted(ranks, key=lambda m: ranks[m])]
        texts = [
            f"Mean ranks by {self.metric.replace('_', '-')} over {len(self.data_sets)} data sets, "
            f"1 being the best: {listed(order, 20)} (Friedman's test that all are alike: p = "
            f"{self.nemenyi.p_value:.3g})."
        ]
        if apart:
            texts.append(f"By Nemenyi's test {self.best} is better than {listed(apart, 20)}.")
        if others:
            texts.append(f"{listed(others, 20)} cannot be told apart from {self.best} by it.")
        return " ".join(texts)


def over_data_sets(
    reports: Mapping[str, ComparedFigures], metric: str = "log_loss", rope: float = ROPE
) -> OverDataSets:
    """Return how the models that all reports have do over their data sets, given everything.

    Parameters
    ----------
    reports : mapping of str to ComparisonReport
        By data set. Of one with groups counts the split by these.
    metric : str
        ``"log_loss"`` or ``"accuracy"``.
    rope : float
        Differences that make none in practice.

    Raises
    ------
    MmgraphError
        If there are fewer than five data sets or three models that all have, or no such metric.
    MissingExtraError
        If baycomp or scikit-posthocs is not installed.
    """
    check_choice("metric", metric, METRICS, MmgraphError)
    splits = {name: report.splits[-1] for name, report in reports.items()}
    scores: dict[str, tuple[float, ...]] = {}
    for model in dict.fromkeys(m for report in reports.values() for m in report.models):
        answers = [report.find(model, splits[name]) for name, report in reports.items()]
        if model != PRIOR and all(one and not one.failed_folds for one in answers):
            scores[model] = tuple(
                METRICS[metric] * float(report.row(one)[metric])
                for report, one in zip(reports.values(), answers, strict=True)
                if one is not None
            )
    arrays = {model: np.array(column) for model, column in scores.items()}
    nemenyi, holm = friedman_nemenyi(arrays), friedman_wilcoxon_holm(arrays)
    best = nemenyi.models[int(nemenyi.mean_ranks.argmin())]
    beside = {
        model: bayesian_signed_rank(arrays[best], column, rope)
        for model, column in arrays.items()
        if model != best
    }
    named = tuple(f"{name} ({split})" for name, split in splits.items())
    return OverDataSets(metric, scores, named, nemenyi, holm, beside)
