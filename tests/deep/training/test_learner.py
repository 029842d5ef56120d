"""Nets learn by the loop of machines: they go on after a kill, in two processes, or say why not."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file

from mmgraph.deep.inputs.modality_input import cells_of, fitted_inputs
from mmgraph.deep.losses.named import sum_of_losses
from mmgraph.deep.losses.task import CrossEntropy
from mmgraph.deep.training import learner as learner_module
from mmgraph.deep.training.learned_net import LearnedNet
from mmgraph.deep.training.learner import NetLearner
from mmgraph.deep.training.net import Net
from mmgraph.deep.training.step_memory import step_bytes
from mmgraph.graph.errors import FormatError, LearningError, MemoryBudgetError
from mmgraph.learning.training.data_parallel import Processes
from tests.deep.training.net_runs import TRAINING, design_of, main, rows_of, run
from tests.processes import kept_training, kill_within_training, start, together


@pytest.mark.slow
def test_a_net_killed_twice_has_the_same_parameters(tmp_path):
    directory, result = tmp_path / "run", tmp_path / "result"
    for epoch in (1, 2):
        process = start(main, directory, result, "slow", errors=tmp_path / "errors")
        kill_within_training(process, directory, epoch)
    assert not result.with_suffix(".0").exists()
    process = start(main, directory, result, errors=tmp_path / "errors")
    process.join(60)
    assert process.exitcode == 0, (tmp_path / "errors").read_text()
    resumed = load_file(result.with_suffix(".0"))
    for name, tensor in run().net.state_dict().items():  # this is another process, too
        assert torch.equal(resumed[name], tensor), name


def test_training_goes_on_from_each_of_its_steps(tmp_path, monkeypatch):
    whole = run().net.state_dict()
    inner, left = NetLearner.step, [0]

    def step(self, *arguments):
        if not left[0]:
            raise KeyboardInterrupt
        left[0] -= 1
        return inner(self, *arguments)

    monkeypatch.setattr(NetLearner, "step", step)
    training = replace(TRAINING, checkpoint_steps=1)
    for steps in range(1, 6):  # the state is kept after each of them
        left[0] = steps
        with pytest.raises(KeyboardInterrupt):
            run(tmp_path, training=training)
    assert kept_training(tmp_path)["epoch"] == 3
    left[0] = 100
    for name, tensor in run(tmp_path, training=training).net.state_dict().items():
        assert torch.equal(whole[name], tensor), name


@pytest.mark.slow
def test_two_processes_learn_like_one(tmp_path):
    codes, said = together(main, tmp_path / "run", tmp_path / "result", errors=tmp_path)
    assert codes == [0, 0], said
    first, second = (load_file(tmp_path / f"result.{rank}") for rank in "01")
    for name, tensor in run().net.state_dict().items():
        assert torch.equal(first[name], second[name])
        torch.testing.assert_close(first[name], tensor, rtol=1e-3, atol=2e-4)


def test_gradients_of_any_strides_are_those_of_their_parameters(monkeypatch):
    expected = run().net.state_dict()
    inner = torch.autograd.grad

    def turned(*arguments, **options):
        return [
            g if g is None else g.movedim(0, -1).contiguous().movedim(-1, 0)
            for g in inner(*arguments, **options)
        ]

    monkeypatch.setattr(torch.autograd, "grad", turned)
    for name, tensor in run().net.state_dict().items():
        assert torch.equal(expected[name], tensor), name


def test_a_loss_that_is_no_number_names_the_epoch_and_leaves_the_last_sound_one(
    tmp_path, monkeypatch
):
    nets = []
    inner = learner_module.Net

    def net(*arguments):
        nets.append(inner(*arguments))
        return nets[-1]

    monkeypatch.setattr(learner_module, "Net", net)
    training = replace(TRAINING, schedule="constant", warm_up_epochs=0.0, checkpoint_steps=None)
    with pytest.raises(LearningError, match=r"diverged in epoch 2: .* checkpoint is kept"):
        run(tmp_path, "nan", training=training)
    assert kept_training(tmp_path)["epoch"] == 1
    sound = run(training=replace(training, epochs=1)).net.state_dict()
    for name, tensor in nets[0].state_dict().items():
        assert torch.equal(sound[name], tensor), name


def test_checkpoints_of_other_shapes_options_and_rows_are_refused(tmp_path):
    training = replace(TRAINING, epochs=1, warm_up_epochs=0.0)
    run(tmp_path, training=training)
    with pytest.raises(FormatError, match=r"another training of a net: the parameter '.*' was \["):
        run(tmp_path, training=training, width=12)
    with pytest.raises(FormatError, match=r"the option 'decay' was 0.01, and is 0.2"):
        run(tmp_path, training=replace(training, decay=0.2))
    with pytest.raises(FormatError, match=r"the training rows of 'sound' was \d+, and is \d+"):
        run(tmp_path, data=rows_of(seed=1), training=training)


def test_the_watched_loss_of_the_best_epoch_stays():
    training = replace(TRAINING, epochs=30, learning_rate=0.3, schedule="constant", patience=1,
                       stopping_monitor="loss", warm_up_epochs=0.0)  # fmt: skip
    reports = []
    inner = learner_module.run_loop

    def loop(*arguments, **options):
        reports.append(inner(*arguments, **options))
        return reports[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(learner_module, "run_loop", loop)
        stopped = run(training=training)
        best = reports[0].best_epoch
        assert reports[0].stopped_early
        again = run(training=replace(training, epochs=best, stopping_monitor=None))
    for name, tensor in again.net.state_dict().items():
        assert torch.equal(stopped.net.state_dict()[name], tensor), name


def test_a_monitor_that_never_appears_is_refused():
    training = replace(TRAINING, patience=1, stopping_monitor="validation_loss")
    with pytest.raises(LearningError, match=r"'validation_loss' is not among .* a net: loss"):
        run(training=training)


def test_losses_of_batches_are_refused_in_several_processes():
    data = rows_of()
    inputs = fitted_inputs(data, data.modalities)
    learned = LearnedNet(Net(design_of(data), torch.Generator().manual_seed(0)), inputs)
    learner = NetLearner(learned, data, TRAINING, sum_of_losses("reconstruction"))
    learner.processes = Processes(0, 2)
    for name in ("contrastive", "deep_cca", "mmd", "TripletMarginLoss"):
        with pytest.raises(LearningError, match=r"compares the rows of a batch, .* 2 processes"):
            learner._check_terms(sum_of_losses([name, "reconstruction"]))


def test_steps_that_do_not_fit_the_memory_are_refused_before(monkeypatch):
    monkeypatch.setattr("mmgraph.deep.training.step_memory.device_budget", lambda device: 10_000)
    with pytest.raises(MemoryBudgetError, match=r"a step on 16 rows, of 2 members, would need .*"):
        run()


def test_the_memory_of_a_step_is_that_of_all_its_rows():
    data = rows_of()
    design = design_of(data, members=3)
    net = Net(design, torch.Generator().manual_seed(0))
    cells = cells_of(data, fitted_inputs(data, data.modalities))
    parameters = 4 * sum(p.numel() for p in net.parameters())
    two, many = (step_bytes(net, cells, rows) - 6 * parameters for rows in (2, 64))
    assert many == 32 * two
    # Each hidden layer of 16 units keeps its numbers of each row and member at least.
    assert two > 2 * 2 * 3 * 16 * 4


def test_a_net_learns_on_a_gpu_as_on_the_cpu(cuda):
    training = replace(TRAINING, epochs=1, warm_up_epochs=0.0, mixed_precision=False)
    there = run(training=training, device=cuda).net
    for name, tensor in run(training=training).net.named_parameters():
        here = dict(there.named_parameters())[name]
        assert here.device.type == "cuda"
        torch.testing.assert_close(here.cpu(), tensor, rtol=0, atol=1e-4, msg=name)


def test_products_are_in_half_precision_where_they_are_to_be(monkeypatch):
    kinds = set()
    inner = torch.baddbmm

    def product(*arguments):
        result = inner(*arguments)
        kinds.add(result.dtype)
        return result

    monkeypatch.setattr(torch, "baddbmm", product)
    single = run().net
    assert kinds == {torch.float32}
    kinds.clear()
    monkeypatch.setattr(NetLearner, "mixes_on", ("cpu",))
    mixed = run().net
    assert torch.bfloat16 in kinds
    pairs = list(zip(single.parameters(), mixed.parameters(), strict=True))
    assert not all(torch.equal(one, other) for one, other in pairs)
    for one, other in pairs:
        torch.testing.assert_close(one, other, rtol=0, atol=0.1)
    kinds.clear()
    run(training=replace(TRAINING, mixed_precision=False))
    assert kinds == {torch.float32}


def test_biases_scales_and_tables_do_not_decay():
    data = rows_of()
    inputs = fitted_inputs(data, data.modalities)
    design = replace(design_of(data), fusion="network")
    net = Net(design, torch.Generator().manual_seed(0))
    made = NetLearner(LearnedNet(net, inputs), data, TRAINING, CrossEntropy())
    still = {id(p) for p in made.optimiser.param_groups[1]["params"]}
    names = {name for name, p in net.named_parameters() if id(p) in still}
    assert {name for name in names if name.startswith("fusion.network.")} == {
        name for name, _ in net.named_parameters() if name.startswith("fusion.network.")
    }
    assert all(name in names for name, _ in net.named_parameters() if name.endswith("bias"))
    assert "fusion.heads.0.weight" not in names
