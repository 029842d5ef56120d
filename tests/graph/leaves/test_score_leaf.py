"""An encoder's scores as a tempered likelihood of their parent."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import mmgraph as mm
from mmgraph.graph.errors import GraphError
from mmgraph.graph.leaves.score_leaf import ScoreLeaf

ACTIVITY = mm.Variable("activity", ("eat", "sleep", "walk"))
SCORES = mm.Variable("scores", shape=(3,), family="gaussian", modality="sound")
LOG_PRIOR = np.log([0.5, 0.3, 0.2])


def network(weight: float = 1.0) -> mm.BayesianNetwork:
    prior = mm.TableFactor([ACTIVITY], [0.5, 0.3, 0.2], child=ACTIVITY)
    leaf = ScoreLeaf(SCORES, ACTIVITY, LOG_PRIOR, weight)
    return mm.BayesianNetwork([ACTIVITY, SCORES], [prior, leaf])


def test_with_weight_one_the_posterior_is_the_encoders():
    said = np.array([[0.1, 0.2, 0.7], [0.6, 0.3, 0.1]])
    post = mm.query(network(), {"scores": np.log(said)})
    np.testing.assert_allclose(post.marginal("activity").numpy(), said, atol=1e-12)


def test_the_weight_tempers():
    said = np.log([[0.1, 0.2, 0.7]])
    expected = np.exp(LOG_PRIOR + 0.5 * (said - LOG_PRIOR))
    post = mm.query(network(0.5), {"scores": said})
    np.testing.assert_allclose(post.marginal("activity").numpy(), expected / expected.sum())


def test_missing_scores_drop_out():
    post = mm.query(network(), {"scores": np.full((1, 3), np.nan)})
    np.testing.assert_allclose(post.marginal("activity")[0].numpy(), [0.5, 0.3, 0.2])
    np.testing.assert_allclose(mm.query(network()).marginal("activity")[0].numpy(), [0.5, 0.3, 0.2])


def test_energy_is_minus_the_log_likelihood():
    leaf = network(0.7).distribution("scores")
    values = torch.randn(4, 3, dtype=torch.float64)
    codes = torch.tensor([0, 1, 2, 1])
    table = leaf.likelihood(mm.Evidence.of({"scores": values}, {"scores": SCORES}))
    assert table is not None
    energy = leaf.energy({"activity": codes, "scores": values})
    torch.testing.assert_close(-energy, table.values[torch.arange(4), codes])


def test_parameters_and_settings_restore_it():
    leaf = ScoreLeaf(SCORES, ACTIVITY, LOG_PRIOR, 0.7)
    again = ScoreLeaf.restore(leaf.scope, SCORES, leaf.parameters(), leaf.settings())
    assert again.weight == leaf.weight
    assert torch.equal(again.log_prior, leaf.log_prior)


def test_bad_input():
    with pytest.raises(GraphError, match="a score for each state of 'activity'"):
        ScoreLeaf(mm.Variable("s", shape=(2,), family="gaussian"), ACTIVITY, LOG_PRIOR)
    with pytest.raises(GraphError, match="finite"):
        ScoreLeaf(SCORES, ACTIVITY, [0.0, np.nan, 0.0])
    with pytest.raises(GraphError, match="weight"):
        ScoreLeaf(SCORES, ACTIVITY, LOG_PRIOR, -1.0)
    with pytest.raises(GraphError, match="cannot be sampled"):
        mm.sample(network(), 3)
