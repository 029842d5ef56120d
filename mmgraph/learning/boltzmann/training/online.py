"""Training that meets its rows batch by batch, and does not know how many will come."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

from mmgraph.graph.errors import LearningError
from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.graph.factors.bias import BiasFactor
from mmgraph.graph.factors.bilinear import BilinearFactor
from mmgraph.learning.boltzmann.objective import Objective, RandomBlocks, batch_sizes
from mmgraph.learning.boltzmann.objectives.contrastive_divergence import ContrastiveDivergence
from mmgraph.learning.boltzmann.parameters import BoltzmannParameters
from mmgraph.learning.boltzmann.settings import TrainingSettings
from mmgraph.learning.boltzmann.training.divergence import divergence, independent_log_likelihood
from mmgraph.learning.boltzmann.training.loop import (
    LARGEST_PARAMETER,
    ObjectiveMaker,
    write_natural,
)
from mmgraph.learning.boltzmann.training.monitors import Monitors
from mmgraph.learning.boltzmann.training.steps import Ascent
from mmgraph.learning.boltzmann.training_rows import TrainingRows, document_lengths

_FAR = 10.0
"""Nats a row, and as much again as biases alone give, that a batch may be less likely at least."""

_LENGTHS, _ASCENT, _OBJECTIVE = "lengths:", "ascent:", "objective:"


class OnlineTraining:
    """Steps on one batch after another, with one optimiser and the same chains.

    Parameters
    ----------
    graph : FactorGraph
        Biases and bilinear factors; their numbers are the start, and are written in place.
    rows : TrainingRows
        The first batch: where centres begin, and how long documents of chains are.
    settings : TrainingSettings
        Epochs and schedules mean nothing here; the rate is told with each batch.
    objective : callable, optional
        As of :func:`mmgraph.learning.boltzmann.training.loop.train`.
    observed : iterable of str
        The layers that data may know; all others are hidden.
    state : mapping of str to Tensor, optional
        That of a training that goes on here, see :meth:`state`; the rows then do not count.
    """

    def __init__(
        self,
        graph: FactorGraph,
        rows: TrainingRows,
        settings: TrainingSettings,
        objective: ObjectiveMaker | None,
        observed: Iterable[str],
        state: Mapping[str, Tensor] | None = None,
    ) -> None:
        self.graph, self.settings, self.batches = graph, settings, 0
        self.parameters = BoltzmannParameters(graph)
        self._lengths = rows.lengths() if state is None else _part(state, _LENGTHS)
        random = RandomBlocks(settings.blocks, settings.seed, self.parameters.device)
        self.objective: Objective = (
            ContrastiveDivergence.of_settings(self.parameters, settings, random, self._lengths)
            if objective is None
            else objective(self.parameters, random)
        )
        words = document_lengths(graph, self._lengths)
        self.ascent = Ascent(self.parameters, settings, observed, words)
        if state is not None:
            self.batches = int(state["batches"])
            self.ascent.load(_part(state, _ASCENT))
            self.objective.load(_part(state, _OBJECTIVE))
        elif settings.centring:
            watched = Monitors(rows, None, settings.mean_field_steps)
            hidden = watched.means(self.parameters.working())
            self.parameters.recentre({**hidden, **rows.means()})

    def state(self) -> dict[str, Tensor]:
        """Return what the next batch depends on, as copies."""
        state = {"batches": torch.tensor(self.batches)}
        for prefix, tensors in (
            (_LENGTHS, self._lengths),
            (_ASCENT, self.ascent.state()),
            (_OBJECTIVE, self.objective.state()),
        ):
            state.update({prefix + name: t.detach().clone() for name, t in tensors.items()})
        return state

    def learn(self, rows: TrainingRows, rate: float) -> None:
        """Go once over rows, in random order and in steps of ``batch_size`` rows.

        Raises
        ------
        LearningError
            If the rows are fewer than the blocks, or training diverges; the graph then has the
            numbers of the batch before.
        """
        settings = self.settings
        generator = torch.Generator()
        generator.manual_seed((settings.seed * 1_000_003 + self.batches) % 2**63)
        order, start = torch.randperm(rows.count, generator=generator), 0
        for size in batch_sizes(rows.count, settings.batch_size, settings.blocks):
            gradients, _ = self.objective.gradients(rows.batch(order[start : start + size]))
            self.ascent.step(gradients, rate)
            start += size
        if not self.ascent.is_sound(LARGEST_PARAMETER):
            raise LearningError(
                f"training diverged in batch {self.batches + 1}: a parameter is infinite, NaN or "
                f"beyond {LARGEST_PARAMETER:g}; the model has the parameters of the batch before. "
                "A lower learning_rate, or a norm_bound, may help"
            )
        self.batches += 1
        if self.batches & (self.batches - 1) == 0:  # 1, 2, 4, …: so that it costs little
            self._check_likely(rows)
        write_natural(self.graph, self.ascent.result())

    def _check_likely(self, rows: TrainingRows) -> None:
        """Refuse numbers that find the rows far less likely than biases alone do.

        Far, since these are fitted to the batch, which may differ from those before.
        """
        if not isinstance(self.objective, ContrastiveDivergence):
            return
        reached = FactorGraph(
            self.graph.variables.values(),
            [
                factor.with_tensors(*row)
                for factor, row in zip(self.graph.factors, self.ascent.result(), strict=True)
                if isinstance(factor, BiasFactor | BilinearFactor)
            ],
        )
        alone = independent_log_likelihood(reached, rows)
        began = alone - abs(alone) - _FAR
        ill = divergence(reached, rows, began, self.settings.seed, warns=False)
        if ill:
            raise LearningError(
                f"training diverged by batch {self.batches}: {ill}; the model has the numbers of "
                "the batch before. A lower learning_rate, or more gibbs_steps, may help"
            )


def _part(state: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): t for k, t in state.items() if k.startswith(prefix)}
