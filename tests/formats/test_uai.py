"""UAI networks and evidence."""

from __future__ import annotations

import time

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import mmgraph as mm
from mmgraph.formats.uai import read_evidence, read_uai, write_evidence, write_uai
from mmgraph.graph import errors
from tests.formats.networks import assert_same, sprinkler

MARKOV = """MARKOV
3
2 2 3
3
1 0
2 0 1
2 2 1

2
 0.436 0.564

4
 0.128 0.872
 0.920 0.080

6
 0.210 0.333
 0.457 0.811
 0.0 1e3
"""
BAYES = "BAYES 2  3 2  2  1 0  2 0 1  3  .5 .25 .25  6  .1 .9 .2 .8 .3 .7"


def read(tmp_path, text):
    path = tmp_path / "network.uai"
    path.write_text(text)
    return read_uai(path)


def test_a_markov_network(tmp_path):
    graph = read(tmp_path, MARKOV)
    assert type(graph) is mm.MarkovRandomField
    assert [v.cardinality for v in graph.variables.values()] == [2, 2, 3]
    assert [[v.name for v in f.scope] for f in graph.factors] == [
        ["x0"],
        ["x0", "x1"],
        ["x2", "x1"],
    ]
    (_, _, last) = graph.factors
    assert last.values.tolist() == [[0.210, 0.333], [0.457, 0.811], [0.0, 1000.0]]
    assert last.child is None


def test_a_bayesian_network_has_the_child_last(tmp_path):
    net = read(tmp_path, f"{BAYES} # the end")
    assert isinstance(net, mm.BayesianNetwork)
    assert net.edges == (("x0", "x1"),)
    assert net.distribution("x1").values.tolist() == [[0.1, 0.9], [0.2, 0.8], [0.3, 0.7]]


@pytest.mark.parametrize("spelling", [str.lower, str.capitalize])
def test_the_kind_in_any_case(tmp_path, spelling):
    for text in (MARKOV, BAYES):
        kind = text.split()[0]
        first, second = read(tmp_path, text), read(tmp_path, text.replace(kind, spelling(kind)))
        assert type(first) is type(second)
        for factor, other in zip(first.factors, second.factors, strict=True):
            assert factor.values.tolist() == other.values.tolist()


def test_a_constant_and_a_variable_of_no_function(tmp_path):
    graph = read(tmp_path, "MARKOV 1 5 1 0 1 2.5")
    assert graph.factors[0].values.item() == 2.5
    assert graph.variable("x0").cardinality == 5


def test_rounded_rows_of_a_bayesian_network(tmp_path):
    net = read(tmp_path, "BAYES 1 3 1 1 0 3 .333 .333 .333")
    assert net.distribution("x0").values.tolist() == pytest.approx([1 / 3] * 3, abs=1e-15)


def test_written_and_read_it_is_the_same(tmp_path):
    net = sprinkler()
    write_uai(net, tmp_path / "net.uai.gz")
    again = read_uai(tmp_path / "net.uai.gz")
    assert isinstance(again, mm.BayesianNetwork)
    for f, g in zip(net.factors, again.factors, strict=True):
        assert torch.equal(f.values, g.values)
    write_uai(again, tmp_path / "again.uai")
    assert_same(read_uai(tmp_path / "again.uai"), again)
    assert len(list(tmp_path.iterdir())) == 2


def test_a_factor_graph_is_written_as_potentials(tmp_path):
    a, b = mm.Variable("a", 2), mm.Variable("b", ("x", "y", "z"))
    generator = np.random.default_rng(0)
    graph = mm.FactorGraph(
        [a, b],
        [
            mm.TableFactor([b, a], generator.random((3, 2))),
            mm.TableFactor([a], log_values=[0.0, -torch.inf]),
            mm.UnaryFactor(b, torch.tensor([0.0, -1.0, 1.0], dtype=torch.float64)),
        ],
    )
    write_uai(graph, tmp_path / "g.uai")
    again = read_uai(tmp_path / "g.uai")
    first, second, third = again.factors
    assert torch.equal(first.values, graph.factors[0].values)
    assert second.values.tolist() == [1.0, 0.0]
    assert third.values.tolist() == pytest.approx([1, np.exp(-1), np.exp(1)], rel=1e-15)


@pytest.mark.parametrize("log_value", [800.0, -800.0])
def test_log_potentials_beyond_a_double_are_refused(tmp_path, log_value):
    a = mm.Variable("a", 2)
    graph = mm.FactorGraph([a], [mm.TableFactor([a], log_values=[0.0, log_value])])
    with pytest.raises(errors.FormatError, match="beyond the range of a double"):
        write_uai(graph, tmp_path / "g.uai")
    assert list(tmp_path.iterdir()) == []


def test_arrays_are_refused(tmp_path):
    image = mm.Variable("image", 2, shape=(3,))
    graph = mm.FactorGraph([image], [mm.UnaryFactor(image, torch.zeros(3, 2))])
    with pytest.raises(errors.FormatError, match="'image' is not a scalar discrete variable"):
        write_uai(graph, tmp_path / "g.uai")


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("", 1, "expected BAYES or MARKOV, found the end"),
        ("\nBAYESIAN", 2, "expected BAYES or MARKOV, found 'BAYESIAN'"),
        ("MARKOV\ntwo", 2, "expected the number of variables, found 'two'"),
        ("MARKOV\n1000000000\n2", 3, "expected 1,000,000,000 numbers"),
        ("MARKOV\n2\n2\n0 0", 4, "expected at least one state, found 0"),
        ("MARKOV 1\n2\n1000000000", 3, "1,000,000,000 functions"),
        ("MARKOV 1 1000000000 0", 1, "variable 0 claims 1,000,000,000 states"),
        ("MARKOV 1\n2\n1\n9 0", 4, "expected 9 numbers"),
        ("MARKOV 1\n2\n1\n1 1 2 1 1", 4, "expected a variable below 1 in function 0, found 1"),
        ("MARKOV 1\n2\n1\n2 0\n0 4 1 1 1 1", 5, "variable 0 stands twice"),
        ("MARKOV 1\n2\n1\n1 0\n3 1 1 1", 5, "expected 2 as the number of entries"),
        ("MARKOV 2 1000000 1000000 1 2 0 1\n1000000000000 1", 2, "more than the file can hold"),
        ("MARKOV 1 2 1 1 0 2\n1\n", 3, "expected 2 numbers for the table over x0"),
        ("MARKOV 1 2 1 1 0 2\n1\nx", 3, "expected a number in the table over x0, found 'x'"),
        ("MARKOV 1 2 1 1 0 2\n1\n-1", 3, "found -1.0"),
        ("MARKOV 1 2 1 1 0 2\n1\n1e999", 3, "found inf"),
        ("MARKOV 1 2 1 1 0 2 1 1\n7", 2, "expected the end of the file, found '7'"),
        ("BAYES 1 2 1 0 1 1", 1, "expected a child in the scope"),
        ("BAYES 2 2 2 2 1 0 2 0 1 2 1 0 4\n1 0\n.5 .4", 3, "the row (x0=1) of x1 sums to 0.9"),
        (f"MARKOV 1 2 1 {'9' * 5000} 1", 1, "expected the size of the scope"),
    ],
)
def test_the_message_gives_line_and_reason(tmp_path, text, line, message):
    start = time.process_time()
    with pytest.raises(errors.FormatError) as caught:
        read(tmp_path, text)
    assert time.process_time() - start < 2
    assert f"network.uai, line {line}: " in str(caught.value)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    "text", ["BAYES 2 2 2 1 1 0 2 1 0", "BAYES 2 2 2 2 2 1 0 2 0 1 4 1 0 1 0 4 1 0 1 0"]
)
def test_the_network_as_a_whole_is_checked(tmp_path, text):
    with pytest.raises(errors.FormatError, match=r"no conditional distribution for x1|cycle"):
        read(tmp_path, text)


def test_every_prefix_is_refused(tmp_path):
    for text in (MARKOV.strip(), BAYES):
        for end in range(len(text) - 2):
            with pytest.raises(errors.FormatError):
                read(tmp_path, text[:end])


def test_a_scope_of_large_variables_is_refused_quickly(tmp_path):
    states = " ".join(["9" * 18] * 60)
    scope = " ".join(map(str, range(60)))
    with pytest.raises(errors.FormatError, match="more than the file can hold"):
        read(tmp_path, f"MARKOV 60 {states} 1 60 {scope} 1 1")


PIECES = st.sampled_from(
    ["MARKOV", "BAYES", "0", "1", "2", "3", "4", "0.5", "-1", "nan", "1e400", "9" * 18, "x", "\0"]
)


@settings(max_examples=300)
@given(pieces=st.lists(PIECES, max_size=20), start=st.integers(0, 20), length=st.integers(0, 5))
def test_mutated_files(tmp_path_factory, pieces, start, length):
    for text in (MARKOV, BAYES):
        words = text.split()
        words[start : start + length] = pieces
        path = tmp_path_factory.mktemp("uai") / "x.uai"
        path.write_text(" ".join(words))
        message = str(path)
        try:
            read_uai(path)
        except errors.FormatError as error:
            message = str(error)
        assert str(path) in message


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2 1 0 2 1", {"x1": 0, "x2": 1}),
        ("0", {}),
        ("", None),
        ("1\n2 1 0 2 1\n", {"x1": 0, "x2": 1}),
        ("1 2 1 0 2 1", {"x1": 0, "x2": 1}),
        ("2\n1 1 0\n0\n", [{"x1": 0}, {}]),
        ("2\n1 0\n2 1\n", {"x1": 0, "x2": 1}),
        ("2 1 0 0 1", {"x1": 0, "x0": 1}),
        ("3\n1 0 1\n1 1 1\n1 2 2", [{"x0": 1}, {"x1": 1}, {"x2": 2}]),
        ("1 3 0", None),
        ("1 2 3", None),
        ("2 1 0 1 1", None),
        ("2 1 0", None),
        ("1 x 0", None),
        ("999999999999999999", None),
        ("1 1 0 7", None),
    ],
)
def test_evidence(tmp_path, text, expected):
    graph = read(tmp_path, MARKOV)
    path = tmp_path / "network.uai.evid"
    path.write_text(text)
    if expected is None:
        with pytest.raises(errors.FormatError, match=r"network.uai.evid, line 1: "):
            read_evidence(path, graph)
    else:
        assert read_evidence(path, graph) == marked(expected)


def marked(samples):
    """Mark plain state indices as such."""
    if isinstance(samples, list):
        return [marked(sample) for sample in samples]
    return {name: mm.index(code) for name, code in samples.items()}


@settings(max_examples=100)
@given(
    samples=st.lists(
        st.dictionaries(st.sampled_from(["x0", "x1"]), st.integers(0, 1)), min_size=2, max_size=4
    )
)
def test_evidence_is_read_back(tmp_path_factory, samples):
    folder = tmp_path_factory.mktemp("evidence")
    graph = read(folder, MARKOV)
    write_evidence(samples, graph, folder / "e.evid")
    found = read_evidence(folder / "e.evid", graph)
    assert found == marked(samples)
    write_evidence(found, graph, folder / "e.evid")
    assert read_evidence(folder / "e.evid", graph) == marked(samples)
    write_evidence(samples[0], graph, folder / "e.evid")
    assert read_evidence(folder / "e.evid", graph) == marked(samples[0])


def test_evidence_counts_states_whose_labels_are_numbers(tmp_path):
    rating, seen = mm.Variable("rating", (1, 2, 3, 4, 5)), mm.Variable("seen", ("no", "yes"))
    table = np.random.default_rng(0).dirichlet([1, 1], 5)
    net = mm.BayesianNetwork(
        [rating, seen],
        [
            mm.TableFactor([rating], np.full(5, 0.2), child=rating),
            mm.TableFactor([rating, seen], table, child=seen),
        ],
    )
    path = tmp_path / "e.evid"
    path.write_text("1 0 1")
    evidence = read_evidence(path, net)
    assert mm.query(net, evidence).marginal("seen")[0].tolist() == pytest.approx(table[1])
    for cell in (2, "2", mm.index(1)):  # the label, or the index said outright
        write_evidence({"rating": cell}, net, path)
        assert path.read_text() == "1 0 1\n"
    write_evidence([{"seen": "yes"}, {"rating": 5, "seen": 0}], net, path)
    assert path.read_text() == "2\n1 1 1\n2 0 4 1 0\n"


def test_evidence_with_an_unknown_state_is_not_written(tmp_path):
    graph = read(tmp_path, MARKOV)
    with pytest.raises(errors.UnknownStateError, match="'x0' has 2 states; index 2"):
        write_evidence({"x0": 2}, graph, tmp_path / "e.evid")


@pytest.mark.parametrize(
    ("samples", "error", "message"),
    [
        (None, errors.EvidenceError, "expected evidence by variable, found None"),
        ("x0", errors.EvidenceError, "expected evidence by variable, found 'x'"),
        (3, errors.EvidenceError, "expected evidence by variable, found 3"),
        ([{"x0": 1}, 7], errors.EvidenceError, "expected evidence by variable, found 7"),
        ({"x9": 0}, errors.UnknownVariableError, "no variable 'x9'"),
        ({3: 0}, errors.UnknownVariableError, "no variable 3"),
        ({"x0": [0, 1]}, errors.EvidenceError, "no single state"),
        ({"x0": -1}, errors.UnknownStateError, "stands for a missing one"),
        ({"x0": None}, errors.UnknownStateError, "stands for a missing one"),
    ],
)
def test_what_is_no_evidence_is_not_written(tmp_path, samples, error, message):
    with pytest.raises(error, match=message):
        write_evidence(samples, read(tmp_path, MARKOV), tmp_path / "e.evid")
    assert not (tmp_path / "e.evid").exists()


def test_arguments_in_the_wrong_order(tmp_path):
    graph, path = read(tmp_path, MARKOV), tmp_path / "e.evid"
    path.write_text("0")
    with pytest.raises(
        errors.EvidenceError, match=r"expected the network of the evidence, found \{'x0"
    ):
        write_evidence(graph, {"x0": 1}, path)
    with pytest.raises(
        errors.FormatError, match="expected the path of a file, found MarkovRandomField"
    ):
        write_evidence({"x0": 1}, graph, graph)
    with pytest.raises(errors.EvidenceError, match="expected the network of the evidence, found "):
        read_evidence(graph, path)
    image = mm.Variable("image", 2, shape=(3,))
    field = mm.FactorGraph([image], [mm.UnaryFactor(image, torch.zeros(3, 2))])
    with pytest.raises(errors.EvidenceError, match="'image' is an array"):
        write_evidence({"image": 1}, field, path)
    assert path.read_text() == "0"
