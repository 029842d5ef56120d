"""Which kind a declaration is of, and the steps that a run keeps."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mmgraph.experiments.experiment import kind_of
from mmgraph.experiments.job import fingerprint
from mmgraph.experiments.kept_steps import KeptSteps
from mmgraph.experiments.stereo.declaration import CostDeclaration
from mmgraph.graph.errors import FormatError


def test_the_ready_models_have_their_kinds():
    kinds = {
        "home_activities": "classification",
        "indian_pines": "land_cover",
        "motorcycle_stereo": "stereo",
    }
    assert {name: kind_of(name) for name in kinds} == kinds


def test_an_unknown_kind_is_named(tmp_path: Path):
    path = tmp_path / "odd.toml"
    path.write_text('kind = "sterio"')
    with pytest.raises(FormatError, match=r"odd\.toml: kind = 'sterio'; did you mean 'stereo'"):
        kind_of(path)
    path.write_text("kind = 3")
    with pytest.raises(FormatError, match="'kind' must be of type str"):
        kind_of(path)


def test_steps_are_kept_with_their_notes(tmp_path: Path):
    steps = KeptSteps(tmp_path, "abc")
    assert steps.read("one") is None
    steps.write("one", {"a/b": np.arange(6).reshape(2, 3)[:, ::2]}, {"why": [1.5, None]})
    arrays, notes = steps.read("one") or ({}, None)
    np.testing.assert_array_equal(arrays["a/b"], [[0, 2], [3, 5]])
    assert notes == {"why": [1.5, None]}
    assert KeptSteps(tmp_path, "abd").read("one") is None


def test_damaged_steps_are_done_again(tmp_path: Path):
    steps = KeptSteps(tmp_path, "abc")
    steps.write("one", {"a": np.zeros(3)})
    (file,) = (tmp_path / "steps").iterdir()
    file.write_bytes(file.read_bytes()[:20])
    assert steps.read("one") is None


def test_nothing_is_kept_without_a_directory():
    steps = KeptSteps(None, "abc")
    steps.write("one", {"a": np.zeros(3)})
    assert steps.read("one") is None


def test_fingerprints_tell_declarations_and_data_apart():
    data = np.arange(6)
    base = fingerprint(CostDeclaration(8), [data])
    assert base == fingerprint(CostDeclaration(8), [data.copy()])
    assert base != fingerprint(CostDeclaration(9), [data])
    assert base != fingerprint(CostDeclaration(8), [data.reshape(2, 3)])
    assert base != fingerprint(CostDeclaration(8), [data + 1])
