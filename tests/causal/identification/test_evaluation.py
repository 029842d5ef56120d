"""Values of formulas on tables, networks and data, and the strata that are empty."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
import torch

import mmgraph as mm
from mmgraph.causal.identification import evaluation
from mmgraph.graph.errors import (
    CausalError,
    MemoryBudgetError,
    UnknownStateError,
    UnknownVariableError,
)
from mmgraph.learning.counts import IncompleteDataError


@pytest.fixture
def net() -> mm.BayesianNetwork:
    """z -> x, z -> y, x -> y: a common cause with three states."""
    return mm.BayesianNetwork.from_tables(
        [("z", "x"), ("x", "y"), ("z", "y")],
        {
            "z": [0.5, 0.3, 0.2],
            "x": [[0.9, 0.1], [0.5, 0.5], [0.2, 0.8]],
            "y": [[[0.9, 0.1], [0.8, 0.2], [0.7, 0.3]], [[0.6, 0.4], [0.5, 0.5], [0.1, 0.9]]],
        },
    )


def test_a_table_a_network_and_data_agree(net):
    model = mm.CausalModel.from_network(net)
    answer = model.identify("y", "x")
    forced = np.stack([mm.joint(net.do(x=x), ["y"])[0].numpy() for x in (0, 1)])
    np.testing.assert_allclose(answer.evaluate(), forced, atol=1e-12)
    np.testing.assert_allclose(answer.evaluate(net), forced, atol=1e-12)
    joint = mm.joint(net, list(model.nodes))[0]
    np.testing.assert_allclose(answer.evaluate(joint), forced, atol=1e-12)
    np.testing.assert_allclose(answer.evaluate(joint.tolist()), forced, atol=1e-12)
    # The rows in proportion to the joint: 1000 times its cells are whole numbers.
    cells = np.argwhere(np.ones(joint.shape))
    rows = np.repeat(cells, np.rint(1000 * joint.numpy().reshape(-1)).astype(int), axis=0)
    frame = pd.DataFrame(rows, columns=list(model.nodes))
    np.testing.assert_allclose(answer.evaluate(frame), forced, atol=1e-12)
    without = mm.CausalModel(model.nodes, net.edges).identify("y", "x")
    np.testing.assert_allclose(without.evaluate(frame), forced, atol=1e-12)
    with pytest.raises(CausalError, match="no network"):
        without.evaluate()


def test_axes_are_in_the_order_asked(net):
    model = mm.CausalModel.from_network(net)
    value = model.identify(["y", "z"], "x").evaluate()
    assert value.shape == (2, 2, 3)
    np.testing.assert_allclose(value.sum(axis=(1, 2)), 1)
    np.testing.assert_allclose(
        value, model.identify(["z", "y"], "x").evaluate().transpose(0, 2, 1), atol=1e-12
    )
    # Setting what has no effect leaves an axis along which nothing changes.
    value = model.identify("z", ["y"], ["x"]).evaluate()
    assert value.shape == (2, 2, 3)
    assert np.ptp(value, axis=0).max() == 0


def test_only_tables_that_are_needed_are_formed():
    # Of 60 variables in a chain, whose joint has 2**60 cells.
    names = [f"v{i}" for i in range(60)]
    step = [[0.9, 0.1], [0.2, 0.8]]
    net = mm.BayesianNetwork.from_tables(
        pairwise(names),
        {n: step if i else [0.5, 0.5] for i, n in enumerate(names)},
    )
    value = mm.CausalModel.from_network(net).identify("v59", "v0").evaluate()
    np.testing.assert_allclose(value, np.linalg.matrix_power(np.array(step), 59), atol=1e-12)


def test_an_empty_stratum_is_named():
    joint = np.array([[[0.2, 0.2], [0.1, 0.1]], [[0.4, 0.0], [0.0, 0.0]]])  # z, x, y
    answer = mm.CausalModel("zxy", [("z", "x"), ("z", "y"), ("x", "y")]).identify("y", "x")
    message = r"P\(y \| z, x\) at z = 1, x = 1, which has probability zero"
    with pytest.raises(CausalError, match=message):
        answer.evaluate(joint)
    # Where what is empty has no weight, nothing is undetermined.
    joint[1] = 0
    np.testing.assert_allclose(answer.evaluate(joint / joint.sum()), [[0.5, 0.5], [0.5, 0.5]])


def test_what_is_given_and_never_happens_is_answered_as_if_it_were_set():
    joint = np.array([[[0.4, 0.1], [0.2, 0.3]], [[0.0, 0.0], [0.0, 0.0]]])  # z, x, y
    value = mm.CausalModel("zxy", [("z", "x"), ("x", "y")]).identify("y", "x", "z").evaluate(joint)
    np.testing.assert_allclose(value[:, 1], [[0.8, 0.2], [0.4, 0.6]])


def test_an_empty_stratum_within_a_ratio_is_named():
    # The napkin w -> r -> x -> y, where x = 1 never happens.
    edges = [("w", "r"), ("r", "x"), ("x", "y")]
    answer = mm.CausalModel("wrxy", edges, [("w", "x"), ("w", "y")]).identify("y", "x")
    joint = np.zeros((2, 2, 2, 2))
    joint[:, :, 0] = 1 / 8
    with pytest.raises(CausalError, match=r"x = 1, .*which has probability zero"):
        answer.evaluate(joint)


def test_states_at_which_a_formula_is_undefined_have_no_part_in_its_mean():
    """The napkin, where r = 2 rules out x = 1: its other states tell the effect."""
    edges = [("u", "w"), ("u", "x"), ("v", "w"), ("v", "y"), ("w", "r"), ("r", "x"), ("x", "y")]
    rng = np.random.default_rng(0)

    def table(*shape: int) -> np.ndarray:
        return rng.dirichlet(np.ones(shape[-1]), shape[:-1])

    tables = {"u": table(2), "v": table(2), "w": table(2, 2, 2), "r": table(2, 3)}
    tables |= {"x": table(2, 3, 2), "y": table(2, 2, 2)}
    tables["x"][:, 2] = [1, 0]
    net = mm.BayesianNetwork.from_tables(edges, tables)
    model = mm.CausalModel.from_network(net, latent=["u", "v"])
    value = model.identify("y", "x").evaluate()
    truth = [mm.joint(net.do({"x": x}), ["y"])[0].numpy() for x in (0, 1)]
    np.testing.assert_allclose(value, truth, atol=1e-12)


def test_tables_that_are_no_joint_are_refused(net):
    answer = mm.CausalModel.from_network(net).identify("y", "x")
    with pytest.raises(CausalError, match="2 axes, the model 3 nodes"):
        answer.evaluate(np.full((2, 2), 0.25))
    with pytest.raises(CausalError, match=r"sums to 0\.5"):
        answer.evaluate(np.full((2, 2, 2), 0.0625))
    with pytest.raises(CausalError, match="holds nan at z = 0, x = 1, y = 0"):
        answer.evaluate(np.array([[[0.5, 0.5], [np.nan, 0.0]]]))
    for wrong in ([{"z": 0}], [[0.5], [0.25, 0.25]]):
        with pytest.raises(CausalError):
            answer.evaluate(wrong)
    uniform = torch.full((2, 2, 2), 0.125, requires_grad=True)
    assert np.allclose(answer.evaluate(uniform), 0.5)


def test_data_that_do_not_fit_are_refused(net):
    model = mm.CausalModel.from_network(net)
    answer = model.identify("y", "x")
    frame = pd.DataFrame({"z": [0, 1, 2], "x": [0, 1, 1], "y": [0, 1, 0]})
    with pytest.raises(UnknownVariableError, match="'z'"):
        answer.evaluate(frame[["x", "y"]])
    with pytest.raises(UnknownStateError, match="7"):
        answer.evaluate(frame.assign(x=[0, 1, 7]))
    with pytest.raises(IncompleteDataError, match="'z'"):
        answer.evaluate(frame.assign(z=[0, None, 1]))
    measured = mm.CausalModel(model.nodes, net.edges).identify("y", "x")
    with pytest.raises(CausalError, match=r"'z'.*continuous"):
        measured.evaluate(frame.assign(z=[0.25, 1.5, 2.125]))


def test_continuous_variables_of_a_network_are_refused():
    x, y = mm.Variable("x", family="gaussian"), mm.Variable("y", family="gaussian")
    net = mm.BayesianNetwork(
        [x, y], [mm.LinearGaussian(x, [], [], 0.0, 1.0), mm.LinearGaussian(y, [x], [1.0], 0.0, 1.0)]
    )
    with pytest.raises(CausalError, match="'x' has no states"):
        mm.CausalModel.from_network(net).identify("y", "x").evaluate()


def test_large_tables_are_refused_before_they_are_allocated(net, monkeypatch):
    monkeypatch.setattr(evaluation, "BUDGET_BYTES", 64)
    with pytest.raises(MemoryBudgetError, match="a table of z, x, y"):
        mm.CausalModel.from_network(net).identify("y", "x").evaluate()
