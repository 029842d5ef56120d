"""``mm.query`` and its sisters on linear Gaussian systems, and their files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import mmgraph as mm
from mmgraph.graph.errors import EvidenceError, MmgraphError, UnknownVariableError


def system(pull: float = 0.9) -> mm.LinearGaussianSystem:
    return mm.LinearGaussianSystem(
        transition=[[1.0, 0.1], [0.0, pull]],
        observation=[[1.0, 0.0]],
        transition_covariance=0.1 * np.eye(2),
        observation_covariance=[[0.5]],
    )


def rows() -> list[np.ndarray]:
    parts = [system().sample(n, 1, n)[0][0] for n in (12, 5)]
    parts[0][3] = np.nan
    return parts


def test_states_have_means_and_variances() -> None:
    one, parts = system(), rows()
    answer = mm.query(one, {"rows": parts})
    smoothed = one.smooth(parts)
    assert answer.lengths == (12, 5)
    np.testing.assert_allclose(answer.mean("state")[0], smoothed[0].means)
    diagonal = np.diagonal(smoothed[1].covariances, axis1=1, axis2=2)
    np.testing.assert_allclose(answer.variance("state")[1, :5], diagonal)
    np.testing.assert_allclose(mm.log_partition(one, {"rows": parts}), answer.log_evidence)
    drawn = mm.sample(one, 2000, {"rows": parts[0]}, torch.Generator().manual_seed(0))
    spread = smoothed[0].covariances[:, 0, 0] ** 0.5
    off = np.abs(drawn["state"][:, :, 0].mean(0) - smoothed[0].means[:, 0])
    assert (off < 5 * spread / 2000**0.5).all()


def test_regimes_have_marginals(tmp_path: Path) -> None:
    both = mm.SwitchingLinearSystem([system(), system(-0.5)], [[0.9, 0.1], [0.2, 0.8]])
    part = rows()[1]
    answer = mm.query(both, {"rows": part})
    assert answer.exact
    assert answer.method == "enumeration"
    np.testing.assert_allclose(answer.marginal("regime")[0], both.smooth(part).probabilities)
    mm.write(both, tmp_path / "both.mmgraph")
    again = mm.read(tmp_path / "both.mmgraph")
    assert torch.equal(mm.log_partition(again, {"rows": part}), answer.log_evidence)
    long = np.zeros((40, 1))
    with pytest.raises(MmgraphError, match="method='gpb2' approximates"):
        mm.log_partition(both, {"rows": long})
    told = mm.log_partition(both, {"rows": long}, method="gpb2")
    assert float(told) == pytest.approx(both.log_likelihood(long))
    with pytest.raises(MmgraphError, match="not drawn given rows"):
        mm.sample(both, 1, {"rows": part})
    merged = mm.query(both, {"rows": part}, method="imm")
    assert (merged.method, merged.exact) == ("imm", False)
    total = mm.log_partition(both, {"rows": part}, method="imm")
    assert torch.equal(total, merged.log_evidence)
    for sequences in ([part, long], [long, part]):  # one approximated answer makes all of them so
        mixed = mm.query(both, {"rows": sequences})
        assert (mixed.method, mixed.exact) == ("gpb2", False)
        with pytest.raises(MmgraphError, match="method='gpb2' approximates"):
            mm.log_partition(both, {"rows": sequences})
    drawn = mm.query(both, {"rows": part}, method="particles", particles=20, random_state=1)
    assert drawn.method == "particles"
    sizes = drawn.diagnostics["effective_sample_size"]["regime"]
    assert sizes.shape == drawn.marginal("regime").shape[:2]
    assert ((sizes >= 1) & (sizes <= 20 + 1e-6)).all()


def test_options_that_a_model_lacks_are_refused() -> None:
    part = rows()[1]
    with pytest.raises(MmgraphError, match="query of a LinearGaussianSystem has no option 'lag'"):
        mm.query(system(), {"rows": part}, lag=2)
    with pytest.raises(MmgraphError, match="has no option 'dtype'"):
        mm.query(system(), {"rows": part}, dtype=torch.float32)
    hidden = mm.HiddenMarkovModel(2, emission="scores").set_parameters()
    evidence = {"rows": np.zeros((3, 2))}
    for ask in (mm.map_query, mm.log_partition):
        with pytest.raises(MmgraphError, match="of a HiddenMarkovModel has no option 'length'"):
            ask(hidden, evidence, length=3)
    lasting = mm.HiddenSemiMarkovModel(2, emission="scores", longest=3).set_parameters()
    assert mm.query(lasting, evidence, lag=1).marginal("state").shape == (1, 3, 2)
    with pytest.raises(EvidenceError, match="a lag is a number of steps, not -1"):
        mm.query(lasting, evidence, lag=-1)


def test_bad_questions_are_refused() -> None:
    with pytest.raises(EvidenceError, match="'rows': sequences"):
        mm.query(system(), {"x": rows()})
    with pytest.raises(UnknownVariableError, match="'regime'"):
        mm.query(system(), {"rows": rows()}, ["regime"])
    with pytest.raises(MmgraphError, match="the means that query gives"):
        mm.map_query(system(), {"rows": rows()})
