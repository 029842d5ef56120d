"""Numbers of parameters that can be counted by hand."""

from __future__ import annotations

import numpy as np
import pandas
import pytest
from sklearn.ensemble import ExtraTreesClassifier, HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn

import mmgraph as mm
from mmgraph.comparison.costs.parameter_count import parameter_count

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(60, 4))
Y = RANDOM.integers(0, 3, 60)


def test_networks_have_free_parameters():
    net = mm.BayesianNetwork.from_tables(
        [("a", "b")], {"a": [0.2, 0.3, 0.5], "b": [[0.1, 0.9], [0.5, 0.5], [0.8, 0.2]]}
    )
    assert parameter_count(net) == 2 + 3


def test_nets_have_the_entries_of_their_tensors():
    net = nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 2))
    assert parameter_count(net) == 25 + 12
    assert parameter_count({"one": net, "again": [net]}) == 37  # what is shared counts once


def test_estimators_have_what_they_have_fitted():
    linear = LogisticRegression().fit(X, Y)
    assert parameter_count(linear) == 3 * 4 + 3
    assert parameter_count(LogisticRegression()) == 0
    scaled = make_pipeline(StandardScaler(), LogisticRegression()).fit(X, Y)
    assert parameter_count(scaled) == 15 + 3 * 4  # means, variances, scales
    trees = ExtraTreesClassifier(3, random_state=0).fit(X, Y)
    assert parameter_count(trees) == sum(tree.tree_.node_count for tree in trees)
    boosted = HistGradientBoostingClassifier(max_iter=2, max_leaf_nodes=3).fit(X, Y == 1)
    nodes = sum(len(t.nodes) for stage in boosted._predictors for t in stage)
    assert parameter_count(boosted) == pytest.approx(nodes, abs=2)  # and the baseline


def test_a_predictor_has_those_of_its_network_and_not_its_data():
    for rows in (30, 60):
        frame = pandas.DataFrame(X[:rows], columns=list("abcd"))
        model = mm.BayesianNetworkClassifier(temper=False).fit(frame, Y[:rows])
        # Naive Bayes: shares of three classes, a mean and a variance of four columns in each.
        network = model.network_
        assert parameter_count(network) == 2 + 3 * 4 * 2
        # It keeps the shares by themselves too, for rows of which nothing is there.
        assert parameter_count(model) == parameter_count(network) + 3
