"""Steps of a machine on rows of data: its parameters, what they maximise, an optimiser."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from jaxtyping import Int64
from torch import Tensor

from mmgraph.graph.errors import LearningError
from mmgraph.graph.evidence import Evidence
from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.inference.field.coordinate_ascent import inferred
from mmgraph.learning.boltzmann.objective import MEAN, Objective
from mmgraph.learning.boltzmann.objectives.contrastive_divergence import ContrastiveDivergence
from mmgraph.learning.boltzmann.parameters import (
    BoltzmannParameters,
    Natural,
    copied,
    named,
    natural_named,
    natural_of,
)
from mmgraph.learning.boltzmann.settings import TrainingSettings
from mmgraph.learning.boltzmann.training_rows import TrainingRows, document_lengths
from mmgraph.learning.kept_state import part, prefixed
from mmgraph.learning.training.data_parallel import Processes
from mmgraph.learning.training.random_blocks import RandomBlocks

ObjectiveMaker = Callable[[BoltzmannParameters, RandomBlocks], Objective]

_LARGEST_PARAMETER = 1e4
"""A parameter beyond this has run away: no unit's log-odds need it."""
_ASCENT, _OBJECTIVE = "ascent:", "objective:"


def read_rows(graph: FactorGraph, rows: object) -> TrainingRows:
    """Return rows as they are, or read what evidence is read from for a machine."""
    if isinstance(rows, TrainingRows):
        return rows
    tensor = natural_of(graph)[0][0]
    return TrainingRows.of(graph, Evidence.of(rows, graph.variables), tensor.device, tensor.dtype)


class Steps:
    """The parameters of a machine, an objective and an optimiser.

    Layers that are not observed are hidden. Lengths of documents are as of
    :meth:`TrainingRows.lengths`.
    """

    def __init__(
        self,
        graph: FactorGraph,
        settings: TrainingSettings,
        objective: ObjectiveMaker | None,
        observed: Iterable[str],
        lengths: Mapping[str, Tensor],
        processes: Processes | None = None,
    ) -> None:
        self.settings, self.processes = settings, processes or Processes()
        self.parameters = BoltzmannParameters(graph)
        random = RandomBlocks(
            settings.blocks,
            settings.seed,
            self.parameters.device,
            self.processes.blocks(settings.blocks),
        )
        self.objective: Objective = (
            ContrastiveDivergence(self.parameters, settings, random, lengths)
            if objective is None
            else objective(self.parameters, random)
        )
        words = document_lengths(graph, lengths)
        self.ascent = Ascent(self.parameters, settings, observed, words)

    def centre(self, rows: TrainingRows, some: TrainingRows) -> None:
        """Move centres to the means over rows; over some rows, those of hidden layers."""
        if self.settings.centring:
            with torch.no_grad():
                view, means = inferred(
                    self.parameters.working(), some.clamped, self.settings.mean_field_steps
                )
            hidden = {n: m.mean(0) for n, m in means.items() if n not in view.clamped}
            self.parameters.recentre({**hidden, **rows.means()})

    def step(
        self, rows: TrainingRows, index: Int64[Tensor, " rows"], rate: float, share: float = 1.0
    ) -> dict[str, float | Tensor]:
        """Take a step on rows, this process's share of a batch; return monitors times the rows."""
        self.objective.row_share = share
        gradients, monitors = self.objective.gradients(rows.batch(index))
        self.processes.check()
        self.ascent.step(self.processes.added(gradients, share), rate)
        return {name: value * len(index) for name, value in monitors.items()}

    def check_sound(self, when: str, remaining: str) -> None:
        """Refuse parameters that have run away; the message says when, and what remains."""
        if not self.ascent.is_sound(_LARGEST_PARAMETER):
            raise LearningError(
                f"training diverged in {when}: a parameter is infinite, NaN or beyond "
                f"{_LARGEST_PARAMETER:g}; the model has the parameters of the {remaining}. A lower "
                "learning_rate, or a norm_bound, may help"
            )

    def state(self) -> dict[str, Tensor]:
        """Return what the next step depends on, with the chains of all processes."""
        objective = self.processes.gathered(self.objective.state(), self.settings.blocks)
        return prefixed(self.ascent.state(), _ASCENT) | prefixed(objective, _OBJECTIVE)

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Go on from a state."""
        device = self.parameters.device
        self.ascent.load(part(state, _ASCENT))
        self.objective.load({k: t.to(device) for k, t in part(state, _OBJECTIVE).items()})


class Ascent:
    """Steps uphill of the parameters, by the settings.

    Gradients of biases and weights of word counts are divided by the mean length of documents: they
    grow with it, and steps that suit short documents are too long for long ones.
    """

    def __init__(
        self,
        parameters: BoltzmannParameters,
        settings: TrainingSettings,
        observed: Iterable[str],
        lengths: Mapping[str, float] | None = None,
    ) -> None:
        self.parameters, self.settings = parameters, settings
        self._shares = _shares_of_words(parameters, lengths or {})
        tensors = parameters.tensors
        self._weights = [k for k in tensors if k in parameters.joints]
        others = [k for k in tensors if k not in parameters.joints]
        groups = [
            {"params": [tensors[k] for k in self._weights], "weight_decay": settings.weight_decay},
            {"params": [tensors[k] for k in others], "weight_decay": 0.0},
        ]
        if not settings.weight_decay:
            groups = [{"params": list(tensors.values())}]  # one group is quicker than two
        common: dict[str, Any] = {"lr": 1.0, "maximize": True, "fused": True}
        betas = settings.momentum or 0.9, settings.squared_momentum
        self._optimiser: torch.optim.Optimizer = (
            torch.optim.SGD(groups, momentum=settings.momentum, **common)
            if settings.optimiser == "sgd"
            else torch.optim.AdamW(groups, betas=betas, **common)
        )
        self._into = self._incoming(set(observed))
        self._averages: Natural | None = None
        self._averaged = 0

    def _incoming(self, observed: set[str]) -> dict[str, int]:
        """The axis of the hidden units that each matrix of weights leads into.

        It is the second end, unless that is an observed layer and the first is not.
        """
        ends = {k: [v.name in observed for v in f.scope] for k, f in self.parameters.joints.items()}
        return {key: 0 if observes == [False, True] else 1 for key, observes in ends.items()}

    @torch.no_grad()
    def step(self, gradients: Mapping[str, Tensor], rate: float) -> None:
        """Go one step along gradients; entries ``"mean:NAME"`` move centres."""
        settings, parameters = self.settings, self.parameters
        means = {k.removeprefix(MEAN): t for k, t in gradients.items() if k.startswith(MEAN)}
        for key, tensor in parameters.tensors.items():
            gradient = gradients[key]
            if key in self._shares:
                gradient = gradient * self._shares[key]
            name = key.removeprefix("bias:")
            if settings.sparsity_cost and key.startswith("bias:") and name in means:
                pull = settings.sparsity_target - means[name]
                gradient = gradient + settings.sparsity_cost * pull
            tensor.grad = gradient
        if settings.gradient_bound is not None:
            torch.nn.utils.clip_grad_norm_(parameters.tensors.values(), settings.gradient_bound)
        for group in self._optimiser.param_groups:
            group["lr"] = rate
        self._optimiser.step()
        if settings.norm_bound is not None:
            for key in self._weights:
                self._bound(key, settings.norm_bound)
        if settings.centring:
            rate = settings.centring_rate
            parameters.recentre(
                {n: parameters.centres[n].lerp(mean, rate) for n, mean in means.items()}
            )
        parameters.changed()
        if settings.averaging:
            self._average()

    def _bound(self, key: str, longest: float) -> None:
        """Shorten the weights into each hidden unit that are too long together."""
        weights, joint = self.parameters.tensors[key], self.parameters.joints[key]
        rows = self.parameters.centres[joint.scope[0].name].numel()
        matrix = weights.reshape(rows, -1)
        weights.copy_(torch.renorm(matrix, 2, self._into[key], longest).reshape(weights.shape))

    def _average(self) -> None:
        """Let the moving averages follow the natural parameters."""
        natural = natural_of(self.parameters.working())
        if self._averages is None:
            self._averages = copied(natural)
            return
        # Early averages are those of few steps, so that the random start is soon forgotten.
        self._averaged += 1
        decay = min(self.settings.averaging, self._averaged / (self._averaged + 9))
        for averages, row in zip(self._averages, natural, strict=True):
            for average, tensor in zip(averages, row, strict=True):
                average.lerp_(tensor, 1 - decay)

    def result(self) -> Natural:
        """Return the natural parameters that training has come to: averages, if there are any."""
        return self._averages or natural_of(self.parameters.working())

    def state(self) -> dict[str, Tensor]:
        """Return parameters, centres, averages and the optimiser's tensors."""
        state = {f"parameter:{k}": t.detach() for k, t in self.parameters.tensors.items()}
        state.update({f"centre:{n}": c for n, c in self.parameters.centres.items()})
        for key, tensor in self.parameters.tensors.items():
            for name, value in self._optimiser.state.get(tensor, {}).items():
                if isinstance(value, Tensor):
                    state[f"optimiser:{name}:{key}"] = value
        if self._averages is not None:
            state["averaged"] = torch.tensor(self._averaged)
        return state | named("average", self._averages or [])

    @torch.no_grad()
    def load(self, state: Mapping[str, Tensor]) -> None:
        """Go on from a state."""
        parameters = self.parameters
        saved = part(state, "optimiser:")
        for key, tensor in parameters.tensors.items():
            tensor.copy_(state[f"parameter:{key}"])
            # Copies have the alignment that fast kernels, and equal roundings, ask for.
            moments = {
                name.removesuffix(f":{key}"): value.to(tensor.device).clone()
                for name, value in saved.items()
                if name.partition(":")[2] == key
            }
            if moments:
                self._optimiser.state[tensor] = moments
        for name, centre in parameters.centres.items():
            centre.copy_(state[f"centre:{name}"])
        parameters.changed()
        self._averaged = int(state.get("averaged", torch.tensor(0)))
        self._averages = natural_named("average", state, parameters.device) or None

    @torch.no_grad()
    def is_sound(self, largest: float) -> bool:
        """Whether every parameter is finite, and none is larger than any sensible one."""
        tops = [t.detach().abs().amax() for t in self.parameters.tensors.values()]
        return bool(torch.stack(tops).amax() <= largest)  # NaN is not


def _shares_of_words(
    parameters: BoltzmannParameters, lengths: Mapping[str, float]
) -> dict[str, float]:
    """What one word's share is of the gradients that whole documents make."""
    shares = {f"bias:{name}": 1 / length for name, length in lengths.items()}
    for key, joint in parameters.joints.items():
        for variable in joint.scope:
            if variable.name in lengths:
                shares[key] = shares.get(key, 1.0) / lengths[variable.name]
    return shares
