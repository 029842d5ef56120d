"""What factors and evidence say of one variable, summed over the factors."""

from __future__ import annotations

import pytest
import torch

import mmgraph as mm
from mmgraph.graph.errors import GraphError


@pytest.mark.parametrize("family", ["gaussian", "rectified_gaussian"])
def test_precisions_of_two_biases_add_up(family):
    x = mm.Variable("x", shape=(2,), family=family)
    h = mm.Variable("h", shape=(3,), family="bernoulli")
    weights = torch.tensor([[0.5, -1.0, 0.25], [1.5, 0.0, -0.5]], dtype=torch.float64)
    joint = mm.BilinearFactor(x, h, weights)
    hidden = mm.BiasFactor(h, [0.1, -0.2, 0.3])
    parts = [mm.BiasFactor(x, [0.5, 1.0], [1.0, 2.0]), mm.BiasFactor(x, [0.25, -2.0], [3.0, 0.5])]
    whole = mm.BiasFactor(x, [0.75, -1.0], [4.0, 2.5])
    rows = {"x": torch.tensor([[0.3, 1.2], [2.0, 0.1]], dtype=torch.float64), "h": [[1, 0, 1]] * 2}
    split = mm.FactorGraph([x, h], [*parts, hidden, joint])
    one = mm.FactorGraph([x, h], [whole, hidden, joint])
    torch.testing.assert_close(split.energy(rows), one.energy(rows))
    for method in ("mean_field", "layer_summation"):
        first, second = (
            mm.query(graph, {"h": [[1, 0, 1]]}, method=method) for graph in (split, one)
        )
        torch.testing.assert_close(first.mean("x"), second.mean("x"))
    torch.testing.assert_close(mm.log_partition(split), mm.log_partition(one))


def test_two_base_measures_of_word_counts_are_refused():
    words = mm.Variable("words", shape=(3,), family="replicated_softmax")
    biases = [mm.BiasFactor(words, [0.0, 0.1, 0.2]), mm.BiasFactor(words, [1.0, 0.0, 0.0])]
    with pytest.raises(GraphError, match="word counts 'words' a base measure"):
        mm.query(mm.FactorGraph([words], biases), {"words": [[1, 2, 3]]}, method="mean_field")
