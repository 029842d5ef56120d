"""Steps of a network that repeats, one by one, against all of them at once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import mmgraph as mm
from mmgraph.graph.errors import (
    EvidenceError,
    FormatError,
    UnknownVariableError,
    ZeroProbabilityError,
)
from tests.inference.exact.slices.test_answers import random_evidence, random_network, switching


def cells_at(evidence: dict[str, np.ndarray], step: int) -> dict[str, object]:
    return {n: [c[step]] if n == "x" else c[step] for n, c in evidence.items()}


@pytest.mark.parametrize(("seed", "order"), [(1, 1), (4, 2), (7, 2)])
def test_steps_are_filtered_and_looked_back_on(seed: int, order: int, tmp_path: Path) -> None:
    net, evidence = random_network(seed, order), random_evidence(seed, 7)
    now, late = net.filter(), net.filter(lag=2)
    for step in range(7):
        if step == 4:  # go on from a file
            late.save(tmp_path / "state")
            late = net.filter(lag=2, state=tmp_path / "state")
        told, smoothed = now.step(cells_at(evidence, step)), late.step(cells_at(evidence, step))
        part = {n: c[: step + 1] for n, c in evidence.items()}
        expected = mm.query(net, part, ["z", "w", "y"])
        for name in ("z", "w", "y"):
            np.testing.assert_allclose(told[name], expected.marginal(name)[0, -1], atol=1e-10)
            back = expected.marginal(name)[0, max(step - 2, 0)]
            np.testing.assert_allclose(smoothed[name], back, atol=1e-10)
        assert now.log_likelihood == pytest.approx(float(expected.log_evidence))


def test_steps_ahead_are_predicted() -> None:
    net = switching(0.9, 3.0)
    online = net.filter()
    online.step({"x": [[3.0]]})
    now = mm.query(net, {"x": [[3.0]]}, ["z"]).marginal("z")[0, 0].numpy()
    ahead = now @ np.linalg.matrix_power([[1.0, 0.0], [0.1, 0.9]], 3)
    np.testing.assert_allclose(online.predict(3)["z"], ahead)
    assert online.steps == 1
    np.testing.assert_allclose(online.lagged(0)["z"], now)


def test_bad_steps_leave_the_filter_as_it_was(tmp_path: Path) -> None:
    net = random_network(1)
    online = net.filter(lag=1)
    with pytest.raises(EvidenceError, match="input 'u' is to be observed"):
        online.step({"y": 1})
    with pytest.raises(EvidenceError, match=r"a step is a mapping of .* to cells, not \[1, 2\]"):
        online.step([1, 2])  # type: ignore[arg-type]
    with pytest.raises(UnknownVariableError, match="'v'"):
        online.step({"u": 0, "v": 1})
    with pytest.raises(EvidenceError, match="the last 0 steps"):
        online.lagged(0)
    with pytest.raises(EvidenceError, match="inputs of the steps ahead"):
        online.predict()
    assert online.steps == 0
    strict = switching(1.0, 3.0)
    steps = strict.filter()
    steps.step({"z": 0})
    with pytest.raises(ZeroProbabilityError, match="step 1 are impossible"):
        steps.step({"z": 1})
    np.testing.assert_allclose(steps.step({"z": 0})["z"], [1.0, 0.0])
    (tmp_path / "broken").write_bytes(b"nothing")
    with pytest.raises(FormatError, match="no state of a filter"):
        net.filter(state=tmp_path / "broken")
    steps.save(tmp_path / "other")
    with pytest.raises(FormatError, match="another model"):
        net.filter(state=tmp_path / "other")
