"""How hybrids learn: end to end, or their parts one after another, in the loop of machines."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from jaxtyping import Float, Int64
from torch import Tensor, nn

from mmgraph.deep.packs.pack import Pack
from mmgraph.deep.training.adamw_learner import AdamWLearner, checksum
from mmgraph.deep.training.options import AdamWTraining
from mmgraph.graph.errors import LearningError
from mmgraph.learning.training.loop import Progress, TrainingReport, run_loop

Losses = Callable[[Int64[Tensor, " rows"]], Float[Tensor, " members"]]
"""The mean loss of each member over some rows, or fields."""


class HybridLearner(AdamWLearner):
    """A hybrid and a loss of rows; tables and energies do not decay."""

    kind: ClassVar[str] = "a hybrid"

    def __init__(
        self,
        hybrid: nn.Module,
        pack: Pack,
        losses: Losses,
        rows: Mapping[str, int],
        options: AdamWTraining,
        learned: Sequence[nn.Parameter],
    ) -> None:
        chosen = {id(parameter) for parameter in learned}
        self.hybrid, self.losses_of, self.checksums = hybrid, losses, dict(rows)
        named = {n: p for n, p in hybrid.named_parameters() if id(p) in chosen}
        if not named:
            raise LearningError("there is nothing to learn: no parameter is the hybrid's")
        super().__init__(named, pack, rows["rows"], options, hybrid.graphical())  # type: ignore[operator]

    def belongs_to(self) -> dict[str, dict[str, Any]]:
        """Return the shapes of what is learned, checksums of the rows, and what stays."""
        others = [t for n, t in self.hybrid.state_dict().items() if n not in self.trained]
        return {
            "parameter": self.shapes(),
            "training rows of": self.checksums,
            "fixed part of": {"the hybrid": checksum(*others)},
        }

    def losses(self, index: Int64[Tensor, " rows"]) -> Float[Tensor, " members"]:
        """Return the loss of each member over rows."""
        self.hybrid.train()
        with self.half_precision():
            return self.losses_of(index)


def learn_hybrid(
    hybrid: nn.Module,
    pack: Pack,
    losses: Losses,
    rows: Mapping[str, int],
    options: AdamWTraining | Mapping[str, Any] | None = None,
    *,
    learned: Sequence[nn.Parameter] | None = None,
    directory: Path | None = None,
    progress: Progress | None = None,
) -> TrainingReport:
    """Train a hybrid in place, and return a report.

    Parameters
    ----------
    hybrid : EncodedNetwork or EncodedField
    pack : Pack
        Of its encoders.
    losses : callable
        Of some rows (their numbers) the mean loss of each member.
    rows : mapping of str to int
        ``"rows"``, how many rows, or fields, there are, and checksums of what they are: a
        checkpoint of others is refused.
    options : AdamWTraining or mapping, optional
    learned : sequence of Parameter, optional
        Which parameters are learned; by default all, end to end.
    directory, progress
        As of :func:`~mmgraph.learning.training.loop.run_loop`: an interrupted training goes on bit
        for bit.

    Raises
    ------
    LearningError
        If there is nothing to learn, or training diverges (in which epoch).
    FormatError
        If the directory keeps another training.
    """
    options = AdamWTraining.read(options)
    chosen = list(hybrid.parameters()) if learned is None else learned
    learner = HybridLearner(hybrid, pack, losses, rows, options, chosen)
    try:
        return run_loop(learner, options, directory=directory, progress=progress)
    finally:
        pack.noise = None
        hybrid.eval()
