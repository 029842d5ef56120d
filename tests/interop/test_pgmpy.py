"""Networks to and from pgmpy."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import torch

import mmgraph as mm
from mmgraph.graph.errors import FormatError, MissingExtraError
from tests.formats.networks import assert_same, sprinkler


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

    child = mm.Variable("x", shape=(2,), family="gaussian")
    leaf = mm.GaussianLeaf(child, [], torch.zeros(2), torch.eye(2))
    with pytest.raises(FormatError, match=r"GaussianLeaf\(x\) is not a conditional table"):
        mm.to_pgmpy(mm.BayesianNetwork([child], [leaf]))


def test_without_pgmpy(monkeypatch):
    for module in [m for m in sys.modules if m == "pgmpy" or m.startswith("pgmpy.")]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, "pgmpy", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'mmgraph\[interop\]'"):
        mm.to_pgmpy(sprinkler())
