"""Gaussian networks in the JSON of bnlearn and pgmpy."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import mmgraph as mm
from mmgraph.formats import gaussian_json
from mmgraph.graph.errors import FormatError
from tests.formats.networks import error_of, gaussian_network, net_of, sprinkler
from tests.interop.gaussian_moments import moments


def test_the_number_in_the_file_is_a_variance():
    """Genes of inbred lines are 0 or 2: with the mean m the variance is m (2 - m)."""
    net = mm.read("magic-irri")
    roots = [net.distribution(name) for name in net.variables if not net.parents(name)]
    assert len(roots) > 30
    means = np.array([root.intercept.item() for root in roots])
    variances = np.array([root.variance.item() for root in roots])
    assert variances == pytest.approx(means * (2 - means), rel=2e-3)


@pytest.mark.parametrize("name", ["n.json", "n.JSON", "n.json.gz"])
def test_written_and_read_it_is_the_same(tmp_path, name):
    for net in (gaussian_network(), mm.read("arth150")):
        mm.write(net, tmp_path / name)
        assert_same_regressions(mm.read(tmp_path / name), net)


def assert_same_regressions(first: mm.BayesianNetwork, second: mm.BayesianNetwork) -> None:
    assert list(first.variables) == list(second.variables)
    for name, variable in first.variables.items():
        other = second.variable(name)
        assert variable.describes_same_as(other)
        assert variable.modality == other.modality
        assert first.parents(name) == second.parents(name)
        one, two = first.distribution(name).linear_form(), second.distribution(name).linear_form()
        for numbers, others in zip(one[3:6], two[3:6], strict=True):
            assert torch.equal(numbers, others.double())


NUMBERS = st.floats(allow_nan=False, allow_infinity=False)


@settings(max_examples=40)
@given(
    names=st.lists(st.text(min_size=1, max_size=5), min_size=1, max_size=4, unique=True),
    numbers=st.lists(NUMBERS, min_size=12, max_size=12),
    modality=st.none() | st.text(),
)
def test_any_name_and_number_is_read_back(tmp_path_factory, names, numbers, modality):
    variables: list[mm.Variable] = []
    factors = []
    stream = iter(numbers)
    for name in names:
        child = mm.Variable(name, modality=modality, family="gaussian")
        parents = variables[-1:]
        slopes = [next(stream) for _ in parents]
        factors.append(mm.LinearGaussian(child, parents, slopes, next(stream), abs(next(stream))))
        variables.append(child)
    net = mm.BayesianNetwork(variables, factors)
    path = tmp_path_factory.mktemp("names") / "n.json"
    mm.write(net, path)
    assert_same_regressions(mm.read(path), net)


def test_a_leaf_without_parents_is_a_regression_on_nothing(tmp_path):
    x = mm.Variable("x", family="gaussian")
    net = mm.BayesianNetwork([x], [mm.GaussianLeaf(x, [], 1.5, 0.25)])
    mm.write(net, tmp_path / "n.json")
    assert_same_regressions(mm.read(tmp_path / "n.json"), net)


X = mm.Variable("x", family="gaussian")
D = mm.Variable("D", 2)
ARRAY = mm.Variable("v", shape=(2,), family="gaussian")


@pytest.mark.parametrize(
    ("net", "message"),
    [
        (sprinkler(), "'season' is discrete, and the JSON of Gaussian networks holds real numbers"),
        (
            mm.BayesianNetwork(
                [X, D],
                [
                    mm.LinearGaussian(X, [D], np.zeros((2, 0)), [0, 1], [1, 1]),
                    mm.TableFactor([D], [0.5, 0.5], child=D),
                ],
            ),
            "'D' is discrete, and the JSON",
        ),
        (
            mm.BayesianNetwork([ARRAY], [mm.LinearGaussian(ARRAY, [], [], [0, 0], [1, 1])]),
            r"'v' is an array of shape \(2,\), and the JSON",
        ),
        (
            mm.BayesianNetwork(
                [X], [mm.GaussianMixtureLeaf(X, [], [0.5, 0.5], [[0.0], [1.0]], [1.0, 2.0])]
            ),
            r"GaussianMixtureLeaf\(x\) is no linear Gaussian distribution, and",
        ),
    ],
)
def test_what_the_format_does_not_hold(tmp_path, net, message):
    with pytest.raises(FormatError, match=f"n.json: {message}.*; write a .mmgraph directory"):
        mm.write(net, tmp_path / "n.json")
    assert list(tmp_path.iterdir()) == []


def test_a_parent_by_the_name_of_the_intercept(tmp_path):
    parent = mm.Variable("(Intercept)", family="gaussian")
    root = mm.LinearGaussian(parent, [], [], 0.0, 1.0)
    mm.write(mm.BayesianNetwork([parent], [root]), tmp_path / "n.json")
    assert list(mm.read(tmp_path / "n.json").variables) == ["(Intercept)"]
    net = mm.BayesianNetwork([X, parent], [mm.LinearGaussian(X, [parent], [1.0], 0.0, 1.0), root])
    with pytest.raises(FormatError, match=r"'\(Intercept\)', a parent of 'x', cannot be called so"):
        mm.write(net, tmp_path / "m.json")


def test_numbers_without_a_list(tmp_path):
    net = net_of(tmp_path, '{"nodes": ["a"], "arcs": [], "cpds": {"a": {"parents": [], '
                 '"coefficients": {"(Intercept)": 2}, "variance": 0}}}', "n.json")  # fmt: skip
    assert moments(net)[0].tolist() == [2.0]
    assert moments(net)[1].tolist() == [[0.0]]


NODE = {"coefficients": {"(Intercept)": [1.0]}, "variance": [1.0], "parents": []}
CHILD = {"coefficients": {"(Intercept)": [1.0], "a": [2.0]}, "variance": [0.5], "parents": ["a"]}
WHOLE = {"nodes": ["a", "b"], "arcs": [["a", "b"]], "cpds": {"a": NODE, "b": CHILD}}


def with_child(**members: object) -> dict[str, object]:
    return {**WHOLE, "cpds": {"a": NODE, "b": {**CHILD, **members}}}


CYCLE = {**NODE, "coefficients": {"(Intercept)": [0.0], "b": [1.0]}, "parents": ["b"]}
TERMS = CHILD["coefficients"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([], ": expected a JSON object, found []"),
        ({}, "expected the member 'nodes', found none"),
        ({**WHOLE, "nodes": []}, "expected a name in 'nodes', found none"),
        ({**WHOLE, "nodes": ["a", "b", "a"]}, "the node 'a' is given twice"),
        ({**WHOLE, "nodes": ["a", 3]}, "expected a name in 'nodes', found 3"),
        ({**WHOLE, "nodes": ["a", ""]}, "a variable's name must be a non-empty string"),
        ({**WHOLE, "nodes": ["a", "c"]}, "there is no variable 'b'"),
        ({**WHOLE, "nodes": ["a", "b", "c"]}, "no conditional distribution for c"),
        ({**WHOLE, "modalities": {"z": "m"}}, "modalities: there is no variable 'z'"),
        ({**WHOLE, "modalities": {"a": 3}}, "modalities: expected 'a' to be of type str"),
        ({**WHOLE, "cpds": []}, "expected 'cpds' to be of type dict"),
        ({**WHOLE, "cpds": {"a": NODE, "b": 3}}, "node 'b': expected a JSON object, found 3"),
        ({**WHOLE, "arcs": []}, "['a', 'b'] stands in the parents and not in 'arcs'"),
        ({**WHOLE, "arcs": [["a", "b"], ["b", "a"]]}, "['b', 'a'] stands in 'arcs' and not among"),
        ({**WHOLE, "arcs": [["a", "b"]] * 2}, "the arc ['a', 'b'] is given twice"),
        ({**WHOLE, "arcs": [["a", "b", "c"]]}, "expected an arc [parent, child], found ['a', 'b',"),
        ({**WHOLE, "arcs": ["ab"]}, "expected an arc [parent, child], found 'ab'"),
        ({**WHOLE, "cpds": {"a": CYCLE, "b": CHILD}}, "the edges form a cycle: a -> b -> a"),
        (with_child(parents=["b"]), "node 'b', coefficients: 'a' is no parent of the node"),
        (with_child(parents=["a", "c"]), "node 'b': there is no variable 'c'"),
        (with_child(parents=["a", "a"]), "node 'b': LinearGaussian(b | a, a): a variable stands"),
        (with_child(parents=None), "node 'b': expected 'parents' to be of type list, found None"),
        (with_child(coefficients={"a": [1]}), "expected the member '(Intercept)', found none"),
        (with_child(coefficients={"(Intercept)": [1]}), "expected the member 'a', found none"),
        (with_child(coefficients={**TERMS, "a": [1, 2]}), "number as 'a', found [1, 2]"),
        (with_child(coefficients={**TERMS, "a": [True]}), "number as 'a', found True"),
        (with_child(coefficients={**TERMS, "a": "1"}), "number as 'a', found '1'"),
        (with_child(coefficients={**TERMS, "a": [1e999]}), "number as 'a', found inf"),
        (with_child(variance=[float("nan")]), "one finite number as 'variance', found nan"),
        (with_child(variance=[10**400]), "one finite number as 'variance', found 1000000"),
        (with_child(variance=[]), "node 'b': expected one finite number as 'variance', found []"),
        (with_child(variance=[-0.5]), "node 'b': LinearGaussian(b | a): a variance is negative"),
        (with_child(variance=None), "node 'b': expected one finite number as 'variance', found No"),
    ],
)  # fmt: skip
def test_what_is_no_such_network(tmp_path, content, message):
    assert message in error_of(tmp_path, json.dumps(content), "n.json")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", ", line 1: expected JSON"),
        (b"{\n\n,", ", line 3: expected JSON"),
        (b"\xff{}", "expected JSON"),
        (b"[" * 100_000, "expected JSON"),
        (b'{"nodes": ["a"], "nodes": ["a"]}', "expected JSON (the member 'nodes' is given twice)"),
        (b'{"cpds": {"x": 1, "x": 2}}', "expected JSON (the member 'x' is given twice)"),
        (b"1" * 10_000, "expected JSON"),
    ],
)
def test_what_is_no_json(tmp_path, content, message):
    assert message in error_of(tmp_path, content, "n.json")


def test_a_file_beyond_the_limit(tmp_path):
    path = tmp_path / "n.json"
    mm.write(gaussian_network(), path)
    with pytest.raises(FormatError, match=r"n\.json holds more than the limit of 100 bytes"):
        gaussian_json.read_gaussian_json(path, size_limit=100)
