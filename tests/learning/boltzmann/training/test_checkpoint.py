"""Training that is killed goes on as if it had not been; other checkpoints are refused."""

from __future__ import annotations

import json
import signal
import time
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file

import mmgraph.learning.boltzmann.training.checkpoint as module
from mmgraph.graph.errors import FormatError
from mmgraph.learning.boltzmann.training.loop import train
from tests.learning.boltzmann_machines import machine
from tests.learning.boltzmann_runs import SETTINGS, main, rows_of, run, tensors_of
from tests.processes import start


def test_training_killed_twice_gives_the_same_weights(tmp_path):
    directory, result = tmp_path / "run", tmp_path / "result"
    for wanted in (1, 2):
        process = start(main, directory, result, "slow", errors=tmp_path / "errors")
        until = time.monotonic() + 60
        while time.monotonic() < until:  # until some more of it is done
            state = directory / "state.json"
            if state.exists() and json.loads(state.read_text())["epoch"] >= wanted:
                break
            assert process.exitcode is None
            time.sleep(0.005)
        process.kill()
        process.join()
        assert process.exitcode == -signal.SIGKILL
    assert not result.with_suffix(".0").exists()
    process = start(main, directory, result, errors=tmp_path / "errors")
    process.join(60)
    assert process.exitcode == 0
    resumed = load_file(result.with_suffix(".0"))
    graph, report = run(None)
    for name, tensor in tensors_of(graph).items():
        assert torch.equal(resumed[name], tensor), name
    assert resumed["energies"].tolist() == pytest.approx(
        [h["free_energy"] for h in report.history], abs=1e-6
    )


@pytest.mark.parametrize("optimiser", ["sgd", "adam"])
@pytest.mark.parametrize("family", ["gaussian", "replicated_softmax", "categorical"])
def test_interrupted_training_goes_on_in_every_family(tmp_path, family, optimiser):
    settings = replace(SETTINGS, optimiser=optimiser, learning_rate=0.01)

    class Stop(KeyboardInterrupt):
        pass

    def stop(epoch, monitors):
        if epoch == 2:
            raise Stop

    whole, parts = (machine(family, (4, 2), dtype=torch.float32) for _ in range(2))
    first = train(whole, rows_of(whole), None, settings)
    with pytest.raises(Stop):
        train(parts, rows_of(parts), None, settings, progress=stop, checkpoint=tmp_path)
    again = train(parts, rows_of(parts), None, settings, checkpoint=tmp_path)
    assert again.history == first.history
    for a, b in zip(tensors_of(whole).values(), tensors_of(parts).values(), strict=True):
        assert torch.equal(a, b)
    # And what is finished stays as it is.
    done = train(machine(family, (4, 2), dtype=torch.float32), rows_of(parts), None, settings,
                 checkpoint=tmp_path)  # fmt: skip
    assert done.history == first.history


def test_another_machine_other_options_and_other_rows_are_refused(tmp_path):
    graph = machine("bernoulli", (3,), dtype=torch.float32)
    settings = replace(SETTINGS, epochs=1)
    train(graph, rows_of(graph), None, settings, checkpoint=tmp_path)
    wider = machine("bernoulli", (5,), dtype=torch.float32)
    with pytest.raises(FormatError, match=r"'h1' was .*\[3\]\], and is .*\[5\]\]"):
        train(wider, rows_of(wider), None, settings, checkpoint=tmp_path)
    with pytest.raises(FormatError, match=r"option 'learning_rate' was 0.05, and is 0.2"):
        train(graph, rows_of(graph), None, replace(settings, learning_rate=0.2),
              checkpoint=tmp_path)  # fmt: skip
    with pytest.raises(FormatError, match=r"rows of 'rows' was 105, and is 90"):
        train(graph, rows_of(graph, 90), None, settings, checkpoint=tmp_path)
    (tmp_path / "state.json").write_text('{"format": "something"}')
    with pytest.raises(FormatError, match=r"state.json"):
        train(graph, rows_of(graph), None, settings, checkpoint=tmp_path)


def test_damaged_tensors_are_refused(tmp_path):
    graph = machine("bernoulli", (3,), dtype=torch.float32)
    settings = replace(SETTINGS, epochs=1)
    train(graph, rows_of(graph), None, settings, checkpoint=tmp_path)
    (file,) = tmp_path.glob("*.safetensors")
    content = bytearray(file.read_bytes())
    content[-3] ^= 1
    file.write_bytes(content)
    with pytest.raises(FormatError, match="is not the file that was written"):
        train(graph, rows_of(graph), None, settings, checkpoint=tmp_path)
    file.unlink()
    with pytest.raises(FormatError, match="damaged"):
        train(graph, rows_of(graph), None, settings, checkpoint=tmp_path)


@pytest.mark.parametrize("cut", [1, 2])
def test_a_write_that_is_cut_off_leaves_the_state_before(tmp_path, monkeypatch, cut):
    graph = machine("bernoulli", (3,), dtype=torch.float32)
    settings = replace(SETTINGS, epochs=2, checkpoint_steps=None)
    real, calls = module.write_atomically, iter(range(100))

    def cut_off(path, content):
        if next(calls) == 1 + cut:  # of the second checkpoint, the tensors or the JSON
            raise OSError("no space left")
        real(path, content)

    monkeypatch.setattr(module, "write_atomically", cut_off)
    with pytest.raises(FormatError, match="no space left"):
        train(graph, rows_of(graph), None, settings, checkpoint=tmp_path)
    monkeypatch.setattr(module, "write_atomically", real)
    assert json.loads((tmp_path / "state.json").read_text())["epoch"] == 1
    report = train(graph, rows_of(graph), None, settings, checkpoint=tmp_path)
    assert (
        report.history
        == train(
            machine("bernoulli", (3,), dtype=torch.float32), rows_of(graph), None, settings
        ).history
    )
    assert len(list(tmp_path.iterdir())) == 2
