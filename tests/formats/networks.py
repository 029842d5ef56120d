"""Small networks and ways to compare them, shared by the tests of the formats."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import strategies as st

import mmgraph as mm
from mmgraph.graph.errors import FormatError

PRINTABLE = st.text(st.characters(exclude_categories=["C"]), min_size=1, max_size=8)


def random_table(generator: np.random.Generator, *shape: int) -> np.ndarray:
    table = generator.random(shape)
    return table / table.sum(-1, keepdims=True)


def sprinkler(seed: int = 0) -> mm.BayesianNetwork:
    """Return a network with three states here and two there, so that axes cannot be mistaken."""
    generator = np.random.default_rng(seed)
    return mm.BayesianNetwork.from_tables(
        [("season", "rain"), ("season", "sprinkler"), ("rain", "grass"), ("sprinkler", "grass")],
        {
            "season": random_table(generator, 4),
            "rain": random_table(generator, 4, 2),
            "sprinkler": random_table(generator, 4, 3),
            "grass": random_table(generator, 2, 3, 2),
        },
        states={
            "season": ("spring", "summer", "autumn", "winter"),
            "rain": ("yes", "no"),
            "sprinkler": ("off", "low", "high"),
            "grass": ("wet", "dry"),
        },
        modalities={"rain": "weather station", "grass": "camera"},
    )


def gaussian_network() -> mm.BayesianNetwork:
    """Return a network of real numbers whose children are listed before their parents."""
    y, x, z, w = (
        mm.Variable(n, modality=m, family="gaussian")
        for n, m in (("y", "camera"), ("x", None), ("z z", "ear"), ("w", None))
    )
    return mm.BayesianNetwork(
        [y, x, z, w],
        [
            mm.LinearGaussian(y, [x, w], [0.1, -2.0], 1 / 3, 0.7),
            mm.LinearGaussian(x, [], [], 1e-3, 2.0),
            mm.LinearGaussian(z, [y, x], [0.25, 0.0], -1.5, 0.0),
            mm.LinearGaussian(w, [x], [3.0], 0.0, 1e-6),
        ],
    )


def assert_same(first: mm.FactorGraph, second: mm.FactorGraph) -> None:
    """Assert that two graphs of tables agree in everything, numbers to the last bit."""
    assert type(first) is type(second)
    assert list(first.variables) == list(second.variables)
    for one, other in zip(first.variables.values(), second.variables.values(), strict=True):
        assert one.describes_same_as(other)
        assert one.modality == other.modality
        assert list(map(type, one.labels)) == list(map(type, other.labels))
    for f, g in zip(first.factors, second.factors, strict=True):
        assert isinstance(f, mm.TableFactor)
        assert isinstance(g, mm.TableFactor)
        assert [v.name for v in f.scope] == [v.name for v in g.scope]
        assert (f.child and f.child.name) == (g.child and g.child.name)
        assert torch.equal(f.values, g.values)
        assert f.values.dtype == g.values.dtype


def net_of(folder: Path, content: str | bytes, name: str) -> mm.BayesianNetwork:
    """Read a file of such a name and content."""
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return mm.read(path)


def error_of(folder: Path, content: str | bytes, name: str) -> str:
    """Return what is said of a wrong file, in seconds, whatever it holds."""
    start = time.process_time()
    with pytest.raises(FormatError) as caught:
        net_of(folder, content, name)
    assert time.process_time() - start < 5
    assert str(folder / name) in str(caught.value)
    return str(caught.value)


@st.composite
def named_networks(draw: st.DrawFn) -> mm.BayesianNetwork:
    """Draw networks with any printable names of variables, states and modalities."""
    names = draw(st.lists(PRINTABLE, min_size=1, max_size=4, unique=True))
    generator = np.random.default_rng(draw(st.integers(0, 1000)))
    variables: list[mm.Variable] = []
    factors = []
    for name in names:
        states = draw(st.lists(PRINTABLE, min_size=1, max_size=3, unique=True))
        modality = draw(st.none() | PRINTABLE)
        child = mm.Variable(name, tuple(states), modality=modality)
        parents = draw(st.lists(st.sampled_from(variables), unique=True)) if variables else []
        shape = [v.cardinality for v in (*parents, child)]
        table = random_table(generator, *shape)
        factors.append(mm.TableFactor([*parents, child], table, child=child))
        variables.append(child)
    return mm.BayesianNetwork(variables, factors)


_BIF = b"""network n { property author = me ; }
variable a { type discrete [2] { yes, no }; property position = (1, 2) ; }
variable "b c" { type discrete [3] { [0_5], _5_10], "x y" }; property modality = sound ; }
variable d { type discrete [2] { 0, 1 }; property state_type = count ; }
probability (a) { table 0.25, 0.75; }
probability ("b c" | a) { (yes) 0.5, 0.25, 0.25; default 0.125, 0.5, 0.375; }
probability (d | a, "b c") { table .5 .5 .5 .5 .5 .5 .5 .5 .5 .5 .5 .5 ; } // done
"""
_UAI = b"BAYES\n3\n2 2 3\n3\n1 0\n2 0 1\n3 1 0 2\n\n2\n.5 .5\n4\n.5 .5 # x\n.25 .75\n12\n" + (
    b"0.25 0.25 0.5\n" * 4
)
_MARKOV = b"markov\n2\n2 3\n2\n1 0\n2 0 1\n2\n1 2.5\n6\n1 2 3 4e0 5 0\n"
_NET = b"""net { name = "n"; node_size = (80 40); HR_Desc = "a; b"; }
node a { states = ("yes" "no (really)"); label = "states = (1 2)"; subtype = label; } % comment
discrete node b { states = (1 2 3); subtype = number; state_values = (1 2 3); modality = camera; }
node c { subtype = boolean; position = (1 2); // another
}
node d { states = ("0.5" "x"); mmgraph = "'name': 'd', 'modality': 'm', 'states': [0.5, 'x']"; }
potential (a) { data = (0.25 0.75); experience = 12; }
potential (b | a) { data = ((0.5 0.25 0.25) % a=yes
  (0.125 0.5 0.375)); }
potential (c | a b) { data = (.5 .5 .5 .5 .5 .5 1 0 1e0 0 0 1); }
potential (d | c) { model_nodes = (); }
"""
_CLASS = b"""class K { inputs = (); outputs = (x);
node x { states = ("\xe9t\xe9" "hiver"); }
potential (x) { } }
"""
_DSC = b"""belief network "n"
node a { name: "A; really"; type: discrete[2] = {"yes", "no"}; position: (1, 2); }
node b { type : discrete [ 3 ] = { "p", "q", "r" }; }
node c { type : discrete [2]; }
probability ( a ) { 0.25, 0.75; }
probability ( b | a ) { (0) : 0.5, 0.25, 0.25; (no) : 0.125, 0.5, 0.375; }
probability ( c | a, b ) { (0, 0) : 0.5, 0.5; default : 1, 0; }
"""
_XMLBIF = b"""<?xml version="1.0" encoding="ISO-8859-1"?>
<!DOCTYPE BIF [ <!ELEMENT BIF ( NETWORK )*> <!ATTLIST BIF VERSION CDATA #REQUIRED> ]>
<BIF VERSION="0.3"><NETWORK><PROPERTY>made by hand</PROPERTY>
<VARIABLE TYPE="nature"><NAME>a</NAME><OUTCOME>\xe9t\xe9</OUTCOME><VALUE>y</VALUE></VARIABLE>
<VARIABLE><NAME>b</NAME><OUTCOME>p &lt; 1</OUTCOME><OUTCOME>q</OUTCOME>
<PROPERTY>modality = camera</PROPERTY></VARIABLE>
<DEFINITION><FOR>a</FOR><TABLE>0.25 <!-- y --> 0.75</TABLE></DEFINITION>
<DEFINITION><FOR>b</FOR><GIVEN>a</GIVEN><TABLE>0.5 0.5 0.25 0.75</TABLE></DEFINITION>
</NETWORK></BIF>"""
_XDSL = b"""<?xml version="1.0" encoding="ISO-8859-1"?>
<smile version="1.0" id="n" numsamples="1000"><nodes>
<cpt id="a"><state id="x"/><state id="y"/><probabilities>0.25 0.75</probabilities></cpt>
<submodel id="s"><cpt id="b"><state id="p"/><state id="q"/><state id="r"/><parents>a</parents>
<probabilities>0.5 0.25 0.25 0.125 0.5 0.375</probabilities></cpt></submodel>
<deterministic id="d"><state id="u"/><state id="v"/><parents>a b</parents>
<resultingstates>u v u v u v</resultingstates></deterministic>
<noisymax id="e"><state id="high"/><state id="low"/><state id="none"/><parents>a b</parents>
<strengths>0 1 2 0 1</strengths>
<parameters>.5 .25 .25 0 0 1 .25 .25 .5 .125 .125 .75 0 0 1 .125 .125 .75</parameters>
<property id="modality">sound</property></noisymax>
</nodes><extensions><genie version="1.0" app="GeNIe 3.0" name="n"><node id="a"><name>A</name></node>
</genie></extensions></smile>"""

_GAUSSIAN = b"""{"nodes": ["a", "b c"], "arcs": [["a", "b c"]], "cpds": {"b c": {"coefficients":
{"(Intercept)": [-0.5], "a": 2e-1}, "variance": [0.25], "parents": ["a"]}, "a": {"variance": [1],
"coefficients": {"(Intercept)": [0]}, "parents": []}}, "modalities": {"a": "camera"}}"""

FUZZ_SEEDS: dict[str, list[bytes]] = {
    ".bif": [_BIF],
    ".uai": [_UAI, _MARKOV],
    ".net": [_NET, _CLASS],
    ".dsc": [_DSC],
    ".xmlbif": [_XMLBIF],
    ".xdsl": [_XDSL],
    ".json": [_GAUSSIAN],
    ".evid": [b"1\n2 0 1 2 1\n", b"2 0 1 2 1\n", b"2\n1 0 1\n2 1 0 3 1\n", b"0"],
}
"""Whole files with a little of everything that a format knows."""


@st.composite
def odd_networks(draw: st.DrawFn) -> mm.BayesianNetwork:
    """Draw networks whose names and labels are of every kind that a variable can have."""
    text = st.text(st.characters(codec="utf-8"), min_size=1, max_size=5)
    numbers = st.integers(-3, 3) | st.booleans() | st.floats(allow_nan=False, width=32)
    labels = st.lists(text | numbers | st.sampled_from(["", " x", "node", "1"]), min_size=1)
    names = draw(st.lists(text, min_size=1, max_size=3, unique=True))
    generator = np.random.default_rng(draw(st.integers(0, 1000)))
    variables: list[mm.Variable] = []
    factors = []
    for name in names:
        states = draw(st.integers(1, 3) | labels.map(lambda found: tuple(dict.fromkeys(found))))
        family = draw(st.sampled_from(["categorical", "bernoulli"]))
        child = mm.Variable(name, states, modality=draw(st.none() | text), family=family)
        parents = variables[-1:] if draw(st.booleans()) else []
        table = random_table(generator, *(v.cardinality for v in (*parents, child)))
        factors.append(mm.TableFactor([*parents, child], table, child=child))
        variables.append(child)
    return mm.BayesianNetwork(variables, factors)
