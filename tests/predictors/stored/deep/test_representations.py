"""Representations written and read: they answer alike; files that are anything else are refused."""

from __future__ import annotations

import json
import pickle
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

import mmgraph as mm
from mmgraph.cli.common import read_model
from mmgraph.cli.tables.classifiers import read_classifier
from mmgraph.deep.losses.between import Cosine
from mmgraph.deep.representations.representation import MultimodalRepresentation
from mmgraph.deep.training.options import NetTraining
from mmgraph.graph.errors import FormatError, LearningError, MmgraphError
from tests.predictors.stored.test_classifiers import OTHERS, files_of, places, sign

NET: dict[str, Any] = {"width": 4, "members": 2, "training": {"epochs": 1}}
REPRESENTATIONS: dict[str, Any] = {
    "joint": {"kind": "joint", **NET, "losses": ("masked_prediction",), "random_state": 3},
    "contrastive": {
        **NET,
        "losses": {"coral": 0.1},
        "training": NetTraining(epochs=1, batch_size=32, losses=[]),
        "encoders": {"movement": ("mlp", {"hidden": [8]})},
    },
    "deep CCA": {**NET, "tie": "deep_cca", "encoders": "mlp"},
    "linear CCA": {"tie": "cca", "width": 3, "modalities": ("sound", "image")},
}


def rows(count: int = 40, seed: int = 0, steps: bool = False) -> mm.MultimodalData:
    """Columns, images and perhaps sequences of one cause; of some rows a modality is missing."""
    random = np.random.default_rng(seed)
    cause = random.normal(size=(count, 1))
    sound = cause + 0.5 * random.normal(size=(count, 4))
    movement = cause + random.normal(size=(count, 5))
    movement[::7] = np.nan
    image = cause[:, :, None] + random.normal(size=(count, 2, 3))
    views: dict[str, Any] = {"sound": sound, "movement": movement, "image": image}
    if steps:
        views["walk"] = [cause[i] + random.normal(size=(2 + i % 3, 2)) for i in range(count)]
    return mm.MultimodalData.of(views)


def fitted(name: str, **options: Any) -> MultimodalRepresentation:
    return MultimodalRepresentation(**REPRESENTATIONS[name] | options).fit(rows())


def check_alike(first: Any, second: Any, data: mm.MultimodalData) -> None:
    for given in (None, ["sound"], ["image"]):
        np.testing.assert_array_equal(second.represent(data, given), first.represent(data, given))
    if first.kind == "coordinated":
        expected, each = first.represent_each(data), second.represent_each(data)
        assert list(each) == list(expected)
        for modality, codes in expected.items():
            np.testing.assert_array_equal(each[modality], codes)
    for parameter in ("kind", "tie", "encoders", "width", "members", "training", "random_state"):
        assert repr(getattr(second, parameter)) == repr(getattr(first, parameter))


@pytest.mark.parametrize("name", REPRESENTATIONS)
def test_they_answer_alike(name: str, tmp_path: Path):
    first = fitted(name)
    first.save(tmp_path / "m.mmgraph")
    again = mm.read(tmp_path / "m.mmgraph")
    assert type(again) is MultimodalRepresentation
    check_alike(first, again, rows(30, seed=1))
    mm.write(again, tmp_path / "n.mmgraph")
    check_alike(first, mm.read(tmp_path / "n.mmgraph"), rows(30, seed=1))
    refitted = again.fit(rows())
    np.testing.assert_array_equal(refitted.represent(rows(5)), first.represent(rows(5)))


def test_sequences_lie_in_the_space(tmp_path: Path):
    first = MultimodalRepresentation(**NET).fit(rows(steps=True))
    first.save(tmp_path / "m.mmgraph")
    check_alike(first, mm.read(tmp_path / "m.mmgraph"), rows(30, seed=1, steps=True))


def test_what_cannot_be_written(tmp_path: Path):
    place = tmp_path / "m.mmgraph"
    with pytest.raises(FormatError, match="representation is not fitted"):
        MultimodalRepresentation().save(place)
    failed = MultimodalRepresentation(modalities=["sound"])
    with pytest.raises(LearningError):
        failed.fit(rows())
    with pytest.raises(FormatError, match="representation is not fitted"):
        failed.save(place)
    with pytest.raises(FormatError, match=r"the loss .* cannot be written: name it instead"):
        fitted("contrastive", losses=[Cosine()]).save(place)
    with pytest.raises(FormatError, match=r"representation is written to \.mmgraph"):
        fitted("linear CCA").save(tmp_path / "m.bif")

    class Ordinary(MultimodalRepresentation):
        pass

    with pytest.raises(FormatError, match="Ordinary is a kind of its own"):
        Ordinary(tie="cca").fit(rows()).save(place)
    assert list(tmp_path.iterdir()) == []


@pytest.fixture(scope="module", params=["joint", "deep CCA", "linear CCA"])
def directory(request, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("representation") / "m.mmgraph"
    fitted(request.param).save(path)
    return path


@pytest.fixture
def copied(directory: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(directory, tmp_path / "copied.mmgraph"))


def test_it_is_no_model_that_commands_ask(directory: Path):
    with pytest.raises(FormatError, match="holds a multimodal representation, and no graph"):
        read_model(str(directory))
    with pytest.raises(FormatError, match="holds a multimodal representation, and no classifier"):
        read_classifier(str(directory))


def test_each_file_that_is_missing_cut_or_foreign_is_named(directory: Path, copied: Path):
    for name in files_of(directory):
        file = copied / name
        content = file.read_bytes()
        for other in (b"", content[: len(content) // 2], pickle.dumps({"a": Path()})):
            file.write_bytes(other)
            with pytest.raises(FormatError, match=name.replace(".", r"\.")):
                mm.read(copied)
        file.unlink()
        with pytest.raises(FormatError, match="copied"):
            mm.read(copied)
        file.write_bytes(content)
    mm.read(copied)


def test_numbers_that_do_not_fit_are_refused(copied: Path):
    file = copied / "parameters.safetensors"
    tensors = load_file(file)
    for number, (name, tensor) in enumerate(tensors.items()):
        changed = [None, tensor.flatten()[:-1]]
        if tensor.is_floating_point():
            changed += [torch.full_like(tensor, torch.nan)]
        for other in changed[number % len(changed) :][:1]:  # each damage to a part of the numbers
            rest = {key: value for key, value in tensors.items() if key != name}
            save_file(rest | ({} if other is None else {name: other}), file)
            sign(copied)
            with pytest.raises(FormatError, match=r"numbers|scale"):
                mm.read(copied)
    save_file(tensors | {"more": torch.zeros(1)}, file)
    sign(copied)
    with pytest.raises(FormatError, match="'more' belong to no part"):
        mm.read(copied)


def test_a_document_with_any_other_value_is_read_or_refused(copied: Path):
    file = copied / "network.json"
    text = file.read_text()
    count = len(list(places(json.loads(text))))
    refused = 0
    for number in range(count):
        document = json.loads(text)
        container, key = list(places(document))[number]
        container[key] = OTHERS[number % len(OTHERS)]
        file.write_text(json.dumps(document))
        try:
            mm.read(copied)
        except MmgraphError:
            refused += 1
    assert refused > count / 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "disjoint"}, "the kind 'disjoint' is not known"),
        ({"tie": "glue"}, "the tie 'glue' is not known"),
        ({"width": 5}, "the net is not that of a coordinated space"),
        ({"members": 1}, "the net is not that of a coordinated space"),
        ({"kind": "joint"}, "the net is not that of a joint space"),
        ({"tie": "cosine"}, "belong to no part"),
        ({"tie": "cca"}, "expected the member 'inputs'"),
    ],
)
def test_parameters_of_another_representation_are_refused(
    change: dict[str, Any], message: str, tmp_path: Path
):
    fitted("deep CCA").save(tmp_path / "m.mmgraph")
    file = tmp_path / "m.mmgraph" / "network.json"
    document = json.loads(file.read_text())
    document["parameters"] |= change
    file.write_text(json.dumps(document))
    with pytest.raises(FormatError, match=message):
        mm.read(tmp_path / "m.mmgraph")
