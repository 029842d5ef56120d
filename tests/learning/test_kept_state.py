"""State is kept whole or not at all, and only for what it belongs to."""

from __future__ import annotations

import os

import pytest
import torch
from safetensors.torch import save_file

from mmgraph.graph.errors import FormatError
from mmgraph.learning.kept_state import KeptState

OF = {"option": {"epochs": 3, "rate": 0.1}, "data": "abc"}
DOCUMENT = {"history": [{"loss": float("inf")}, {"loss": 1.5}], "best": None}
TENSORS = {
    "generator": torch.arange(5, dtype=torch.uint8),
    "half": torch.ones(2, 3, dtype=torch.bfloat16),
    "known": torch.tensor([True, False]),
    "step": torch.tensor(7),
    "turned": torch.arange(6.0).reshape(2, 3).T,
    "nothing": torch.zeros(0, 4),
}


def test_what_is_kept_comes_back(tmp_path):
    kept = KeptState(tmp_path / "a" / "b", "training", OF)
    assert kept.load() is None
    kept.save(DOCUMENT, TENSORS)
    document, tensors = KeptState(tmp_path / "a" / "b", "training", OF).load()
    assert document == DOCUMENT
    assert tensors.keys() == TENSORS.keys()
    for name, tensor in TENSORS.items():
        assert tensors[name].dtype == tensor.dtype
        assert torch.equal(tensors[name], tensor)
    kept.save({}, {})
    assert kept.load() == ({}, {})
    assert [p.name for p in (tmp_path / "a" / "b").iterdir()] == ["state.safetensors"]


def test_a_state_of_an_earlier_version_is_refused(tmp_path):
    (tmp_path / "state.json").write_text('{"format": "mmgraph Boltzmann machine training"}')
    with pytest.raises(FormatError, match=f"{tmp_path.name} .*an earlier version of mmgraph"):
        KeptState(tmp_path, "training", OF).load()


def test_states_of_one_directory_are_told_apart_by_name(tmp_path):
    one, other = (KeptState(tmp_path, "step", {"data": "abc"}, name) for name in ("one", "two"))
    one.save({"number": 1}, {})
    assert other.load() is None
    other.save({"number": 2}, {})
    assert (one.load().document, other.load().document) == ({"number": 1}, {"number": 2})


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (
            {"option": {"epochs": 3, "rate": 0.2}, "data": "abc"},
            "the option 'rate' was 0.1, and is 0.2",
        ),
        ({"option": {"epochs": 3}, "data": "abc"}, "the option 'rate' was 0.1, and is nothing"),
        ({"option": {"epochs": 3, "rate": 0.1}, "data": "abd"}, "the data differ"),
        ({**OF, "graph": {"a": 2}}, "the graph differ"),
    ],
)
def test_a_state_of_something_else_is_refused(tmp_path, other, message):
    KeptState(tmp_path, "training", OF).save(DOCUMENT, TENSORS)
    with pytest.raises(
        FormatError, match=f"another training: the .*{message.removeprefix('the ')}"
    ):
        KeptState(tmp_path, "training", other).load()


def test_damage_is_told(tmp_path):
    kept = KeptState(tmp_path, "training", OF)
    kept.save(DOCUMENT, TENSORS)
    whole = kept.path.read_bytes()
    for content in (
        b"",
        b"noise",
        whole[:100],
        whole[:-1] + bytes([whole[-1] ^ 1]),
        whole.replace(b"1.5", b"2.5"),
        whole.replace(b"belongs_to", b"belonged_t"),
    ):
        kept.path.write_bytes(content)
        with pytest.raises(FormatError, match=r"state\.safetensors.*damaged"):
            kept.load()
    save_file({"x": torch.zeros(2)}, kept.path, {"kind": "training", "version": "0"})
    with pytest.raises(FormatError, match="no state of this version"):
        kept.load()
    kept.path.unlink()
    kept.path.mkdir()
    with pytest.raises(FormatError, match="cannot be read"):
        kept.load()


def test_a_write_that_fails_leaves_the_state_before(tmp_path, monkeypatch):
    kept = KeptState(tmp_path, "training", OF)
    kept.save(DOCUMENT, TENSORS)

    def full_disk(*_):
        raise OSError("no space left")

    monkeypatch.setattr(os, "replace", full_disk)
    with pytest.raises(FormatError, match="no space left"):
        kept.save({}, {})
    assert kept.load().document == DOCUMENT
    (tmp_path / "file").write_text("")
    with pytest.raises(FormatError, match="cannot be written"):
        KeptState(tmp_path / "file", "training", OF).save({}, {})
