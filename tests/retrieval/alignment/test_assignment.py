import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmgraph.graph.errors import ConvergenceWarning, MmgraphError
from mmgraph.retrieval.alignment.align import align
from mmgraph.retrieval.alignment.matchings import propagated
from mmgraph.retrieval.alignment.scores import less_hubs


def enumerated(weights, partial):
    """Every matching as pairs, and the exact marginals when weights of pairs multiply."""
    rows, columns = weights.shape
    total, marginals, best = 0.0, np.zeros(weights.shape), (-np.inf, ())
    for size in range(min(rows, columns) + 1):
        if size < min(rows, columns) and not partial:
            continue
        for left in itertools.combinations(range(rows), size):
            for right in itertools.permutations(range(columns), size):
                weight = np.prod(weights[list(left), list(right)])
                total += weight
                marginals[list(left), list(right)] += weight
                best = max(best, (weight, tuple(zip(left, right, strict=True))))
    return marginals / total, best[1]


sizes = st.tuples(st.integers(1, 4), st.integers(1, 4))


@given(sizes, st.booleans(), st.integers(0, 2**20))
@settings(max_examples=60, deadline=None)
def test_pairs_are_the_best_matching_and_probabilities_are_its_marginals(shape, partial, seed):
    scores = np.random.default_rng(seed).normal(0, 1.5, shape)
    found = align(scores, threshold=0.3 if partial else None)
    marginals, best = enumerated(np.exp(scores - 0.3 * partial), partial)
    assert [tuple(pair) for pair in found.pairs] == list(best)
    assert found.score == pytest.approx(sum(scores[pair] for pair in best))
    np.testing.assert_allclose(found.probabilities, marginals, atol=1e-12)
    for axis, left in ((1, found.unmatched_rows), (0, found.unmatched_columns)):
        sums = found.probabilities.sum(axis)
        np.testing.assert_allclose(sums if left is None else sums + left, 1, atol=1e-12)


@given(sizes, st.integers(0, 2**20))
@settings(max_examples=30, deadline=None)
def test_belief_propagation_is_near_the_marginals(shape, seed):
    log_odds = np.random.default_rng(seed).normal(0, 1.5, shape)
    found = propagated(log_odds, True, 1000)
    assert found.converged
    marginals, _ = enumerated(np.exp(log_odds), True)
    # Exact on trees: where one side has one item.
    assert np.abs(found.pairs - marginals).max() < (2e-3 if min(shape) == 1 else 0.15)


@pytest.mark.parametrize("shape", [(12, 12), (12, 15), (15, 12)])
def test_everyone_of_the_smaller_side_has_a_partner(shape):
    scores = np.random.default_rng(0).normal(0, 1.5, shape)
    found = align(scores)
    assert found.converged
    assert found.iterations > 0
    assert len(found.pairs) == 12
    rows, columns = found.probabilities.sum(1), found.probabilities.sum(0)
    for sums, left in ((rows, found.unmatched_rows), (columns, found.unmatched_columns)):
        np.testing.assert_allclose(sums if left is None else sums + left, 1, atol=5e-3)
    assert (found.unmatched_rows is None) == (shape[0] <= shape[1])
    assert (found.unmatched_columns is None) == (shape[1] <= shape[0])


def test_what_is_far_from_everything_has_no_partner(tmp_path):
    rng = np.random.default_rng(0)
    a = rng.normal(size=(6, 40))
    b = np.vstack([a[[4, 2, 0]] + 0.1 * rng.normal(size=(3, 40)), rng.normal(size=(2, 40))])
    found = align(a, b, threshold=10.0, row_names="uvwxyz", column_names=range(5))
    assert found.pairs.tolist() == [[0, 2], [2, 1], [4, 0]]
    assert (found.unmatched_rows > 0.9).tolist() == [False, True, False, True, False, True]
    frame = found.to_frame()
    assert frame.loc["u", 2] == found.probabilities[0, 2] > 0.9
    assert frame.loc["v", "no match"] == found.unmatched_rows[1]
    assert frame.loc["no match", 3] == found.unmatched_columns[3]
    found.draw(tmp_path / "alignment.png")
    assert (tmp_path / "alignment.png").stat().st_size > 1000


def test_the_temperature_is_the_likeliest_of_the_known_pairs():
    rng = np.random.default_rng(0)
    scores = rng.normal(size=(30, 30)) + 2 * np.eye(30)
    known = np.array([[i, i] for i in range(10)])
    found = align(scores, known_pairs=known)
    likelihood = np.log(found.probabilities.diagonal()[:10]).mean()
    for factor in (0.7, 1.4):
        other = align(scores, temperature=factor * found.temperature)
        assert np.log(other.probabilities.diagonal()[:10]).mean() < likelihood


def test_csls_takes_a_hub_from_everyone():
    scores = np.array([[0.5, 0.6, 0.1], [0.1, 0.7, 0.5], [0.2, 0.9, 0.3]])
    assert scores.argmax(1).tolist() == [1, 1, 1]
    # Each score twice, without the best of its row and of its column.
    expected = 2 * scores - [[0.6], [0.7], [0.9]] - np.array([0.5, 0.9, 0.5])
    np.testing.assert_allclose(less_hubs(scores, 1), expected)
    assert less_hubs(scores, 1).argmax(1).tolist() == [0, 2, 1]
    np.testing.assert_allclose(align(scores, csls=1).probabilities, align(expected).probabilities)


def test_kinds_of_features_count_equally():
    a, b = np.random.default_rng(0).normal(size=(2, 12, 3))
    wide = [np.repeat(rows, [1, 1, 6], axis=1) for rows in (a, b)]
    found, expected = align(*wide, widths=(2, 6)), align(a, b, widths=(2, 1))
    np.testing.assert_allclose(found.probabilities, expected.probabilities)
    with pytest.raises(MmgraphError, match="widths add up to the 3 features"):
        align(a, b, widths=(2, 2))


def test_impossible_pairs_are_never_made():
    scores = np.array([[0.0, -np.inf], [1.0, -np.inf], [0.5, 0.2]])
    found = align(scores)
    assert found.pairs.tolist() == [[1, 0], [2, 1]]
    assert (found.probabilities[np.isneginf(scores)] == 0).all()
    alone = align([[-np.inf, -np.inf], [2.0, 1.0]], threshold=0.0)
    assert alone.unmatched_rows[0] == 1
    assert alone.pairs.tolist() == [[1, 0]]


@pytest.mark.parametrize(
    ("a", "b", "options", "message"),
    [
        ([], [[1.0]], {}, r"a has shape \(0, 1\)"),
        ([[1.0, 2.0]], [[1.0]], {}, "a have 2 features, those of b 1"),
        ([[1.0], [np.nan]], [[1.0]], {}, "a is not finite in row 1"),
        ([[1.0]], [[-np.inf]], {}, "b is not finite in row 0"),
        ([["x"]], [[1.0]], {}, "a is no matrix of numbers"),
        ([[1.0, np.inf]], None, {}, "scores is not finite in row 0"),
        ([[1.0, 2.0], [-np.inf, -np.inf]], None, {}, "row 1 has no partner"),
        ([[1.0, -np.inf]] * 2, None, {}, "column 1 has no partner|some row"),
        ([[1.0]], [[1.0]], {"method": "asignment"}, "did you mean 'assignment'"),
        ([[1.0]], [[1.0]], {"temprature": 1.0}, "did you mean 'temperature'"),
        ([[1.0]], [[1.0]], {"temperature": "low"}, "'temperature' is float"),
        ([[1.0]], [[1.0]], {"temperature": 0.0}, "the temperature is above zero"),
        ([[1.0]], [[1.0]], {"threshold": np.nan}, "threshold is log-odds"),
        ([[1.0]], [[1.0]], {"csls": -1}, "csls must be a whole number"),
        ([[1.0]], [[1.0]], {"known_pairs": [0, 1]}, "of shape"),
        ([[1.0]], [[1.0]], {"known_pairs": [[0, 1]]}, r"pair \(0, 1\) has no score"),
        ([[1.0]], [[1.0]], {"row_names": ["x", "y"]}, "row_names has 2 names"),
    ],
)
def test_bad_input_is_named(a, b, options, message):
    with pytest.raises(MmgraphError, match=message):
        align(a, b, **options)


def test_what_has_not_converged_is_said():
    with pytest.warns(ConvergenceWarning, match="have not converged in 2 iterations"):
        found = align(np.random.default_rng(0).normal(size=(12, 12)), max_iterations=2)
    assert not found.converged
    hub = np.where(np.arange(12) == 0, 5000.0, np.eye(12))
    with pytest.warns(ConvergenceWarning, match="raise the temperature"):
        assert len(align(hub).pairs) == 12
    with pytest.raises(MmgraphError, match="too many for a picture"):
        align(np.eye(201), temperature=0.1).draw("large.png")
