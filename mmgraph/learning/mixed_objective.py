"""Several objectives at once, each on its share of the rows of every batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from mmgraph.graph.errors import LearningError
from mmgraph.inference.clamping import Clamped
from mmgraph.learning.boltzmann_objective import Objective, RandomBlocks

_BLOCK = "block:"


class MixedObjective(Objective):
    """The mean of objectives over rows: what is hidden, and what counts, may differ between rows.

    Parameters
    ----------
    objectives : sequence of Objective
        Of the same parameters.
    shares : sequence of float
        Positive; the share of rows of each, relative to their sum. Rows come in random order.
    random : RandomBlocks
        The generators that the objectives have, too: rows are shared out within blocks.

    Raises
    ------
    LearningError
        If there is not one positive share for each objective.
    """

    def __init__(
        self, objectives: Sequence[Objective], shares: Sequence[float], random: RandomBlocks
    ) -> None:
        if len(objectives) != len(shares) or not objectives:
            raise LearningError(f"{len(objectives)} objectives have {len(shares)} shares")
        if not all(0 < share < torch.inf for share in shares):
            raise LearningError(f"the shares of objectives must be positive, not {tuple(shares)}")
        self.objectives, self.random = tuple(objectives), random
        total, passed = sum(shares), 0.0
        self._ends = [0.0]
        for share in shares:
            passed += share
            self._ends.append(passed / total)

    def gradients(
        self, batch: Mapping[str, Clamped]
    ) -> tuple[dict[str, Tensor], Mapping[str, float | Tensor]]:
        """Return the mean direction over all rows, and the monitors, see :class:`Objective`."""
        rows = len(next(iter(batch.values())).values)
        direction: dict[str, Tensor] = {}
        sums: dict[str, float | Tensor] = {}
        counts: dict[str, int] = {}
        for objective, index in zip(self.objectives, self._indices(rows), strict=True):
            if not len(index):
                continue
            objective.row_share = self.row_share
            some = {
                n: Clamped(v[index], None if k is None else k[index]) for n, (v, k) in batch.items()
            }
            gradients, told = objective.gradients(some)
            for name, gradient in gradients.items():
                part = gradient * (len(index) / rows)
                direction[name] = direction[name] + part if name in direction else part
            for name, value in told.items():
                sums[name] = sums.get(name, 0.0) + value * len(index)
                counts[name] = counts.get(name, 0) + len(index)
        return direction, {name: value / counts[name] for name, value in sums.items()}

    def state(self) -> dict[str, Tensor]:
        """Return the states of all objectives."""
        return {
            self._renamed(key, f"{i}:"): tensor
            for i, objective in enumerate(self.objectives)
            for key, tensor in objective.state().items()
        }

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Take up the states of all objectives."""
        for i, objective in enumerate(self.objectives):
            own = {}
            for key, tensor in state.items():
                head, rest = _split(key)
                if rest.startswith(f"{i}:"):
                    own[head + rest.removeprefix(f"{i}:")] = tensor
            objective.load(own)

    def report(self) -> dict[str, float]:
        """Return the monitors of all objectives."""
        return {k: v for objective in self.objectives for k, v in objective.report().items()}

    def _indices(self, rows: int) -> list[Tensor]:
        """The rows of each objective, block by block."""
        found: list[list[Tensor]] = [[] for _ in self.objectives]
        for part in self.random.parts(rows).values():
            count = part.stop - part.start
            ends = [part.start + round(end * count) for end in self._ends]
            for i, pieces in enumerate(found):
                pieces.append(torch.arange(ends[i], ends[i + 1]))
        return [torch.cat(pieces) for pieces in found]

    @staticmethod
    def _renamed(key: str, prefix: str) -> str:
        head, rest = _split(key)
        return f"{head}{prefix}{rest}"


def _split(key: str) -> tuple[str, str]:
    """The part of a state's name that says which block it belongs to, and the rest."""
    if not key.startswith(_BLOCK):
        return "", key
    block, _, rest = key.removeprefix(_BLOCK).partition(":")
    return f"{_BLOCK}{block}:", rest
