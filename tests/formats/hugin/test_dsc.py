"""DSC files of MSBN and bnlearn."""

from __future__ import annotations

import gzip
import time
from functools import partial

import pytest

import mmgraph as mm
from mmgraph.graph.errors import FormatError
from tests.formats import networks

HEAD = 'belief network "n"\n'
A = 'node a { type : discrete [ 2 ] = { "yes", "no" }; }\n'
B = 'node b { type : discrete [ 3 ] = { "p", "q", "r" }; }\n'
ROOT = "probability ( a ) { 0.25, 0.75; }\n"
PAIR = f"{HEAD}{A}{B}{ROOT}probability ( b | a ) {{ %s }}\n"
ROWS = [[0.5, 0.25, 0.25], [0.125, 0.5, 0.375]]


net_of = partial(networks.net_of, name="n.dsc")


@pytest.mark.parametrize(
    "body",
    [
        "(0) : 0.5, 0.25, 0.25; (1) : 0.125, 0.5, 0.375;",
        "(1) : 0.125, 0.5, 0.375; (0) : 0.5, 0.25, 0.25;",
        '(yes) : 0.5, 0.25, 0.25; ("no") : 0.125 0.5 0.375;',
        "default : 0.125, 0.5, 0.375; (0) : .5, 25e-2, +0.25;",
        "(0) : 0.5, 0.25, 0.25; default = 0.125, 0.5, 0.375; /* the rest */",
    ],
)
def test_every_way_to_say_the_same_table(tmp_path, body):
    net = net_of(tmp_path, PAIR % body)
    assert net.distribution("b").values.tolist() == ROWS
    assert net.distribution("a").values.tolist() == [0.25, 0.75]


def test_two_parents_in_any_order_of_rows(tmp_path):
    text = f"{HEAD}{A}{B}{ROOT}probability (b) {{ .5, .25, .25; }}\n"
    text += 'node c { type : discrete [2] = { "u", "v" }; }\nprobability ( c | a, b ) {'
    rows = [
        f"({i}, {j}) : 0.{1 + 3 * i + j}, 0.{9 - 3 * i - j};" for i in (1, 0) for j in (2, 0, 1)
    ]
    net = net_of(tmp_path, f"{text}{' '.join(rows)} }}")
    assert net.distribution("c").values[..., 0].tolist() == [[0.1, 0.2, 0.3], [0.4, 0.5, 0.6]]


def test_genie_numbers_every_row_by_zeros(tmp_path):
    text = f"{HEAD}{A}{B}{ROOT}probability (b) {{ .5, .25, .25; }}\n"
    text += 'node c { type : discrete [2] = { "u", "v" }; }\nprobability ( c | a, b ) {'
    rows = [f"(0, 0, 0) : 0.{i}, 0.{10 - i}\n;" for i in range(1, 7)]
    net = net_of(tmp_path, f"{text}{' '.join(rows)} }}")
    assert net.distribution("c").values[..., 0].tolist() == [[0.1, 0.2, 0.3], [0.4, 0.5, 0.6]]
    with pytest.raises(FormatError, match="expected 2 states in a row of 'c'"):
        net_of(tmp_path, f"{text}{' '.join(rows[:5])} }}")


def test_what_says_nothing_of_probabilities_is_skipped(tmp_path):
    net = net_of(
        tmp_path,
        'belief network\nformat : "MSR DTAS"; version : 1.00;\n'
        'properties { type MS_Label = choice of [0, "other", "hypothesis"], "x"; }\n'
        'node a { name : "node b { type"; type : discrete[2] = {"1", "0"}; position : (1, 2);\n'
        'MS_Label = "x; y"; }\n/* node z */ node b { type : discrete [3]; }\n'
        "probability (a) { 0.25, 0.75; } probability (b | a) { (1) : 1 0 0; (0) : 0 1 0; }",
    )
    assert net.variable("a").labels == ("1", "0")
    assert net.variable("b").states == 3
    # a number is an index: the first state is called "1"
    assert net.distribution("b").values.tolist() == [[0, 1, 0], [1, 0, 0]]


def test_latin_1_and_gzip(tmp_path):
    text = HEAD + 'node a { type : discrete [2] = { "été", "hiver" }; } probability (a) { 1, 0; }'
    (tmp_path / "n.dsc.gz").write_bytes(gzip.compress(text.encode("iso-8859-1")))
    assert mm.read(tmp_path / "n.dsc.gz").variable("a").labels == ("été", "hiver")


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("", 1, "expected 'belief' at the beginning, found the end of the file"),
        ("belief net", 1, "expected 'network' after 'belief', found 'net'"),
        (HEAD + A + A, 3, "the node 'a' is given twice"),
        (HEAD + A + ROOT + ROOT, 4, "the distribution of 'a' is given twice"),
        (HEAD + "; node", 2, "expected 'node' or 'probability', found ';'"),
        (HEAD + "node a { type : continuous; }", 2, "expected 'discrete' as the type of 'a'"),
        (HEAD + "node a { position : (1, 2); }", 2, "expected the type of 'a', found the end"),
        (HEAD + "node a { type : discrete [3] = { x, y }; }", 2, "declares 3 states, but 2"),
        (HEAD + "node a { type : discrete [2] = { x, x }; }", 2, "state 'x' is given twice"),
        (HEAD + "node a { type : discrete [99999999]; }", 2, "'a' claims 99,999,999 states"),
        (HEAD + "node a { type : discrete [2]; type : discrete [2]; }", 2, "is given twice"),
        (HEAD + "node a { name : x", 2, "expected ';' or '}' after 'name', found the end of"),
        (HEAD + A + "probability ( a ) { function = max; }", 3, "of 'a' is a function"),
        (HEAD + A + "probability ( aa ) { 1; }", 3, "found 'aa'; did you mean 'a'?"),
        (HEAD + A + "probability ( a | a ) { (0) : 1 0; }", 3, "'a' stands twice in the distrib"),
        (HEAD + A + "probability ( a ) { 0.5, half; }", 3, "distribution of 'a', found 'half'"),
        (
            HEAD + A + "probability ( a ) { 0.5; }",
            3,
            "expected 2 numbers in the distribution of 'a'",
        ),
        (HEAD + A + "probability ( a ) { 0.5, 0.4; }", 3, "'a' sums to 0.9, not 1"),
        (PAIR % "0.5, 0.25, 0.25;", 5, "expected 1 states in a row of 'b', one for each parent"),
        (PAIR % "(0) : 1, 0, 0;", 5, "the row (a=no) of 'b' is missing, and there is no default"),
        (PAIR % "(0) : 1, 0, 0; (0) : 1, 0, 0;", 5, "the row (a=yes) of 'b' is given twice"),
        (PAIR % "(2) : 1, 0, 0;", 5, "expected a state of 'a' below 2, found 2"),
        (PAIR % "(yess) : 1, 0, 0;", 5, "state of 'a', found 'yess'; did you mean 'yes'?"),
        (PAIR % "default : 1, 0;", 5, "expected 3 numbers in the default of 'b', found 2"),
        (PAIR % "default : 1 0 0; default : 1 0 0;", 5, "the default of 'b' is given twice"),
    ],
)
def test_the_message_gives_line_and_reason(tmp_path, text, line, message):
    with pytest.raises(FormatError) as caught:
        net_of(tmp_path, text)
    assert f"n.dsc, line {line}:" in str(caught.value)
    assert message in str(caught.value)


def test_the_network_as_a_whole_is_checked(tmp_path):
    for text, message in ((HEAD, "expected a block 'node'"), (HEAD + A, "distribution for a")):
        with pytest.raises(FormatError, match=message):
            net_of(tmp_path, text)


def test_claims_are_not_allocated(tmp_path):
    text = HEAD + "".join(f"node v{i} {{ type : discrete [2]; }}" for i in range(40))
    parents = ", ".join(f"v{i}" for i in range(1, 40))
    start = time.process_time()
    with pytest.raises(FormatError, match="would take more numbers than the limit"):
        net_of(tmp_path, f"{text} probability (v0 | {parents}) {{ default : 0.5, 0.5; }}")
    assert time.process_time() - start < 5
