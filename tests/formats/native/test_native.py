"""The package's own format: lossless, and strict about what it reads."""

from __future__ import annotations

import json
import os
import shutil
import time

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

import mmgraph as mm
from mmgraph.formats.native.directory import is_native
from mmgraph.formats.native.native import read_native, write_native
from mmgraph.graph.errors import FormatError
from mmgraph.graph.factor_kinds import factor_kinds
from mmgraph.graph.interaction import Interaction
from mmgraph.graph.leaves.score_leaf import ScoreLeaf
from tests.formats.networks import assert_same, named_networks, sprinkler


def markov() -> mm.MarkovRandomField:
    """Return a field with an array, logarithms, single precision and labels of every type."""
    image = mm.Variable("image", ("sea", "land"), shape=(2, 3), modality="radar")
    mixed = mm.Variable("mixed", ("a", 1, 2.5, False), family="categorical")
    unit = mm.Variable("unit", family="bernoulli")
    layer = mm.Variable("layer", shape=(3,), family="gaussian")
    words = mm.Variable("words", shape=(2,), family="replicated_softmax")
    generator = torch.Generator().manual_seed(0)
    return mm.MarkovRandomField(
        [image, mixed, unit, mm.Variable("alone", 7), layer, words],
        [
            mm.UnaryFactor(image, torch.randn(2, 3, 2, generator=generator)),
            mm.TableFactor([mixed, unit], torch.rand(4, 2, generator=generator)),
            mm.TableFactor([unit], log_values=[-torch.inf, 0.1]),
            mm.TableFactor([], torch.tensor(2.5)),
            mm.GridFactor(image, mm.TruncatedLinear(1.5), torch.rand(2, 2, 3, generator=generator)),
            mm.GridFactor(image, [[0.0, torch.inf], [0.5, 0.0]], 0.5, neighbours=[(1, -1)]),
            mm.GridFactor(image, mm.TruncatedQuadratic()),
            mm.PairwiseFactor(image, [[0, 5], [2, 3]], mm.Potts(), [0.5, -1.0]),
            mm.PairwiseFactor((image, unit), [[4, 0]], torch.rand(1, 2, 2, generator=generator)),
            mm.BiasFactor(
                layer, torch.randn(3, generator=generator), torch.tensor([0.5, 1.0, 2.0])
            ),
            mm.BiasFactor(words, torch.randn(2, generator=generator), length=7),
            mm.BilinearFactor(layer, words, torch.randn(3, 2, generator=generator)),
        ],
    )


def hybrid() -> mm.BayesianNetwork:
    """Return a network with every kind of conditional distribution."""
    generator = torch.Generator().manual_seed(1)
    random = lambda *shape: torch.rand(*shape, generator=generator, dtype=torch.float64)  # noqa: E731
    cough = mm.Variable("cough", ("no", "yes"), modality="sound")
    fever = mm.Variable("fever", ("yes", "no"))
    flu = mm.Variable("flu", ("no", "yes"))
    grade = mm.Variable("grade", ("none", "mild", "severe"))
    both, group = mm.Variable("both", 4), mm.Variable("group", 3)
    scan = mm.Variable("scan", shape=(2,), family="gaussian", modality="scanner")
    level = mm.Variable("level", family="gaussian")
    pulse = mm.Variable("pulse", family="gaussian")
    pose = mm.Variable("pose", shape=(2,), family="gaussian")
    votes = mm.Variable("votes", shape=(2,), family="gaussian", modality="sound")
    effects = [[[1.0, 0.0, 0.0], [0.2, 0.3, 0.5]], [[0.5, 0.25, 0.25], [1.0, 0.0, 0.0]]]
    means, variances = random(3, 2), random(3, 2)
    weights = torch.full((2, 2), 0.5, dtype=torch.float64)
    factors: list[mm.Factor] = [
        mm.TableFactor([cough], [0.75, 0.25], child=cough),
        mm.TableFactor([fever], log_values=torch.log_softmax(random(2), -1), child=fever),
        mm.NoisyOr(flu, [cough, fever], random(2), 0.125, absent={"fever": "no"}),
        mm.NoisyMax(grade, [cough, fever], effects, [0.5, 0.375, 0.125], absent={"fever": "no"}),
        mm.Deterministic(both, [cough, fever], [[0, 1], [2, 3]]),
        mm.Softmax(group, [both], [random(4, 3)], random(3)),
        mm.GaussianLeaf(scan, [group], means, variances, covariance="diagonal", weight=0.5),
        mm.GaussianMixtureLeaf(level, [flu], weights, random(2, 2), random(2, 2) + 0.1, "diagonal"),
        mm.LinearGaussian(pulse, [scan, flu], random(2, 2), random(2), [0.5, 0.0]),
        mm.LinearGaussian(pose, [pulse, level], random(2, 2), random(2), [[1.0, 0.5], [0.5, 1.0]]),
        ScoreLeaf(votes, flu, [-0.5, -1.0], 0.75),
    ]
    return mm.BayesianNetwork([f.child for f in factors if f.child], factors)


def assert_lossless(first: mm.FactorGraph, second: mm.FactorGraph) -> None:
    assert type(first) is type(second)
    for one, other in zip(first.variables.values(), second.variables.values(), strict=True):
        assert repr(one) == repr(other)
        assert one.describes_same_as(other)
    for f, g in zip(first.factors, second.factors, strict=True):
        assert type(f) is type(g)
        assert repr(f) == repr(g)
        assert f.settings() == g.settings()
        before, after = f.parameters(), g.parameters()
        assert list(before) == list(after)
        for name, tensor in before.items():
            assert tensor.dtype == after[name].dtype
            assert torch.equal(tensor, after[name])
        if isinstance(f, mm.TableFactor) and isinstance(g, mm.TableFactor):
            assert f.is_log == g.is_log
            assert torch.equal(f.log_values, g.log_values)


@pytest.mark.parametrize("build", [markov, hybrid, sprinkler])
def test_written_and_read_it_is_the_same(tmp_path, build):
    graph = build()
    path = tmp_path / "net.mmgraph"
    write_native(graph, path)
    assert_lossless(read_native(path), graph)
    assert os.listdir(tmp_path) == ["net.mmgraph"]


def test_every_kind_of_factor_is_tried():
    tried = {type(f) for graph in (markov(), hybrid()) for f in graph.factors}
    assert tried == set(factor_kinds().values())


@settings(max_examples=50)
@given(net=named_networks())
def test_any_printable_name_is_read_back(tmp_path_factory, net):
    path = tmp_path_factory.mktemp("native") / "net"
    write_native(net, path)
    assert_same(read_native(path), net)


def test_one_network_replaces_another_but_nothing_else(tmp_path):
    write_native(markov(), tmp_path / "a")
    write_native(sprinkler(), tmp_path / "a")
    assert_same(read_native(tmp_path / "a"), sprinkler())
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis").write_text("precious")
    with pytest.raises(FormatError, match="is no network; it is left as it is"):
        write_native(sprinkler(), tmp_path / "mine")
    (tmp_path / "empty").mkdir()
    write_native(sprinkler(), tmp_path / "empty")
    assert is_native(tmp_path / "empty")
    assert sorted(os.listdir(tmp_path)) == ["a", "empty", "mine"]


def test_unknown_kinds_are_not_written(tmp_path):
    class Strange(mm.TableFactor):
        pass

    class StrangeGraph(mm.FactorGraph):
        pass

    a = mm.Variable("a", 2)
    with pytest.raises(FormatError, match=r"the factor Strange\(a\) is of a kind"):
        write_native(mm.FactorGraph([a], [Strange([a], [1, 1])]), tmp_path / "x")
    with pytest.raises(FormatError, match="the graph StrangeGraph"):
        write_native(StrangeGraph([a]), tmp_path / "x")
    assert os.listdir(tmp_path) == []


def test_a_graph_of_no_special_kind_stays_one(tmp_path):
    field = markov()
    write_native(mm.FactorGraph(field.variables.values(), field.factors), tmp_path / "x")
    assert type(read_native(tmp_path / "x")) is mm.FactorGraph


def test_an_interaction_of_ones_own_is_not_written(tmp_path):
    class Own(Interaction):
        def energies(self, first, second):
            return torch.zeros(first, second)

    image = mm.Variable("image", 2, shape=(2, 3))
    with pytest.raises(FormatError, match="Own"):
        write_native(mm.FactorGraph([image], [mm.GridFactor(image, Own())]), tmp_path / "x")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("factor", "change", "message"),
    [
        (4, {"interaction": "Pots"}, "interaction 'Pots' is not known"),
        (4, {"interaction": "truncated linear", "truncation": -1}, "truncation must be positive"),
        (4, {"interaction": "truncated linear", "truncation": "1"}, "expected a truncation"),
        (4, {"offsets": [[0, 0], [0, 1]]}, "is no offset"),
        (4, {"offsets": [[0, 1], [0, 1.5]]}, "expected an offset"),
        (4, {"offsets": 4}, "expected a list of offsets"),
        (5, {"interaction": "Potts"}, "expected the parameters weights, found"),
        (7, {"interaction": "table"}, "expected the parameter energies"),
    ],
)
def test_damaged_interactions(tmp_path, factor, change, message):
    write_native(markov(), tmp_path / "x")
    file = tmp_path / "x" / "network.json"
    document = json.loads(file.read_text())
    document["factors"][factor]["settings"].update(change)
    file.write_text(json.dumps(document))
    with pytest.raises(FormatError, match=message):
        read_native(tmp_path / "x")


def test_damaged_edges(tmp_path):
    write_native(markov(), tmp_path / "x")
    file = tmp_path / "x" / "parameters.safetensors"
    tensors = load_file(file)
    save_file({**tensors, "7.edges": torch.tensor([[0, 5], [2, 600]])}, file)
    with pytest.raises(FormatError, match="edge 1 ends at element 600"):
        read_native(tmp_path / "x")
    save_file({**tensors, "7.edges": tensors["7.edges"].double()}, file)
    with pytest.raises(FormatError, match="not int64"):
        read_native(tmp_path / "x")


def written(folder) -> tuple[dict, dict]:
    shutil.rmtree(folder / "net", ignore_errors=True)
    write_native(hybrid(), folder / "net")
    document = json.loads((folder / "net" / "network.json").read_text())
    return document, load_file(folder / "net" / "parameters.safetensors")


def error_of(folder) -> str:
    start = time.process_time()
    with pytest.raises(FormatError) as caught:
        read_native(folder / "net")
    assert time.process_time() - start < 5
    assert str(folder / "net") in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda d: d.update(version=2), "expected the version 1, found 2"),
        (lambda d: d.update(version=True), "expected 'version' to be of type int"),
        (
            lambda d: d.update(format="other"),
            "expected the format 'mmgraph network', found 'other'",
        ),
        (lambda d: d.pop("format"), "expected the member 'format'"),
        (lambda d: d.update(kind="Bayes network"), "did you mean 'Bayesian network'?"),
        (lambda d: d.update(variables=3), "expected 'variables' to be of type list"),
        (lambda d: d["variables"].append("x"), "variables[11]: expected a JSON object"),
        (lambda d: d["variables"].append(d["variables"][0]), "'cough' is declared twice"),
        (lambda d: d["variables"][0].update(name=1), "expected 'name' to be of type str"),
        (lambda d: d["variables"][0].update(states=10**12), "the variables claim 1,000,000,000,"),
        (lambda d: d["variables"][0].update(states=["no", ["yes"]]), "['yes'] is no state"),
        (lambda d: d["variables"][0].update(states=["no", "no"]), "'no' is given twice"),
        (lambda d: d["variables"][0].update(states="no"), "expected states, found 'no'"),
        (lambda d: d["variables"][0].update(states=["no"]), "factors[0]: "),
        (lambda d: d["variables"][0].update(shape=["a"]), "expected a shape of integers"),
        (lambda d: d["variables"][0].update(shape=[10**9] * 9), "is not a scalar"),
        (lambda d: d["variables"][0].update(family="normal"), "unknown family 'normal'"),
        (lambda d: d["factors"][0].update(kind="tabel"), "did you mean 'table'?"),
        (lambda d: d["factors"][0].update(scope=["cuogh"]), "did you mean 'cough'?"),
        (lambda d: d["factors"][0].update(child="fever"), "the child 'fever' is not in the scope"),
        (lambda d: d["factors"][0].pop("child"), "has no child"),
        (lambda d: d["factors"][0].update(parameters=["valeus"]), "'0.valeus' is missing"),
        (lambda d: d["factors"][0].pop("parameters"), "expected the parameter values or log_"),
        (lambda d: d["factors"][3].update(settings={"absent": "x"}), "factors[3]: "),
        (lambda d: d["factors"][6].update(settings={"bogus": 1}), "factors[6]: "),
        (lambda d: d["factors"].pop(), "belongs to no factor"),
    ],
)
def test_a_document_that_is_wrong(tmp_path, spoil, message):
    document, _ = written(tmp_path)
    spoil(document)
    (tmp_path / "net" / "network.json").write_text(json.dumps(document))
    assert message in error_of(tmp_path)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda t: t.pop("0.values"), "the parameter '0.values' is missing"),
        (lambda t: t.update({"0.values": torch.ones(3)}), "has shape (3,)"),
        (lambda t: t.update({"0.values": torch.ones(2)}), "sums to 2, not 1"),
        (lambda t: t.update({"0.values": torch.tensor([torch.nan, 1])}), "nan"),
        (lambda t: t.update({"0.values": torch.ones(2, dtype=torch.bool)}), "real numbers"),
        (lambda t: t.update({"6.means": torch.ones(9, 9)}), "factors[6]: "),
        (lambda t: t.update({"extra": torch.ones(1)}), "'extra' belongs to no factor"),
    ],
)
def test_parameters_that_are_wrong(tmp_path, spoil, message):
    _, tensors = written(tmp_path)
    spoil(tensors)
    save_file(tensors, tmp_path / "net" / "parameters.safetensors")
    assert message in error_of(tmp_path)


@pytest.mark.parametrize("name", ["network.json", "parameters.safetensors"])
def test_a_file_that_is_missing_or_cut(tmp_path, name):
    written(tmp_path)
    file = tmp_path / "net" / name
    content = file.read_bytes().rstrip()
    for end in [*range(0, min(len(content), 200)), *range(200, len(content), 97)]:
        file.write_bytes(content[:end])
        assert str(file) in error_of(tmp_path)
    file.unlink()
    assert f"there is no file {file}" in error_of(tmp_path)


@pytest.mark.parametrize(
    "text", ["[" * 100_000, "1" * 10_000, "\xff", "null", '{"format": "\ud800"}', "{} {}"]
)
def test_hostile_json(tmp_path, text):
    written(tmp_path)
    (tmp_path / "net" / "network.json").write_bytes(text.encode("latin1", "replace"))
    error_of(tmp_path)


@settings(max_examples=150)
@given(data=st.data())
def test_mutated_bytes(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("mutated")
    written(folder)
    name = data.draw(st.sampled_from(["network.json", "parameters.safetensors"]))
    file = folder / "net" / name
    content = bytearray(file.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    file.write_bytes(content)
    message = str(folder)
    try:
        read_native(folder / "net")
    except FormatError as error:
        message = str(error)
    assert str(folder) in message
