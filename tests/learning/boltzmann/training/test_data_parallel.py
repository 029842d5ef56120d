"""Two processes take the steps of one; what stops one stops the other."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from mmgraph.graph.errors import LearningError
from mmgraph.learning.boltzmann.objective import batch_sizes, block_sizes
from mmgraph.learning.boltzmann.training.data_parallel import Processes
from tests.learning.boltzmann_runs import run, tensors_of

ROOT = Path(__file__).parents[4]
SCRIPT = Path(__file__).parents[2] / "boltzmann_runs.py"


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


def together(directory, result, mode=""):
    """Run two processes as torchrun starts them; return their exit codes and what they said."""
    port = str(free_port())
    processes = []
    for rank in ("0", "1"):
        environment = {
            **os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "RANK": rank,
            "WORLD_SIZE": "2", "LOCAL_RANK": rank, "MASTER_ADDR": "127.0.0.1",
            "MASTER_PORT": port,
        }  # fmt: skip
        command = [sys.executable, str(SCRIPT), str(directory), str(result), mode]
        processes.append(subprocess.Popen(command, env=environment, stderr=subprocess.PIPE))
    said = [p.communicate(timeout=90)[1].decode() for p in processes]
    return [p.returncode for p in processes], said


def test_two_processes_train_like_one(tmp_path):
    codes, said = together(tmp_path / "run", tmp_path / "result")
    assert codes == [0, 0], said
    first, second = (load_file(tmp_path / f"result.{rank}") for rank in "01")
    graph, _ = run(None)
    for name, tensor in tensors_of(graph).items():
        assert torch.equal(first[name], second[name])
        torch.testing.assert_close(first[name], tensor, rtol=1e-3, atol=2e-4)
    files = {p.name for p in (tmp_path / "run").iterdir()}
    assert len(files) == 2
    assert "state.json" in files


def test_what_one_process_began_two_go_on_with(tmp_path):
    class Stop(KeyboardInterrupt):
        pass

    import mmgraph.learning.boltzmann.training.loop as training

    whole, _ = run(None)
    kept = training._Training._end_epoch

    def ends(self):
        kept(self)
        if self.state.epoch == 2:
            raise Stop

    training._Training._end_epoch = ends
    try:
        with pytest.raises(Stop):
            run(str(tmp_path / "run"))
    finally:
        training._Training._end_epoch = kept
    codes, said = together(tmp_path / "run", tmp_path / "result")
    assert codes == [0, 0], said
    found = load_file(tmp_path / "result.0")
    for name, tensor in tensors_of(whole).items():
        torch.testing.assert_close(found[name], tensor, rtol=1e-3, atol=2e-4)


def test_an_error_of_one_process_stops_the_other(tmp_path):
    codes, said = together(tmp_path / "run", tmp_path / "result", "fail")
    assert codes == [3, 3], said
    assert "LearningError: process 1 stopped: MmgraphError: the disk of this process" in said[0]
    assert "MmgraphError: the disk of this process is full" in said[1]
    assert (tmp_path / "run" / "state.json").exists()


def test_an_error_after_the_last_step_stops_all(tmp_path):
    codes, said = together(tmp_path / "run", tmp_path / "result", "end")
    assert codes == [3, 3], said
    assert "MmgraphError: the disk of the leading process is full" in said[0]
    assert "LearningError: process 0 stopped: MmgraphError: the disk of the leading" in said[1]


@pytest.mark.parametrize(("mode", "codes"), [("threads", [0, 0]), ("threads die", [3, 9])])
def test_no_thread_of_the_group_outlives_the_interpreter(tmp_path, mode, codes):
    found, said = together(tmp_path / "run", tmp_path / "result", mode)
    assert found == codes, said
    assert "threads at the end:" in said[0]
    assert not any("gloo" in text.split("threads at the end:")[-1] for text in said)


def test_a_process_that_dies_stops_the_other(tmp_path):
    codes, said = together(tmp_path / "run", tmp_path / "result", "die")
    assert codes == [3, 9], said
    assert "LearningError: process 0: another process is gone" in said[0]


def test_blocks_are_shared_alike_or_not_at_all():
    assert list(Processes(1, 2).blocks(4)) == [2, 3]
    with pytest.raises(LearningError, match="2 blocks of chains cannot be shared by 3 processes"):
        Processes(0, 3).blocks(2)


def test_sizes_of_blocks_and_batches():
    assert block_sizes(7, 3) == [3, 2, 2]
    assert batch_sizes(105, 20, 2) == [20, 20, 20, 20, 20, 5]
    assert batch_sizes(101, 20, 2) == [20, 20, 20, 20, 21]
    assert batch_sizes(7, 20, 2) == [7]
    with pytest.raises(LearningError, match="1 rows cannot be cut into 2 blocks"):
        batch_sizes(1, 20, 2)
