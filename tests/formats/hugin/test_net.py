"""NET files of Hugin and others: what they say, what they may leave out, what is refused."""

from __future__ import annotations

from functools import partial

import pytest

import mmgraph as mm
from mmgraph.formats.hugin.net import UnnormalisedTableWarning, read_net
from mmgraph.formats.hugin.net_writer import write_net
from mmgraph.graph.errors import FormatError
from tests.formats import networks
from tests.formats.networks import sprinkler

A = 'node a { states = ("yes" "no"); }\n'
B = 'node b { states = ("p" "q" "r"); }\n'
ROOT = "potential (a) { data = (0.25 0.75); }\n"
ROWS = [[0.5, 0.25, 0.25], [0.125, 0.5, 0.375]]
PAIR = f"net {{ }}\n{A}{B}{ROOT}potential (b | a) {{ %s }}\n"


net_of = partial(networks.net_of, name="n.net")
error_of = partial(networks.error_of, name="n.net")


@pytest.mark.parametrize(
    "body",
    [
        "data = ((0.5 0.25 0.25) (0.125 0.5 0.375));",
        "data = (0.5 0.25 0.25 0.125 0.5 0.375);",
        "data=((.5 +0.25 25E-2)(1.25e-1 0.5 0.375));",
        "data = (( 0.5 0.25 0.25 )\t%  a=yes; (1)\n\t( 0.125 0.5 0.375 ));\t%  a=no\n",
        "data = ((0.5 0.25 0.25) // half\n (0.125 /* an ; eighth */ 0.5 0.375));",
        "data = ((0.5, 0.25, 0.25), (0.125, 0.5, 0.375));",
        "experience = (1 2); fading = (1 1); data = ((0.5 0.25 0.25) (0.125 0.5 0.375));",
        'model_nodes = (a); model_data = ("f(a;b)" 3); data = ((0.5 0.25 0.25)(0.125 0.5 0.375));',
    ],
)
def test_every_way_to_say_the_same_table(tmp_path, body):
    net = net_of(tmp_path, PAIR % body)
    assert net.parents("b") == ("a",)
    assert net.distribution("b").values.tolist() == ROWS
    assert net.distribution("a").values.tolist() == [0.25, 0.75]


def test_the_child_moves_fastest_and_then_the_last_parent(tmp_path):
    text = f"{A}{B}{ROOT}potential (b) {{ data = (.5 .25 .25); }}\n"
    text += 'node c { states = ("u" "v"); }\npotential (c | a b) { data = '
    text += "(((.1 .9) (.2 .8) (.3 .7)) ((.4 .6) (.5 .5) (.6 .4))); }"
    values = net_of(tmp_path, text).distribution("c").values
    assert values[..., 0].tolist() == [[0.1, 0.2, 0.3], [0.4, 0.5, 0.6]]


def test_states_stay_with_their_node_whatever_labels_say(tmp_path):
    net = net_of(
        tmp_path,
        'net { HR_Desc = "node z { states = (\\"1\\"); }"; name = free text; }\n'
        'node a { label = "states = (\\"x\\" \\"y\\" \\"z\\");"; states = ("yes" "no"); }\n'
        "% node a { states = (1 2 3); }\n"
        'node b { states = ("p; q" "% (not)" "a \\"b\\" \\\\c"); position = (1 2); }\n'
        "potential (a) { data = (0.25 0.75); } potential (b) { data = (0.5 0.25 0.25); }",
    )
    assert net.variable("a").labels == ("yes", "no")
    assert net.variable("b").labels == ("p; q", "% (not)", 'a "b" \\c')


def test_states_may_be_bare_words_numbers_or_a_count(tmp_path):
    net = net_of(
        tmp_path,
        "node a { states = ([0;0.5[ [0.5;10] 50,5); subtype = interval; }\n"
        "node b { states = 3; }\n"
        "node c { subtype = boolean; }\n"
        "node d { label = d; }\n"
        "node e { label = e; }\n"
        "potential (a) { data = (0.25 0.25 0.25 0.25); } potential (b) { data = (0.5 0.25 0.25); }"
        "potential (c) { data = (0.5 0.5); } potential (d) { data = (0.25 0.25 0.25 0.25); }"
        "potential (e | c) { data = ((0.5 0.25 0.25) (1 0 0)); }",
    )
    assert net.variable("a").labels == ("[0;0.5[", "[0.5;10]", "50", "5")
    assert net.variable("b").states == 3
    assert net.variable("c").labels == ("false", "true")
    assert net.variable("d").states == 4
    assert net.variable("e").states == 3


def test_data_that_are_left_out_are_uniform(tmp_path):
    net = net_of(tmp_path, PAIR % "")
    assert net.distribution("b").values.tolist() == [[1 / 3] * 3] * 2
    net = net_of(tmp_path, PAIR % "model_nodes = ();")
    assert net.distribution("b").values.tolist() == [[1 / 3] * 3] * 2


def test_rows_are_weights(tmp_path):
    net = net_of(tmp_path, PAIR % "data = ((8 0 0) (1.0 2.0 1));")
    assert net.distribution("b").values.tolist() == [[1, 0, 0], [0.25, 0.5, 0.25]]
    net = net_of(tmp_path, f"{A}potential (a) {{ data = (1 1); }}")
    assert net.distribution("a").values.tolist() == [0.5, 0.5]
    with pytest.warns(UnnormalisedTableWarning, match=r"n\.net: rows .* 'b' \(line 5\)"):
        net = net_of(tmp_path, PAIR % "data = ((0.05 0.5 0.25) (1 0 0));")
    assert net.distribution("b").values[0].tolist() == pytest.approx([0.0625, 0.625, 0.3125])
    assert "sums to 0, not 1" in error_of(tmp_path, f"{A}potential (a) {{ data = (0 0); }}")
    assert "holds -1" in error_of(tmp_path, f"{A}potential (a) {{ data = (3 -1); }}")


def test_states_without_labels_have_values(tmp_path):
    net = net_of(
        tmp_path,
        'class K { node a { states = ("" "" ""); subtype = interval;\n'
        "state_values = (0 10 60 inf); }\n"
        'node b { states = ("" ""); subtype = number; state_values = (2 4.5); }\n'
        'node c { states = ("" ""); subtype = boolean; }\n'
        'node d { states = ("" ""); }\n'
        "node e { subtype = number; state_values = (-1 0 1); }\n"
        f"{''.join(f'potential ({name}) {{ }}' for name in 'abcde')} }} % class K\n",
    )
    assert net.variable("a").labels == ("0 - 10", "10 - 60", "60 - inf")
    assert net.variable("b").labels == ("2", "4.5")
    assert net.variable("c").labels == ("false", "true")
    assert net.variable("d").states == 2
    assert net.variable("e").labels == ("-1", "0", "1")


@pytest.mark.parametrize(
    ("node", "labels"),
    [
        ("boolean node a { }", ("false", "true")),
        ("discrete boolean node a { }", ("false", "true")),
        ("boolean node a { subtype = boolean; }", ("false", "true")),
        ("boolean node a { states = 2; }", ("false", "true")),
        ('boolean node a { states = ("" ""); }', ("false", "true")),
        ('boolean node a { states = ("true" "false"); }', ("true", "false")),
        ("node a { states = (no yes); subtype = boolean; }", ("no", "yes")),
        ("numbered node a { state_values = (2 4.5); }", ("2", "4.5")),
        ("numbered node a { states = 2; state_values = (2 4.5); }", ("2", "4.5")),
        ("interval node a { state_values = (0 1 inf); }", ("0 - 1", "1 - inf")),
        ("labeled node a { subtype = labelled; }", (0, 1)),
        ("discrete node a { }", (0, 1)),
    ],
)
def test_words_before_a_node_are_its_subtype(tmp_path, node, labels):
    net = net_of(tmp_path, f"{node}\npotential (a) {{ data = (0.25 0.75); }}")
    assert net.variable("a").labels == labels
    assert net.distribution("a").values.tolist() == [0.25, 0.75]


def test_a_class_is_a_network(tmp_path):
    text = f"class K {{ inputs = (); outputs = (a b); {A}{B}{ROOT}potential (b) {{ }} }}"
    assert list(net_of(tmp_path, text).variables) == ["a", "b"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "iso-8859-1"])
def test_text_of_old_programs_is_latin_1(tmp_path, encoding):
    text = 'node a { states = ("été" "hiver"); label = "saison froide ?"; }\npotential (a) { }'
    assert net_of(tmp_path, text.encode(encoding)).variable("a").labels == ("été", "hiver")


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        (A + "decision d { states = (1 2); }", 2, "'d' is a decision"),
        (A + "discrete decision d { }", 2, "'d' is a decision"),
        (A + "\nutility u { }", 3, "'u' is a utility"),
        (A + "continuous node x { }", 2, "'x' is a continuous (conditional Gaussian) node"),
        (A + "discrete function f { }", 2, "'f' is a function node"),
        (A + "instance i : K (a = b) { }", 2, "'i' is an instance of another network"),
        (A + "node a { states = (1); }", 2, "the node 'a' is given twice"),
        (A + ROOT + ROOT, 3, "the potential of 'a' is given twice"),
        ("net { }\nclass K { }", 2, "expected one network, found another 'class'"),
        ("boolean node x { subtype = number; }", 1, "of subtype 'boolean' and 'number'"),
        ("\nboolean numbered node x { }", 2, "'x' is both of subtype 'number' and 'boolean'"),
        ("boolean node x { states = 3; }", 1, "'x' is boolean, which has two states; found 3"),
        ('node x { states = (""); subtype = boolean; }', 1, "has two states; found 1"),
        (A + "stray", 2, "expected a block 'node' or 'potential', found 'stray'"),
        ("node { }", 1, "expected a name after 'node', found '{'"),
        ("node a { states = (x x); } potential (a) { }", 1, "state 'x' is given twice"),
        ("node a { states = (); }", 1, "needs at least one state"),
        ("node a { states = (x); states = (y); }", 1, "states of 'a' are given twice"),
        ("node a { states = many; }", 1, "expected the states of 'a', found 'many'"),
        ('node a { states = ("x" }', 1, "or ')', found the end of the file"),
        ("node a { states = (x y) }", 1, "expected ';' after the states of 'a', found '}'"),
        ("node a { }", 1, "expected the states of 'a', found neither them nor data"),
        ('node a { label = "x }', 1, "the quoted name that begins here never ends"),
        ("node a { label = x }", 1, "expected ';' after the value of 'label', found '}'"),
        ("\n/* node", 2, "the comment that begins here never ends"),
        (A + "potential (a b) { }", 2, "expected one node before '|' in 'potential (…)', found a"),
        (A + "potential (| a) { }", 2, "expected one node before '|' in 'potential (…)', found"),
        (A + "potential (a | | a) { }", 2, "found another '|'"),
        (A + "potential (aa) { }", 2, "found 'aa'; did you mean 'a'?"),
        (A + "potential (a | a) { }", 2, "'a' stands twice in the distribution of 'a'"),
        (A + "potential (a) { data = (0.5 half); }", 2, "in the data of 'a', found 'half'"),
        (A + "potential (a) { data = (0.5\n nan); }", 3, "in the data of 'a', found 'nan'"),
        (A + "potential (a) { data = (1e999 1); }", 2, "in the data of 'a', found '1e999'"),
        (A + "potential (a) { data = (1_0 1); }", 2, "in the data of 'a', found '1_0'"),
        (A + "potential (a) { data = normal(0, 1); }", 2, "in the data of 'a', found 'normal'"),
        (A + "potential (a) { data = (0.5 0.5 }", 2, "expected numbers and ';' as the data of 'a'"),
        (A + "potential (a) { data = ((0.5 0.5); }", 2, "parentheses in the data of 'a' do not"),
        (
            A + "potential (a) { data = (0.5); }",
            2,
            "expected 2 numbers in the table of 'a', found 1",
        ),
        (A + "potential (a) { data = (0 0); }", 2, "'a' sums to 0, not 1"),
        (A + "potential (a) { data = (1.5 -.5); }", 2, "holds -0.5, which is no probability"),
        (A + "potential (a) { data = (); data = (); }", 2, "the data of 'a' are given twice"),
        (A + "potential (a) { model_data = (f(x)); }", 2, "'a' is given by expressions"),
        (
            PAIR % "data = ((0.5 0.25 0.25) (0.125 0.875));",
            5,
            "rows in the data of 'b' hold 2 to 3",
        ),
        (
            PAIR % "data = ((.5 .5) (.5 .5) (.5 .5));",
            5,
            "expected rows of 3 numbers in the data of",
        ),
        (PAIR % "data = ((1 0 0) (0 0 0));", 5, "the row (a=no) of 'b' sums to 0"),
        (PAIR % "data = (1 0 0);", 5, "expected 6 numbers (2 × 3) in the table of 'b', found 3"),
        ('node a { states = (x y); mmgraph = "nonsense"; }', 1, "'mmgraph' of 'a' is damaged"),
        ("node a { states = (x y); mmgraph = \"'name': 'b', 'states': {}\"; }", 1, "states"),
        ("node a { states = (x y); mmgraph = \"'name': 3, 'states': 2\"; }", 1, "is damaged"),
        (
            "node a { states = (x); mmgraph = \"'name': 'b', 'states': 1, 'shape': [9]\"; }",
            1,
            "shape",
        ),
        (
            A + "node a_1 { states = (x); mmgraph = \"'name': 'a', 'states': 1\"; }",
            2,
            "second variable",
        ),
    ],
)
def test_the_message_gives_line_and_reason(tmp_path, text, line, message):
    found = error_of(tmp_path, text)
    assert f"line {line}:" in found
    assert message in found, found


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected a block 'node', found none"),
        (A, "no conditional distribution for a"),
        (A + B + "potential (a | b) { } potential (b | a) { }", "cycle"),
    ],
)
def test_the_network_as_a_whole_is_checked(tmp_path, text, message):
    assert message in error_of(tmp_path, text)


@pytest.mark.parametrize(
    "text",
    [
        "node a { states = 99999999999; } potential (a) { }",
        "".join(f"node a{i} {{ states = 100000; }} potential (a{i}) {{ }}" for i in range(20)),
        "".join(f"node v{i} {{ states = (x y); }}" for i in range(40))
        + f"potential (v0 | {' '.join(f'v{i}' for i in range(1, 40))}) {{ }}",
        "".join(f"node v{i} {{ states = (x); }}" for i in range(80))
        + f"potential (v0 | {' '.join(f'v{i}' for i in range(1, 80))}) {{ }}",
    ],
    ids=["count", "counts", "uniform", "axes"],
)
def test_claims_are_not_allocated(tmp_path, text):
    error_of(tmp_path, text)


@pytest.mark.parametrize(
    "text",
    [
        "node a {" * 20_000,
        "(" * 100_000,
        '"' * 100_001,
        "/*" * 50_000,
        "%" * 100_000,
        A + "potential (a) { data = " + "(" * 100_000 + "; }",
        A + "potential (a) { data = " + "0.5 " * 100_000 + "x; }",
        A + "potential (a) { data = " + "/*" * 50_000 + "; }",
        A + "potential (a) { data = " + "%\n" * 50_000 + "; }",
        "node a { label = " + "(" * 100_000 + "; }",
    ],
)
def test_hostile_text_is_refused_in_linear_time(tmp_path, text):
    error_of(tmp_path, text)


def test_plain_names_are_written_plainly(tmp_path):
    write_net(sprinkler(), tmp_path / "n.net")
    text = (tmp_path / "n.net").read_text()
    assert 'node rain\n{\n  states = ("yes" "no");' in text
    assert 'modality = "weather station";' in text
    assert "mmgraph" not in text


def test_what_net_cannot_hold_is_refused_or_tabulated(tmp_path):
    path = tmp_path / "n.net"
    x = mm.Variable("x", shape=(2,), family="gaussian")
    with pytest.raises(FormatError, match="'x' is not a scalar discrete variable, and NET"):
        write_net(mm.BayesianNetwork([x], [mm.GaussianLeaf(x, [], [0, 0], [[1, 0], [0, 1]])]), path)
    a, b = mm.Variable("a", ("no", "yes")), mm.Variable("b", ("no", "yes"))
    gate = mm.NoisyOr(b, [a], [0.75], 0.25)
    net = mm.BayesianNetwork([a, b], [mm.TableFactor([a], [0.5, 0.5], child=a), gate])
    write_net(net, path)
    assert read_net(path).distribution("b").values.tolist() == gate.values.tolist()
