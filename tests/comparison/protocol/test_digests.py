"""What tells predictors apart: parameters, not what they hold besides."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.base import BaseEstimator
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import mmgraph as mm
from mmgraph.comparison.protocol.digests import predictor_digest, versions
from mmgraph.graph.errors import MmgraphError


class Counting(BaseEstimator):
    """Holds what is no parameter."""

    def __init__(self, size: int = 3) -> None:
        self.size = size
        self.cache: list[Any] = []


def learned(seed: int) -> LogisticRegression:
    table = np.random.default_rng(seed).normal(size=(20, 2))
    return LogisticRegression().fit(table, np.arange(20) % 2)


def test_predictors_are_told_apart_by_their_parameters_alone():
    used = Counting()
    used.cache.append("something")
    assert predictor_digest(used) == predictor_digest(Counting())
    assert predictor_digest(Counting(4)) != predictor_digest(Counting())
    pipes = [make_pipeline(StandardScaler(), LogisticRegression(C=c)) for c in (1.0, 1.0, 2.0)]
    assert predictor_digest(pipes[0]) == predictor_digest(pipes[1]) != predictor_digest(pipes[2])
    pipes[0].fit(np.eye(4), [0, 1, 0, 1])
    assert predictor_digest(pipes[0]) == predictor_digest(pipes[1])
    nets = [mm.DeepClassifier(members=m) for m in (2, 2, 3)]
    assert predictor_digest(nets[0]) == predictor_digest(nets[1]) != predictor_digest(nets[2])
    # What has learned, and does not learn again, is told apart by what it has learned.
    frozen = [predictor_digest(FrozenEstimator(learned(seed))) for seed in (0, 0, 1)]
    assert frozen[0] == frozen[1] != frozen[2]
    with pytest.raises(MmgraphError, match="Counting cannot be told from others of its kind"):
        predictor_digest(Counting(lambda: 3))  # type: ignore[arg-type]


def test_versions_are_of_what_learns():
    assert {"mmgraph", "torch", "scikit-learn"} <= {*versions()}
    assert all(versions().values())
