"""Boltzmann machines are written and read without loss, and damaged files are refused."""

from __future__ import annotations

import json
import os

import pytest
import torch
from safetensors.torch import load_file, save_file

import mmgraph as mm
from mmgraph.graph.errors import FormatError, GraphError
from tests.networks.boltzmann_machines import (
    deep_discrete,
    every_family,
    rectified_hidden,
    rows_of,
    scattered,
)


def mixed_pathways() -> mm.MultimodalDeepBoltzmannMachine:
    sound = mm.Variable("s", shape=(2, 2), family="gaussian", modality="sound")
    camera = mm.Variable("c", ("off", "on"), shape=(3,), family="bernoulli", modality="camera")
    return scattered(
        mm.MultimodalDeepBoltzmannMachine(
            {"ears": mm.Pathway(sound, (3, 2), hidden_family="rectified_gaussian"),
             "eyes": mm.Pathway(camera)},
            4,
        ),
        scale=0.2,  # rectified layers that are joined by larger weights have no distribution
    )  # fmt: skip


def single_deep() -> mm.DeepBoltzmannMachine:
    return scattered(
        mm.DeepBoltzmannMachine(mm.Variable("x", shape=(3,), family="bernoulli"), (2,))
    )


BUILDERS = [every_family, rectified_hidden, deep_discrete, mixed_pathways, single_deep]


@pytest.mark.parametrize("build", BUILDERS)
def test_read_is_what_was_written(tmp_path, build):
    machine = build()
    mm.write(machine, tmp_path / "machine.mmgraph")
    found = mm.read(tmp_path / "machine.mmgraph")
    assert type(found) is type(machine)
    assert repr(found) == repr(machine)
    assert found.levels == machine.levels
    assert [p.title for p in found.pathways] == [p.title for p in machine.pathways]
    for one, other in zip(found.variables.values(), machine.variables.values(), strict=True):
        assert repr(one) == repr(other)
    assert list(found.parameters()) == list(machine.parameters())
    for name, tensor in machine.parameters().items():
        assert torch.equal(found.parameters()[name], tensor)
        assert found.parameters()[name].dtype == tensor.dtype
    for f, g in zip(found.factors, machine.factors, strict=True):
        assert getattr(f, "length", None) == getattr(g, "length", None)
    data = rows_of(machine)
    data = {n: a[:1] for n, a in data.items()}
    assert torch.equal(found.represent(data), machine.represent(data))
    assert found.to(dtype=torch.float64).parameters_count == machine.parameters_count
    assert os.listdir(tmp_path) == ["machine.mmgraph"]


def test_a_machine_learns_on_after_reading(tmp_path):
    machine = mixed_pathways()
    mm.write(machine, tmp_path / "machine.mmgraph")
    found = mm.read(tmp_path / "machine.mmgraph")
    generator = torch.Generator().manual_seed(0)
    data = {
        "s": torch.randn(40, 2, 2, generator=generator),
        "c": torch.randint(0, 2, (40, 3), generator=generator),
    }
    options = {"epochs": 2, "learning_rate": 1e-3}
    found.fit(data, warm_start=True, **options)
    machine.fit(data, warm_start=True, **options)
    for name, tensor in machine.parameters().items():
        torch.testing.assert_close(found.parameters()[name], tensor)


def test_a_machine_takes_parameters_over(tmp_path):
    mm.write(deep_discrete(3), tmp_path / "machine.mmgraph")
    machine = deep_discrete(0)
    machine.adopt(mm.read(tmp_path / "machine.mmgraph").factors)
    for name, tensor in deep_discrete(3).parameters().items():
        assert torch.equal(machine.parameters()[name], tensor)


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (every_family, "is not Variable"),
        (
            lambda: mm.RestrictedBoltzmannMachine(
                mm.Variable("pixels", shape=(3,), family="bernoulli"), 2,
                mm.Variable("label", ("a", "b", "c")),
            ),
            "'hidden', 2.* is not .*rectified_gaussian",
        ),
        (
            lambda: mm.RestrictedBoltzmannMachine(
                mm.Variable("pixels", shape=(3,), family="bernoulli"), 2,
                hidden_family="rectified_gaussian",
            ),
            "there is no Bias",
        ),
    ],
)  # fmt: skip
def test_parameters_of_another_architecture_are_refused(tmp_path, other, message):
    mm.write(other(), tmp_path / "machine.mmgraph")
    machine = rectified_hidden()
    with pytest.raises(GraphError, match=message):
        machine.adopt(mm.read(tmp_path / "machine.mmgraph").factors)
    for name, tensor in rectified_hidden().parameters().items():
        assert torch.equal(machine.parameters()[name], tensor)


@pytest.fixture
def written(tmp_path):
    path = tmp_path / "machine.mmgraph"
    mm.write(deep_discrete(), path)
    return path


def change(path, edit):
    document = json.loads((path / "network.json").read_text())
    edit(document)
    (path / "network.json").write_text(json.dumps(document))


def without_one_layer(document):
    document["settings"]["pathways"][0]["hidden"] = []


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda d: d.pop("settings"), "expected the member 'pathways'"),
        (lambda d: d["settings"].pop("joint"), "expected the member 'joint'"),
        (lambda d: d["settings"].update(joint="hiden2"), "no variable 'hiden2'.*'hidden2'"),
        (lambda d: d["settings"].update(labels=3), "'labels' to be of type str"),
        (lambda d: d["settings"].update(labels="pixels"), "weights, but there are"),
        (lambda d: d["settings"].update(pathways=[]), "weights, but there are"),
        (without_one_layer, "weights, but there are"),
        (lambda d: d.update(kind="restricted Boltzmann machine"), "has one hidden layer, not 2"),
        (
            lambda d: d.update(kind="multimodal deep Boltzmann machine"),
            "there is no Bias",
        ),
        (lambda d: d.update(kind="deep Boltzman machine"), "deep Boltzmann machine"),
        (lambda d: d["variables"][-1].update(shape=[10**9]), "does not fit"),
        (lambda d: d["factors"][0].update(kind="unary"), "expected the parameter"),
        (lambda d: d["factors"].pop(), "belongs to no factor"),
        (lambda d: d["factors"][-1].update(kind="bias"), "one variable and no child"),
        (lambda d: d["factors"][0].update(settings={"length": "long"}), "'length'"),
    ],
)
def test_files_that_no_machine_has_written(written, edit, message):
    change(written, edit)
    with pytest.raises(FormatError, match=message):
        mm.read(written)


def test_numbers_of_another_shape_or_kind(written):
    path = written / "parameters.safetensors"
    tensors = load_file(path)
    kept = dict(tensors)
    key = next(k for k in tensors if k.endswith("weights"))
    for wrong, message in (
        (tensors[key][:1].clone(), "do not fit"),
        (tensors[key].long(), "no real numbers"),
        (tensors[key] * torch.nan, "NaN or infinite"),
    ):
        save_file({**kept, key: wrong}, path)
        with pytest.raises(FormatError, match=message):
            mm.read(written)


@pytest.mark.parametrize("file", ["network.json", "parameters.safetensors"])
def test_torn_files_are_refused(written, file):
    whole = (written / file).read_bytes()
    for share in (0, 0.3, 0.6, 0.99):
        (written / file).write_bytes(whole[: int(share * len(whole))])
        with pytest.raises(FormatError):
            mm.read(written)
    (written / file).unlink()
    with pytest.raises(FormatError):
        mm.read(written)


def test_an_interrupted_write_leaves_the_old_machine(written, monkeypatch):
    before = mm.read(written)

    def fail(*arguments):
        raise OSError("no space left")

    monkeypatch.setattr(os, "rename", fail)
    with pytest.raises(FormatError, match="no space left"):
        mm.write(deep_discrete(5), written)
    monkeypatch.undo()
    after = mm.read(written)
    for name, tensor in before.parameters().items():
        assert torch.equal(after.parameters()[name], tensor)
    assert os.listdir(written.parent) == [written.name]


def test_other_formats_refuse_machines(tmp_path):
    for suffix in (".bif", ".uai"):
        with pytest.raises((FormatError, GraphError)):
            mm.write(every_family(), tmp_path / f"machine{suffix}")
    assert not os.listdir(tmp_path)
