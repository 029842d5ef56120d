"""A machine as what the loop of training trains: its monitors, and what it must not end as."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from jaxtyping import Int64
from torch import Tensor

from mmgraph.graph.errors import LearningError
from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.graph.factors.layers import layer_factors
from mmgraph.learning.boltzmann.objectives.contrastive_divergence import ContrastiveDivergence
from mmgraph.learning.boltzmann.parameters import (
    Natural,
    copied,
    named,
    natural_named,
    natural_of,
    write_natural,
)
from mmgraph.learning.boltzmann.settings import TrainingSettings
from mmgraph.learning.boltzmann.training.divergence import divergence, log_likelihood_ceiling
from mmgraph.learning.boltzmann.training.monitors import Monitors
from mmgraph.learning.boltzmann.training.steps import Steps
from mmgraph.learning.boltzmann.training_rows import TrainingRows
from mmgraph.learning.training.learner import Learner

_NATURAL, _START, _BEGAN = "natural", "start", "began"


class MachineLearner(Learner):
    """Steps of a machine on rows, while a few of these, and of others, are watched.

    Attributes
    ----------
    start : Natural
        The parameters that training began with.
    began : float or None
        The log-likelihood at most of a row by these; None where other things are maximised.
    """

    kind = "a machine"

    def __init__(
        self, graph: FactorGraph, data: TrainingRows, validation: TrainingRows | None, steps: Steps
    ) -> None:
        self.graph, self.data, self.steps = graph, data, steps
        self.rows, self.processes, self.settings = data.count, steps.processes, steps.settings
        self.watch = Monitors(
            _first(data, self.settings),
            validation and _first(validation, self.settings),
            self.settings.mean_field_steps,
        )
        self.start: Natural = []
        self.began: float | None = None
        discrete = any(graph.variables[n].is_discrete for n in data.clamped)
        _check_stopping(self.settings, validation is not None, discrete)

    def belongs_to(self) -> dict[str, dict[str, Any]]:
        """Return the layers and connections, the objective, and checksums of the rows."""
        return {
            "layer or connection": _structure_of(self.graph),
            "option": {"objective": self.steps.objective.described()},
            "training rows of": dict(self.data.fingerprint()),
        }

    def begin(self) -> None:
        """Centre the units, and keep what training begins with."""
        self.steps.centre(self.data, self.watch.rows)
        parameters, seed = self.steps.parameters, self.settings.seed
        self.start = copied(parameters.natural())
        if isinstance(self.steps.objective, ContrastiveDivergence):
            self.began = log_likelihood_ceiling(parameters.working(), self.watch.rows, seed)

    def step(
        self, index: Int64[Tensor, " rows"], rate: float, share: float
    ) -> dict[str, float | Tensor]:
        """Take a step; return the objective's monitors times the rows."""
        return self.steps.step(self.data, index, rate, share)

    def monitors(self, epoch: int, averages: Mapping[str, float]) -> dict[str, float]:
        """Return the monitors of :meth:`Monitors.of`, the objective's, and the log-likelihood."""
        settings, seed = self.settings, self.settings.seed + epoch
        monitors = self.watch.of(self.graph, seed) | dict(averages)
        if epoch in settings.likelihood_epochs:
            steps, chains = settings.likelihood_steps, settings.likelihood_chains
            monitors.update(self.watch.log_likelihood(self.graph, steps, chains, seed))
        return monitors | self.steps.objective.report()

    def parameters(self) -> dict[str, Tensor]:
        """Return the natural parameters of the machine."""
        return named(_NATURAL, natural_of(self.graph))

    def result(self) -> dict[str, Tensor]:
        """Return the natural parameters that training has come to."""
        return named(_NATURAL, self.steps.ascent.result())

    def take(self, result: Mapping[str, Tensor]) -> None:
        """Give the machine these natural parameters."""
        super().take(result)
        self.graph.numbers_changed()

    def check_sound(self, when: str, remaining: str) -> None:
        """Refuse parameters that have run away."""
        self.steps.check_sound(when, remaining)

    def check_result(self, result: Mapping[str, Tensor]) -> None:
        """Refuse a machine that finds the rows less likely than biases alone do."""
        if self.began is None:
            return
        self.take(result)
        reason = divergence(self.graph, self.watch.rows, self.began, self.settings.seed)
        if reason:
            write_natural(self.graph, self.start)
            raise LearningError(
                f"training diverged: {reason}; the model has the parameters that training began "
                "with. A lower learning_rate, or more gibbs_steps, may help"
            )

    def state(self) -> dict[str, Tensor]:
        """Return what the next step depends on, and what training began with."""
        state = self.steps.state() | named(_START, self.start)
        if self.began is not None:
            state[_BEGAN] = torch.tensor(self.began, dtype=torch.float64)
        return state

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Go on from a state."""
        self.steps.load(state)
        self.start = natural_named(_START, state, self.steps.parameters.device)
        self.began = float(state[_BEGAN]) if _BEGAN in state else None


def _structure_of(graph: FactorGraph) -> dict[str, Any]:
    """The layers and connections of a machine, as JSON has them."""
    structure: dict[str, Any] = {}
    for name, variable in graph.variables.items():
        structure[name] = [variable.family, variable.cardinality, list(variable.shape)]
    for factor in layer_factors(graph.factors):
        key = f"{type(factor).__name__} of {' and '.join(v.name for v in factor.scope)}"
        structure[key] = [[str(t.dtype).removeprefix("torch."), *t.shape] for t in factor.tensors()]
    return structure


def _first(rows: TrainingRows, settings: TrainingSettings) -> TrainingRows:
    """A few rows, drawn once."""
    if rows.count <= settings.monitor_rows:
        return rows
    generator = torch.Generator().manual_seed(settings.seed)
    return rows.some(torch.randperm(rows.count, generator=generator)[: settings.monitor_rows])


def _check_stopping(settings: TrainingSettings, has_validation: bool, discrete: bool) -> None:
    lacking = {
        "pseudo_likelihood": not discrete and "no discrete layer is observed",
        "free_energy_gap": not has_validation and "there are no validation rows",
        "log_likelihood": not settings.likelihood_epochs and "likelihood_epochs is empty",
    }
    watched = settings.stopping_monitor
    if reason := lacking.get(watched or ""):
        raise LearningError(f"{watched} is watched, but {reason}")
