"""Ranks over made-up data sets, and the refusal of too few."""

import json

import numpy as np
import pytest
from scipy import stats

from mmgraph.comparison.report.comparison_report import ComparisonReport
from mmgraph.comparison.report.over_data_sets import over_data_sets
from mmgraph.graph.errors import MmgraphError
from tests.comparison.report import made_up

QUALITY = {
    "network": (0.70, 0.72, 0.66, 0.81, 0.75, 0.60, 0.64, 0.70, 0.58, 0.77),
    "late_fusion": (0.80, 0.82, 0.76, 0.91, 0.85, 0.70, 0.74, 0.80, 0.68, 0.87),
    "hybrid": (0.81, 0.80, 0.78, 0.90, 0.84, 0.72, 0.75, 0.78, 0.70, 0.85),
}


def reports(count: int) -> dict[str, ComparisonReport]:
    rows = made_up.split_rows(200)
    made = {}
    for place in range(count):
        answers = [made_up.answers(m, shares[place], rows) for m, shares in QUALITY.items()]
        if place == 1:  # a model that one data set alone has is in no rank
            answers.append(made_up.answers("extra", 0.99, rows))
        made[f"set_{place}"] = ComparisonReport(
            made_up.about(), (rows,), (*answers, *made_up.prior(rows))
        )
    return made


@pytest.mark.slow
def test_ranks_are_those_of_the_scores_and_are_told():
    over = over_data_sets(reports(10), "accuracy")
    table = np.array(list(over.scores.values()))
    assert set(over.scores) == set(QUALITY)
    ranks = stats.rankdata(-table, axis=0).mean(1)
    assert list(over.mean_ranks.values()) == pytest.approx(ranks)
    assert over.nemenyi.p_value == pytest.approx(stats.friedmanchisquare(*table).pvalue)
    text = over.words()
    assert f"By Nemenyi's test {over.best} is better than network." in text
    assert f"cannot be told apart from {over.best} by it." in text
    assert over.beside_best["network"].above > 0.95
    content = json.loads(json.dumps(over.to_dict(), allow_nan=False))
    assert content["mean_ranks"]["network"] == 3.0
    assert content["data_sets"][0] == "set_0 (random)"


def test_too_few_data_sets_are_refused():
    with pytest.raises(MmgraphError, match="at least 5 data sets, and here are 4"):
        over_data_sets(reports(4))
    with pytest.raises(MmgraphError, match="unknown metric 'auroc'"):
        over_data_sets(reports(5), "auroc")
