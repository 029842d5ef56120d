"""A machine that learns: its parameters, what they maximise, and steps on rows of data."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import torch
from jaxtyping import Int64
from torch import Tensor

from mmgraph.graph.errors import LearningError
from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.learning.boltzmann.mean_field import inferred
from mmgraph.learning.boltzmann.natural import part, prefixed
from mmgraph.learning.boltzmann.objective import Objective, RandomBlocks, block_sizes
from mmgraph.learning.boltzmann.objectives.contrastive_divergence import ContrastiveDivergence
from mmgraph.learning.boltzmann.parameters import BoltzmannParameters
from mmgraph.learning.boltzmann.settings import TrainingSettings
from mmgraph.learning.boltzmann.training.data_parallel import Processes
from mmgraph.learning.boltzmann.training.steps import Ascent
from mmgraph.learning.boltzmann.training_rows import TrainingRows, document_lengths

ObjectiveMaker = Callable[[BoltzmannParameters, RandomBlocks], Objective]

_LARGEST_PARAMETER = 1e4
"""A parameter beyond this has run away: no unit's log-odds need it."""
_ASCENT, _OBJECTIVE = "ascent:", "objective:"


class Learner:
    """The parameters of a machine, an objective and an optimiser.

    Parameters
    ----------
    graph, settings, objective, processes
        As of :func:`mmgraph.learning.boltzmann.training.loop.train`.
    observed : iterable of str
        The layers that data may know; all others are hidden.
    lengths : mapping of str to Tensor
        Lengths of documents, see :meth:`TrainingRows.lengths`.
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
        self._own_blocks = self.processes.blocks(settings.blocks)
        random = RandomBlocks(
            settings.blocks, settings.seed, self.parameters.device, self._own_blocks
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
        self, rows: TrainingRows, index: Int64[Tensor, " batch"], rate: float
    ) -> dict[str, float | Tensor]:
        """Take one step on some rows, of which this process has its share.

        Returns
        -------
        dict of str to float
            What the objective says of its rows, times their number.
        """
        sizes, own = block_sizes(len(index), self.settings.blocks), self._own_blocks
        start = sum(sizes[: own.start])
        index = index[start : start + sum(sizes[b] for b in own)]
        self.objective.row_share = share = len(index) / sum(sizes)
        gradients, monitors = self.objective.gradients(rows.batch(index))
        self.processes.check()
        self.ascent.step(self.processes.added(gradients, share), rate)
        return {name: value * len(index) for name, value in monitors.items()}

    def check_sound(self, when: str, kept: str) -> None:
        """Refuse parameters that have run away.

        Raises
        ------
        LearningError
            With when that was, and what is kept.
        """
        if not self.ascent.is_sound(_LARGEST_PARAMETER):
            raise LearningError(
                f"training diverged in {when}: a parameter is infinite, NaN or beyond "
                f"{_LARGEST_PARAMETER:g}; the model has the parameters of the {kept}. A lower "
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
