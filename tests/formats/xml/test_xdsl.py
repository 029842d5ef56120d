"""XDSL files of GeNIe: tables, functions and noisy-MAX nodes, and what is refused."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import mmgraph as mm
from mmgraph.formats.xml.xdsl import read_xdsl
from mmgraph.graph.errors import FormatError
from tests.formats.networks import assert_same

A = '<cpt id="a"><state id="x"/><state id="y"/><probabilities>0.25 0.75</probabilities></cpt>\n'
B = (
    '<cpt id="b"><state id="p"/><state id="q"/><state id="r"/><parents>a</parents>'
    "<probabilities>0.5 0.25 0.25 0.125 0.5 0.375</probabilities></cpt>\n"
)
C = (
    '<{kind} id="c"><state id="u"/><state id="v"/><parents>a b</parents>{body}'
    '<property id="modality">ear</property></{kind}>\n'
)
TABLE = "<probabilities>.1 .9 .2 .8 .3 .7 .4 .6 .5 .5 .6 .4</probabilities>"
FUNCTION = "<resultingstates>u v v u u v</resultingstates>"
# Columns: of a, of b, and the leak; u is the effect and v none. Of b, r is strongest, q without.
NOISY = (
    "<strengths>0 1 2 0 1</strengths><parameters>.5 .5 0 1 .25 .75 .125 .875 0 1 .1 .9</parameters>"
)


def file_of(nodes: str, app: str = "GeNIe 3.0") -> str:
    genie = f'<genie version="1.0" app="{app}" name="n"><node id="a"><name>A!</name></node></genie>'
    return (
        '<?xml version="1.0" encoding="ISO-8859-1"?>\n<smile version="1.0" id="n"><nodes>\n'
        f"{nodes}</nodes>\n<extensions>{genie}</extensions></smile>"
    )


def net_of(tmp_path, text: str) -> mm.BayesianNetwork:
    path = tmp_path / "n.xdsl"
    path.write_bytes(text.encode("iso-8859-1"))
    return read_xdsl(path)


def test_tables(tmp_path):
    net = net_of(tmp_path, file_of(A + B + C.format(kind="cpt", body=TABLE)))
    assert net.variable("b").labels == ("p", "q", "r")
    assert net.variable("c").modality == "ear"
    assert net.distribution("b").values.tolist() == [[0.5, 0.25, 0.25], [0.125, 0.5, 0.375]]
    # the last parent moves faster than the first
    values = net.distribution("c").values
    assert values[..., 0].tolist() == [[0.1, 0.2, 0.3], [0.4, 0.5, 0.6]]


def test_agrum_has_the_first_parent_move_fastest(tmp_path):
    net = net_of(tmp_path, file_of(A + B + C.format(kind="cpt", body=TABLE), "aGrUM 3.3.1"))
    assert net.parents("c") == ("a", "b")
    values = net.distribution("c").values
    assert values[..., 0].tolist() == [[0.1, 0.3, 0.5], [0.2, 0.4, 0.6]]


def test_a_deterministic_node(tmp_path):
    net = net_of(tmp_path, file_of(A + B + C.format(kind="deterministic", body=FUNCTION)))
    gate = net.distribution("c")
    assert isinstance(gate, mm.Deterministic)
    assert gate.index.tolist() == [[0, 1, 1], [0, 0, 1]]


def test_a_noisy_max_node(tmp_path):
    net = net_of(tmp_path, file_of(A + B + C.format(kind="noisymax", body=NOISY)))
    gate = net.distribution("c")
    assert isinstance(gate, mm.NoisyMax)
    # P(v | a, b) is the product of what each parent, and the leak, leaves undone.
    of_a, of_b = [0.5, 1], [0.875, 1, 0.75]
    expected = [[x * y * 0.9 for y in of_b] for x in of_a]
    assert gate.values[..., 1].numpy() == pytest.approx(np.array(expected), abs=1e-15)


def test_a_noisy_max_of_three_grades_is_the_maximum_of_hidden_effects(tmp_path):
    grades = '<state id="high"/><state id="low"/><state id="none"/>'
    body = "<parameters>.5 .25 .25 0 0 1 .25 .25 .5 .125 .125 .75 0 0 1 .125 .25 .625</parameters>"
    node = f'<noisymax id="c">{grades}<parents>a b</parents>{body}</noisymax>'
    gate = net_of(tmp_path, file_of(A + B + node)).distribution("c")
    of_a = [[0.5, 0.25, 0.25], [0, 0, 1]]
    of_b = [[0.25, 0.25, 0.5], [0.125, 0.125, 0.75], [0, 0, 1]]
    leak = [0.125, 0.25, 0.625]
    for i, j in itertools.product(range(2), range(3)):
        expected = [0.0, 0.0, 0.0]
        for x, y, z in itertools.product(range(3), repeat=3):
            expected[min(x, y, z)] += of_a[i][x] * of_b[j][y] * leak[z]
        assert gate.values[i, j].tolist() == pytest.approx(expected, abs=1e-15)


def test_submodels_are_only_a_way_to_draw(tmp_path):
    nodes = f'{A}<submodel id="s"><submodel id="t">{B}</submodel></submodel>'
    assert list(net_of(tmp_path, file_of(nodes)).variables) == ["a", "b"]


def test_latin_1(tmp_path):
    text = file_of(A.replace('"x"', '"été"'))
    assert net_of(tmp_path, text).variable("a").labels == ("été", "y")


@pytest.mark.parametrize(
    ("nodes", "line", "message"),
    [
        (A + '<decision id="d"/>', 4, "'d' is a decision"),
        (A + '<utility id="u"/>', 4, "'u' is a utility"),
        (A + '<mau id="u"/>', 4, "'u' is a multi-attribute utility"),
        (A + '<equation id="e"/>', 4, "'e' is an equation node"),
        (A + '<noisyadder id="e"/>', 4, "'e' is a noisy-adder"),
        (A + '\n<oracle id="o"/>', 5, "'o' is a node of the unknown kind <oracle>"),
        (A + '<cpt id="p" dynamic="plate"/>', 4, "'p' is a node of a dynamic network"),
        (
            A + "<cpt/>",
            4,
            "expected the attribute 'id' (the name of the node) of <cpt>, found none",
        ),
        (A + A, 4, "the node 'a' is given twice"),
        (A.replace('"x"', '"y"'), 3, "state 'y' is given twice"),
        ('<cpt id="a"/>', 3, "needs at least one state"),
        (A.replace("<state/>", "<state/>").replace(' id="x"', ""), 3, "(a state of 'a')"),
        (A.replace("probabilities", "strengths"), 3, "expected <probabilities> in 'a', found <str"),
        (A.replace("<probabilities>0.25 0.75</probabilities>", ""), 3, "expected <probabilities>"),
        (A.replace("0.25", "half"), 3, "expected a number in <probabilities> of 'a', found 'half'"),
        (A.replace("0.25 0.75", "1"), 3, "expected 2 numbers in the table of 'a', found 1"),
        (A.replace("0.25", "0.5"), 3, "the distribution of 'a' sums to 1.25, not 1"),
        (A + B.replace(">a<", ">aa<"), 4, "found 'aa'; did you mean 'a'?"),
        (A + B.replace(">a<", ">a a<"), 4, "'a' stands twice in the distribution of 'b'"),
        (A + B.replace(">a<", ">b<"), 4, "'b' stands twice in the distribution of 'b'"),
        (A + C.format(kind="deterministic", body=FUNCTION), 4, "found 'b'"),
        (A + B + C.format(kind="deterministic", body=FUNCTION.replace("v u", "v w")), 5, "'w'"),
        (A + B + C.format(kind="deterministic", body=FUNCTION.replace("v u", "v")), 5, "6 states"),
        (
            A + B + C.format(kind="noisymax", body=NOISY.replace(".1 .9", ".1")),
            5,
            "expected 12 num",
        ),
        (
            A + B + C.format(kind="noisymax", body=NOISY.replace("0 1 2 0", "0 2 0")),
            5,
            "expected 5",
        ),
        (
            A + B + C.format(kind="noisymax", body=NOISY.replace("0 1 2 0", "1 1 2 0")),
            5,
            "of 'a' onc",
        ),
        (A + B + C.format(kind="noisymax", body=NOISY.replace("0 1 2 0", "0 .5 2 0")), 5, "0 0.5"),
        (
            A + B + C.format(kind="noisymax", body=NOISY.replace("0 1 .25", ".5 .5 .25")),
            5,
            "absent",
        ),
    ],
)
def test_the_message_gives_line_and_reason(tmp_path, nodes, line, message):
    with pytest.raises(FormatError) as caught:
        net_of(tmp_path, file_of(nodes))
    assert f"n.xdsl, line {line}:" in str(caught.value)
    assert message in str(caught.value)


def test_the_network_as_a_whole_is_checked(tmp_path):
    for text, message in (
        (file_of(""), "expected a node, found none"),
        (file_of(A.replace("<prob", "<parents>b</parents><prob") + B), "expected 6 numbers"),
        (
            file_of(A).replace("<nodes>", "<dynamic numslices='4'/><nodes>"),
            "line 2: the network is",
        ),
        (file_of(A).replace("<nodes>", "<arcs/><nodes>"), "expected <nodes> or .* found <arcs>"),
        ("<BIF/>", "expected the root <smile>, found <BIF>"),
    ):
        with pytest.raises(FormatError, match=message):
            net_of(tmp_path, text)


def test_claims_are_not_allocated(tmp_path):
    nodes = "".join(A.replace('id="a"', f'id="v{i}"') for i in range(40))
    names = " ".join(f"v{i}" for i in range(40))
    node = f'<noisymax id="c"><state id="u"/><state id="v"/><parents>{names}</parents><parameters>'
    node += ".5 .5 0 1 " * 40 + "0 1</parameters></noisymax>"
    with pytest.raises(
        FormatError, match="the table of 'c' would take more numbers than the limit"
    ):
        net_of(tmp_path, file_of(nodes + node))


def test_functions_and_noisy_max_remain_what_they_are(tmp_path):
    path = tmp_path / "n.xdsl"
    path.write_text(file_of(A + B + C.format(kind="noisymax", body=NOISY)))
    noisy = mm.read(path)
    for place in (path, tmp_path / "n.mmgraph"):
        mm.write(noisy, place)
        again = mm.read(place).distribution("c")
        assert isinstance(again, mm.NoisyMax)
        assert again.settings() == noisy.distribution("c").settings()
        assert again.values.tolist() == noisy.distribution("c").values.tolist()

    a, b, c = (
        mm.Variable(name, ("no", "yes", "?")[:n]) for name, n in (("a", 2), ("b", 2), ("c", 3))
    )
    either = mm.Deterministic(b, [a], [1, 0])
    graded = mm.NoisyMax(c, [a], [[[1, 0, 0], [0.5, 0.25, 0.25]]])
    root = mm.TableFactor([a], [0.25, 0.75], child=a)
    net = mm.BayesianNetwork([a, b, c], [root, either, graded])
    mm.write(net, path)
    assert isinstance(mm.read(path).distribution("b"), mm.Deterministic)
    assert_same(mm.read(path), net)  # the maximum is in ascending order: written as its table


def test_nodes_are_written_parents_first_and_read_in_their_order(tmp_path):
    a, b = mm.Variable("a", ("x", "y")), mm.Variable("b", ("x", "y"))
    net = mm.BayesianNetwork(
        [b, a], [mm.NoisyOr(b, [a], [0.5]), mm.TableFactor([a], [0.25, 0.75], child=a)]
    )
    mm.write(net, tmp_path / "n.xdsl")
    text = (tmp_path / "n.xdsl").read_text()
    assert text.index('<cpt id="a">') < text.index('<cpt id="b">')
    assert_same(mm.read(tmp_path / "n.xdsl"), net)
