"""Training that meets its rows batch by batch, and does not know how many will come."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

from mmgraph.graph.errors import LearningError
from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.learning.boltzmann.objectives.contrastive_divergence import ContrastiveDivergence
from mmgraph.learning.boltzmann.parameters import with_natural, write_natural
from mmgraph.learning.boltzmann.settings import TrainingSettings
from mmgraph.learning.boltzmann.training.divergence import divergence, independent_log_likelihood
from mmgraph.learning.boltzmann.training.steps import ObjectiveMaker, Steps
from mmgraph.learning.boltzmann.training_rows import TrainingRows
from mmgraph.learning.kept_state import part, prefixed
from mmgraph.learning.training.order import batch_sizes, epoch_order

_FAR = 10.0
"""Nats a row, and as much again as biases alone give, that a batch may be less likely at least."""

_LENGTHS = "lengths:"


class OnlineTraining:
    """Steps on one batch after another, with one optimiser and the same chains.

    The graph is written in place. The first batch says where centres begin, and how long documents
    of chains are; it does not count where the :meth:`state` of another training goes on here.
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
        self._lengths = rows.lengths() if state is None else part(state, _LENGTHS)
        self.steps = Steps(graph, settings, objective, observed, self._lengths)
        if state is None:
            self.steps.centre(rows, rows)
        else:
            self.batches = int(state["batches"])
            self.steps.load(state)

    def state(self) -> dict[str, Tensor]:
        """Return what the next batch depends on, as copies."""
        state = prefixed(self._lengths, _LENGTHS) | self.steps.state()
        copies = {name: tensor.detach().clone() for name, tensor in state.items()}
        return copies | {"batches": torch.tensor(self.batches)}

    def learn(self, rows: TrainingRows, rate: float) -> None:
        """Go once over rows, in random order and in steps of ``batch_size`` rows.

        Where training diverges, the graph has the numbers of the batch before.
        """
        settings = self.settings
        order = epoch_order(settings.seed, self.batches, rows.count)
        sizes = batch_sizes(rows.count, settings.batch_size, settings.blocks)
        for index in order.split(sizes):
            self.steps.step(rows, index, rate)
        self.steps.check_sound(f"batch {self.batches + 1}", "batch before")
        self.batches += 1
        result = self.steps.ascent.result()
        if self.batches & (self.batches - 1) == 0:  # 1, 2, 4, …: so that it costs little
            factors = with_natural(self.graph, result)
            self._check_likely(FactorGraph(self.graph.variables.values(), factors), rows)
        write_natural(self.graph, result)

    def _check_likely(self, reached: FactorGraph, rows: TrainingRows) -> None:
        """Refuse numbers that find the rows far less likely than biases alone do.

        Far, since these are fitted to the batch, which may differ from those before.
        """
        if not isinstance(self.steps.objective, ContrastiveDivergence):
            return
        alone = independent_log_likelihood(reached, rows)
        initial = alone - abs(alone) - _FAR
        reason = divergence(reached, rows, initial, self.settings.seed, warns=False)
        if reason:
            raise LearningError(
                f"training diverged by batch {self.batches}: {reason}; the model has the numbers "
                "of the batch before. A lower learning_rate, or more gibbs_steps, may help"
            )
