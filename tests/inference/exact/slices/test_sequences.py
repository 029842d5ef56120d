"""Evidence of sequences: soft evidence, inputs and what says nothing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

import mmgraph as mm
from mmgraph.graph.errors import EvidenceError, UnknownStateError
from mmgraph.inference.exact.slices.sequences import sequence_evidence
from tests.inference.exact.slices.test_answers import random_evidence, random_network

STATES = ["calm", "busy"]
Z, BEFORE = mm.Variable("z", STATES), mm.Variable("z[-1]", STATES)
Y = mm.Variable("y", 2)
SHARES = np.array([[0.5, 0.5], [0.1, 0.9], [1.0, 1.0], [0.3, 0.7]])


def network() -> mm.DynamicBayesianNetwork:
    def emitted() -> mm.TableFactor:
        return mm.TableFactor([Z, Y], [[0.7, 0.3], [0.1, 0.9]], child=Y)

    start = mm.TableFactor([Z], [0.5, 0.5], child=Z)
    unused = mm.TableFactor([BEFORE], [0.5, 0.5], child=BEFORE)
    step = mm.TableFactor([BEFORE, Z], [[0.9, 0.1], [0.2, 0.8]], child=Z)
    first = mm.BayesianNetwork([Z, Y], [start, emitted()])
    return mm.DynamicBayesianNetwork(
        first, mm.BayesianNetwork([BEFORE, Z, Y], [unused, step, emitted()])
    )


def asked(evidence: dict[str, Any]) -> np.ndarray:
    return np.asarray(mm.query(network(), evidence, ["z"]).marginal("z"))


@pytest.mark.parametrize(
    "soft",
    [
        mm.soft(log_likelihood=np.log(SHARES)),
        mm.soft(probabilities=torch.tensor(SHARES)),
        mm.soft(probabilities=pd.DataFrame(SHARES[:, ::-1], columns=STATES[::-1])),
        mm.soft(probabilities={"busy": SHARES[:, 1], "calm": SHARES[:, 0]}),
        mm.soft(probabilities={"busy": SHARES[None, :, 1], "calm": SHARES[None, :, 0]}),
        mm.soft(probabilities=SHARES[None]),
        [mm.soft(probabilities=SHARES)],
    ],
)
def test_soft_evidence_is_read_as_elsewhere(soft: Any) -> None:
    y = [0, 1, 1, 0]
    path = network().unrolled(4)
    steps = {f"z@{t}": mm.soft(probabilities=SHARES[t]) for t in range(4)}
    found = mm.query(path, steps | {f"y@{t}": y[t] for t in range(4)})
    expected = [np.asarray(found.marginal(f"z@{t}")).ravel() for t in range(4)]
    np.testing.assert_allclose(asked({"z": soft, "y": np.array(y)})[0], expected, atol=1e-12)


def test_a_sequence_may_have_no_soft_evidence() -> None:
    soft = mm.soft(probabilities=SHARES)
    both = asked({"z": [soft, None], "y": [[0, 1, 1, 0], [1, 0]]})
    np.testing.assert_allclose(both[0], asked({"z": soft, "y": [0, 1, 1, 0]})[0], atol=1e-12)
    np.testing.assert_allclose(both[1, :2], asked({"y": [1, 0]})[0], atol=1e-12)
    coded = asked({"z": [mm.index([1, 1]), None], "y": [[0, 1], [1, 0]]})
    np.testing.assert_allclose(coded[:, :, 1], [[1, 1], both[1, :2, 1]], atol=1e-12)
    with pytest.raises(EvidenceError, match="'z' has soft evidence in some sequences and cells"):
        asked({"z": [soft, ["calm", "busy"]]})


def test_a_list_of_missing_cells_says_nothing() -> None:
    np.testing.assert_array_equal(asked({"z": [None] * 3, "y": [0, 1, 1]}), asked({"y": [0, 1, 1]}))


def test_an_input_may_be_minus_one() -> None:
    u = mm.Variable("u", family="gaussian")
    x = mm.Variable("x", family="gaussian")

    def made() -> list[mm.Factor]:
        drawn = mm.LinearGaussian(u, [], np.zeros(0), 0.0, 1.0)
        return [drawn, mm.LinearGaussian(x, [Z, u], np.ones((2, 1)), [0.0, 3.0], np.ones(2))]

    start = mm.TableFactor([Z], [0.5, 0.5], child=Z)
    unused = mm.TableFactor([BEFORE], [0.5, 0.5], child=BEFORE)
    step = mm.TableFactor([BEFORE, Z], [[0.5, 0.5], [0.5, 0.5]], child=Z)
    net = mm.DynamicBayesianNetwork(
        mm.BayesianNetwork([Z, u, x], [start, *made()]),
        mm.BayesianNetwork([BEFORE, Z, u, x], [unused, step, *made()]),
        inputs=["u"],
    )
    found = mm.query(net, {"u": [-1.0, 0.0], "x": [-1.0, 3.0]}, ["z"]).marginal("z")
    share = 1 / (1 + np.exp(-4.5))
    np.testing.assert_allclose(found[0, :, 1], [1 - share, share])
    with pytest.raises(EvidenceError, match="input 'u' is to be observed at every step"):
        mm.query(net, {"u": [-1.0, None], "x": [-1.0, 3.0]})


def test_errors_name_the_sequence_and_the_step() -> None:
    net = random_network(1)
    first, second = random_evidence(1, 3), random_evidence(2, 2)
    cells = {name: [first[name], second[name]] for name in first}
    with pytest.raises(UnknownStateError, match="sequence 1, step 1: variable 'y' has 3 states"):
        sequence_evidence(net, cells | {"y": [[0, 1, 1], [1, 9]]})
    infinite = [first["x"], np.full((2, 2), np.inf)]
    with pytest.raises(EvidenceError, match="'x' is infinite in sequence 1, step 0"):
        sequence_evidence(net, cells | {"x": infinite})
    with pytest.raises(EvidenceError, match=r"sequence 0: a step of 'x' has the shape \(2,\)"):
        sequence_evidence(net, cells | {"x": [first["x"][:, :1], second["x"]]})
    with pytest.raises(
        EvidenceError, match=r"sequence 0, step 1: 'x' has numbers .* not \['a', 0\]"
    ):
        sequence_evidence(net, cells | {"x": [[[0, 0], ["a", 0], [1, 2]], second["x"]]})
