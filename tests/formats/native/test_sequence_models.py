"""Files of hidden Markov models: to the last bit, and refused where they are damaged."""

from __future__ import annotations

import json

import numpy as np
import pytest

import mmgraph as mm
from mmgraph.graph.errors import FormatError, NotFittedError
from mmgraph.networks.dynamic.hidden_markov_model import HiddenMarkovModel
from tests.learning.dynamic.emissions.drawn_emissions import KINDS, drawn


def drawn_model(kind="full", labels=("walk", "sit", "lie")) -> HiddenMarkovModel:
    generator = np.random.default_rng(0)
    emission = drawn(generator, kind)
    spec = emission.kind
    if kind == "modalities":
        spec = {name: part.kind for name, part in emission.parts.items()}
    settings = {"covariance": kind} if kind in ("full", "tied", "spherical") else {}
    model = HiddenMarkovModel(labels, spec, random_state=7, pseudo_counts=0.5, **settings)
    transition = generator.dirichlet(np.ones(3), 3)
    return model.set_parameters([1, 0, 0], transition, emission)


@pytest.mark.parametrize("kind", [*KINDS, "scores"])
def test_models_come_back_to_the_last_bit(tmp_path, kind):
    model = drawn_model(kind)
    path = tmp_path / "model.mmgraph"
    mm.write(model, path)
    again = mm.read(path)
    assert type(again) is HiddenMarkovModel
    assert again.get_params() == {**model.get_params(), "states": list(model.labels)}
    assert again.labels == model.labels
    arrays = model.parameters.arrays()
    assert list(again.parameters.arrays()) == list(arrays)
    for name, array in again.parameters.arrays().items():
        np.testing.assert_array_equal(array, arrays[name])
    rows = np.random.default_rng(1).integers(2, size=(9, model.parameters.emission.features))
    rows = rows if kind != "modalities" else {"full": rows[:, :2]}
    np.testing.assert_array_equal(again.posterior(rows), model.posterior(rows))
    mm.write(again, tmp_path / "again.mmgraph")
    for file in ("network.json", "parameters.safetensors"):
        assert (tmp_path / "again.mmgraph" / file).read_bytes() == (path / file).read_bytes()


@pytest.mark.parametrize(
    "labels", [3, np.array([4, 5, 6]), [True, "b", 2.5], np.array(["a", "b", "c"])]
)
def test_labels_of_any_kind_come_back(tmp_path, labels):
    model = drawn_model(labels=labels)
    mm.write(model, tmp_path / "model.mmgraph")
    assert mm.read(tmp_path / "model.mmgraph").labels == model.labels


def test_a_model_that_was_read_is_learned_on(tmp_path):
    model = drawn_model("diagonal")
    rows, _ = model.sample(30, 1)
    mm.write(model, tmp_path / "model.mmgraph")
    again = mm.read(tmp_path / "model.mmgraph")
    settings = {"start": "current", "iterations": 50, "tolerance": 1e-3}
    one, two = (m.fit(rows, **settings).parameters.arrays() for m in (model, again))
    for name, array in one.items():
        np.testing.assert_array_equal(two[name], array)


def test_a_topology_that_was_set_is_kept(tmp_path):
    forwards = 0.5 * (np.eye(3) + np.eye(3, k=1)) + np.diag([0, 0, 0.5])
    model = drawn_model("diagonal").set_parameters(transition=forwards)
    rows, _ = model.sample(60, 1)
    mm.write(model, tmp_path / "model.mmgraph")
    again = mm.read(tmp_path / "model.mmgraph").fit(rows, tolerance=1e-3)
    np.testing.assert_array_equal(again.parameters.transition > 0, forwards > 0)
    np.testing.assert_array_equal(again.parameters.start, [1, 0, 0])


def test_models_without_parameters_are_not_written(tmp_path):
    with pytest.raises(NotFittedError, match="no parameters yet"):
        mm.write(HiddenMarkovModel(2), tmp_path / "model.mmgraph")
    assert not (tmp_path / "model.mmgraph").exists()


def test_damaged_files_are_refused(tmp_path):
    path = tmp_path / "model.mmgraph"
    mm.write(drawn_model(), path)
    for file in (path / "network.json", path / "parameters.safetensors"):
        content = file.read_bytes()
        generator = np.random.default_rng(0)
        damaged = [b"", content[: len(content) // 2], content[:-1]]
        for place in generator.integers(len(content), size=20):
            changed = bytearray(content)
            changed[place] ^= 1 << int(generator.integers(8))
            damaged.append(bytes(changed))
        for wrong in damaged:
            file.write_bytes(wrong)
            if file.suffix == ".json":
                try:
                    assert isinstance(mm.read(path), HiddenMarkovModel)  # a setting is another
                except FormatError:
                    continue
            else:
                with pytest.raises(FormatError, match=r"parameters\.safetensors"):
                    mm.read(path)
        file.write_bytes(content)
    assert mm.read(path).labels == ("walk", "sit", "lie")


@pytest.mark.parametrize(
    "change",
    [
        {"model": "hidden Markov modl"},
        {"content": {}},
        {"content": []},
        {"settings": {"states": 3, "emission": {"": "gausian"}}},
        {"settings": {"states": 0, "emission": {"": "gaussian"}}},
        {"settings": {"states": 4, "emission": {"": "gaussian"}}},
        {"settings": {"states": 3, "emission": {"": "gaussian"}, "depth": 1}},
        {"settings": {"states": 3}},
        {"parameters": {"emission": ["gaussian", {"covariance": "diag"}]}},
        {"parameters": {"emission": ["gaussian", {"covariance": "diagonal"}]}},
        {"parameters": {"emission": ["mixture", {}]}},
        {"parameters": {"emission": "gaussian"}},
        {"parameters": {}},
    ],
)
def test_documents_that_say_something_else_are_refused(tmp_path, change):
    path = tmp_path / "model.mmgraph"
    mm.write(drawn_model(), path)
    document = json.loads((path / "network.json").read_text())
    for name, value in change.items():
        place = document if name in ("model", "content") else document["content"]
        place[name] = value
    (path / "network.json").write_text(json.dumps(document))
    with pytest.raises(FormatError, match=r"model\.mmgraph"):
        mm.read(path)


def test_settings_of_numpy_are_written_as_numbers(tmp_path):
    model = HiddenMarkovModel(
        np.array([3, 4]), pseudo_counts=np.float32(0.5), random_state=np.int64(7)
    ).set_parameters(means=[[0.0], [9]], covariances=np.ones((2, 1)))
    mm.write(model, tmp_path / "model.mmgraph")
    again = mm.read(tmp_path / "model.mmgraph")
    assert again.labels == (3, 4)
    assert (again.pseudo_counts, again.random_state) == (0.5, 7)
