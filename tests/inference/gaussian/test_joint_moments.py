"""Joint moments within and between clusters, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

import mmgraph as mm
from mmgraph.graph.errors import UnknownVariableError
from tests.inference.gaussian.gaussian_networks import chain, real, two_classes


def two_branches():
    """``a → b`` and ``a → x``, ``b → y``: x and y depend on each other through classes alone."""
    a, b, x, y = mm.Variable("a", 2), mm.Variable("b", 3), real("x"), real("y", shape=(2,))
    factors = [
        mm.TableFactor([a], [0.3, 0.7], child=a),
        mm.TableFactor([a, b], [[0.2, 0.3, 0.5], [0.6, 0.3, 0.1]], child=b),
        mm.LinearGaussian(x, [a], np.zeros((2, 0)), [-1.0, 2.0], [1.0, 0.5]),
        mm.LinearGaussian(
            y, [b], np.zeros((3, 2, 0)), [[0.0, 1.0], [2.0, -1.0], [5.0, 0.5]], np.ones((3, 2))
        ),
    ]
    return mm.BayesianNetwork([a, b, x, y], factors)


def test_clusters_depend_on_each_other_through_classes():
    net = two_branches()
    joint = np.array([0.3, 0.7])[:, None] * np.array([[0.2, 0.3, 0.5], [0.6, 0.3, 0.1]])
    centres = np.array([-1.0, 2.0]), np.array([[0.0, 1.0], [2.0, -1.0], [5.0, 0.5]])
    made = mm.joint_moments(net, ["y", "x"])
    each = np.array([[[*centres[1][b], centres[0][a]] for b in range(3)] for a in range(2)])
    mean = np.einsum("ab,abv->v", joint, each)
    np.testing.assert_allclose(made.mean[0], mean, rtol=1e-12)
    away = each - mean
    expected = np.einsum("ab,abv,abw->vw", joint, away, away)
    expected += np.diag([1.0, 1.0, joint.sum(1) @ [1.0, 0.5]])
    np.testing.assert_allclose(made.covariance[0], expected, rtol=1e-12)


def test_rows_of_different_patterns_equal_rows_one_by_one():
    net = two_branches()
    evidence = {
        "a": [None, "a1", None],
        "x": [0.5, None, None],
        "y": [[None, 0.3], None, [0.1, 0.2]],
    }
    evidence["a"] = [None, mm.index(1), None]
    together = mm.joint_moments(net, ["x", "y"], evidence)
    for i in range(3):
        row = {name: column[i] for name, column in evidence.items() if column[i] is not None}
        row = {n: [v] if n == "y" else v for n, v in row.items()}
        alone = mm.joint_moments(net, ["x", "y"], row)
        np.testing.assert_allclose(together.mean[i], alone.mean[0], rtol=1e-12, atol=1e-14)
        np.testing.assert_allclose(together.covariance[i], alone.covariance[0], atol=1e-13)
    assert together.covariance[0, 0].abs().max() == 0  # x is observed


def test_the_order_is_that_of_the_names():
    net = chain(0.5, [1.0, 2.0, 3.0])
    forwards = mm.joint_moments(net, ["x0", "x2"], {"x1": 1.0})
    backwards = mm.joint_moments(net, ["x2", "x0"], {"x1": 1.0})
    np.testing.assert_array_equal(forwards.mean.flip(1), backwards.mean)
    np.testing.assert_array_equal(forwards.covariance.flip(1, 2), backwards.covariance)
    assert forwards.covariance[0, 0, 1] == 0  # the observed one holds them apart


def test_a_single_name_and_none():
    net = two_classes()
    assert mm.joint_moments(net, "x").covariance.shape == (1, 1, 1)
    assert mm.joint_moments(net, []).mean.shape == (1, 0)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["z"], "'z' is discrete"),
        (["x", "w"], "'w'"),
        (["x", "x"], "ask for 'x' twice"),
    ],
)
def test_what_has_no_joint_moments_is_named(names, message):
    with pytest.raises(UnknownVariableError, match=message):
        mm.joint_moments(two_classes(), names)
