"""The steps that a run keeps: read back by a run of the same model and data, and by no other."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mmgraph.learning.kept_steps import KeptSteps


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
