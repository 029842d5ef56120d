import numpy as np
import pytest

from mmgraph.graph.errors import MmgraphError
from mmgraph.retrieval.alignment.align import align


@pytest.mark.parametrize("null", [0.0, 1.5, -np.inf])
def test_both_sides_choose_by_the_exponentials_of_their_products(null):
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(3, 4)), rng.normal(size=(5, 4))
    found = align(a, b, method="attention", null=null)
    weights, none = np.exp(a @ b.T / 2), np.exp(null / 2)
    forward = weights / (weights.sum(1, keepdims=True) + none)
    backward = weights / (weights.sum(0) + none)
    np.testing.assert_allclose(found.probabilities, forward * backward, atol=1e-14)
    np.testing.assert_allclose(found.unmatched_rows, 1 - (forward * backward).sum(1), atol=1e-14)
    expected = [
        [i, j]
        for i in range(3)
        for j in range(5)
        if j == weights[i].argmax() and i == weights[:, j].argmax() and weights[i, j] > none
    ]
    assert found.pairs.tolist() == expected
    assert found.score == pytest.approx(sum((a @ b.T)[i, j] for i, j in expected))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"temperature": 0.0}, "the temperature is above zero"),
        ({"null": np.inf}, "product with the null item"),
        ({"null": np.nan}, "product with the null item"),
        ({"b": [[1.0, 2.0]]}, "a have 1 features, those of b 2"),
    ],
)
def test_bad_input_is_named(options, message):
    with pytest.raises(MmgraphError, match=message):
        align(**{"a": [[1.0]], "b": [[1.0]], "method": "attention"} | options)
