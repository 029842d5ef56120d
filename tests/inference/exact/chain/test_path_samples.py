"""Paths are drawn as often as they are probable."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import chisquare

from mmgraph.graph.errors import EvidenceError
from mmgraph.inference.exact.chain.factorial_chain import FactorialChain
from mmgraph.inference.exact.chain.path_samples import sample_paths
from tests.inference.exact.chain.enumerated_paths import drawn_chains, enumerated, joint


@pytest.mark.parametrize(("sizes", "steps"), [((3,), 5), ((2, 2), 3), ((2, 3, 2), 2)])
def test_frequencies_of_paths_equal_their_probabilities(sizes, steps):
    generator = np.random.default_rng(len(sizes))
    starts, transitions = drawn_chains(generator, sizes)
    log_densities = generator.normal(size=(steps, np.prod(sizes)))
    chain = FactorialChain(joint(starts), transitions)
    truth = enumerated(joint(starts), joint(transitions), log_densities)
    paths = sample_paths(chain, log_densities, 20_000, torch.Generator().manual_seed(1))
    index = np.ravel_multi_index(tuple(paths.T), (int(np.prod(sizes)),) * steps)
    observed = np.bincount(index, minlength=len(truth.paths))
    expected = 20_000 * np.exp(truth.scores - truth.log_likelihood)
    assert not observed[expected == 0].any()
    often = expected >= 5
    observed = np.append(observed[often], observed[~often].sum())
    expected = np.append(expected[often], expected[~often].sum())
    assert chisquare(observed[expected > 0], expected[expected > 0]).pvalue > 1e-3


def test_a_seed_gives_the_same_paths():
    chain = FactorialChain(np.ones(2) / 2, [np.ones((2, 2)) / 2])
    one, two = (sample_paths(chain, np.zeros((9, 2)), 4, torch.Generator().manual_seed(3))
                for _ in range(2))  # fmt: skip
    np.testing.assert_array_equal(one, two)
    with pytest.raises(EvidenceError, match="samples is 0"):
        sample_paths(chain, np.zeros((9, 2)), 0)


def test_paths_through_states_all_but_excluded_are_as_frequent_as_probable():
    forwards = np.array([[0.4, 0.6, 0], [0, 0.5, 0.5], [0, 0, 1]])
    start = np.eye(6)[0]
    tables = [forwards, np.eye(2)]
    log_densities = np.zeros((5, 3, 2))
    log_densities[:, 1], log_densities[1:4, 2] = -1000 + np.arange(5)[:, None], -0.5
    log_densities[4, :2] = -np.inf
    log_densities = log_densities.reshape(5, 6)
    truth = enumerated(start, joint(tables), log_densities)
    chain = FactorialChain(start, tables)
    paths = sample_paths(chain, log_densities, 4000, torch.Generator().manual_seed(1))
    index = np.ravel_multi_index(tuple(paths.T), (6,) * 5)
    observed = np.bincount(index, minlength=len(truth.paths))
    expected = 4000 * np.exp(truth.scores - truth.log_likelihood)
    keep = expected > 0
    assert keep.sum() == 3
    assert chisquare(observed[keep], expected[keep], sum_check=False).pvalue > 1e-3
