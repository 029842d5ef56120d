"""The front against its definition."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmgraph.comparison.costs.pareto import pareto_front
from mmgraph.graph.errors import MmgraphError


@given(st.integers(0, 10**6), st.integers(1, 8), st.integers(1, 3))
def test_against_the_definition(seed: int, models: int, criteria: int):
    table = np.random.default_rng(seed).integers(0, 4, (models, criteria))
    beaten = [any((other <= row).all() and (other < row).any() for other in table) for row in table]
    assert (pareto_front(table) == ~np.array(beaten)).all()
    assert pareto_front(table).any()


def test_equal_models_stand_together():
    assert pareto_front(np.array([[1, 2], [1, 2], [2, 1], [2, 2]])).tolist() == [1, 1, 1, 0]


def test_bad_input():
    with pytest.raises(MmgraphError, match="criterion 1 of model 0 is not a number"):
        pareto_front(np.array([[1.0, np.nan]]))
    with pytest.raises(MmgraphError, match="a table of models by criteria"):
        pareto_front(np.ones(3))
