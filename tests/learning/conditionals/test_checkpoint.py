"""Checkpoints of expectation maximisation: interrupted, killed, damaged, resumed."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys

import pytest

import mmgraph as mm
from mmgraph.graph.errors import FormatError
from tests.learning.networks import (
    mixture_of_three,
    random_network,
    same_factors,
    seeded,
    with_holes,
)


class Interruption:
    """Behaves like someone who presses Ctrl-C in the n-th report."""

    def __init__(self, after: int) -> None:
        self.left = after

    def __call__(self, iteration: int, log_likelihood: float) -> None:
        self.left -= 1
        if not self.left:
            raise KeyboardInterrupt


def interrupted_example() -> tuple[mm.BayesianNetwork, dict, dict]:
    net = mixture_of_three()
    x = mm.sample(net, 200, generator=seeded(1)).codes["x"]
    options = {"restarts": 3, "max_iterations": 6, "tolerance": 0.0, "prior": mm.Prior(1.0)}
    return net, {"x": x}, options


@pytest.mark.parametrize("after", [1, 4, 7, 8, 12, 20])
def test_an_interrupted_run_ends_as_if_it_had_not_been(tmp_path, after):
    net, data, options = interrupted_example()
    whole, report = mm.expectation_maximization(net, data, generator=seeded(7), **options)
    with pytest.raises(KeyboardInterrupt):
        mm.expectation_maximization(
            net,
            data,
            generator=seeded(7),
            checkpoint=tmp_path / "em",
            progress=Interruption(after),
            **options,
        )
    seen = []
    resumed, again = mm.expectation_maximization(  # with another seed: the saved one counts
        net,
        data,
        generator=seeded(99),
        checkpoint=tmp_path / "em",
        progress=lambda *x: seen.append(x),
        **options,
    )
    assert same_factors(whole, resumed)
    assert (again.objectives, again.restarts, again.restart) == (
        report.objectives,
        report.restarts,
        report.restart,
    )
    assert len(seen) == 21 - after  # 3 restarts of a start and 6 iterations
    assert [p.name for p in (tmp_path / "em").iterdir()] == ["state.safetensors"]


def test_the_last_complete_iteration_is_kept_when_a_step_is_interrupted(tmp_path, monkeypatch):
    net, data, options = interrupted_example()
    from mmgraph.learning.conditionals import expectation_maximization as module

    real, calls = module.expectation, itertools.count()

    def broken(*arguments):
        if next(calls) == 4:
            raise KeyboardInterrupt
        return real(*arguments)

    monkeypatch.setattr(module, "expectation", broken)
    with pytest.raises(KeyboardInterrupt):
        mm.expectation_maximization(net, data, checkpoint=tmp_path / "em", **options)
    monkeypatch.setattr(module, "expectation", real)
    seen = []
    mm.expectation_maximization(
        net, data, checkpoint=tmp_path / "em", progress=lambda *x: seen.append(x), **options
    )
    assert seen[0][0] == 4  # the start and three iterations were kept


@pytest.mark.slow
def test_a_killed_process_is_taken_up_where_it_stood(tmp_path):
    """SIGKILL leaves no time to tidy up."""
    program = """
import os, signal, sys
import mmgraph as mm, torch
from mmgraph.learning.conditionals.expectation_maximization import expectation_maximization

net = mm.read("asia")
data = mm.sample(net, 300, generator=torch.Generator().manual_seed(0)).codes
del data["either"], data["lung"]
calls = []

def progress(iteration, log_likelihood):
    calls.append(iteration)
    if len(calls) == 9 and sys.argv[2] == "die":
        os.kill(os.getpid(), signal.SIGKILL)

_, report = expectation_maximization(
    net, data, restarts=2, max_iterations=6, tolerance=0, checkpoint=sys.argv[1],
    generator=torch.Generator().manual_seed(1), progress=progress,
)
print(report.objectives, report.restarts)
"""

    def run(directory: str, fate: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", program, str(tmp_path / directory), fate]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    whole = run("whole", "live")
    assert whole.returncode == 0, whole.stderr
    assert run("killed", "die").returncode == -signal.SIGKILL
    assert run("killed", "live").stdout == whole.stdout


def test_a_failed_write_leaves_the_state_before(tmp_path, monkeypatch):
    net, data, options = interrupted_example()
    real, calls = os.fsync, itertools.count()

    def full_disk(file):
        if next(calls) == 3:
            raise OSError("no space left")
        real(file)

    monkeypatch.setattr(os, "fsync", full_disk)
    directory = tmp_path / "em"
    with pytest.raises(FormatError, match="cannot be written"):
        mm.expectation_maximization(net, data, checkpoint=directory, generator=seeded(7), **options)
    monkeypatch.setattr(os, "fsync", real)
    assert [p.name for p in directory.iterdir()] == ["state.safetensors"]
    resumed, _ = mm.expectation_maximization(net, data, checkpoint=directory, **options)
    whole, _ = mm.expectation_maximization(net, data, generator=seeded(7), **options)
    assert same_factors(whole, resumed)


def test_a_finished_run_is_read_back_without_a_step(tmp_path):
    net, data, options = interrupted_example()
    first, one = mm.expectation_maximization(net, data, checkpoint=tmp_path / "em", **options)
    second, two = mm.expectation_maximization(
        net, data, checkpoint=tmp_path / "em", progress=Interruption(1), **options
    )
    assert same_factors(first, second)
    assert one.objectives == two.objectives
    assert one.rows == two.rows == 200
    with pytest.raises(FormatError, match="the data differ"):
        mm.expectation_maximization(
            net, {"x": data["x"] + 1}, checkpoint=tmp_path / "em", **options
        )


def test_another_call_may_not_go_on_from_a_checkpoint(tmp_path):
    net, data, options = interrupted_example()
    directory = tmp_path / "em"
    with pytest.raises(KeyboardInterrupt):
        mm.expectation_maximization(
            net, data, checkpoint=directory, progress=Interruption(3), **options
        )
    with pytest.raises(FormatError, match="the options 'restarts' was 3, and is 2"):
        mm.expectation_maximization(net, data, checkpoint=directory, **{**options, "restarts": 2})
    with pytest.raises(FormatError, match="the data differ"):
        mm.expectation_maximization(net, {"x": data["x"] + 1}, checkpoint=directory, **options)
    other = random_network(0)
    with pytest.raises(FormatError, match="the graph's distributions differ"):
        mm.expectation_maximization(
            other, with_holes(other, 9, 0.1, 0), checkpoint=directory, **options
        )


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: b"",
        lambda content: b"noise",
        lambda content: content[: len(content) // 2],
        lambda content: content[:-1] + bytes([content[-1] ^ 1]),
        lambda content: content.replace(b"seeds", b"deeds"),
        lambda content: content.replace(b'"version":"', b'"edition":"'),
    ],
)
def test_a_damaged_checkpoint_is_refused(tmp_path, damage):
    net, data, options = interrupted_example()
    directory = tmp_path / "em"
    with pytest.raises(KeyboardInterrupt):
        mm.expectation_maximization(
            net, data, checkpoint=directory, progress=Interruption(3), **options
        )
    file = directory / "state.safetensors"
    damaged = damage(file.read_bytes())
    assert damaged != file.read_bytes()
    file.write_bytes(damaged)
    with pytest.raises(FormatError, match="em"):
        mm.expectation_maximization(net, data, checkpoint=directory, **options)


def test_a_state_of_an_earlier_version_is_refused(tmp_path):
    net, data, options = interrupted_example()
    (tmp_path / "state.json").write_text('{"format": "mmgraph expectation maximization"}')
    with pytest.raises(FormatError, match="an earlier version of mmgraph"):
        mm.expectation_maximization(net, data, checkpoint=tmp_path, **options)
