"""Table and unary factors: their two views, and what they refuse."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

import mmgraph as mm
from mmgraph.graph.errors import GraphError, NotTabularError

A, B, C = mm.Variable("a", 2), mm.Variable("b", ("x", "y", "z")), mm.Variable("c", 2)


def random_table(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).random(shape) + 0.1


def test_values_are_kept_as_given():
    table = random_table(2, 3)
    assert np.array_equal(mm.TableFactor([A, B], table).values.numpy(), table)
    logs = np.log(table) - 5000
    factor = mm.TableFactor([A, B], log_values=logs)
    assert np.array_equal(factor.log_values.numpy(), logs)
    scaled, shift = factor.scaled()
    np.testing.assert_allclose(scaled.log().numpy() + shift, logs)


def test_energy_looks_rows_up():
    table = random_table(2, 3)
    rows = {"a": torch.tensor([0, 1]), "b": torch.tensor([2, 0])}
    energy = mm.TableFactor([A, B], table).energy(rows)
    np.testing.assert_allclose(energy.numpy(), -np.log(table[[0, 1], [2, 0]]))


@pytest.mark.parametrize("variable", [A, B, C])
def test_field_is_the_mean_log_table(variable: mm.Variable):
    table = random_table(2, 3, 2)
    factor = mm.TableFactor([A, B, C], table)
    generator = np.random.default_rng(1)
    means = {v.name: generator.dirichlet(np.ones(v.cardinality), 4) for v in (A, B, C)}
    field = factor.field(variable, {n: torch.as_tensor(m) for n, m in means.items()})
    expected = np.zeros((4, variable.cardinality))
    for state in itertools.product(range(2), range(3), range(2)):
        weight = np.ones(4)
        for v, s in zip((A, B, C), state, strict=True):
            if v is not variable:
                weight = weight * means[v.name][:, s]
        at = state[(A, B, C).index(variable)]
        expected[:, at] += weight * np.log(table[state])
    np.testing.assert_allclose(field.numpy(), expected)


def test_a_hard_zero_counts_only_where_it_has_probability():
    factor = mm.TableFactor([A, C], [[1.0, 0.0], [0.5, 0.5]])
    certain = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.5, 0.5]], dtype=torch.float64)
    field = factor.field(A, {"c": certain})
    assert field[0].tolist() == [0.0, pytest.approx(np.log(0.5))]
    assert field[1].tolist() == [-np.inf, pytest.approx(np.log(0.5))]
    assert float(field[2, 0]) == -np.inf
    assert not bool(field.isnan().any())


def test_unary_factor_over_an_array():
    image = mm.Variable("image", 3, shape=(2, 2))
    logs = np.random.default_rng(0).normal(size=(2, 2, 3))
    factor = mm.UnaryFactor(image, logs)
    codes = torch.tensor([[[0, 1], [2, 0]]])
    expected = -(logs[0, 0, 0] + logs[0, 1, 1] + logs[1, 0, 2] + logs[1, 1, 0])
    assert float(factor.energy({"image": codes})[0]) == pytest.approx(expected)
    assert factor.field(image, {}).shape == (1, 2, 2, 3)
    with pytest.raises(NotTabularError, match="image"):
        list(factor.tables())


def test_moves_keep_the_child():
    factor = mm.TableFactor([A, B], random_table(2, 3), child=B).to(dtype=torch.float32)
    assert factor.child is B
    assert factor.values.dtype == torch.float32


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ([[0.5, 0.5]], r"shape \(1, 2\)"),
        ([[0.1, -0.2, 0.1], [0.1, 0.1, 0.1]], r"-0.2 at \(a=0, b=y\)"),
        ([[0.1, np.nan, 0.1], [0.1, 0.1, 0.1]], r"nan at \(a=0, b=y\)"),
        ([[0.1, 0.1, 0.1], [0.1, 0.1, np.inf]], r"inf at \(a=1, b=z\)"),
        ([["p", "q", "r"], ["s", "t", "u"]], "not an array of numbers"),
        (np.ones((2, 3), complex), "real numbers"),
    ],
)
def test_bad_tables(table: object, message: str):
    with pytest.raises(GraphError, match=message):
        mm.TableFactor([A, B], table)


X = mm.Variable("x", family="gaussian")


@pytest.mark.parametrize(
    "make",
    [
        lambda: mm.TableFactor([X, A], [[0.5, 0.5]], child=A),
        lambda: mm.Deterministic(A, [X], lambda x: x > 0),
        lambda: mm.Softmax(A, [X], [[[0.0, 1.0]]]),
        lambda: mm.NoisyOr(A, [X], [0.5]),
        lambda: mm.NoisyOr.chain(A, [X], [0.5]),
        lambda: mm.NoisyMax(A, [X], [[[0.5, 0.5]]]),
        lambda: mm.NoisyMax.chain(A, [X], [[[0.5, 0.5]]]),
    ],
)
def test_a_continuous_parent_of_a_discrete_child(make):
    """It is refused by name, with what to do."""
    with pytest.raises(GraphError) as caught:
        make()
    message = str(caught.value)
    assert f"'x' is continuous, and a parent of the discrete '{A.name}'" in message
    for remedy in ("bins", "reverse the edge", "LinearGaussian", "mmgraph.interop.pyro.PyroNode"):
        assert remedy in message


def test_bad_scopes():
    with pytest.raises(GraphError, match="twice"):
        mm.TableFactor([A, A], np.ones((2, 2)))
    with pytest.raises(GraphError, match="scalar discrete"):
        mm.TableFactor([mm.Variable("x", family="gaussian")], [1.0])
    with pytest.raises(GraphError, match="not in the scope"):
        mm.TableFactor([A], [0.5, 0.5], child=B)
    array = mm.Variable("pixels", 2, shape=(3,))
    with pytest.raises(GraphError, match="'pixels' is not a scalar discrete variable"):
        mm.TableFactor([array, A], np.ones((2, 2)), child=A)
    with pytest.raises(GraphError, match="either"):
        mm.TableFactor([A])
    with pytest.raises(GraphError, match="does not fit"):
        mm.UnaryFactor(A, [0.0, 0.0, 0.0])
    with pytest.raises(GraphError, match="NaN"):
        mm.UnaryFactor(A, [0.0, np.nan])
