"""Networks to and from pgmpy."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import mmgraph as mm
from mmgraph.formats import resolve
from mmgraph.graph.errors import FormatError, MissingExtraError
from tests.formats.networks import assert_same, gaussian_network, sprinkler
from tests.interop.gaussian_moments import assert_same_moments


def test_there_and_back_it_is_the_same():
    net = sprinkler()
    model = mm.to_pgmpy(net)
    assert model.check_model()
    assert_same(mm.from_pgmpy(model), net)


def test_pgmpy_sees_the_same_numbers():
    from pgmpy.inference import VariableElimination

    net = sprinkler()
    model = mm.to_pgmpy(net)
    season, rain, sprinkled, grass = (f.values.numpy() for f in net.factors)
    joint = np.einsum("a,ab,ac,bcd->abcd", season, rain, sprinkled, grass)
    found = VariableElimination(model).query(["grass"], {"sprinkler": "high"}, show_progress=False)
    expected = joint[:, :, 2].sum((0, 1))
    order = [found.state_names["grass"].index(s) for s in ("wet", "dry")]
    assert found.values[order] == pytest.approx(expected / expected.sum(), abs=1e-12)


def test_states_in_another_order_in_the_child_table():
    from pgmpy.factors.discrete import TabularCPD
    from pgmpy.models import DiscreteBayesianNetwork

    model = DiscreteBayesianNetwork([("a", "b")])
    model.add_cpds(
        TabularCPD("a", 2, [[0.25], [0.75]], state_names={"a": ["no", "yes"]}),
        TabularCPD(
            "b", 2, [[0.125, 0.5], [0.875, 0.5]], ["a"], [2],
            state_names={"a": ["yes", "no"], "b": ["no", "yes"]},
        ),
    )  # fmt: skip
    net = mm.from_pgmpy(model)
    assert net.variable("a").labels == ("no", "yes")
    assert net.distribution("b").values.tolist() == [[0.5, 0.5], [0.125, 0.875]]


def test_what_is_no_network_of_tables_is_refused():
    from pgmpy.models import DiscreteBayesianNetwork

    with pytest.raises(FormatError, match="'a' of the pgmpy network has no conditional table"):
        mm.from_pgmpy(DiscreteBayesianNetwork([("a", "b")]))
    with pytest.raises(FormatError, match="the node 1 of the pgmpy network is not named"):
        mm.from_pgmpy(DiscreteBayesianNetwork([(1, 2)]))

    with pytest.raises(FormatError, match=r"LinearGaussianBayesianNetwork of pgmpy was exp.* int"):
        mm.from_pgmpy(3)


NAMES = {
    "ecoli70": (46, 70),
    "arth150": (107, 150),
    "magic-niab": (44, 66),
    "magic-irri": (64, 102),
}


def bundled(name: str) -> Path:
    return next(
        place for folder in resolve.model_folders() if (place := folder / f"{name}.json").is_file()
    )


@pytest.mark.parametrize("name", NAMES)
def test_bundled_networks_have_the_moments_that_pgmpy_gives_them(name):
    from pgmpy.models import LinearGaussianBayesianNetwork

    net = mm.read(name)
    assert (len(net.variables), len(net.edges)) == NAMES[name]
    model = LinearGaussianBayesianNetwork.load(str(bundled(name)))
    assert set(net.edges) == set(model.edges)
    assert_same_moments(net, model)


def test_pgmpy_loads_what_is_written(tmp_path):
    from pgmpy.models import LinearGaussianBayesianNetwork

    net = gaussian_network()
    mm.write(net, tmp_path / "n.json")
    model = LinearGaussianBayesianNetwork.load(str(tmp_path / "n.json"))
    assert_same_moments(net, model)


def test_a_gaussian_network_there_and_back():
    for net in (gaussian_network(), mm.read("magic-niab")):
        model = mm.to_pgmpy(net)
        assert type(model).__name__ == "LinearGaussianBayesianNetwork"
        assert model.check_model()
        assert_same_moments(net, model)
        back = mm.from_pgmpy(model)
        assert list(back.variables) == list(net.variables)
        for name, variable in net.variables.items():
            assert back.parents(name) == net.parents(name)
            assert back.variable(name).describes_same_as(variable)
            assert back.variable(name).modality == variable.modality
            one, two = back.distribution(name), net.distribution(name)
            assert torch.equal(one.coefficients, two.coefficients)
            assert torch.equal(one.intercept, two.intercept)
            assert float(one.variance) == pytest.approx(float(two.variance), rel=1e-15)


def test_a_gaussian_network_that_pgmpy_has_learned():
    import pandas
    from pgmpy.models import LinearGaussianBayesianNetwork

    rows = np.random.default_rng(0).normal(size=(50, 3)) @ [[1, 2, 0], [0, 1, 3], [0, 0, 1]]
    model = LinearGaussianBayesianNetwork([("c", "a"), ("a", "b"), ("c", "b")])
    model.fit(pandas.DataFrame(rows, columns=["a", "b", "c"]))
    net = mm.from_pgmpy(model)
    assert_same_moments(net, model)
    assert set(net.parents("b")) == {"a", "c"}


def x(name: str = "x", shape: tuple[int, ...] = ()) -> mm.Variable:
    return mm.Variable(name, shape=shape, family="gaussian")


def test_what_a_gaussian_network_of_pgmpy_does_not_hold():
    child, state = x("x", (2,)), mm.Variable("D", 2)
    leaf = mm.GaussianLeaf(child, [], torch.zeros(2), torch.eye(2))
    with pytest.raises(
        FormatError, match=r"'x' is an array of shape \(2,\), and a LinearGaussianB"
    ):
        mm.to_pgmpy(mm.BayesianNetwork([child], [leaf]))
    mixed = mm.BayesianNetwork(
        [state, y := x("y")],
        [
            mm.TableFactor([state], [0.5, 0.5], child=state),
            mm.LinearGaussian(y, [state], np.zeros((2, 0)), [0.0, 1.0], [1.0, 1.0]),
        ],
    )
    with pytest.raises(FormatError, match="'D' is discrete, and a LinearGaussianBayesianNetwork"):
        mm.to_pgmpy(mixed)


@pytest.mark.parametrize(
    ("beta", "std", "evidence", "message"),
    [
        ([1.0], 1.0, [], r"the regression of 'b' has the parents \[\], the node has \['a'\]"),
        ([1.0, 2.0], 1.0, ["z"], "the regression of 'b' has a parent 'z', which is no node"),
        ([1.0], 1.0, ["a"], "'b' has 1 coefficients, not an intercept and one for each of 1"),
        ([1.0, 2.0], -1.0, ["a"], "'b': the standard deviation -1.0 is negative"),
        ([1.0, 2.0], float("nan"), ["a"], r"LinearGaussian\(b \| a\): the variance is not finite"),
        ([1.0, 2.0], 1e200, ["a"], r"LinearGaussian\(b \| a\): the variance is not finite"),
        ([1.0, float("inf")], 1.0, ["a"], "the coefficients is not finite"),
        ([1.0, "x"], 1.0, ["a"], "'b': a coefficient or std is no number"),
        ([1.0, 2.0], None, ["a"], "'b': a coefficient or std is no number"),
        ([1.0, 2.0, 3.0], 1.0, ["a", "a"], "a variable stands in the scope twice"),
    ],
)
def test_what_is_no_regression(beta, std, evidence, message):
    from pgmpy.factors.continuous import LinearGaussianCPD
    from pgmpy.models import LinearGaussianBayesianNetwork

    model = LinearGaussianBayesianNetwork([("a", "b")])
    model.cpds = [LinearGaussianCPD("a", [0.0], 1.0), LinearGaussianCPD("b", beta, std, evidence)]
    with pytest.raises(FormatError, match=message):
        mm.from_pgmpy(model)
    model.cpds = model.cpds[1:]
    with pytest.raises(FormatError, match="'a' of the pgmpy network has no linear Gaussian"):
        mm.from_pgmpy(model)


def test_without_pgmpy(monkeypatch):
    for module in [m for m in sys.modules if m == "pgmpy" or m.startswith("pgmpy.")]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, "pgmpy", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'mmgraph\[interop\]'"):
        mm.to_pgmpy(sprinkler())
