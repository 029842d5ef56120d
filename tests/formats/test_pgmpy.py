"""Networks to and from pgmpy, and through its readers."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mmgraph.formats.pgmpy import from_pgmpy, read_through_pgmpy, to_pgmpy
from mmgraph.graph.errors import FormatError, MissingExtraError
from mmgraph.graph.gaussian import GaussianLeaf
from mmgraph.graph.variable import Variable
from mmgraph.networks.bayesian_network import BayesianNetwork
from tests.formats.networks import assert_same, sprinkler

XMLBIF = """<?xml version="1.0"?>
<!DOCTYPE BIF [ <!ELEMENT BIF ( NETWORK )*> ]>
<BIF VERSION="0.3"><NETWORK><NAME>n</NAME>
<VARIABLE TYPE="nature"><NAME>a</NAME><OUTCOME>x</OUTCOME><OUTCOME>y</OUTCOME></VARIABLE>
<VARIABLE TYPE="nature"><NAME>b</NAME><OUTCOME>p</OUTCOME><OUTCOME>q</OUTCOME><OUTCOME>r</OUTCOME>
</VARIABLE>
<DEFINITION><FOR>a</FOR><TABLE>0.25 0.75</TABLE></DEFINITION>
<DEFINITION><FOR>b</FOR><GIVEN>a</GIVEN><TABLE>0.5 0.25 0.25 0.125 0.5 0.375</TABLE></DEFINITION>
</NETWORK></BIF>"""
NET = """net { }
node a { states = ("x" "y"); }
node b { states = ("p" "q" "r"); }
potential (a | ) { data = (0.25 0.75); }
potential (b | a) { data = ((0.5 0.25 0.25) (0.125 0.5 0.375)); }
"""
XDSL = """<?xml version="1.0"?>
<smile version="1.0" id="n"><nodes>
<cpt id="a"><state id="x"/><state id="y"/><probabilities>0.25 0.75</probabilities></cpt>
<cpt id="b"><state id="p"/><state id="q"/><state id="r"/><parents>a</parents>
<probabilities>0.5 0.25 0.25 0.125 0.5 0.375</probabilities></cpt>
</nodes></smile>"""
FILES = {"n.xmlbif": XMLBIF, "n.xml": XMLBIF, "n.net": NET, "n.xdsl": XDSL}


def test_there_and_back_it_is_the_same():
    net = sprinkler()
    model = to_pgmpy(net)
    assert model.check_model()
    assert_same(from_pgmpy(model), net)


def test_pgmpy_sees_the_same_numbers():
    from pgmpy.inference import VariableElimination

    net = sprinkler()
    model = to_pgmpy(net)
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
    net = from_pgmpy(model)
    assert net.variable("a").labels == ("no", "yes")
    assert net.distribution("b").values.tolist() == [[0.5, 0.5], [0.125, 0.875]]


def test_what_is_no_network_of_tables_is_refused():
    from pgmpy.models import DiscreteBayesianNetwork

    with pytest.raises(FormatError, match="'a' of the pgmpy network has no conditional table"):
        from_pgmpy(DiscreteBayesianNetwork([("a", "b")]))
    with pytest.raises(FormatError, match="the node 1 of the pgmpy network is not named"):
        from_pgmpy(DiscreteBayesianNetwork([(1, 2)]))

    child = Variable("x", shape=(2,), family="gaussian")
    leaf = GaussianLeaf(child, [], torch.zeros(2), torch.eye(2))
    with pytest.raises(FormatError, match=r"GaussianLeaf\(x\) is not a conditional table"):
        to_pgmpy(BayesianNetwork([child], [leaf]))


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("packed", [False, True])
def test_other_formats(tmp_path, name, packed):
    from mmgraph.formats.files import write_text

    path = tmp_path / (f"{name}.gz" if packed else name)
    write_text(path, FILES[name])
    net = read_through_pgmpy(path)
    assert net.variable("b").labels == ("p", "q", "r")
    assert net.distribution("a").values.tolist() == [0.25, 0.75]
    assert net.distribution("b").values.tolist() == [[0.5, 0.25, 0.25], [0.125, 0.5, 0.375]]


@pytest.mark.parametrize("name", FILES)
@settings(max_examples=25, deadline=None)
@given(share=st.floats(0, 0.9), stray=st.sampled_from(["", "\x00", "<", "}", "é", "9" * 400]))
def test_files_that_are_cut(tmp_path_factory, name, share, stray):
    path = tmp_path_factory.mktemp("cut") / name
    text = FILES[name]
    path.write_text(text[: int(len(text) * share)] + stray)
    with pytest.raises(FormatError) as caught:
        read_through_pgmpy(path)
    assert str(path) in str(caught.value)


def test_entities_are_not_expanded(tmp_path):
    path = tmp_path / "bomb.xml"
    entities = "".join(f'<!ENTITY e{i} "{f"&e{i - 1};" * 10}">' for i in range(1, 9))
    path.write_text(f'<!DOCTYPE x [<!ENTITY e0 "ha">{entities}]><BIF>&e8;</BIF>')
    with pytest.raises(FormatError, match="declares XML entities"):
        read_through_pgmpy(path)


def test_an_unknown_suffix(tmp_path):
    with pytest.raises(FormatError, match=r"ends in .xmlbif, .xml, .net, .xdsl, found '.dne'"):
        read_through_pgmpy(tmp_path / "n.dne")


def test_without_pgmpy(tmp_path, monkeypatch):
    for module in [m for m in sys.modules if m == "pgmpy" or m.startswith("pgmpy.")]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, "pgmpy", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'mmgraph\[interop\]'"):
        to_pgmpy(sprinkler())
    path = tmp_path / "n.xml"
    path.write_text(XMLBIF)
    with pytest.raises(MissingExtraError, match="pgmpy"):
        read_through_pgmpy(path)
