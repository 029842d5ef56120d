"""Scans answer as sequential recursion does, on any device."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mmgraph.graph.errors import EvidenceError, ZeroProbabilityError
from mmgraph.inference.exact.chain.factorial_chain import FactorialChain
from mmgraph.inference.exact.chain.parallel_scan import scanned_path, scanned_posterior
from tests.inference.exact.chain.enumerated_paths import drawn_chains, enumerated


def drawn(seed, states, steps, batch, spread=3.0):
    generator = np.random.default_rng(seed)
    (start,), (transition,) = drawn_chains(generator, (states,))
    return start, transition, spread * generator.normal(size=(batch, steps, states))


@pytest.mark.parametrize(
    ("states", "steps", "spread"), [(3, 1, 3), (3, 2, 3), (5, 64, 3), (4, 257, 30), (2, 40, 900)]
)
def test_scans_equal_recursion(states, steps, spread):
    start, transition, log_densities = drawn(steps, states, steps, 3, spread)
    lengths = np.array([steps, max(1, steps // 2), max(1, steps - 1)])
    given = [torch.from_numpy(a) for a in (start, transition, log_densities, lengths)]
    answer, best = scanned_posterior(*given), scanned_path(*given)
    assert answer.exact
    assert best.exact
    chain = FactorialChain(start, [transition])
    for row, length in enumerate(lengths):
        part = log_densities[row, :length]
        truth, (path, score) = chain.smoothed(part), chain.decoded(part)
        found = answer.probabilities[row].numpy()
        assert float(answer.log_likelihood[row]) == pytest.approx(truth.log_likelihood, rel=1e-10)
        np.testing.assert_allclose(found[:length], truth.probabilities, atol=1e-10)
        assert not found[length:].any()
        np.testing.assert_array_equal(best.states[row, :length], path)
        assert (best.states[row, length:] == -1).all()
        assert float(best.log_density[row]) == pytest.approx(score, rel=1e-12)


def test_equal_paths_are_not_mixed():
    # Two paths, 0-1-0-1 and 1-0-1-0, are equally probable; a state of each would be no path.
    start, transition = torch.tensor([0.5, 0.5]), torch.tensor([[0.0, 1.0], [1.0, 0.0]])
    path = scanned_path(start, transition, torch.zeros(1, 9, 2)).states[0]
    assert (path[1:] != path[:-1]).all()


def test_scans_run_on_a_device_in_its_precision(device):
    start, transition, log_densities = drawn(0, 3, 5, 2)
    given = [torch.tensor(a, dtype=torch.float32, device=device)
             for a in (start, transition, log_densities)]  # fmt: skip
    answer, best = scanned_posterior(*given), scanned_path(*given)
    assert answer.probabilities.device.type == torch.device(device).type
    for row in range(2):
        truth = enumerated(start, transition, log_densities[row])
        found = answer.probabilities[row].cpu().numpy()
        np.testing.assert_allclose(found, truth.probabilities, atol=1e-5)
        assert best.states[row].cpu().tolist() == truth.paths[truth.scores.argmax()].tolist()


def test_wrong_lengths_and_impossible_sequences_are_named():
    start, transition = torch.tensor([1.0, 0.0]), torch.eye(2)
    rows = torch.zeros(2, 4, 2)
    rows[1, 2, 0] = -torch.inf
    for scan in (scanned_posterior, scanned_path):
        with pytest.raises(ZeroProbabilityError, match="sequence 1") as caught:
            scan(start, transition, rows)
        assert caught.value.rows == (1,)
        with pytest.raises(EvidenceError, match="from 1 to 4"):
            scan(start, transition, rows, torch.tensor([0, 4]))
