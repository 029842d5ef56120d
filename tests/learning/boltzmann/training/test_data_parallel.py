"""Two processes take the steps of one; what stops one stops the other."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tests.learning.boltzmann_runs import main, run, tensors_of
from tests.processes import environments, kept_training, together

ROOT = Path(__file__).parents[4]
SCRIPT = Path(__file__).parents[2] / "boltzmann_runs.py"


def run_together(tmp_path, mode=""):
    return together(main, tmp_path / "run", tmp_path / "result", mode, errors=tmp_path)


def as_interpreters(tmp_path, mode):
    """Run two interpreters, as torchrun starts them, which tell the threads they end with."""
    command = [sys.executable, str(SCRIPT), str(tmp_path / "run"), str(tmp_path / "result"), mode]
    processes = [
        subprocess.Popen(
            command,
            env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
            stderr=subprocess.PIPE,
        )
        for environment in environments()
    ]
    said = [process.communicate(timeout=90)[1].decode() for process in processes]
    assert "threads at the end:" in said[0]
    assert not any("gloo" in text.split("threads at the end:")[-1] for text in said)
    return [process.returncode for process in processes], said


@pytest.mark.slow  # two interpreters
def test_two_processes_train_like_one_and_leave_no_thread(tmp_path):
    codes, said = as_interpreters(tmp_path, "threads")
    assert codes == [0, 0], said
    first, second = (load_file(tmp_path / f"result.{rank}") for rank in "01")
    graph, _ = run(None)
    for name, tensor in tensors_of(graph).items():
        assert torch.equal(first[name], second[name])
        torch.testing.assert_close(first[name], tensor, rtol=1e-3, atol=2e-4)
    assert [p.name for p in (tmp_path / "run").iterdir()] == ["state.safetensors"]


def test_what_one_process_began_two_go_on_with(tmp_path):
    whole, _ = run(None)
    with pytest.raises(KeyboardInterrupt):
        run(str(tmp_path / "run"), "stop")
    codes, said = run_together(tmp_path)
    assert codes == [0, 0], said
    found = load_file(tmp_path / "result.0")
    for name, tensor in tensors_of(whole).items():
        torch.testing.assert_close(found[name], tensor, rtol=1e-3, atol=2e-4)


def test_an_error_of_one_process_stops_the_other(tmp_path):
    codes, said = run_together(tmp_path, "fail")
    assert codes == [3, 3], said
    assert "LearningError: process 1 stopped: MmgraphError: the disk of this process" in said[0]
    assert "MmgraphError: the disk of this process is full" in said[1]
    assert kept_training(tmp_path / "run")


def test_an_error_after_the_last_step_stops_all(tmp_path):
    codes, said = run_together(tmp_path, "end")
    assert codes == [3, 3], said
    assert "MmgraphError: the disk of the leading process is full" in said[0]
    assert "LearningError: process 0 stopped: MmgraphError: the disk of the leading" in said[1]


@pytest.mark.slow  # two interpreters
def test_a_process_that_dies_stops_the_other_which_leaves_no_thread(tmp_path):
    codes, said = as_interpreters(tmp_path, "threads die")
    assert codes == [3, 9], said
    assert "LearningError: process 0: another process is gone" in said[0]
