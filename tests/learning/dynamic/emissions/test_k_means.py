"""First clusters of rows with cells missing."""

import numpy as np
import pytest

from mmgraph.graph.errors import LearningError
from mmgraph.learning.dynamic.emissions import k_means
from mmgraph.learning.dynamic.emissions.k_means import clusters


@pytest.mark.parametrize("most", [20_000, 60])
def test_separate_clusters_are_found_whatever_the_units(monkeypatch, most):
    monkeypatch.setattr(k_means, "_MOST_ROWS", most)
    generator = np.random.default_rng(0)
    truth = np.array([[0.0, 0], [10, 0], [0, 10]]) * [1, 1e6] + [5, -1e7]
    label = generator.integers(3, size=300)
    rows = truth[label] + generator.standard_normal((300, 2)) * [0.5, 5e5]
    rows[0, 1] = np.nan
    centres, found = clusters(rows, 3, np.random.default_rng(1))
    order = np.abs((centres - truth[:, None]) / [1, 1e6]).sum(2).argmin(1)
    assert sorted(order) == [0, 1, 2]
    np.testing.assert_allclose(centres[order] / [1, 1e6], truth / [1, 1e6], atol=0.4)
    np.testing.assert_array_equal(found[1:], order[label[1:]])


@pytest.mark.parametrize("distinct", [1, 2])
def test_fewer_rows_than_clusters_give_finite_centres(distinct):
    rows = np.arange(float(distinct)).repeat(3)[:, None]
    centres, label = clusters(rows, 4, np.random.default_rng(0))
    assert centres.shape == (4, 1)
    assert np.isfinite(centres).all()
    assert len(np.unique(centres)) == 4
    assert len(np.unique(label)) == distinct


def test_bad_rows_are_named():
    generator = np.random.default_rng(0)
    with pytest.raises(LearningError, match="feature 1 is missing in all rows"):
        clusters(np.array([[0, np.nan], [1, np.nan]]), 2, generator)
    with pytest.raises(LearningError, match="feature 0 of step 1 is infinite"):
        clusters(np.array([[0.0], [np.inf]]), 2, generator)
