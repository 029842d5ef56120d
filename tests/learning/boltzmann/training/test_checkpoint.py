"""Training that is killed goes on as if it had not been; other checkpoints are refused."""

from __future__ import annotations

import os
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file, save_file

from mmgraph.graph.errors import FormatError
from mmgraph.learning.boltzmann.training.loop import train
from tests.learning.boltzmann_machines import machine
from tests.learning.boltzmann_runs import SETTINGS, main, rows_of, run, tensors_of
from tests.processes import kept_training, kill_within_training, start


def test_training_killed_twice_gives_the_same_weights(tmp_path):
    directory, result = tmp_path / "run", tmp_path / "result"
    for epoch in (1, 2):
        process = start(main, directory, result, "slow", errors=tmp_path / "errors")
        kill_within_training(process, directory, epoch)
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
    save_file({"x": torch.zeros(2)}, tmp_path / "state.safetensors")
    with pytest.raises(FormatError, match=r"state.safetensors"):
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
    file.write_bytes(content[:100])
    with pytest.raises(FormatError, match="damaged"):
        train(graph, rows_of(graph), None, settings, checkpoint=tmp_path)


def test_a_write_that_is_cut_off_leaves_the_state_before(tmp_path, monkeypatch):
    graph = machine("bernoulli", (3,), dtype=torch.float32)
    settings = replace(SETTINGS, epochs=2, checkpoint_steps=None)
    real, calls = os.replace, iter(range(100))

    def cut_off(path, target):
        if next(calls) == 1:  # of the second checkpoint
            raise OSError("no space left")
        real(path, target)

    monkeypatch.setattr(os, "replace", cut_off)
    with pytest.raises(FormatError, match="no space left"):
        train(graph, rows_of(graph), None, settings, checkpoint=tmp_path)
    monkeypatch.setattr(os, "replace", real)
    assert kept_training(tmp_path)["epoch"] == 1
    report = train(graph, rows_of(graph), None, settings, checkpoint=tmp_path)
    assert (
        report.history
        == train(
            machine("bernoulli", (3,), dtype=torch.float32), rows_of(graph), None, settings
        ).history
    )
    assert len(list(tmp_path.iterdir())) == 1
