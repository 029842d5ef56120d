"""Greedy pretraining: which machines are made, how loud layers hear each other, what is gained."""

from __future__ import annotations

import pytest
import torch

import mmgraph as mm
from mmgraph.graph.errors import LearningError
from mmgraph.inference.field.clamping import Clamped
from mmgraph.inference.field.view import FieldView
from mmgraph.learning.boltzmann.parameters import BoltzmannParameters
from mmgraph.learning.boltzmann.settings import TrainingSettings
from mmgraph.learning.boltzmann.training.loop import train
from mmgraph.learning.boltzmann.training.pretraining import CopiedMachine, pretrain, stages_of
from mmgraph.learning.boltzmann.training_rows import TrainingRows
from mmgraph.learning.training.random_blocks import RandomBlocks
from tests.learning.boltzmann_machines import log_likelihood, machine
from tests.learning.multimodal_machines import (
    VISIBLE,
    multimodal_machine,
    multimodal_rows,
    with_missing,
)

LAYERS = [[*VISIBLE, "label"], [f"{n}.hidden1" for n in VISIBLE], ["joint"]]
SETTINGS = TrainingSettings(epochs=3, batch_size=20, chains=20, learning_rate=0.05)


def stripes(count: int) -> torch.Tensor:
    """Rows of four pixels, either the left or the right two, a few of them flipped."""
    generator = torch.Generator().manual_seed(0)
    side = torch.rand(count, 1, generator=generator) < 0.5
    pixels = torch.cat([side, side, ~side], 1)
    flipped = torch.rand(count, 3, generator=generator) < 0.05
    return (pixels ^ flipped).double()


def exact(graph: mm.FactorGraph, values: torch.Tensor) -> float:
    natural = [
        f.tensors() for f in graph.factors if isinstance(f, mm.BiasFactor | mm.BilinearFactor)
    ]
    return float(log_likelihood(graph, natural, values))


def test_pathways_are_apart_and_join_at_the_top():
    stages = stages_of(multimodal_machine(), LAYERS)
    assert [s.names for s in stages[:-1]] == [(n, f"{n}.hidden1") for n in VISIBLE]
    assert stages[-1].upper == ("joint",)
    assert set(stages[-1].lower) == {*LAYERS[1], "label"}


@pytest.mark.parametrize("layers", [(2,), (2, 3), (2, 3, 2)])
def test_layers_hear_twice_what_is_missing_on_their_other_side(layers: tuple[int, ...]):
    graph = machine("bernoulli", layers, scale=1.0)
    order = [["v"], *([f"h{i}"] for i in range(1, len(layers) + 1))]
    stages = stages_of(graph, order)
    shares = {n: sum(n in s.names for s in stages) for n in graph.variables}
    for stage in stages:
        made = CopiedMachine(graph, stage, stages).graph
        values = {n: torch.rand(5, *v.shape).double() for n, v in graph.variables.items()}
        clamped = {n: values[n.partition("#")[0]] for n in made.variables}
        (joint,) = stage.joints
        for name in stage.names:
            variable = graph.variables[name]
            others = {n: Clamped(c) for n, c in clamped.items() if n.partition("#")[0] != name}
            view = FieldView.given(made, others, 5, torch.device("cpu"), torch.float64)
            alone = next(f for f in graph.factors if f.scope == (variable,))
            expected = alone.bias + shares[name] * joint.field(variable, values)
            torch.testing.assert_close(view.field(name, view.start()), expected)


def test_copies_stay_one():
    graph = machine("gaussian", (2, 3), scale=0.3)
    stages = stages_of(graph, [["v"], ["h1"], ["h2"]])
    values = torch.randn(20, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    bottom = CopiedMachine(graph, stages[0], stages)
    assert bottom.copies == {"v": ["v", "v#1"], "h1": ["h1"]}
    rows = bottom.copied(TrainingRows(20, {"v": Clamped(values)}))
    objective = bottom.objective(SETTINGS, rows)(
        BoltzmannParameters(bottom.graph), RandomBlocks(1, 0, torch.device("cpu"))
    )
    gradients, _ = objective.gradients(rows.clamped)
    for kind in ("bias:{}", "log_precision:{}", "weights:{}:h1"):
        first, second = (gradients[kind.format(n)] for n in ("v", "v#1"))
        assert torch.equal(first, second)
        assert float(first.abs().max()) > 0
    top = CopiedMachine(graph, stages[1], stages)
    assert top.copies == {"h1": ["h1"], "h2": ["h2", "h2#1"]}


@pytest.mark.parametrize("layers", [(3,), (3, 3), (2, 2, 2)])
def test_the_exact_log_likelihood_rises(layers: tuple[int, ...]):
    graph, values = machine("bernoulli", layers, scale=0.05), stripes(200)
    before = exact(graph, values)
    order = [["v"], *([f"h{i}"] for i in range(1, len(layers) + 1))]
    settings = TrainingSettings(
        epochs=60, batch_size=50, chains=100, gibbs_steps=2, learning_rate=0.4, schedule="linear"
    )
    reports = pretrain(graph, TrainingRows(200, {"v": Clamped(values)}), order, settings)
    assert len(reports) == len(layers)
    assert exact(graph, values) > before + 0.7


def test_a_machine_of_two_layers_is_trained_as_it_is():
    graph, values = machine("bernoulli", (3,)), stripes(60)
    stage = stages_of(graph, [["v"], ["h1"]])[0]
    made = CopiedMachine(graph, stage, [stage])
    assert made.copies == {"v": ["v"], "h1": ["h1"]}
    assert made.scales == [1.0]
    pretrain(graph, {"v": values.numpy()}, [["v"], ["h1"]], SETTINGS)
    alone = machine("bernoulli", (3,))
    train(alone, {"v": values.numpy()}, settings=SETTINGS)
    for pretrained, trained in zip(graph.factors, alone.factors, strict=True):
        for a, b in zip(pretrained.tensors(), trained.tensors(), strict=True):
            torch.testing.assert_close(a, b)


def test_missing_modalities_are_left_out_and_missing_above():
    missing = torch.arange(40) % 2 == 0
    found = []
    for fill in (0.0, 50.0):
        graph = multimodal_machine()
        rows = with_missing(multimodal_rows(40), "depth", missing, fill)
        pretrain(graph, TrainingRows(40, rows), LAYERS, SETTINGS)
        found.append([t for f in graph.factors for t in f.tensors()])
    assert all(torch.equal(a, b) for a, b in zip(*found, strict=True))
    assert all(bool(t.isfinite().all()) for t in found[0])


def test_the_same_seed_gives_the_same_and_every_number_is_trained():
    found = []
    for seed in (0, 0, 1):
        graph = multimodal_machine()
        settings = TrainingSettings(epochs=3, batch_size=20, chains=20, seed=seed)
        pretrain(graph, TrainingRows(40, multimodal_rows(40)), LAYERS, settings)
        found.append([t for f in graph.factors for t in f.tensors()])
    start = [t for f in multimodal_machine().factors for t in f.tensors()]
    assert all(torch.equal(a, b) for a, b in zip(found[0], found[1], strict=True))
    assert not any(torch.equal(a, b) for a, b in zip(found[0], found[2], strict=True))
    assert not any(torch.equal(a, b) for a, b in zip(found[0], start, strict=True))


def test_progress_is_told_and_checkpoints_are_taken_up(tmp_path):
    told: list[tuple[str, int]] = []
    graphs = [machine("bernoulli", (2, 2)) for _ in range(2)]
    data = {"v": stripes(40).numpy()}
    for graph in graphs:
        pretrain(
            graph,
            data,
            [["v"], ["h1"], ["h2"]],
            SETTINGS,
            lambda title, epoch, monitors: told.append((title, epoch)),
            tmp_path,
        )
    # The second time everything is found.
    assert told == [(t, e) for t in ("v - h1", "h1 - h2") for e in (1, 2, 3)]
    for first, second in zip(graphs[0].factors, graphs[1].factors, strict=True):
        for a, b in zip(first.tensors(), second.tensors(), strict=True):
            assert torch.equal(a, b)


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ([["v"], ["h1"]], "do not name 'h2'"),
        ([["v"], ["h1"], ["h2", "v"]], "name 'v' twice"),
        ([["v"], ["h1"], ["hh2"]], "did you mean 'h2'"),
        ([["v"], ["h1", "h2"]], "joins variables of one layer"),
        ([["h2"], ["h1"], ["v"]], "'h2' is never observed"),
    ],
)
def test_layers_that_do_not_fit(layers: list[list[str]], message: str):
    with pytest.raises(LearningError, match=message):
        pretrain(machine("bernoulli", (2, 2)), {"v": stripes(40).numpy()}, layers, SETTINGS)


def test_a_modality_that_no_row_has():
    rows = multimodal_rows(20)
    nothing = torch.ones(20, dtype=torch.bool)
    graph = multimodal_machine()
    with pytest.raises(LearningError, match=r"no row observes anything of depth - depth.hidden1"):
        pretrain(
            graph, TrainingRows(20, with_missing(rows, "depth", nothing, 0.0)), LAYERS, SETTINGS
        )
    del rows["rate"]
    with pytest.raises(LearningError, match="'rate' is never observed"):
        pretrain(graph, TrainingRows(20, rows), LAYERS, SETTINGS)


def test_layers_of_several_variables_have_hidden_units_in_common():
    x, y = mm.Variable("x", shape=(2,), family="bernoulli"), mm.Variable("y", 3)
    h = mm.Variable("h", shape=(2,), family="bernoulli")
    zeros = torch.zeros
    graph = mm.FactorGraph(
        [x, y, h],
        [
            mm.BiasFactor(x, zeros(2)),
            mm.BiasFactor(y, zeros(3)),
            mm.BiasFactor(h, zeros(2)),
            mm.BilinearFactor(x, h, 0.1 * torch.eye(2)),
            mm.BilinearFactor(y, h, zeros(3, 2)),
        ],
    )
    (stage,) = stages_of(graph, [["x", "y"], "h"])
    assert stage.lower == ("x", "y")
    rows = {"x": [[0, 1], [1, 0]] * 10, "y": [0, 2] * 10}
    pretrain(graph, rows, [["x", "y"], ["h"]], SETTINGS)
    assert float(graph.factors[4].tensors()[0].abs().max()) > 0
