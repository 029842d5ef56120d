"""Missing features filled in on their own scale, against the normal distribution's formula."""

from __future__ import annotations

import numpy as np

from mmgraph.predictors.leaves.conditional_means import ConditionalMeans

NAN = np.nan


def test_what_is_there_stays_and_what_is_missing_is_told_by_the_rest():
    random = np.random.default_rng(0)
    factor = random.standard_normal((2000, 1))
    table = 50 + 10 * (factor + 0.2 * random.standard_normal((2000, 3)))
    means = ConditionalMeans.fitted(table)
    np.testing.assert_array_equal(means.filled(table), table)
    row = np.array([[70.0, NAN, 66.0]])
    covariance = np.cov(table.T)
    seen = [0, 2]
    slope = np.linalg.solve(covariance[np.ix_(seen, seen)], covariance[seen, 1])
    expected = table.mean(0)[1] + (row[0, seen] - table.mean(0)[seen]) @ slope
    filled = means.filled(row)[0]
    np.testing.assert_array_equal(filled[seen], row[0, seen])
    np.testing.assert_allclose(filled[1], expected, rtol=0.01)


def test_features_that_do_not_vary_or_were_never_there():
    table = np.array([[1.0, 4.0, NAN], [2.0, NAN, NAN], [NAN, 4.0, NAN]])
    filled = ConditionalMeans.fitted(table).filled(table)
    np.testing.assert_allclose(filled, [[1, 4, 0], [2, 4, 0], [1.5, 4, 0]])
    nothing = np.full((2, 2), NAN)
    np.testing.assert_array_equal(
        ConditionalMeans.fitted(nothing).filled(nothing), np.zeros((2, 2))
    )
