"""Greedy pretraining of deep machines, one restricted machine after another.

Salakhutdinov and Hinton (2009), "Deep Boltzmann machines", section 3.1. A layer in the middle of a
deep machine hears from below and from above; in the restricted machine that trains the weights
below it, it hears from below alone, and so twice. They double the weights upwards in the bottom
machine, downwards in the top one, and halve those of the machines between afterwards.

Doubled weights in one direction are what a restricted machine has whose layer at the other end is
there twice, with the same weights. So it is built here: a layer that is part of one of the machines
is copied where a layer that is part of two is not, and the gradients of copies are averaged, so
that they stay one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import networkx as nx
import torch
from jaxtyping import Int64
from torch import Tensor

from mmgraph.graph.errors import LearningError, suggestion
from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.graph.factors.bias import BiasFactor, biases
from mmgraph.graph.factors.bilinear import BilinearFactor, bilinear_factors
from mmgraph.graph.variable import Variable
from mmgraph.inference.field.clamping import Clamped
from mmgraph.inference.field.coordinate_ascent import inferred
from mmgraph.learning.boltzmann.objective import MEAN
from mmgraph.learning.boltzmann.objectives.contrastive_divergence import ContrastiveDivergence
from mmgraph.learning.boltzmann.parameters import BoltzmannParameters
from mmgraph.learning.boltzmann.settings import TrainingSettings
from mmgraph.learning.boltzmann.training.loop import train
from mmgraph.learning.boltzmann.training.steps import read_rows
from mmgraph.learning.boltzmann.training_rows import TrainingRows
from mmgraph.learning.training.loop import TrainingReport
from mmgraph.learning.training.random_blocks import RandomBlocks

StageProgress = Callable[[str, int, Mapping[str, float]], None]
_ROWS_AT_ONCE = 1000


def pretrain(
    graph: FactorGraph,
    rows: object,
    layers: Sequence[Sequence[str]],
    settings: TrainingSettings | None = None,
    progress: StageProgress | None = None,
    checkpoint: Path | str | None = None,
) -> list[TrainingReport]:
    """Train the restricted machines that a deep one is made of, from below, and write its numbers.

    Pathways that do not meet are trained apart. Rows that lack a pathway are left out of its
    machines, and its hidden layers count as missing above.

    Parameters
    ----------
    graph, rows, settings, checkpoint
        As of :func:`train`, for every machine; each has a directory of the checkpoint.
    layers : sequence of sequence of str
        The variables of each layer, visible ones first, and labels among those.
    progress : callable, optional
        Called with the layers of a machine, the epoch and its monitors.
    """
    settings = settings or TrainingSettings()
    BoltzmannParameters(graph)  # it checks the factors
    rows = read_rows(graph, rows)
    stages = stages_of(graph, layers)
    known, machines, reports = dict(rows.clamped), [], []
    for number, stage in enumerate(stages):
        machine = CopiedMachine(graph, stage, stages)
        index = _rows_with_data(stage, known)
        data = machine.copied(TrainingRows(rows.count, known).some(index))
        seeded = replace(settings, seed=settings.seed + number)
        directory = None if checkpoint is None else Path(checkpoint) / f"machine{number}"
        report = None if progress is None else partial(progress, stage.title)
        objective = machine.objective(seeded, data)
        reports.append(train(machine.graph, data, None, seeded, objective, report, directory))
        machines.append(machine)
        means = machine.means(data, settings.mean_field_steps)
        for name in stage.upper:
            known[name] = _among_all_rows(graph.variables[name], means[name], index, rows.count)
    _write_learned(graph, machines)
    return reports


@dataclass(frozen=True)
class Stage:
    """A restricted machine within a deep one: visible and hidden layers, and what joins them."""

    lower: tuple[str, ...]
    upper: tuple[str, ...]
    joints: tuple[BilinearFactor, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """All of its layers."""
        return (*self.lower, *self.upper)

    @property
    def title(self) -> str:
        """The layers as people read them."""
        return f"{', '.join(self.lower)} - {', '.join(self.upper)}"


def stages_of(graph: FactorGraph, layers: Sequence[Sequence[str]]) -> list[Stage]:
    """Return the restricted machines of a deep one, from below; pathways that do not meet apart.

    The layers must name each variable once, and no factor may join variables of one layer.
    """
    levels: dict[str, int] = {}
    for level, names in enumerate(layers):
        for name in (names,) if isinstance(names, str) else names:
            if name not in graph.variables:
                hint = suggestion(name, graph.variables)
                raise LearningError(f"the layers name {name!r}, which the machine lacks{hint}")
            if name in levels:
                raise LearningError(f"the layers name '{name}' twice")
            levels[name] = level
    for name in graph.variables:
        if name not in levels:
            raise LearningError(f"the layers do not name '{name}'")
    below: dict[int, list[BilinearFactor]] = {}
    for factor in bilinear_factors(graph.factors):
        first, second = (levels[v.name] for v in factor.scope)
        if first == second:
            raise LearningError(f"{factor!r} joins variables of one layer")
        below.setdefault(max(first, second), []).append(factor)
    stages = []
    for level in sorted(below):
        joined: nx.Graph[str] = nx.Graph()
        joined.add_edges_from((f.scope[0].name, f.scope[1].name) for f in below[level])
        parts = list(nx.connected_components(joined))
        for part in sorted(parts, key=lambda p: min(map(list(graph.variables).index, p))):
            ordered = [n for n in graph.variables if n in part]
            stages.append(
                Stage(
                    tuple(n for n in ordered if levels[n] < level),
                    tuple(n for n in ordered if levels[n] == level),
                    tuple(f for f in below[level] if f.scope[0].name in part),
                )
            )
    return stages


class CopiedMachine:
    """A restricted machine in which layers have copies.

    A layer that ``k`` machines are part of hears each of them ``k`` times as loud here as in the
    deep machine. With ``c / k`` copies of it, ``c`` being the same for all, weights that are
    ``k k' / c`` times those of the deep machine do that at both of their ends.
    """

    def __init__(self, graph: FactorGraph, stage: Stage, stages: Sequence[Stage]) -> None:
        self.stage = stage
        shares = {n: sum(n in other.names for other in stages) for n in stage.names}
        common = math.lcm(*shares.values())
        divisor = math.gcd(*(common // k for k in shares.values()))
        self.copies = {
            n: [n, *(f"{n}#{i}" for i in range(1, common // k // divisor))]
            for n, k in shares.items()
        }
        self.scales = [
            shares[f.scope[0].name] * shares[f.scope[1].name] * divisor / common
            for f in stage.joints
        ]
        variables: dict[str, Variable] = {}
        for name, copies in self.copies.items():
            of = graph.variables[name]
            variables.update((c, Variable(c, of.states, of.shape, of.modality, of.family))
                             for c in copies)  # fmt: skip
        factors: list[BiasFactor | BilinearFactor] = []
        for bias in biases(graph.factors):
            for copy in self.copies.get(bias.scope[0].name, ()):
                numbers = {name: t.detach().clone() for name, t in bias.parameters().items()}
                factors.append(bias.restore([variables[copy]], None, numbers, bias.settings()))
        for joint, scale in zip(stage.joints, self.scales, strict=True):
            for first, second in self._pairs(joint):
                weights = joint.weights.detach() * scale
                factors.append(BilinearFactor(variables[first], variables[second], weights))
        self.graph = FactorGraph(variables.values(), factors)

    def _pairs(self, joint: BilinearFactor) -> list[tuple[str, str]]:
        first, second = (self.copies[v.name] for v in joint.scope)
        return [(a, b) for a in first for b in second]

    def objective(
        self, settings: TrainingSettings, rows: TrainingRows
    ) -> Callable[[BoltzmannParameters, RandomBlocks], ContrastiveDivergence]:
        """Return what makes the log-likelihood of the machine whose copies stay one."""
        ties = [
            [f"{kind}{copy}" for copy in copies]
            for kind in ("bias:", "log_precision:", MEAN)
            for copies in self.copies.values()
        ]
        ties += [[f"weights:{a}:{b}" for a, b in self._pairs(j)] for j in self.stage.joints]

        def make(parameters: BoltzmannParameters, random: RandomBlocks) -> _Tied:
            made = _Tied(parameters, settings, random, rows.lengths())
            made.ties = [tie for tie in ties if len(tie) > 1]
            return made

        return make

    def copied(self, rows: TrainingRows) -> TrainingRows:
        """Return the data of the visible layers, the same for every copy."""
        data = {copy: rows.clamped[name] for name in self.stage.lower for copy in self.copies[name]}
        return TrainingRows(rows.count, data)

    @torch.no_grad()
    def means(self, rows: TrainingRows, sweeps: int) -> dict[str, Tensor]:
        """Return the mean statistics of the hidden layers, ``(rows, *statistics)``."""
        parts: dict[str, list[Tensor]] = {name: [] for name in self.stage.upper}
        for index in torch.arange(rows.count).split(_ROWS_AT_ONCE):
            _, means = inferred(self.graph, rows.batch(index), sweeps)
            for name, part in parts.items():
                part.append(means[name])
        return {name: torch.cat(part) for name, part in parts.items()}


class _Tied(ContrastiveDivergence):
    """The log-likelihood of a machine with copies: their gradients are averaged."""

    ties: Sequence[Sequence[str]] = ()

    def gradients(
        self, batch: Mapping[str, Clamped]
    ) -> tuple[dict[str, Tensor], Mapping[str, float | Tensor]]:
        """Return the derivatives, the same for copies."""
        gradients, monitors = super().gradients(batch)
        for tie in self.ties:
            if tie[0] in gradients:
                mean = torch.stack([gradients[key] for key in tie]).mean(0)
                gradients.update((key, mean) for key in tie)
        return gradients, monitors


@torch.no_grad()
def _write_learned(graph: FactorGraph, machines: Sequence[CopiedMachine]) -> None:
    """Write the numbers of the machines; the biases of a layer in two of them are averaged.

    Of each layer the first copy counts: rounding apart, copies agree.
    """
    learned: dict[str, list[BiasFactor]] = {}
    for machine in machines:
        for bias in biases(machine.graph.factors):
            if bias.scope[0].name in machine.copies:
                learned.setdefault(bias.scope[0].name, []).append(bias)
        names = [tuple(v.name for v in joint.scope) for joint in machine.stage.joints]
        joints = {
            tuple(v.name for v in joint.scope): joint.weights
            for joint in bilinear_factors(machine.graph.factors)
        }
        for joint, ends, scale in zip(machine.stage.joints, names, machine.scales, strict=True):
            joint.weights.copy_(joints[ends] / scale)
    for bias in biases(graph.factors):
        restricted = learned.get(bias.scope[0].name)
        if not restricted:
            continue
        bias.bias.copy_(torch.stack([b.bias for b in restricted]).mean(0))
        if bias.precision is not None:
            logarithms = [b.precision.log() for b in restricted if b.precision is not None]
            bias.precision.copy_(torch.stack(logarithms).mean(0).exp())
    graph.numbers_changed()


def _rows_with_data(stage: Stage, known: Mapping[str, Clamped]) -> Int64[Tensor, " rows"]:
    """The rows in which something is known of the visible layers of a machine."""
    masks = []
    for name in stage.lower:
        if name not in known:
            raise LearningError(f"'{name}' is never observed: {stage.title} cannot be pretrained")
        values, mask = known[name]
        mask = values.new_ones(len(values), dtype=torch.bool) if mask is None else mask
        masks.append(mask.reshape(len(values), -1).any(1))
    observed = torch.stack(masks).any(0)
    if not bool(observed.any()):
        raise LearningError(f"no row observes anything of {stage.title}")
    return observed.nonzero().squeeze(1)


def _among_all_rows(
    variable: Variable, means: Tensor, index: Int64[Tensor, " rows"], count: int
) -> Clamped:
    """Means of some rows as those of all, of which the others are unknown."""
    if len(index) == count:
        return Clamped(means)
    values = means.new_zeros(count, *means.shape[1:])
    values[index] = means
    shape = () if variable.family == "replicated_softmax" else variable.shape
    known = torch.zeros(count, *shape, dtype=torch.bool, device=means.device)
    known[index] = True
    return Clamped(values, known)
